//! Who is at work in a site's folder: hosts share a lock as long as they run, and whoever exchanges the folder wants it alone.
//!
//! The lock is the system's, on a file in `.bandstand/`, so it ends with the process, however that ends.

use std::fs::{File, TryLockError};
use std::io;

use anyhow::{Context, Result, bail};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};

use crate::site::Folder;

/// The folder for what the host makes for itself.
const PRIVATE: &str = ".bandstand";
/// The file that is locked. Its content means nothing.
const FILE: &str = "host.lock";

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct SiteLock(#[allow(dead_code, reason = "held, not read")] Option<File>);

/// For a host. Where the folder can't be written to, it serves all the same.
///
/// Errors: the site is being replaced.
pub(crate) fn shared(folder: &Folder) -> Result<SiteLock> {
    let file = match open(folder) {
        Ok(file) => file,
        Err(error) => {
            tracing::info!("{PRIVATE}/{FILE} can't be made ({error}): a restore won't see that this site is served");
            return Ok(SiteLock(None));
        }
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(SiteLock(Some(file))),
        Err(TryLockError::WouldBlock) => {
            bail!("{} is being restored; start again when that is done", folder.path.display())
        }
        // A file system that knows no locks.
        Err(TryLockError::Error(_)) => Ok(SiteLock(None)),
    }
}

/// For a restore.
///
/// Errors: a host serves the site, or nobody can tell.
pub(crate) fn alone(folder: &Folder) -> Result<SiteLock> {
    let shown = folder.path.display();
    let file = open(folder).with_context(|| format!("can't tell whether a host serves {shown}"))?;
    match file.try_lock() {
        Ok(()) => Ok(SiteLock(Some(file))),
        Err(TryLockError::WouldBlock) => bail!("a host serves {shown}: stop it first, and start it again afterwards"),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("can't tell whether a host serves {shown}"))
        }
    }
}

fn open(folder: &Folder) -> io::Result<File> {
    let site = Dir::open_ambient_dir(&folder.path, ambient_authority())?;
    site.create_dir_all(PRIVATE)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    Ok(site.open_dir(PRIVATE)?.open_with(FILE, &options)?.into_std())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn folder(path: &std::path::Path) -> Folder {
        Folder { path: path.to_path_buf(), config: Arc::default() }
    }

    #[test]
    fn hosts_share_a_site_that_a_restore_wants_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let site = folder(dir.path());
        let (one, two) = (shared(&site).expect("nobody else"), shared(&site).expect("shared"));
        drop(one);
        let refused = alone(&site).expect_err("it is served").to_string();
        assert!(refused.contains("stop it first"), "{refused}");
        drop(two);
        let restoring = alone(&site).expect("nobody serves it");
        assert!(shared(&site).expect_err("it is being restored").to_string().contains("being restored"));
        drop(restoring);
        shared(&site).expect("it was restored");
    }

    #[test]
    fn a_host_serves_what_it_cant_write_to() {
        let gone = folder(std::path::Path::new("/proc/self"));
        assert!(shared(&gone).expect("it serves").0.is_none());
        assert!(alone(&gone).is_err());
    }
}
