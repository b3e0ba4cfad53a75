//! Watches the sources of apps and of the site, and says what has to be done about a change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::config::FILE;

/// An editor writes a file in several steps; so long is waited for the next one.
const PAUSE: Duration = Duration::from_millis(40);
/// Whoever writes all the time is served all the same.
const MOST: Duration = Duration::from_millis(400);

/// What a change asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// The app must be compiled anew.
    Code(String),
    /// The app's templates or static files must be packed anew.
    Files(String),
    /// The site's own templates must be read anew.
    SiteTemplates,
    /// The site's own static files are other ones: pages reload.
    SiteStatic,
    /// The site's configuration must be read anew.
    Config,
}

/// The folders that are watched, and what they are.
#[derive(Debug, Default)]
pub(crate) struct Folders {
    /// The site's folder, in which its configuration lies.
    pub(crate) site: PathBuf,
    /// Names and source folders of apps.
    pub(crate) apps: Vec<(String, PathBuf)>,
    /// The site's `templates/`.
    pub(crate) templates: PathBuf,
    /// The site's `static/`.
    pub(crate) statics: PathBuf,
}

impl Folders {
    /// What a change of `path` asks for; nothing where it is no source.
    fn change(&self, path: &Path) -> Option<Change> {
        let name = path.file_name()?.to_str()?;
        // Editors' own files.
        if name.starts_with('.') || name.ends_with('~') || name.starts_with('#') || name == "4913" {
            return None;
        }
        for (app, folder) in &self.apps {
            let Ok(inside) = path.strip_prefix(folder) else { continue };
            let first = inside.components().next()?.as_os_str().to_str()?;
            return match first {
                "templates" | "static" => Some(Change::Files(app.clone())),
                // cargo writes the lock file itself.
                "target" | "Cargo.lock" => None,
                first if first.starts_with('.') || name.ends_with(".wasm") => None,
                "Cargo.toml" | "build.rs" | "src" => Some(Change::Code(app.clone())),
                // A folder that the code may include files from.
                _ if inside.components().count() > 1 => Some(Change::Code(app.clone())),
                _ => None,
            };
        }
        if name == FILE && path.parent() == Some(&self.site) {
            return Some(Change::Config);
        }
        if path.starts_with(&self.templates) {
            return Some(Change::SiteTemplates);
        }
        path.starts_with(&self.statics).then_some(Change::SiteStatic)
    }

    /// What to watch: an app's folder itself and the folders in it, but not what cargo builds there.
    fn roots(&self) -> Vec<(PathBuf, RecursiveMode)> {
        let mut roots = vec![(self.site.clone(), RecursiveMode::NonRecursive)];
        for (_, folder) in &self.apps {
            roots.push((folder.clone(), RecursiveMode::NonRecursive));
            let Ok(dir) = cap_std::fs::Dir::open_ambient_dir(folder, cap_std::ambient_authority()) else { continue };
            for entry in dir.entries().into_iter().flatten().flatten() {
                let name = entry.file_name();
                let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_dir && name != "target" && !name.to_string_lossy().starts_with('.') {
                    roots.push((folder.join(name), RecursiveMode::Recursive));
                }
            }
        }
        roots.extend([&self.templates, &self.statics].map(|folder| (folder.clone(), RecursiveMode::Recursive)));
        roots
    }
}

/// Watches until it is dropped.
pub(crate) struct Sources {
    folders: Folders,
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    events: mpsc::Receiver<Vec<PathBuf>>,
}

impl Sources {
    /// Begins to watch. The folders' paths must be absolute and without links, as the system reports them.
    pub(crate) fn watch(folders: Folders) -> notify::Result<Self> {
        let (sender, events) = mpsc::channel(1_024);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Ok(event) = event
                && tells_of_content(&event.kind)
            {
                // Where a thousand changes wait already, one more changes nothing.
                let _ = sender.try_send(event.paths);
            }
        })?;
        let mut sources = Self { folders, watcher, watched: BTreeSet::new(), events };
        sources.watch_roots();
        Ok(sources)
    }

    /// Waits for changes, and for the pause after them. None when watching ended.
    pub(crate) async fn next(&mut self) -> Option<BTreeSet<Change>> {
        loop {
            let mut paths = self.events.recv().await?;
            let end = tokio::time::Instant::now() + MOST;
            while let Ok(Some(more)) =
                tokio::time::timeout_at(end.min(tokio::time::Instant::now() + PAUSE), self.events.recv()).await
            {
                paths.extend(more);
            }
            // A folder may have been made.
            self.watch_roots();
            let changes: BTreeSet<Change> = paths.iter().filter_map(|path| self.folders.change(path)).collect();
            if !changes.is_empty() {
                return Some(changes);
            }
        }
    }

    fn watch_roots(&mut self) {
        self.watched.retain(|path| path.exists());
        for (path, mode) in self.folders.roots() {
            if !self.watched.contains(&path) && path.exists() {
                match self.watcher.watch(&path, mode) {
                    Ok(()) => drop(self.watched.insert(path)),
                    Err(error) => tracing::warn!("{} can't be watched: {error}", path.display()),
                }
            }
        }
    }
}

