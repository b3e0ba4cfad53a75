//! `bandstand.toml`: what one site is made of.
//!
//! Every section is typed and refuses unknown keys; `docs/reference/config.md` describes all of them. Relative paths
//! mean the site's folder. Environment variables override keys, so that secrets and addresses need not stand in a file.

mod read;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use host_core::budget::Limits;
use host_core::grants::Grants;
use host_core::name::AppId;
use host_db::DbConfig;
use host_engine::{AppConfig, EngineConfig, Reuse};
use host_server::ServerConfig;
use host_store::StoreConfig;
use serde::Deserialize;

use crate::problem::{Problem, Problems};

pub(crate) use read::Override;
use read::PREFIX;

/// The override that `--bind` stands for.
pub(crate) const BIND: &str = "BANDSTAND__SERVER__BIND";

/// The name of the file.
pub(crate) const FILE: &str = "bandstand.toml";

/// A whole site.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// `[site]`.
    pub(crate) site: SiteSection,
    /// `[server]`.
    pub(crate) server: ServerConfig,
    /// `[database]`.
    pub(crate) database: DatabaseSection,
    /// `[engine]`.
    pub(crate) engine: EngineConfig,
    /// `[templates]`.
    pub(crate) templates: FolderSection<Templates>,
    /// `[static]`.
    #[serde(rename = "static")]
    pub(crate) static_files: FolderSection<Static>,
    /// `[plugins]`.
    pub(crate) plugins: PluginsSection,
    /// `[apps.NAME]`.
    pub(crate) apps: BTreeMap<AppId, AppSection>,
}

/// `[site]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SiteSection {
    /// The name for people, for the log and the terminal.
    pub(crate) name: String,
    /// Where compiled code is kept: a folder that belongs to the host alone.
    pub(crate) cache: PathBuf,
}

impl Default for SiteSection {
    fn default() -> Self {
        Self { name: "Bandstand".into(), cache: PathBuf::from(".bandstand/cache") }
    }
}

/// `[database]`: where it is, and the settings of [`StoreConfig`], each with that type's own meaning and default.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DatabaseSection {
    /// `sqlite:PATH`, or `sqlite::memory:` for a database that is gone when the host stops.
    pub(crate) url: String,
    readers: usize,
    inline_readers: usize,
    cache_kib: u32,
    max_value_bytes: u32,
    max_waiting: usize,
    max_group: usize,
    group_ms: u64,
    write_ms: u64,
    transaction_idle_ms: u64,
    transaction_total_ms: u64,
    lock_wait_ms: u64,
    exclusive: bool,
    statements: usize,
    /// `[database.queries]`.
    pub(crate) queries: DbConfig,
}

impl Default for DatabaseSection {
    fn default() -> Self {
        let store = StoreConfig::default();
        Self {
            url: "sqlite:data/site.db".into(),
            readers: store.readers,
            inline_readers: store.inline_readers,
            cache_kib: store.cache_kib,
            max_value_bytes: store.max_value_bytes,
            max_waiting: store.max_waiting,
            max_group: store.max_group,
            group_ms: store.group_ms,
            write_ms: store.write_ms,
            transaction_idle_ms: store.transaction_idle_ms,
            transaction_total_ms: store.transaction_total_ms,
            lock_wait_ms: store.lock_wait_ms,
            exclusive: store.exclusive,
            statements: store.statements,
            queries: DbConfig::default(),
        }
    }
}

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DatabaseUrl {
    /// In memory.
    Memory,
    /// A SQLite file, relative to the site's folder or absolute.
    Sqlite(PathBuf),
}

impl DatabaseSection {
    /// A database at `url`, with the settings that all have.
    pub(crate) fn at(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
    }

    /// The store's configuration for a database at `path`; in memory without one.
    pub(crate) fn store(&self, path: Option<PathBuf>) -> StoreConfig {
        StoreConfig {
            path,
            server: None,
            readers: self.readers,
            inline_readers: self.inline_readers,
            cache_kib: self.cache_kib,
            max_value_bytes: self.max_value_bytes,
            max_waiting: self.max_waiting,
            max_group: self.max_group,
            group_ms: self.group_ms,
            write_ms: self.write_ms,
            transaction_idle_ms: self.transaction_idle_ms,
            transaction_total_ms: self.transaction_total_ms,
            lock_wait_ms: self.lock_wait_ms,
            exclusive: self.exclusive,
            statements: self.statements,
        }
    }

