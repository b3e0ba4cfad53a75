//! Machine code of components that were compiled before, by digest.
//!
//! Files are written once and renamed into place, never changed; each ends with a checksum. The directory belongs to the
//! host alone: whoever can write to it can run code in the host, so it must be ours and closed to others.

use std::hash::{Hash, Hasher};
use std::io::{Read, Write};

use cap_std::fs::{Dir, MetadataExt, OpenOptions, OpenOptionsExt, PermissionsExt};
use sha2::{Digest, Sha256};

/// The cache directory.
pub(crate) struct Cache {
    dir: Dir,
    compatibility: String,
}

impl Cache {
    /// Takes `dir` for code that `engine` can run. The error is a sentence for the operator.
    pub(crate) fn open(dir: Dir, engine: &wasmtime::Engine) -> Result<Self, String> {
        let metadata = dir.dir_metadata().map_err(|e| format!("the code cache can't be read: {e}"))?;
        let me = rustix::process::geteuid().as_raw();
        if metadata.uid() != me {
            return Err(format!("the code cache belongs to user {}, not to {me}, who runs the host", metadata.uid()));
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err("the code cache can be entered by others; set its mode to 0700".into());
        }
        let mut hasher = Stable(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let compatibility = hex::encode(&hasher.0.finalize()[..8]);
        Ok(Self { dir, compatibility })
    }

    fn name(&self, digest: &str) -> String {
        format!("{digest}-{}.code", self.compatibility)
    }

    /// The code for the component with that digest, if it is there and whole.
    pub(crate) fn get(&self, digest: &str) -> Option<Vec<u8>> {
        let mut file = self.dir.open(self.name(digest)).ok()?;
        let mut code = Vec::new();
        file.read_to_end(&mut code).ok()?;
        let at = code.len().checked_sub(32)?;
        let sound = Sha256::digest(&code[..at]).as_slice() == &code[at..];
        if !sound {
            tracing::warn!(digest, "a file of the code cache is damaged; the component is compiled again");
            return None;
        }
        code.truncate(at);
        Some(code)
    }

    /// Keeps code. Failing to is a warning: the next start compiles again.
    pub(crate) fn put(&self, digest: &str, code: &[u8]) {
        if let Err(error) = self.write(digest, code) {
            tracing::warn!(%error, "compiled code could not be kept; the next start compiles again");
        }
    }

    fn write(&self, digest: &str, code: &[u8]) -> std::io::Result<()> {
        let name = self.name(digest);
        let part = format!("{name}.{}.part", std::process::id());
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = self.dir.open_with(&part, &options)?;
        file.write_all(code)?;
        file.write_all(&Sha256::digest(code))?;
        file.sync_all()?;
        self.dir.rename(&part, &self.dir, &name)
    }
}

/// A hasher whose result is the same in every process and Rust version.
struct Stable(Sha256);

impl Hasher for Stable {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        u64::from_le_bytes(std::array::from_fn(|i| digest[i]))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // Tests make the files that they read.
mod tests {
    use super::*;

    fn cache(mode: u32) -> (tempfile::TempDir, Result<Cache, String>) {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).expect("it opens");
        dir.set_permissions(".", cap_std::fs::Permissions::from_mode(mode)).expect("it's ours");
        let engine = wasmtime::Engine::new(&crate::wasm::compile_config()).expect("an engine");
        let cache = Cache::open(dir, &engine);
        (folder, cache)
    }

    #[test]
    fn code_comes_back_and_damage_is_noticed() {
        let (folder, cache) = cache(0o700);
        let cache = cache.expect("a private folder");
        assert_eq!(cache.get("abc"), None);
        cache.put("abc", b"machine code");
        assert_eq!(cache.get("abc").as_deref(), Some(&b"machine code"[..]));
        let file = folder.path().join(cache.name("abc"));
        let mut bytes = std::fs::read(&file).expect("the file");
        bytes[3] ^= 1;
        std::fs::write(&file, &bytes).expect("it's ours");
        assert_eq!(cache.get("abc"), None);
        std::fs::write(&file, b"short").expect("it's ours");
        assert_eq!(cache.get("abc"), None);
    }

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        let (_folder, cache) = cache(0o755);
        assert!(cache.err().expect("refused").contains("0700"));
    }
}
