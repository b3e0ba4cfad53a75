//! Shapes are planned or refused, for each database; what a refusal says is short and on one line.

#![no_main]

use std::sync::LazyLock;

use bandstand_fuzz::{MANIFEST, USER, grants, mutate};
use host_core::manifest::Manifest;
use host_db::raw::Database;
use host_db::{DryRun, code};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

static RUNS: LazyLock<Vec<DryRun>> = LazyLock::new(|| {
    let [shop, user] = [MANIFEST, USER].map(|text| match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(error) => panic!("{error}"),
    });
    let mut runs = Vec::new();
    for (manifest, others) in [(&shop, vec![]), (&user, vec![shop.clone()])] {
        for database in [Database::Sqlite, Database::Postgresql, Database::Mariadb] {
            match DryRun::new(manifest, database, others.clone(), grants()) {
                Ok(run) => runs.push(run),
                Err(error) => panic!("{error}"),
            }
        }
    }
    runs
});

fuzz_target!(|data: &[u8]| {
    for run in RUNS.iter() {
        let Err(error) = run.plan(data) else { continue };
        assert!(error.code != code::INTERNAL, "{error}");
        assert!(error.message.len() < 4_000, "{} bytes", error.message.len());
        assert!(!error.message.chars().any(char::is_control), "{error:?}");
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate(data, size, max_size, seed) });
