//! `bandstand dev`: builds, serves, and starts over at every save.
//!
//! A change of code is compiled, a change of templates and static files only packed anew; either way the new version is
//! loaded beside the old one and takes its place. What can't be built or loaded leaves the old version running and is
//! shown in the terminal and in the browser.

mod live;
pub(crate) mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use host_core::name::AppId;
use host_server::Server;
use tokio::sync::mpsc;

use crate::apps::Apps;
use crate::build::cargo::{CargoError, Profile};
use crate::build::{self, App};
use crate::config::Override;
use crate::lock;
use crate::serve::{finish, in_runtime, listen, print_addresses, stopped, watch_plugins};
use crate::site::{Folder, Opened, Purpose};
use crate::terminal;
use live::{Link, Live, LiveSite, Trouble};
use sources::{Change, Folders, Sources};

/// `bandstand dev [DIR]`.
pub(crate) fn run(path: &Path, overrides: &[Override]) -> Result<()> {
    let mut folder = Folder::read(path, overrides)?;
    while let Some(changed) = in_runtime(develop(&folder, path, overrides))? {
        terminal::step("Restarting", "with another bandstand.toml");
        folder = changed;
    }
    Ok(())
}

/// Serves until somebody stops it, or until there is another valid configuration to go on with.
async fn develop(folder: &Folder, path: &Path, overrides: &[Override]) -> Result<Option<Folder>> {
    let _lock = lock::shared(folder)?;
    let opened = folder.open(Purpose::Develop)?;
    let live = {
        let site = opened.site.clone();
        Live::new(move || {
            site.apps().into_iter().map(|app| Link { name: app.app.to_string(), path: app.mount }).collect()
        })
    };
    let server = Server::new(folder.config.server.clone(), LiveSite::new(opened.site.clone(), live.clone()))?;
    let listeners = listen(&server)?;
    let plugins = watch_plugins(folder, opened.clone());
    let (restart, mut restarted) = mpsc::channel(1);
    let read = {
        let (path, overrides) = (path.to_path_buf(), overrides.to_vec());
        move || Folder::read(&path, &overrides)
    };
    let mut workshop = Workshop::new(folder, opened.clone(), live.clone(), Box::new(read), restart)?;
    // Apps that have no source here are followed as `serve` does.
    let mut finished = Apps::new(opened, folder.app_files().filter(|file| file.hint.is_none()));
    let following = tokio::spawn(async move {
        finished.load().await;
        finished.follow().await;
    });
    // The site answers at once: an app that isn't built yet says so.
    print_addresses(folder, &listeners)?;
    let building = tokio::spawn(async move { workshop.run().await });
    let mut next = None;
    let stopping = async {
        tokio::select! {
            () = stopped() => {}
            Some(changed) = restarted.recv() => next = Some(changed),
        }
        live.close();
    };
    finish(server.serve(listeners, stopping)).await;
    plugins.task.abort();
    following.abort();
    building.abort();
    Ok(next)
}

/// An app under development.
struct Project {
    name: AppId,
    folder: PathBuf,
    shown: PathBuf,
    /// Where it is compiled.
    target: PathBuf,
    mount: String,
    /// The last component that compiled.
    built: Option<Arc<App>>,
    /// Whether the code has changed since, and didn't compile.
    broken: bool,
    /// Whether a version of it runs.
    runs: bool,
}

/// What builds the apps and follows their sources.
struct Workshop {
    projects: BTreeMap<AppId, Project>,
    sources: Sources,
    opened: Opened,
    live: Arc<Live>,
    read: ReadConfig,
    restart: mpsc::Sender<Folder>,
}

/// Reads the site's configuration as it is now.
type ReadConfig = Box<dyn Fn() -> Result<Folder> + Send>;

impl Workshop {
    fn new(
        folder: &Folder,
        opened: Opened,
        live: Arc<Live>,
        read: ReadConfig,
        restart: mpsc::Sender<Folder>,
    ) -> Result<Self> {
        let mut projects = BTreeMap::new();
        let target = folder.at(Path::new(build::SHARED));
        for (name, section) in &folder.config.apps {
            let Some(source) = &section.source else { continue };
            let shown = folder.shown(source);
            let path = folder
                .at(source)
                .canonicalize()
                .with_context(|| format!("can't find {}, which is the `source` of [apps.{name}]", shown.display()))?;
            let mount = section.mount(name);
            live.trouble(name.as_str(), waiting(name, &mount));
            projects.insert(
                name.clone(),
                Project {
                    name: name.clone(),
                    folder: path,
                    shown,
                    target: target.clone(),
                    mount,
                    built: None,
                    broken: false,
                    runs: false,
                },
            );
        }
        let absolute = |path: &Path| {
            let path = folder.at(path);
            path.canonicalize().or_else(|_| std::path::absolute(&path)).unwrap_or(path)
        };
        let folders = Folders {
            site: absolute(Path::new(".")),
            apps: projects.values().map(|project| (project.name.to_string(), project.folder.clone())).collect(),
            templates: absolute(&folder.config.templates.dir),
            statics: absolute(&folder.config.static_files.dir),
        };
        let sources = Sources::watch(folders).context("can't watch the sources for changes")?;
        Ok(Self { projects, sources, opened, live, read, restart })
    }