    /// Reads the URL. The error says what is allowed.
    pub(crate) fn parse(&self) -> Result<DatabaseUrl, String> {
        let Some(rest) = self.url.strip_prefix("sqlite:") else {
            let scheme = self.url.split(':').next().unwrap_or_default();
            return Err(format!("`{}` is no database that this host knows", scheme.escape_debug()));
        };
        let path = rest.strip_prefix("//").unwrap_or(rest);
        match path {
            ":memory:" => Ok(DatabaseUrl::Memory),
            "" => Err("names no file".into()),
            path if path.contains('\0') || path.contains('?') => Err("has a `?` or a NUL in its path".into()),
            path => Ok(DatabaseUrl::Sqlite(PathBuf::from(path))),
        }
    }
}

/// What distinguishes the sections that hold a folder alone: its default.
pub(crate) trait DefaultFolder {
    /// The folder where the file names none.
    const NAME: &'static str;
}

/// `[templates]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Templates;

/// `[static]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Static;

impl DefaultFolder for Templates {
    const NAME: &'static str = "templates";
}

impl DefaultFolder for Static {
    const NAME: &'static str = "static";
}

/// A section that holds a folder alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default, bound = "Kind: DefaultFolder + Default")]
pub(crate) struct FolderSection<Kind: DefaultFolder> {
    /// The folder. It need not exist.
    pub(crate) dir: PathBuf,
    #[serde(skip)]
    kind: std::marker::PhantomData<Kind>,
}

impl<Kind: DefaultFolder> Default for FolderSection<Kind> {
    fn default() -> Self {
        Self { dir: PathBuf::from(Kind::NAME), kind: std::marker::PhantomData }
    }
}

/// `[plugins]`: the folder into which components are dropped, and what holds for each of them that has no section
/// `[apps.NAME]` of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PluginsSection {
    /// The folder. It need not exist.
    pub(crate) dir: PathBuf,
    /// What a plugin may do. Nothing by default: a file that somebody drops has no rights that nobody gave.
    pub(crate) grants: Grants,
    /// What a request of a plugin may cost.
    pub(crate) limits: Limits,
    /// Whether a plugin's instances serve more than one request.
    pub(crate) reuse: Reuse,
}

impl Default for PluginsSection {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("plugins"),
            grants: Grants::none(),
            limits: Limits::default(),
            reuse: Reuse::default(),
        }
    }
}

/// `[apps.NAME]`: an app of the site, or, without `wasm` and `source`, what holds for the plugin of that name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AppSection {
    /// The component, as `bandstand build` writes it.
    pub(crate) wasm: Option<PathBuf>,
    /// The app's source folder: what `bandstand dev` builds and watches.
    pub(crate) source: Option<PathBuf>,
    /// Where it is mounted, such as `/polls/`; `/NAME/` by default.
    pub(crate) mount: Option<String>,
    /// What it may do. An app that isn't granted anything may do nothing; a plugin then has what [plugins] grants.
    pub(crate) grants: Option<Grants>,
    /// Tables that it may use besides those that begin with its name: what was there before, say.
    pub(crate) tables: Vec<String>,
    /// What a request of it may cost.
    pub(crate) limits: Option<Limits>,
    /// Whether its instances serve more than one request.
    pub(crate) reuse: Option<Reuse>,
}

impl AppSection {
    /// Whether it names a component, rather than settings for a plugin.
    pub(crate) fn is_app(&self) -> bool {
        self.wasm.is_some() || self.source.is_some()
    }

    /// Where it is mounted.
    pub(crate) fn mount(&self, name: &AppId) -> String {
        self.mount.clone().unwrap_or_else(|| format!("/{name}/"))
    }

    /// Where the component lies: where `wasm` says, else in `apps/NAME.wasm`.
    pub(crate) fn wasm_path(&self, name: &AppId) -> PathBuf {
        self.wasm.clone().unwrap_or_else(|| PathBuf::from(format!("apps/{name}.wasm")))
    }
}

