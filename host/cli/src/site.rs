//! Opens a site: from its folder and configuration to a running engine with its apps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt};
use host_core::name::AppId;
use host_db::Db;
use host_engine::{AppConfig, LoadError, Loaded, Parts, Site, Source};
use host_store::{CodeCache, Store};
use host_templates::Templates;

use crate::apps::AppFile;
use crate::config::{self, Config, DatabaseSection, DatabaseUrl, Override};
use crate::plugins::{Loader, Plugin};
use crate::problem::Problems;

/// What a site is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To serve visitors.
    Serve,
    /// To serve its developer.
    Develop,
    /// To look at it: nothing is changed, and nothing is made but the cache of compiled code.
    Look,
}

/// A site's folder and configuration.
pub(crate) struct Folder {
    /// The folder, as the operator wrote it.
    pub(crate) path: PathBuf,
    /// The configuration.
    pub(crate) config: Arc<Config>,
}

impl Folder {
    /// Reads the configuration in `path`.
    pub(crate) fn read(path: &Path, overrides: &[Override]) -> Result<Self> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())
            .with_context(|| format!("can't open the site's folder {}", path.display()))?;
        let config = Config::load(&dir, path, overrides).map_err(|problems: Problems| anyhow::anyhow!(problems))?;
        Ok(Self { path: path.to_path_buf(), config: Arc::new(config) })
    }

    /// The text of the configuration as it is now; `None` where it can't be read.
    pub(crate) fn config_text(&self) -> Option<String> {
        let dir = Dir::open_ambient_dir(&self.path, ambient_authority()).ok()?;
        config::text(&dir).ok()
    }

    /// A path of the configuration, for opening.
    pub(crate) fn at(&self, path: &Path) -> PathBuf {
        self.path.join(path)
    }

    /// A path of the configuration, for people.
    pub(crate) fn shown(&self, path: &Path) -> PathBuf {
        if self.path == Path::new(".") { path.to_path_buf() } else { self.at(path) }
    }

    fn open_if_there(&self, path: &Path) -> Result<Option<Dir>> {
        match Dir::open_ambient_dir(self.at(path), ambient_authority()) {
            Ok(dir) => Ok(Some(dir)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("can't open the folder {}", self.shown(path).display())),
        }
    }

    /// Opens the site's templates, which come before those of apps.
    fn templates(&self) -> Result<Arc<Templates>> {
        let dir = self.open_if_there(&self.config.templates.dir)?;
        Templates::open(dir).with_context(|| format!("in {}", self.shown(&self.config.templates.dir).display()))
    }

    /// Opens all databases, each app's own among them.
    fn databases(&self, purpose: Purpose) -> Result<Arc<Db>> {
        let main = self.database("database", &self.config.database, purpose)?;
        let mut named = BTreeMap::new();
        for (name, section) in &self.config.databases {
            named.insert(name, self.database(&format!("databases.{name}"), section, purpose)?);
        }
        let of_apps = self.config.apps.iter().filter_map(|(app, section)| {
            let database = named.get(section.database.as_ref()?)?;
            Some((app.clone(), database.clone()))
        });
        Ok(main.with_others(of_apps.collect()))
    }

    /// Opens one database; a temporary one to look at a site that has none yet.
    fn database(&self, place: &str, section: &DatabaseSection, purpose: Purpose) -> Result<Arc<Db>> {
        let url = section.parse().map_err(anyhow::Error::msg)?;
        let store = match url {
            DatabaseUrl::Memory => section.store(None),
            DatabaseUrl::Sqlite(path) if purpose == Purpose::Look && !self.at(&path).exists() => section.store(None),
            DatabaseUrl::Sqlite(path) => {
                if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
                    self.make_private(parent)?;
                }
                section.store(Some(self.at(&path)))
            }
            DatabaseUrl::Server(target) => section.on_server(target, &self.path).map_err(anyhow::Error::msg)?,
        };
        let store = Store::open(store).with_context(|| format!("[{place}] can't be opened"))?;
        Db::open(store, section.queries.clone()).with_context(|| format!("[{place}] can't be used"))
    }

    /// Makes a folder for the host alone, if it isn't there.
    fn make_private(&self, path: &Path) -> Result<Dir> {
        let full = self.at(path);
        let place = || format!("can't make the folder {}", self.shown(path).display());
        if let Some(parent) = full.parent() {
            Dir::create_ambient_dir_all(parent, ambient_authority()).with_context(place)?;
            let parent = Dir::open_ambient_dir(parent, ambient_authority()).with_context(place)?;
            let name = full.file_name().with_context(place)?;
            if !parent.exists(name) {
                let mut builder = DirBuilder::new();
                builder.mode(0o700);
                parent.create_dir_with(name, &builder).with_context(place)?;
            }
        }
        Dir::open_ambient_dir(&full, ambient_authority()).with_context(place)
    }

    /// Opens the site without its apps.
    pub(crate) fn open(&self, purpose: Purpose) -> Result<Opened> {
        let db = self.databases(purpose)?;
        self.open_with(Some(db), purpose)
    }

    /// Opens the site so that its apps can be loaded, but no table is made for them.
    pub(crate) fn open_without_database(&self) -> Result<Opened> {
        self.open_with(None, Purpose::Look)
    }

    fn open_with(&self, db: Option<Arc<Db>>, purpose: Purpose) -> Result<Opened> {
        let cache = Arc::new(CodeCache::open(self.make_private(&self.config.site.cache)?).map_err(anyhow::Error::msg)?);
        Templates::keep_engine_in(cache.clone());
        let templates = self.templates()?;
        // The compiler's process is this program. On Linux it's found even where its file was replaced by a newer one
        // since it was started: the two must not differ.
        let worker = if cfg!(target_os = "linux") {
            PathBuf::from("/proc/self/exe")
        } else {
            #[allow(clippy::disallowed_methods)]
            let worker = std::env::current_exe();
            worker.context("can't tell where this program lies")?
        };
        let parts = Parts {
            db,
            templates: templates.clone(),
            cache,
            static_dir: self.open_if_there(&self.config.static_files.dir)?,
            worker,
            dev: purpose == Purpose::Develop,
        };
        let site = Site::open(&self.config.engine, parts)?;
        Ok(Opened { site, templates, config: self.config.clone() })
    }

    /// The components under `[apps]`.
    pub(crate) fn app_files(&self) -> impl Iterator<Item = AppFile> + '_ {
        let dir = if self.path == Path::new(".") { String::new() } else { format!(" {}", self.path.display()) };
        self.config.apps.iter().filter(|(_, section)| section.is_app()).map(move |(name, section)| {
            let path = section.wasm_path(name);
            let hint = section.source.as_ref().map(|_| format!("run `bandstand build{dir}`, or `bandstand dev{dir}`"));
            AppFile { name: name.clone(), shown: self.shown(&path), path: self.at(&path), hint }
        })
    }
}

