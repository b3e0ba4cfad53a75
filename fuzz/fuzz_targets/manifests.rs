//! Manifests are read or refused, and what was read makes a catalog for each database or says why it can't.

#![no_main]

use bandstand_fuzz::mutate;
use host_core::access::ModelGrants;
use host_core::manifest::Manifest;
use host_db::DryRun;
use host_db::raw::Database;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(error) => {
            let error = error.to_string();
            assert!(error.len() < 4_000, "{} bytes", error.len());
            return;
        }
    };
    for database in [Database::Sqlite, Database::Postgresql, Database::Mariadb] {
        if let Err(error) = DryRun::new(&manifest, database, Vec::new(), ModelGrants::default()) {
            assert!(error.to_string().len() < 8_000, "{error}");
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { mutate(data, size, max_size, seed) });
