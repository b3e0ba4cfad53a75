//! Machine code that was compiled before, by digest.
//!
//! Files are written once and renamed into place, never changed; each ends with a checksum. The directory belongs to the
//! host alone: whoever can write to it can run code in the host, so it must be ours and closed to others.

use std::hash::{Hash, Hasher};
use std::io::{Read, Write};

use cap_std::fs::{Dir, MetadataExt, OpenOptions, OpenOptionsExt, PermissionsExt};
use sha2::{Digest, Sha256};

/// A directory for machine code.
#[derive(Debug)]
pub struct CodeCache {
    dir: Dir,
}

impl CodeCache {
    /// Takes `dir`, which must belong to the user who runs the host and have mode 0700. The error is a sentence for the
    /// operator.
    pub fn open(dir: Dir) -> Result<Self, String> {
        let metadata = dir.dir_metadata().map_err(|e| format!("the code cache can't be read: {e}"))?;
        let me = rustix::process::geteuid().as_raw();
        if metadata.uid() != me {
            return Err(format!("the code cache belongs to user {}, not to {me}, who runs the host", metadata.uid()));
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err("the code cache can be entered by others; set its mode to 0700".into());
        }
        Ok(Self { dir })
    }

    /// The code for what has that digest, as a compiler with that `compatibility` made it, if it is there and whole.
    pub fn get(&self, digest: &str, compatibility: &impl Hash) -> Option<Vec<u8>> {
        let mut file = self.dir.open(name(digest, compatibility)).ok()?;
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
    pub fn put(&self, digest: &str, compatibility: &impl Hash, code: &[u8]) {
        if let Err(error) = self.write(&name(digest, compatibility), code) {
            tracing::warn!(%error, "compiled code could not be kept; the next start compiles again");
        }
    }

    fn write(&self, name: &str, code: &[u8]) -> std::io::Result<()> {
        let part = format!("{name}.{}.part", std::process::id());
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = self.dir.open_with(&part, &options)?;
        file.write_all(code)?;
        file.write_all(&Sha256::digest(code))?;
        file.sync_all()?;
        self.dir.rename(&part, &self.dir, name)
    }
}

fn name(digest: &str, compatibility: &impl Hash) -> String {
    let mut hasher = Stable(Sha256::new());
    compatibility.hash(&mut hasher);
    format!("{digest}-{}.code", hex::encode(&hasher.0.finalize()[..8]))
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

    fn cache(mode: u32) -> (tempfile::TempDir, Result<CodeCache, String>) {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).expect("it opens");
        dir.set_permissions(".", cap_std::fs::Permissions::from_mode(mode)).expect("it's ours");
        let cache = CodeCache::open(dir);
        (folder, cache)
    }

    #[test]
    fn code_comes_back_and_damage_is_noticed() {
        let (folder, cache) = cache(0o700);
        let cache = cache.expect("a private folder");
        assert_eq!(cache.get("abc", &1), None);
        cache.put("abc", &1, b"machine code");
        assert_eq!(cache.get("abc", &1).as_deref(), Some(&b"machine code"[..]));
        assert_eq!(cache.get("abc", &2), None, "another compiler's");
        let file = folder.path().join(name("abc", &1));
        let mut bytes = std::fs::read(&file).expect("the file");
        bytes[3] ^= 1;
        std::fs::write(&file, &bytes).expect("it's ours");
        assert_eq!(cache.get("abc", &1), None);
        std::fs::write(&file, b"short").expect("it's ours");
        assert_eq!(cache.get("abc", &1), None);
    }

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        let (_folder, cache) = cache(0o755);
        assert!(cache.expect_err("refused").contains("0700"));
    }
}