/// An open site.
#[derive(Clone)]
pub(crate) struct Opened {
    /// The engine with its apps.
    pub(crate) site: Arc<Site>,
    /// The site's templates.
    pub(crate) templates: Arc<Templates>,
    /// The configuration.
    pub(crate) config: Arc<Config>,
}

impl Opened {
    /// Loads the component of the app under `[apps.key]`.
    pub(crate) async fn load_app(&self, key: &AppId, origin: String, bytes: Vec<u8>) -> Result<Loaded, LoadError> {
        let source = Source { name: key.to_string(), origin, bytes: bytes.into() };
        let config = self.config.clone();
        let key = key.clone();
        self.site.load(source, move |app| config.decide_app(&key, app)).await
    }

    /// Decides for a plugin.
    pub(crate) fn decide_plugin(&self) -> impl FnOnce(&AppId) -> Result<AppConfig, String> + use<> {
        let config = self.config.clone();
        move |app| config.decide_plugin(app)
    }
}

impl Loader for Opened {
    async fn load(&self, plugin: Plugin) -> Result<AppId, String> {
        let source = Source { name: plugin.name, origin: plugin.origin.clone(), bytes: plugin.bytes };
        let loaded = self.site.load(source, self.decide_plugin()).await.map_err(|error| error.to_string())?;
        announce(&loaded, &plugin.origin);
        Ok(loaded.app)
    }

    async fn remove(&self, app: &AppId) {
        self.site.remove(app).await;
    }
}

/// Says in the log what was loaded.
pub(crate) fn announce(loaded: &Loaded, origin: &str) {
    let origin = host_core::text::one_line(origin, 300);
    let version = if loaded.version.is_empty() { String::new() } else { format!(" {}", loaded.version) };
    let verb = if loaded.replaced { "replaced" } else { "loaded" };
    tracing::info!("{verb} {}{version} at {} from {origin}", loaded.app, loaded.mount);
}