/// Whether a file has another content than before: reading a file makes events, too.
pub(crate) fn tells_of_content(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Create(_) | EventKind::Remove(_) => true,
        EventKind::Modify(ModifyKind::Metadata(_)) | EventKind::Access(_) => false,
        _ => true,
    }
}

// The tests play the developer, who works on the sources from outside.
#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, DataChange};
    use std::fs;

    #[test]
    fn reading_a_file_is_no_change_of_it() {
        for read in [
            AccessKind::Open(AccessMode::Any),
            AccessKind::Open(AccessMode::Read),
            AccessKind::Read,
            AccessKind::Close(AccessMode::Read),
        ] {
            assert!(!tells_of_content(&EventKind::Access(read)), "{read:?}");
        }
        assert!(tells_of_content(&EventKind::Access(AccessKind::Close(AccessMode::Write))));
        assert!(tells_of_content(&EventKind::Create(CreateKind::File)));
        assert!(tells_of_content(&EventKind::Modify(ModifyKind::Data(DataChange::Any))));
    }

    fn folders() -> Folders {
        Folders {
            site: "/site".into(),
            apps: vec![("polls".into(), "/apps/polls".into())],
            templates: "/site/templates".into(),
            statics: "/site/static".into(),
        }
    }

    #[test]
    fn each_path_asks_for_what_it_needs() {
        let code = Some(Change::Code("polls".into()));
        let files = Some(Change::Files("polls".into()));
        for (path, change) in [
            ("/apps/polls/src/lib.rs", code.clone()),
            ("/apps/polls/Cargo.toml", code.clone()),
            ("/apps/polls/assets/words.txt", code),
            ("/apps/polls/templates/polls/index.html", files.clone()),
            ("/apps/polls/static/polls/a.css", files),
            ("/apps/polls/target/debug/x", None),
            ("/apps/polls/Cargo.lock", None),
            ("/apps/polls/polls.wasm", None),
            ("/apps/polls/.git/index", None),
            ("/apps/polls/src/.lib.rs.swp", None),
            ("/apps/polls/src/lib.rs~", None),
            ("/site/templates/base.html", Some(Change::SiteTemplates)),
            ("/site/static/x.css", Some(Change::SiteStatic)),
            ("/site/bandstand.toml", Some(Change::Config)),
            ("/site/README.md", None),
            ("/elsewhere", None),
        ] {
            assert_eq!(folders().change(Path::new(path)), change, "{path}");
        }
    }

    #[tokio::test]
    async fn a_save_is_heard_also_in_a_folder_that_was_made_later() {
        let root = tempfile::tempdir().expect("a folder");
        let app = root.path().canonicalize().expect("a path").join("polls");
        fs::create_dir_all(app.join("src")).expect("made");
        let folders = Folders { apps: vec![("polls".into(), app.clone())], ..folders() };
        let mut sources = Sources::watch(folders).expect("watched");
        fs::write(app.join("src/lib.rs"), "x").expect("written");
        let heard =
            tokio::time::timeout(Duration::from_secs(5), sources.next()).await.expect("in time").expect("a change");
        assert_eq!(heard.into_iter().collect::<Vec<_>>(), [Change::Code("polls".into())]);
        fs::create_dir_all(app.join("templates/polls")).expect("made");
        fs::write(app.join("templates/polls/a.html"), "x").expect("written");
        let heard =
            tokio::time::timeout(Duration::from_secs(5), sources.next()).await.expect("in time").expect("a change");
        assert_eq!(heard.into_iter().collect::<Vec<_>>(), [Change::Files("polls".into())]);
    }
}
