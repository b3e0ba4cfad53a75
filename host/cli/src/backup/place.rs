//! Names on the disk: new things come into being whole, under a name that nothing had.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

/// What the names of folders begin with in which something is being made.
pub(crate) const SCRATCH: &str = ".bandstand-scratch-";
/// The file in such a folder that is locked as long as somebody works in it.
const LOCK: &str = "lock";
/// How old a folder is at least that is taken for left over, so that one isn't which is just being made.
const LEFT_OVER: Duration = Duration::from_secs(60);

/// A folder for the user alone, in which something is made before it gets its name. It goes with whatever is in it.
pub(crate) struct Scratch {
    folder: tempfile::TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes one in `parent`, and removes those that killed processes left there.
    pub(crate) fn make(parent: &Path) -> Result<Self> {
        sweep(parent);
        let place = || format!("can't write to {}", parent.display());
        let folder = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(parent).with_context(place)?;
        let lock = std::fs::OpenOptions::new().write(true).create_new(true).open(folder.path().join(LOCK));
        let lock = lock.with_context(place)?;
        // Where locks aren't known, nothing is ever swept.
        let _ = lock.try_lock();
        Ok(Self { folder, _lock: lock })
    }

    /// A path in it.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Removes the folders of processes that were killed.
fn sweep(parent: &Path) {
    let Ok(dir) = Dir::open_ambient_dir(parent, ambient_authority()) else { return };
    let Ok(entries) = dir.entries() else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let old = |metadata: cap_std::fs::Metadata| {
            let modified = metadata.modified().ok()?.into_std();
            Some(metadata.is_dir() && SystemTime::now().duration_since(modified).ok()? > LEFT_OVER)
        };
        if !name.starts_with(SCRATCH) || dir.symlink_metadata(&name).ok().and_then(old) != Some(true) {
            continue;
        }
        let lock = Path::new(&name).join(LOCK);
        if dir.open(lock).is_ok_and(|lock| lock.into_std().try_lock().is_ok()) {
            let _ = dir.remove_dir_all(&name);
        }
    }
}

/// Renames `from` to `to`, which must not exist.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // This file system can't; a folder can't be renamed over a file or over one that isn't empty in any case.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if from.is_dir() => match to.symlink_metadata() {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => std::fs::rename(from, to),
        },
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => std::fs::hard_link(from, to),
        renamed => Ok(renamed?),
    }
}

/// Gives the folder `new` the name of the folder `old`, and `old` the name `kept`, which must not exist. Wherever this is
/// broken off, both are whole; and where the system can exchange two names at once, there is a whole folder under the name
/// of `old` at each moment.
pub(crate) fn replace(new: &Path, old: &Path, kept: &Path) -> io::Result<()> {
    // First where the old one will lie, which is no place that anybody sweeps.
    rename_new(new, kept)?;
    match renameat_with(CWD, kept, CWD, old, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        Err(error) => {
            std::fs::rename(kept, new)?;
            match error {
                Errno::INVAL | Errno::NOSYS | Errno::NOTSUP => replace_in_steps(new, old, kept),
                error => Err(error.into()),
            }
        }
    }
}

/// The same where the system can't exchange names: for a moment there is nothing under the name of `old`.
fn replace_in_steps(new: &Path, old: &Path, kept: &Path) -> io::Result<()> {
    std::fs::rename(old, kept)?;
    std::fs::rename(new, old).inspect_err(|_| {
        let _ = std::fs::rename(kept, old);
    })
}

/// Waits until the names in a folder are on the disk.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::fsync(descriptor(folder)?)?)
}

/// Waits until all that was written to the file system of a folder is on the disk: one wait for any number of files. Where
/// the system has no such call, each file waits for itself.
pub(crate) fn sync_files(folder: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(descriptor(folder)?)?;
    #[cfg(not(target_os = "linux"))]
    let _ = folder;
    Ok(())
}

