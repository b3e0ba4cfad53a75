//! A site: the loaded apps, and how they are loaded, replaced and taken off while requests run.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use host_core::manifest::Manifest;
use host_core::name::AppId;
use host_core::reverse::Reverse;
use host_routing::{Kind as MountKind, Mount, Table};

use crate::config::{AppConfig, EngineConfig};
use crate::core::{Core, EngineError};
use crate::load::{Candidate, LoadError, Loaded, Refuse, Report, Source, Step};
use crate::version::{Kind, Version};

/// What a site is made of besides its apps.
pub struct Parts {
    /// Its database, if it has one.
    pub db: Option<Arc<host_db::Db>>,
    /// Its templates.
    pub templates: Arc<host_templates::Templates>,
    /// Where compiled code is kept.
    pub cache: Arc<host_store::CodeCache>,
    /// The site's own static files, if it has some.
    pub static_dir: Option<cap_std::fs::Dir>,
    /// The program that is started as `compile-worker`: the host itself.
    pub worker: PathBuf,
    /// Whether error pages show what went wrong.
    pub dev: bool,
}

/// A loaded app, as the operator sees it.
#[derive(Debug, Clone)]
pub struct AppInfo {
    /// Its name.
    pub app: AppId,
    /// Its version, as its author counts.
    pub version: String,
    /// Where it is mounted.
    pub mount: String,
    /// SHA-256 of its file in hexadecimal digits.
    pub digest: String,
    /// The file.
    pub origin: String,
    /// What kind of component it is.
    pub kind: Kind,
}

/// A route, as the operator sees it.
#[derive(Debug, Clone)]
pub struct RouteInfo {
    /// The app that answers it.
    pub app: AppId,
    /// The methods, in upper case; `*` for a standard component.
    pub methods: Vec<&'static str>,
    /// The whole path with the mount.
    pub path: String,
    /// The name for `url`, with the app's before it.
    pub name: Option<String>,
}

/// The loaded apps and the table that leads to them; replaced as a whole.
pub(crate) struct Snapshot {
    pub(crate) table: Arc<Table>,
    /// The same table, for who asks for paths.
    pub(crate) urls: Arc<dyn Reverse>,
    pub(crate) apps: HashMap<AppId, Arc<Version>>,
}

impl Snapshot {
    fn new(apps: HashMap<AppId, Arc<Version>>) -> Result<Self, host_routing::TableError> {
        // Sorted, so that an error about two apps names them in the same order each time.
        let mut versions: Vec<&Arc<Version>> = apps.values().collect();
        versions.sort_by(|a, b| a.id.cmp(&b.id));
        let table = Arc::new(Table::build(versions.into_iter().map(|version| mount(version)).collect())?);
        Ok(Self { urls: table.clone(), table, apps })
    }
}

/// A running site.
pub struct Site {
    pub(crate) core: Arc<Core>,
    pub(crate) parts: Parts,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    /// Held while the set of apps changes.
    changing: tokio::sync::Mutex<()>,
}

impl Site {
    /// Starts an engine with no apps.
    pub fn open(config: &EngineConfig, parts: Parts) -> Result<Arc<Self>, EngineError> {
        let core = Arc::new(Core::start(config, parts.cache.clone(), parts.worker.clone())?);
        let empty = Snapshot::new(HashMap::new()).map_err(EngineError::new)?;
        let site = Arc::new(Self {
            core,
            parts,
            snapshot: ArcSwap::from_pointee(empty),
            changing: tokio::sync::Mutex::new(()),
        });
        sweep(&site);
        Ok(site)
    }

    /// Loads a component: compiles it aside, asks it for its manifest, checks it against what `configure` says the
    /// operator decided, gives it its tables, and swaps it in. On any error what ran before keeps running.
    pub async fn load(
        self: &Arc<Self>,
        source: Source,
        configure: impl FnOnce(&AppId) -> Result<AppConfig, String>,
    ) -> Result<Loaded, LoadError> {
        let candidate = Candidate::prepare(&self.core, &source).await?;
        let _alone = self.changing.lock().await;
        let config = self.decide(&candidate, &source, configure)?;
        let replaced = self.snapshot.load().apps.contains_key(candidate.app());
        let loaded = candidate.loaded(&config, replaced);
        let (site, origin) = (self.clone(), source.origin.clone());
        tokio::task::spawn_blocking(move || {
            // The routes are checked before the tables are made: a refusal must leave nothing behind.
            site.table_with(candidate.app(), &candidate, &config, &origin)?;
            let before = site.snapshot.load().apps.get(candidate.app()).cloned();
            let version = candidate.install(&site.core, &site.parts, config, before.as_deref())?;
            let app = version.id.clone();
            site.swap_in(Arc::new(version))?;
            site.tell_users(&app);
            Ok(())
        })
        .await
        .map_err(|e| Refuse(&source.origin).at(Step::File)(format!("could not be loaded: {e}")))??;
        Ok(loaded)
    }

    /// All of loading that has no effect, and what it would do to the database. `known` are apps that would be loaded before it,
    /// with models that it may use.
    pub async fn check(
        self: &Arc<Self>,
        source: Source,
        configure: impl FnOnce(&AppId) -> Result<AppConfig, String>,
        known: &[Manifest],
    ) -> Result<Report, LoadError> {
        let mut candidate = Candidate::prepare(&self.core, &source).await?;
        let config = self.decide(&candidate, &source, configure)?;
        self.table_with(candidate.app(), &candidate, &config, &source.origin)?;
        let loaded = candidate.loaded(&config, false);
        let schema = candidate.schema(&self.parts, &config.models, known)?;
        candidate.files(&self.parts)?;
        Ok(Report { loaded, schema, manifest: candidate.manifest, quota: config.quota })
    }