    async fn run(&mut self) {
        let mut changes: BTreeSet<Change> = self.projects.keys().map(|name| Change::Code(name.to_string())).collect();
        loop {
            self.follow(changes).await;
            let Some(next) = self.sources.next().await else { return };
            changes = next;
        }
    }

    async fn follow(&mut self, changes: BTreeSet<Change>) {
        for change in &changes {
            match change {
                Change::Code(name) => self.renew(name, true).await,
                // What is compiled anew is packed anew.
                Change::Files(name) if changes.contains(&Change::Code(name.clone())) => {}
                Change::Files(name) => self.renew(name, false).await,
                Change::SiteTemplates => self.reload_templates(),
                Change::SiteStatic => self.live.changed(SITE),
                Change::Config => self.reread(),
            }
        }
    }

    /// Goes on with another configuration, if it is a valid one.
    fn reread(&self) {
        match (self.read)() {
            // One that waits already has read the same file.
            Ok(folder) => drop(self.restart.try_send(folder)),
            Err(error) => {
                let text = format!("{error:#}");
                terminal::error(&text);
                terminal::note("the configuration before stays in force");
                self.live.trouble(SITE, Trouble { title: "bandstand.toml is broken".into(), text, mount: None });
            }
        }
    }

    fn reload_templates(&self) {
        let begun = Instant::now();
        match self.opened.templates.reload() {
            Ok(()) => {
                terminal::step("Reloaded", &format!("the site's templates in {}", terminal::time(begun.elapsed())));
                self.live.changed(SITE);
            }
            Err(error) => {
                let text = error.to_string();
                terminal::error(&text);
                self.live.trouble(SITE, Trouble { title: "The site's templates are broken".into(), text, mount: None });
            }
        }
    }

    /// Builds (if its code changed), packs and loads an app.
    async fn renew(&mut self, name: &str, code: bool) {
        let Some(project) = AppId::new(name).ok().and_then(|name| self.projects.get_mut(&name)) else { return };
        let begun = Instant::now();
        match project.renew(code, &self.opened).await {
            Ok(()) => {
                terminal::step(
                    "Running",
                    &format!("{name} at {}, {} after the change", project.mount, terminal::time(begun.elapsed())),
                );
                project.runs = true;
                self.live.changed(name);
            }
            Err((title, text)) => {
                if project.runs {
                    terminal::note(&format!("the version of {name} before keeps running"));
                }
                let mount = (!project.runs).then(|| project.mount.clone());
                self.live.trouble(name, Trouble { title, text, mount });
            }
        }
    }
}

/// What the site's own files are called among the apps' names: no app can be called so.
const SITE: &str = "the site";

fn waiting(name: &AppId, mount: &str) -> Trouble {
    Trouble {
        title: format!("{name} is being built"),
        text: "This page reloads when it is there.".into(),
        mount: Some(mount.to_owned()),
    }
}

impl Project {
    /// The error is a title and a text; the terminal has shown it.
    async fn renew(&mut self, code: bool, opened: &Opened) -> Result<(), (String, String)> {
        let name = self.name.clone();
        if code || self.broken || self.built.is_none() {
            self.broken = true;
            terminal::step("Building", &self.shown.display().to_string());
            let (folder, target) = (self.folder.clone(), self.target.clone());
            let compiled =
                tokio::task::spawn_blocking(move || build::compile(&folder, Profile::Dev, Some(&target))).await;
            self.built = match compiled {
                Ok(Ok(app)) => Some(Arc::new(app)),
                Ok(Err(CargoError::Failed { messages, .. })) => {
                    return Err((format!("{name} doesn't compile"), messages));
                }
                Ok(Err(CargoError::Other(error))) => {
                    return Err(told(format!("{name} can't be built"), format!("{error:#}")));
                }
                Err(error) => return Err(told(format!("{name} can't be built"), error.to_string())),
            };
        }
        self.broken = false;
        let Some(app) = self.built.clone() else { return Ok(()) };
        let folder = self.folder.clone();
        let packed = tokio::task::spawn_blocking(move || app.pack(&folder)).await;
        let packed = match packed {
            Ok(Ok(packed)) => packed,
            Ok(Err(error)) => return Err(told(format!("{name} can't be packed"), format!("{error:#}"))),
            Err(error) => return Err(told(format!("{name} can't be packed"), error.to_string())),
        };
        let loaded = opened.load_app(&name, self.shown.display().to_string(), packed).await;
        loaded.map(drop).map_err(|error| told(format!("{name} can't be loaded"), error.to_string()))
    }
}

/// Shows an error in the terminal and hands it on for the browser.
fn told(title: String, text: String) -> (String, String) {
    terminal::error(&text);
    (title, text)
}
