//! SQL of an app's own on SQLite: it runs or is refused, and nothing of another app's rows comes out.

#![no_main]

use bandstand_fuzz::World;
use host_db::code;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static WORLD: World = World::new();
}

fuzz_target!(|data: &[u8]| {
    let Ok(sql) = std::str::from_utf8(data) else { return };
    WORLD.with(|world| {
        let db = world.stranger();
        let (read, written) = world.runtime.block_on(async {
            let read = db.fetch_raw(sql, Vec::new()).await.map(|table| format!("{table:?}"));
            let written = db.execute_raw(sql, Vec::new()).await.map(|change| format!("{change:?}"));
            if written.is_ok() {
                let _ = db.execute_raw("DELETE FROM stranger__note", Vec::new()).await;
            }
            (read, written)
        });
        for said in [read, written] {
            let told = match &said {
                Ok(text) => text.clone(),
                Err(error) => {
                    assert!(error.code != code::INTERNAL, "{error}");
                    format!("{error:?}")
                }
            };
            assert!(!world.marks.is_in(&told), "a row of another app was seen: {told}");
        }
    });
});