impl Config {
    /// What the operator decided for the app under `[apps.key]`, whose component calls itself `app`.
    pub(crate) fn decide_app(&self, key: &AppId, app: &AppId) -> Result<AppConfig, String> {
        if key != app {
            return Err(format!(
                "calls itself `{app}`, but stands under [apps.{key}]; rename the section to [apps.{app}]"
            ));
        }
        let section = self.apps.get(key).cloned().unwrap_or_default();
        Ok(AppConfig {
            mount: section.mount(key),
            grants: section.grants.unwrap_or_default(),
            tables: section.tables,
            limits: section.limits.unwrap_or_default(),
            reuse: section.reuse.unwrap_or_default(),
        })
    }

    /// What the operator decided for a plugin that calls itself `app`.
    pub(crate) fn decide_plugin(&self, app: &AppId) -> Result<AppConfig, String> {
        let section = self.apps.get(app).cloned().unwrap_or_default();
        if section.is_app() {
            return Err(format!(
                "calls itself `{app}`, and that name belongs to the app under [apps.{app}]; remove one of them"
            ));
        }
        let plugins = self.plugins.clone();
        Ok(AppConfig {
            mount: section.mount(app),
            grants: section.grants.unwrap_or(plugins.grants),
            tables: section.tables,
            limits: section.limits.unwrap_or(plugins.limits),
            reuse: section.reuse.unwrap_or(plugins.reuse),
        })
    }

    /// Reads the site in the folder `dir`, which the operator wrote as `shown`.
    pub(crate) fn load(dir: &Dir, shown: &Path, overrides: &[Override]) -> Result<Self, Problems> {
        let file = if shown == Path::new(".") { PathBuf::from(FILE) } else { shown.join(FILE) };
        let file = file.display().to_string();
        let text = dir.open(FILE).and_then(read::text).map_err(|error| {
            let problem = match error.kind() {
                std::io::ErrorKind::NotFound => Problem::new("config.E001", &file, "there is no such file").hint(
                    "go to your site's folder, name it after the command, or make one: `bandstand new site NAME`",
                ),
                std::io::ErrorKind::InvalidData => Problem::new("config.E001", &file, "isn't UTF-8 text"),
                _ => Problem::new("config.E001", &file, format!("can't be read: {error}")),
            };
            Problems(vec![problem])
        })?;
        Self::parse(&file, &text, overrides)
    }

    /// Reads the text of a file called `file`.
    pub(crate) fn parse(file: &str, text: &str, overrides: &[Override]) -> Result<Self, Problems> {
        let config: Self = read::read(file, text, overrides)?;
        let problems = config.check(file);
        if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
    }

    /// What types can't say.
    fn check(&self, file: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(message) = self.database.parse() {
            problems.push(
                Problem::new("config.E005", file, format!("`url` in [database] {message}"))
                    .hint("write `sqlite:data/site.db` (a path below the site's folder) or `sqlite::memory:`"),
            );
        }
        if let Err(error) = self.server.check() {
            problems.push(Problem::new("config.E008", file, error.to_string()));
        }
        let mut mounts: BTreeMap<String, &AppId> = BTreeMap::new();
        for (name, app) in &self.apps {
            let mount = app.mount(name);
            if !(mount.starts_with('/') && mount.ends_with('/')) {
                problems.push(
                    Problem::new("config.E006", file, format!("`mount` in [apps.{name}] must begin and end with `/`"))
                        .hint(format!("write `mount = \"/{}/\"`", mount.trim_matches('/').escape_debug())),
                );
            }
            if let Some(other) = mounts.insert(mount.clone(), name) {
                problems.push(
                    Problem::new(
                        "config.E007",
                        file,
                        format!("the apps {other} and {name} are both mounted at {mount}"),
                    )
                    .hint("give one of them another `mount`"),
                );
            }
        }
        problems
    }
}

/// The variables that override keys, sorted by name.
pub(crate) fn overrides(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<Override> {
    let mut overrides: Vec<Override> = variables
        .into_iter()
        .filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
            Some(Override { name, value: value.into_string().ok() })
        })
        .collect();
    overrides.sort_by(|a, b| a.name.cmp(&b.name));
    overrides
}

#[cfg(test)]
mod tests;