    /// Takes an app off the site; requests under way end by themselves. Returns whether it was there.
    pub async fn remove(&self, app: &AppId) -> bool {
        let _alone = self.changing.lock().await;
        let snapshot = self.snapshot.load_full();
        let mut apps = snapshot.apps.clone();
        if apps.remove(app).is_none() {
            return false;
        }
        match Snapshot::new(apps) {
            Ok(without) => {
                self.publish(without);
                true
            }
            Err(error) => {
                tracing::error!(%app, %error, "the routes without the app make no table; it stays");
                false
            }
        }
    }

    /// The loaded apps, by name.
    pub fn apps(&self) -> Vec<AppInfo> {
        let snapshot = self.snapshot.load();
        let mut apps: Vec<AppInfo> = snapshot
            .apps
            .values()
            .map(|version| AppInfo {
                app: version.id.clone(),
                version: version.manifest.version.clone(),
                mount: version.config.mount.clone(),
                digest: version.digest.clone(),
                origin: version.origin.clone(),
                kind: version.entry.kind(),
            })
            .collect();
        apps.sort_by(|a, b| a.app.cmp(&b.app));
        apps
    }

    /// All routes, in the order of the apps' names and of their declarations.
    pub fn routes(&self) -> Vec<RouteInfo> {
        let snapshot = self.snapshot.load();
        let mut versions: Vec<&Arc<Version>> = snapshot.apps.values().collect();
        versions.sort_by(|a, b| a.id.cmp(&b.id));
        let mut routes = Vec::new();
        for version in versions {
            let mount = version.config.mount.trim_end_matches('/');
            if version.entry.kind() != Kind::App {
                routes.push(RouteInfo {
                    app: version.id.clone(),
                    methods: vec!["*"],
                    path: format!("{mount}/…"),
                    name: None,
                });
            }
            for route in &version.manifest.routes {
                routes.push(RouteInfo {
                    app: version.id.clone(),
                    methods: route.methods.iter().map(|method| method.as_str()).collect(),
                    path: format!("{mount}{}", route.path),
                    name: route.name.as_ref().map(|name| format!("{}:{name}", version.id)),
                });
            }
        }
        routes
    }

    fn decide(
        &self,
        candidate: &Candidate,
        source: &Source,
        configure: impl FnOnce(&AppId) -> Result<AppConfig, String>,
    ) -> Result<AppConfig, LoadError> {
        let (app, refuse) = (candidate.app(), Refuse(&source.origin));
        if let Some(other) = self.snapshot.load().apps.get(app).filter(|other| other.origin != source.origin) {
            let message = format!("is called `{app}`, and so is {}, which is loaded", other.origin);
            return Err(refuse.hinted(Step::Name, message, "remove one of the two files".into()));
        }
        let config = configure(app).map_err(refuse.at(Step::Config))?;
        candidate.check_config(&self.core, &config)?;
        Ok(config)
    }

    /// The table that there would be with the candidate in its place.
    fn table_with(
        &self,
        app: &AppId,
        candidate: &Candidate,
        config: &AppConfig,
        origin: &str,
    ) -> Result<Table, LoadError> {
        let snapshot = self.snapshot.load();
        let mut mounts: Vec<Mount> =
            snapshot.apps.values().filter(|other| other.id != *app).map(|other| mount(other)).collect();
        mounts.push(Mount {
            app: app.clone(),
            prefix: config.mount.clone(),
            kind: mount_kind(candidate.entry.kind(), &candidate.manifest),
        });
        Table::build(mounts).map_err(|error| {
            let hint = format!("set another `mount` under [apps.{app}] in bandstand.toml");
            Refuse(origin).hinted(Step::Routes, format!("can't be mounted: {error}"), hint)
        })
    }

    /// Has the apps that use models of `app` read them anew.
    fn tell_users(&self, app: &AppId) {
        let Some(db) = &self.parts.db else { return };
        for user in self.snapshot.load().apps.values().filter(|user| user.manifest.shares().contains(app.as_str())) {
            if let Err(error) = user.refresh(db) {
                tracing::error!(app = %user.id, %error, "the models of `{app}` that it uses can't be read anew");
            }
        }
    }

    fn swap_in(&self, version: Arc<Version>) -> Result<(), LoadError> {
        let mut apps = self.snapshot.load().apps.clone();
        let origin = version.origin.clone();
        apps.insert(version.id.clone(), version);
        let snapshot = Snapshot::new(apps)
            .map_err(|error| Refuse(&origin).at(Step::Routes)(format!("can't be mounted: {error}")))?;
        self.publish(snapshot);
        Ok(())
    }

    /// Makes `snapshot` what the next request sees.
    fn publish(&self, snapshot: Snapshot) {
        self.parts.templates.set_reverse(snapshot.urls.clone());
        self.snapshot.store(Arc::new(snapshot));
    }
}

fn mount_kind(kind: Kind, manifest: &host_core::manifest::Manifest) -> MountKind {
    match kind {
        Kind::App => MountKind::Routes(manifest.routes.clone()),
        Kind::Http02 | Kind::Http03 => MountKind::Whole,
    }
}

fn mount(version: &Version) -> Mount {
    Mount {
        app: version.id.clone(),
        prefix: version.config.mount.clone(),
        kind: mount_kind(version.entry.kind(), &version.manifest),
    }
}

/// Throws idle instances away from time to time, for as long as the site lives.
fn sweep(site: &Arc<Site>) {
    let site = Arc::downgrade(site);
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let Some(site) = site.upgrade() else { return };
            let snapshot = site.snapshot.load_full();
            for version in snapshot.apps.values() {
                version.warm.sweep();
                version.company.sweep();
            }
        }
    });
}
