//! The folder into which components are dropped: what lies there runs, what is taken out stops.
//!
//! The folder is looked at when the system says that it changed, and every two seconds in any case, because network
//! file systems say nothing. A file is read once it is quiet, through one descriptor, so that what was checked is what
//! is loaded. A file that was refused is left alone until it changes.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use host_core::name::AppId;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};

/// How often to look when nothing is said.
const POLL: Duration = Duration::from_secs(2);
/// How often to look while a file is being written.
const SETTLING: Duration = Duration::from_millis(50);
/// A file that didn't change for so long is taken for finished. If it wasn't, it is refused as broken and read again
/// at its next change.
pub(crate) const QUIET: Duration = Duration::from_millis(150);
/// The largest file, in bytes.
const MAX_FILE: u64 = 64 << 20;
/// The most files that are looked at: beyond that the folder isn't a plugins folder.
const MAX_FILES: usize = 10_000;

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Plugin {
    /// The file's stem.
    pub(crate) name: String,
    /// The file, as the operator would write it.
    pub(crate) origin: String,
    /// Its bytes.
    pub(crate) bytes: Bytes,
}

/// What runs plugins: a site, or a stand-in in a test.
pub(crate) trait Loader {
    /// Loads a plugin, in the place of its older version if there is one. The error is a sentence for the operator; what
    /// ran before keeps running.
    async fn load(&self, plugin: Plugin) -> Result<AppId, String>;
    /// Stops an app.
    async fn remove(&self, app: &AppId);
}

/// The folder and what is known of it.
pub(crate) struct Plugins<L> {
    folder: PathBuf,
    shown: PathBuf,
    loader: L,
    known: BTreeMap<String, Known>,
    /// Why the folder could not be read last time, so that it's said once.
    trouble: Option<String>,
}

/// What is known of one file.
struct Known {
    stamp: Stamp,
    /// When this stamp was first seen.
    since: Instant,
    /// Whether this stamp was loaded or refused.
    done: Option<Outcome>,
    /// The app that an earlier or this content of the file runs as.
    app: Option<AppId>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Loaded,
    Refused,
}

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of the file at `path`, through links; none where there is no such file.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        rustix::fs::stat(path).ok().map(|stat| Self::of(&stat))
    }

    // The fields' types differ between systems.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as i64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }

    /// How long ago the content changed, by the system's clock; nothing where that lies in the future.
    fn age(&self) -> Option<Duration> {
        let seconds = u64::try_from(self.modified.0).ok()?;
        let nanos = u32::try_from(self.modified.1).ok()?;
        let modified = SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))?;
        SystemTime::now().duration_since(modified).ok()
    }
}

/// Why a file was not read.
enum Unread {
    /// It changes still.
    Changing,
    /// It is gone.
    Gone,
    /// It can't be a plugin.
    Refused(String),
}

impl<L: Loader> Plugins<L> {
    /// Watches `folder`, which need not exist; `shown` is what the operator calls it.
    pub(crate) fn new(folder: PathBuf, shown: PathBuf, loader: L) -> Self {
        Self { folder, shown, loader, known: BTreeMap::new(), trouble: None }
    }

    /// Looks once, and does what has to be done. Returns how long to wait before the next look.
    pub(crate) async fn scan(&mut self, now: Instant) -> Duration {
        let found = match list(&self.folder) {
            Ok(found) => found,
            Err(error) => {
                // What can't be looked at isn't known to be gone: everything stays as it is.
                let error = format!("{}: {error}", self.shown.display());
                if self.trouble.as_ref() != Some(&error) {
                    tracing::warn!("the plugins folder can't be read: {error}");
                    self.trouble = Some(error);
                }
                return POLL;
            }
        };
        self.trouble = None;
        self.forget_missing(&found).await;
        for (name, stamp) in found {
            match self.known.get_mut(&name) {
                Some(known) if known.stamp == stamp => {}
                Some(known) => {
                    known.stamp = stamp;
                    known.since = now;
                    known.done = None;
                }
                None => {
                    self.known.insert(name, Known { stamp, since: now, done: None, app: None });
                }
            }
        }
        let waiting: Vec<String> =
            self.known.iter().filter(|(_, known)| known.done.is_none()).map(|(name, _)| name.clone()).collect();
        let mut settling = false;
        for name in waiting {
            settling |= self.attend(&name, now).await;
        }
        if settling { SETTLING } else { POLL }
    }

    async fn forget_missing(&mut self, found: &BTreeMap<String, Stamp>) {
        let gone: Vec<String> = self.known.keys().filter(|name| !found.contains_key(*name)).cloned().collect();
        for name in &gone {
            if let Some(app) = self.known.remove(name).and_then(|known| known.app) {
                self.loader.remove(&app).await;
                tracing::info!("{} is gone; the app {app} was stopped", self.shown.join(name).display());
            }
        }
        if !gone.is_empty() {
            // A file may have been refused because of the name or the address of one that is gone now.
            for known in self.known.values_mut().filter(|known| known.done == Some(Outcome::Refused)) {
                known.done = None;
            }
        }
    }

