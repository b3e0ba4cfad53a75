//! `bandstand.toml`: what one site is made of.
//!
//! Every section is typed and refuses unknown keys; `docs/reference/config.md` describes all of them. Relative paths
//! mean the site's folder. Environment variables override keys, so that secrets and addresses need not stand in a file.

mod database;
mod read;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use host_core::access::ModelGrants;
use host_core::budget::Limits;
use host_core::grants::Grants;
use host_core::name::AppId;
use host_core::quota::Quota;
use host_engine::{AppConfig, EngineConfig, Reuse};
use host_server::ServerConfig;
use serde::Deserialize;

use crate::problem::{Problem, Problems};

pub(crate) use database::{DatabaseSection, DatabaseUrl};
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
    /// `[databases.NAME]`.
    pub(crate) databases: BTreeMap<String, DatabaseSection>,
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
    /// What all requests of a plugin together may take of the database.
    pub(crate) quota: Quota,
    /// Whether a plugin's instances serve more than one request.
    pub(crate) reuse: Reuse,
}

impl Default for PluginsSection {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("plugins"),
            grants: Grants::none(),
            limits: Limits::default(),
            quota: Quota::default(),
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
    /// The `[databases.NAME]` that its tables lie in, where it isn't `[database]`.
    pub(crate) database: Option<String>,
    /// Tables that it may use besides those that begin with its name: what was there before, say.
    pub(crate) tables: Vec<String>,
    /// Those of `tables` that change as its models change. The others are never changed.
    pub(crate) manage: Vec<String>,
    /// What it may do with the models of other apps, by `app.model`.
    pub(crate) models: ModelGrants,
    /// What a request of it may cost.
    pub(crate) limits: Option<Limits>,
    /// What all of its requests together may take of the database.
    pub(crate) quota: Option<Quota>,
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
            manage: section.manage,
            models: section.models,
            limits: section.limits.unwrap_or_default(),
            quota: section.quota.unwrap_or_default(),
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
            manage: section.manage,
            models: section.models,
            limits: section.limits.unwrap_or(plugins.limits),
            quota: section.quota.unwrap_or(plugins.quota),
            reuse: section.reuse.unwrap_or(plugins.reuse),
        })
    }

    /// Reads the site in the folder `dir`, which the operator wrote as `shown`.
    pub(crate) fn load(dir: &Dir, shown: &Path, overrides: &[Override]) -> Result<Self, Problems> {
        let file = if shown == Path::new(".") { PathBuf::from(FILE) } else { shown.join(FILE) };
        let file = file.display().to_string();
        let text = text(dir).map_err(|error| {
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
        let named = self.databases.iter().map(|(name, section)| (format!("databases.{name}"), section));
        for (place, section) in std::iter::once(("database".to_owned(), &self.database)).chain(named) {
            for (key, message) in section.check() {
                let problem = Problem::new("config.E005", file, format!("`{key}` in [{place}] {message}"));
                problems.push(match key {
                    "url" => problem.hint(
                        "write `sqlite:data/site.db` (a path below the site's folder), `sqlite::memory:`, \
                         `postgres://user@host/database` or `mariadb://user@host/database`",
                    ),
                    _ => problem,
                });
            }
        }
        for name in self.databases.keys() {
            if let Err(error) = host_core::name::check_name(name) {
                problems.push(Problem::new("config.E009", file, format!("[databases.{name}]: {error}")));
            }
        }
        for (app, section) in &self.apps {
            if let Some(name) = section.database.as_ref().filter(|name| !self.databases.contains_key(*name)) {
                let message = format!("`database` in [apps.{app}]: there is no [databases.{}]", name.escape_debug());
                let problem = Problem::new("config.E009", file, message);
                problems.push(match host_core::name::nearest(name, self.databases.keys().map(String::as_str)) {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None => problem.hint("add that section with a `url`, or leave the key out for [database]"),
                });
            }
        }
        for (app, section) in &self.apps {
            for (of, problem) in section.models.problems() {
                let message = format!("[apps.{app}.models.\"{}\"] {problem}", of.escape_debug());
                problems.push(Problem::new("config.E010", file, message));
            }
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

/// The text of the configuration in the folder `dir`.
pub(crate) fn text(dir: &Dir) -> std::io::Result<String> {
    dir.open(FILE).and_then(read::text)
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
