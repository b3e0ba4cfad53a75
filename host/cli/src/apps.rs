//! The components under `[apps]`: loaded at the start, and again when their files change.
//!
//! The files may lie anywhere, so they are looked at instead of watched: each costs one system call at a time. A file that
//! is gone doesn't stop its app, since building tools take the old one away before they write the new one; taking an
//! app off the site is a matter of `bandstand.toml`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use host_core::name::AppId;

use crate::build;
use crate::plugins::{QUIET, Stamp};
use crate::site::{Opened, announce};

/// How often to look.
const LOOK: Duration = Duration::from_secs(1);

/// A component that is named under `[apps]`.
#[derive(Debug, Clone)]
pub(crate) struct AppFile {
    /// Its section's name.
    pub(crate) name: AppId,
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// The same, as the operator would write it.
    pub(crate) shown: PathBuf,
    /// What builds it, if it isn't there yet.
    pub(crate) hint: Option<String>,
}

impl AppFile {
    /// Its bytes. The error is said of the file.
    pub(crate) fn read(&self) -> Result<Vec<u8>> {
        build::read_component(&self.path).map_err(|error| match &self.hint {
            Some(hint) if Stamp::at(&self.path).is_none() => anyhow!("isn't built; {hint}"),
            _ => error,
        })
    }
}

/// The components of a site.
pub(crate) struct Apps {
    opened: Opened,
    files: Vec<Followed>,
}

struct Followed {
    file: AppFile,
    /// The content that was loaded or refused.
    known: Option<Stamp>,
    /// Content that may still be in the making, and since when it looks like this.
    fresh: Option<(Stamp, Instant)>,
}

impl Followed {
    /// Whether there is finished content that wasn't loaded yet.
    fn is_due(&mut self, now: Instant) -> bool {
        // One that is gone may come back.
        let Some(stamp) = Stamp::at(&self.file.path) else { return false };
        if self.known == Some(stamp) {
            self.fresh = None;
            return false;
        }
        match self.fresh {
            Some((fresh, since)) if fresh == stamp => now.duration_since(since) >= QUIET,
            _ => {
                self.fresh = Some((stamp, now));
                false
            }
        }
    }
}

impl Apps {
    pub(crate) fn new(opened: Opened, files: impl IntoIterator<Item = AppFile>) -> Self {
        let files = files.into_iter().map(|file| Followed { file, known: None, fresh: None }).collect();
        Self { opened, files }
    }

    /// Loads all. One that can't be loaded doesn't stop the others.
    pub(crate) async fn load(&mut self) {
        for followed in &mut self.files {
            load(&self.opened, followed).await;
        }
    }

    /// Loads what changes from now on, for ever.
    pub(crate) async fn follow(mut self) {
        loop {
            tokio::time::sleep(LOOK).await;
            for followed in &mut self.files {
                if followed.is_due(Instant::now()) {
                    load(&self.opened, followed).await;
                }
            }
        }
    }
}

async fn load(opened: &Opened, followed: &mut Followed) {
    let AppFile { name, path, shown, .. } = &followed.file;
    // Taken before reading: what changes meanwhile is read again.
    followed.known = Stamp::at(path);
    followed.fresh = None;
    let origin = shown.display().to_string();
    let loaded = match followed.file.read() {
        Err(error) => Err(format!("{origin} {error:#}")),
        Ok(bytes) => opened.load_app(name, origin.clone(), bytes).await.map_err(|error| error.to_string()),
    };
    match loaded {
        Ok(loaded) => announce(&loaded, &origin),
        Err(reason) if runs(opened, name) => tracing::error!("refused: {reason}; the older version keeps running"),
        Err(reason) => tracing::error!("refused: {reason}"),
    }
}

fn runs(opened: &Opened, name: &AppId) -> bool {
    opened.site.apps().iter().any(|app| app.app == *name)
}

#[cfg(test)]
mod tests {
    // The test plays the operator, who builds the app anew.
    #![allow(clippy::disallowed_methods)]

    use std::fs;

    use super::*;

    #[test]
    fn only_finished_content_is_due_and_only_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.wasm");
        let file =
            AppFile { name: AppId::new("app").expect("a name"), path: path.clone(), shown: path.clone(), hint: None };
        let mut followed = Followed { file, known: None, fresh: None };
        let now = Instant::now();
        let after = |looks: u32| now + LOOK * looks;
        assert!(!followed.is_due(now), "it isn't there");
        fs::write(&path, "half").expect("written");
        assert!(!followed.is_due(after(1)), "it has just come");
        fs::write(&path, "the whole").expect("written");
        assert!(!followed.is_due(after(2)), "it still grows");
        assert!(followed.is_due(after(3)));
        followed.known = Stamp::at(&path);
        assert!(!followed.is_due(after(4)), "it was loaded");
        fs::remove_file(&path).expect("removed");
        assert!(!followed.is_due(after(5)), "a tool is about to write it");
        fs::write(&path, "anew").expect("written");
        assert!(!followed.is_due(after(6)));
        assert!(followed.is_due(after(7)));
    }

    #[test]
    fn a_component_that_isnt_built_says_how() {
        let path = PathBuf::from("nowhere/app.wasm");
        let name = AppId::new("app").expect("a name");
        let hint = Some("run `bandstand build`".to_owned());
        let error = AppFile { name, shown: path.clone(), path, hint }.read().expect_err("there is nothing");
        assert_eq!(error.to_string(), "isn't built; run `bandstand build`");
    }
}