    /// Loads one file if it is finished. Returns whether it isn't yet.
    async fn attend(&mut self, name: &str, now: Instant) -> bool {
        let Some(known) = self.known.get(name) else { return false };
        let stamp = known.stamp;
        let quiet = now.duration_since(known.since) >= QUIET || stamp.age().is_some_and(|age| age >= QUIET);
        if !quiet {
            return true;
        }
        let origin = origin(&self.shown, name);
        let outcome = match read(&self.folder, name, stamp) {
            Err(Unread::Changing) => return true,
            Err(Unread::Gone) => return false,
            Err(Unread::Refused(reason)) => Err(format!("{origin} {reason}")),
            Ok(bytes) => self.loader.load(Plugin { name: stem(name), origin, bytes }).await,
        };
        let Some(known) = self.known.get_mut(name) else { return false };
        match outcome {
            Ok(app) => {
                known.done = Some(Outcome::Loaded);
                // The file held another app before.
                let old = known.app.replace(app.clone()).filter(|old| *old != app);
                if let Some(old) = old {
                    self.loader.remove(&old).await;
                }
            }
            Err(reason) => {
                known.done = Some(Outcome::Refused);
                let stays = known.app.as_ref().map(|app| format!("; the older version of {app} keeps running"));
                tracing::error!("refused: {reason}{}", stays.unwrap_or_default());
            }
        }
        false
    }
}

/// A plugin's path for people, and the plugin or why it was not read.
pub(crate) type Found = (String, Result<Plugin, String>);

/// Reads all plugins in a folder as they are now.
pub(crate) fn read_all(folder: &Path, shown: &Path) -> Result<Vec<Found>, String> {
    let found = list(folder).map_err(|error| format!("can't be read: {error}"))?;
    let read = |(name, stamp): (String, Stamp)| {
        let origin = origin(shown, &name);
        let plugin = match read(folder, &name, stamp) {
            Ok(bytes) => Ok(Plugin { name: stem(&name), origin: origin.clone(), bytes }),
            Err(Unread::Refused(reason)) => Err(reason),
            Err(Unread::Changing) => Err("is being written; check again".into()),
            Err(Unread::Gone) => return None,
        };
        Some((origin, plugin))
    };
    Ok(found.into_iter().filter_map(read).collect())
}

/// The file as an operator would write it, on one line: a name may hold anything.
fn origin(shown: &Path, name: &str) -> String {
    host_core::text::one_line(&shown.join(name).display().to_string(), 300)
}

fn stem(name: &str) -> String {
    name.strip_suffix(".wasm").unwrap_or(name).to_owned()
}

/// The plugins in a folder: regular names that end with `.wasm`. A folder that isn't there has none.
fn list(folder: &Path) -> rustix::io::Result<BTreeMap<String, Stamp>> {
    let mut found = BTreeMap::new();
    let directory = match open_folder(folder) {
        Ok(directory) => directory,
        Err(rustix::io::Errno::NOENT) => return Ok(found),
        Err(error) => return Err(error),
    };
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if name.starts_with('.') || !name.ends_with(".wasm") {
            continue;
        }
        match rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                found.insert(name.to_owned(), Stamp::of(&stat));
            }
            // It went between the list and the look.
            Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        if found.len() == MAX_FILES {
            tracing::warn!("{} holds more than {MAX_FILES} components; the rest is left alone", folder.display());
            break;
        }
    }
    Ok(found)
}

fn open_folder(folder: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(CWD, folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Reads a file once, if it still is what `stamp` says before and after.
fn read(folder: &Path, name: &str, stamp: Stamp) -> Result<Bytes, Unread> {
    let refused = |error: rustix::io::Errno| match error {
        rustix::io::Errno::NOENT => Unread::Gone,
        rustix::io::Errno::LOOP => Unread::Refused("is a symbolic link; put the file itself there".into()),
        error => Unread::Refused(format!("can't be read: {error}")),
    };
    let directory = open_folder(folder).map_err(refused)?;
    // Without waiting, since opening a pipe would.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&directory, name, flags, Mode::empty()).map_err(refused)?;
    let stat = rustix::fs::fstat(&file).map_err(refused)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Unread::Refused("isn't a regular file".into()));
    }
    if Stamp::of(&stat) != stamp {
        return Err(Unread::Changing);
    }
    let size = u64::try_from(stamp.size).unwrap_or(0);
    if size > MAX_FILE {
        return Err(Unread::Refused(format!("has {} MiB; the most is {} MiB", size >> 20, MAX_FILE >> 20)));
    }
    let mut file = std::fs::File::from(file);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    Read::by_ref(&mut file)
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Unread::Refused(format!("can't be read: {error}")))?;
    let after = rustix::fs::fstat(&file).map_err(refused)?;
    if Stamp::of(&after) != stamp || bytes.len() as u64 != size {
        return Err(Unread::Changing);
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests;