fn descriptor(folder: &Path) -> io::Result<std::os::fd::OwnedFd> {
    Ok(rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Bytes that are free for this user in the file system of `folder`; none where that can't be told.
pub(crate) fn free(folder: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(folder).ok()?;
    Some(space.f_bavail.saturating_mul(space.f_frsize))
}

/// The path below `root`, which is absolute, that `path` means when it is read from there. None where it leads elsewhere.
/// Links aren't followed, since what is restored has none.
pub(crate) fn inside(root: &Path, path: &Path) -> Option<PathBuf> {
    use std::path::Component;
    let mut plain = PathBuf::new();
    for part in root.join(path).components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    let below = plain.strip_prefix(root).ok()?;
    (below != Path::new("")).then(|| below.to_path_buf())
}

#[cfg(test)]
mod tests {
    // The test plays the operator.
    #![allow(clippy::disallowed_methods)]

    use std::fs;

    use super::*;

    #[test]
    fn a_path_is_inside_or_it_isnt() {
        let root = Path::new("/srv/site");
        for (path, expected) in [
            ("data/site.db", Some("data/site.db")),
            ("./data/../site.db", Some("site.db")),
            ("/srv/site/a", Some("a")),
            ("../site/a", Some("a")),
            ("../other/a", None),
            ("/srv/sites/a", None),
            ("/srv/site/../a", None),
            ("../../../../../etc/passwd", None),
            (".", None),
        ] {
            assert_eq!(inside(root, Path::new(path)).as_deref(), expected.map(Path::new), "{path}");
        }
    }

    #[test]
    fn nothing_is_renamed_over_what_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("new"), "new").expect("written");
        fs::write(at("old"), "old").expect("written");
        assert_eq!(rename_new(&at("new"), &at("old")).expect_err("it is there").kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(at("old")).expect("there"), b"old");
        rename_new(&at("new"), &at("free")).expect("nothing is there");
    }

    #[test]
    fn folders_change_places() {
        for replace in [replace, replace_in_steps] {
            let folder = tempfile::tempdir().expect("a folder");
            let at = |name: &str| folder.path().join(name);
            for name in ["new", "old"] {
                fs::create_dir(at(name)).expect("made");
                fs::write(at(name).join("which"), name).expect("written");
            }
            replace(&at("new"), &at("old"), &at("kept")).expect("replaced");
            assert_eq!(fs::read(at("old/which")).expect("there"), b"new");
            assert_eq!(fs::read(at("kept/which")).expect("there"), b"old");
            assert!(!at("new").exists());
            // A name that is taken: nothing has changed.
            fs::create_dir(at("next")).expect("made");
            assert!(replace(&at("next"), &at("old"), &at("kept")).is_err());
            assert!(at("next").exists() && at("old/which").exists() && at("kept/which").exists());
            // Something that isn't there: neither.
            assert!(replace(&at("missing"), &at("old"), &at("second")).is_err());
            assert_eq!(fs::read(at("old/which")).expect("there"), b"new");
            assert!(!at("second").exists());
        }
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let old = |path: PathBuf| {
            let hour = SystemTime::now() - Duration::from_secs(3600);
            fs::File::open(&path).and_then(|file| file.set_modified(hour)).expect("it is ours");
            path
        };
        let name = |end: &str| folder.path().join(format!("{SCRATCH}{end}"));
        for end in ["killed", "fresh", "foreign"] {
            fs::create_dir(name(end)).expect("made");
        }
        for end in ["killed", "fresh"] {
            fs::write(name(end).join(LOCK), "").expect("written");
        }
        let at_work = Scratch::make(folder.path()).expect("made");
        for path in [name("killed"), name("foreign"), at_work.folder.path().to_path_buf()] {
            old(path);
        }
        let next = Scratch::make(folder.path()).expect("made");
        assert!(!name("killed").exists() && name("fresh").exists() && name("foreign").exists());
        assert!(at_work.folder.path().exists());
        let path = next.at("a");
        fs::write(&path, "").expect("written");
        drop(next);
        assert!(!path.exists());
    }
}
