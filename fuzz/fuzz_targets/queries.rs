//! Shapes with values run, or are refused: what was planned is never wrong SQL, and an app that may see some rows never sees
//! what the others hold.

#![no_main]

use bandstand_fuzz::{World, mutate, params};
use host_db::{DbError, RequestDb, code};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

thread_local! {
    static WORLD: World = World::new();
}

async fn ask(db: &RequestDb, shape: &[u8], values: &[u8]) -> Result<String, DbError> {
    let read = db.fetch(shape, params(values)).await;
    if !read
        .as_ref()
        .is_err_and(|error| error.message.contains("use `execute`") || error.message.contains("inside of one"))
    {
        return read.map(|rows| format!("{rows:?}"));
    }
    // What it writes is taken back.
    let transaction = db.begin().await?;
    let done = match transaction.execute(shape, params(values)).await {
        Err(error) if error.message.contains("use `fetch`") => {
            transaction.fetch(shape, params(values)).await.map(|rows| format!("{rows:?}"))
        }
        done => done.map(|outcome| format!("{outcome:?}")),
    };
    let undone = transaction.rollback().await;
    if done.is_ok() {
        undone?;
    }
    done
}

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (shape, values) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    WORLD.with(|world| {
        let check = |said: &Result<String, DbError>| {
            if let Err(error) = said {
                assert!(error.code != code::INTERNAL, "{error}");
            }
        };
        let said = world.runtime.block_on(ask(&world.user(), shape, values));
        check(&said);
        let told = match &said {
            Ok(text) => text.clone(),
            Err(error) => format!("{error:?}"),
        };
        assert!(!world.marks.is_in(&told), "a hidden row was seen: {told}");
        check(&world.runtime.block_on(ask(&world.owner(), shape, values)));
    });
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate(data, size, max_size, seed) });
