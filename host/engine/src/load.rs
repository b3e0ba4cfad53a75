//! From a file to a version that can serve: each step may refuse it, and nothing that runs is touched until the last.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use host_core::access::ModelGrants;
use host_core::grants::Capability;
use host_core::manifest::{Manifest, Model};
use host_core::name::AppId;
use host_core::quota::Quota;
use host_db::SchemaPlan;
use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p3::bindings::ServicePre;

use crate::assets::Assets;
use crate::bindings::EnginePre;
use crate::config::{AppConfig, Reuse};
use crate::core::Core;
use crate::describe::describe;
use crate::inspect::{Inspected, inspect};
use crate::page::Followed;
use crate::reuse::Warm;
use crate::shared::{self, Company};
use crate::site::Parts;
use crate::version::{Entry, Kind, Version};
use host_core::usage::Usage;

/// A component to load.
#[derive(Debug, Clone)]
pub struct Source {
    /// What an app is called that doesn't say so itself: the file's stem, or its key in `[apps]`.
    pub name: String,
    /// The file, as the operator wrote it.
    pub origin: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What was loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The app.
    pub app: AppId,
    /// Its version, as its author counts.
    pub version: String,
    /// Where it is mounted.
    pub mount: String,
    /// What kind of component it is.
    pub kind: Kind,
    /// Whether it took the place of an older version.
    pub replaced: bool,
    /// Whether its machine code was in the cache.
    pub cached: bool,
}

/// What a check found.
#[derive(Debug, Clone)]
pub struct Report {
    /// What loading would have given.
    pub loaded: Loaded,
    /// What it would do to the database.
    pub schema: SchemaPlan,
    /// What it says of itself.
    pub manifest: Manifest,
    /// What the operator lets all of its requests together take.
    pub quota: Quota,
}

/// Why a component was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The step that refused it.
    pub step: Step,
    /// The file.
    pub origin: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A step of loading, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Step {
    File,
    Compile,
    Link,
    Describe,
    Name,
    Config,
    Grant,
    Templates,
    Schema,
    Routes,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.origin, self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// Turns sentences into errors that name the file.
pub(crate) struct Refuse<'a>(pub(crate) &'a str);

impl Refuse<'_> {
    pub(crate) fn at(&self, step: Step) -> impl Fn(String) -> LoadError {
        let origin = self.0.to_owned();
        move |message| LoadError { step, origin: origin.clone(), message, hint: None }
    }

    fn schema(&self, error: &host_db::SchemaError) -> LoadError {
        let hint =
            "while you develop, you can stop the site, delete its database and begin anew; every app loses its data";
        self.hinted(Step::Schema, format!("can't have its tables: {}", error.problem()), hint.into())
    }

    pub(crate) fn hinted(&self, step: Step, message: String, hint: String) -> LoadError {
        LoadError { step, origin: self.0.to_owned(), message, hint: Some(hint) }
    }
}

/// A component that is known to be sound, before the operator's decisions are applied.
pub(crate) struct Candidate {
    pub(crate) manifest: Manifest,
    pub(crate) entry: Entry,
    pub(crate) cached: bool,
    digest: String,
    inspected: Inspected,
    origin: String,
}

impl Candidate {
    /// The first half: reads, compiles, links and describes. Has no effect on the site.
    pub(crate) async fn prepare(core: &Arc<Core>, source: &Source) -> Result<Self, LoadError> {
        let refuse = Refuse(&source.origin);
        let inspected = inspect(&source.bytes).map_err(refuse.at(Step::File))?;
        let digest = hex::encode(Sha256::digest(&source.bytes));
        let (component, cached) = machine_code(core, &inspected.code).await.map_err(refuse.at(Step::Compile))?;
        let wasi = inspected.imports_wasi;
        let entry = link(core, &component, wasi).map_err(refuse.at(Step::Link))?;
        let manifest = match &entry {
            Entry::App(pre) => {
                let name = AppId::new(&plain_name(&source.name)).map_err(|e| refuse.at(Step::Name)(e.to_string()))?;
                describe(core, pre, &name, wasi).await.map_err(refuse.at(Step::Describe))?
            }
            Entry::Http02(_) | Entry::Http03(_) => standard_manifest(&source.name).map_err(|message| {
                refuse.hinted(Step::Name, message, "a standard component is called like its file: rename it".into())
            })?,
        };
        Ok(Self { manifest, entry, cached, digest, inspected, origin: source.origin.clone() })
    }

    pub(crate) fn app(&self) -> &AppId {
        &self.manifest.name
    }

    pub(crate) fn loaded(&self, config: &AppConfig, replaced: bool) -> Loaded {
        Loaded {
            app: self.manifest.name.clone(),
            version: self.manifest.version.clone(),
            mount: config.mount.clone(),
            kind: self.entry.kind(),
            replaced,
            cached: self.cached,
        }
    }

    /// Checks what the operator decided against what the app asks for.
    pub(crate) fn check_config(&self, core: &Core, config: &AppConfig) -> Result<(), LoadError> {
        let refuse = Refuse(&self.origin);
        let app = self.app();
        let missing: Vec<&str> = self.manifest.missing(&config.grants).map(|request| request.name.as_str()).collect();
        if let Some(first) = missing.first() {
            let known = host_core::grants::Capability::ALL.iter().any(|capability| capability.as_str() == *first);
            let all: Vec<String> = config
                .grants
                .iter()
                .map(|granted| granted.as_str())
                .chain(missing.iter().copied())
                .map(|word| format!("\"{word}\""))
                .collect();
            let hint = if known {
                format!("grant it under [apps.{app}] in bandstand.toml: grants = [{}]", all.join(", "))
            } else {
                "this host doesn't know that capability; a newer one may".into()
            };
            let message = format!("asks for what it wasn't granted: the app `{app}` requires {}", missing.join(", "));
            return Err(refuse.hinted(Step::Grant, message, hint));
        }
        self.check_tables(&refuse, config)?;
        self.check_models(&refuse, config)?;
        let (weight, largest) = (self.inspected.weight, core.slots.largest());
        if weight > largest {
            return Err(refuse.hinted(
                Step::Config,
                format!("takes {weight} places of the engine's pool, and an app may take {largest}"),
                format!("set core_instances under [engine] to at least {}", weight.saturating_mul(2)),
            ));
        }
        let Reuse { count, concurrency, .. } = config.reuse;
        if self.entry.kind() != Kind::App && (count > 1 || concurrency > 1) {
            return Err(refuse.hinted(
                Step::Config,
                "is a standard component, and those get a fresh instance for each request".into(),
                format!("set reuse = {{ count = 1 }} under [apps.{app}]"),
            ));
        }
        if concurrency == 0 || concurrency > shared::MOST || count == 0 {
            return Err(refuse.hinted(
                Step::Config,
                format!("has reuse.count = {count} and reuse.concurrency = {concurrency}"),
                format!("count is at least 1, concurrency from 1 to {}", shared::MOST),
            ));
        }
        if concurrency > 1 && count < concurrency {
            return Err(refuse.hinted(
                Step::Config,
                format!("has reuse.concurrency = {concurrency} but reuse.count = {count}"),
                "an instance that serves several requests at a time must be allowed as many in all: raise `count`"
                    .into(),
            ));
        }
        let limits = &config.limits;
        let needed = [
            ("wall_ms", limits.wall_ms),
            ("cpu_ms", limits.cpu_ms),
            ("memory_bytes", limits.memory_bytes),
            ("hostcall_bytes", limits.hostcall_bytes),
            ("handles", limits.handles),
            ("response_bytes", limits.response_bytes),
        ];
        if let Some((key, _)) = needed.iter().find(|(_, limit)| *limit == 0) {
            return Err(refuse.hinted(
                Step::Config,
                format!("has limits.{key} = 0, so no request could be answered"),
                "leave the key out for its default".into(),
            ));
        }
        if let Some(key) = config.quota.problem() {
            return Err(refuse.hinted(
                Step::Config,
                format!("has quota.{key} = 0, so nothing could be read or written"),
                format!("leave the key out for no bound, or raise it under [apps.{app}.quota]"),
            ));
        }
        if config.limits.memory_bytes > core.memory_bytes {
            return Err(refuse.hinted(
                Step::Config,
                format!(
                    "has limits.memory_bytes = {}; the engine's most is {}",
                    config.limits.memory_bytes, core.memory_bytes
                ),
                "raise [engine] memory_bytes or lower the app's limit".into(),
            ));
        }
        Ok(())
    }

    /// Checks that every table which may be another's was granted, and that none is changed which is only granted.
    fn check_tables(&self, refuse: &Refuse<'_>, config: &AppConfig) -> Result<(), LoadError> {
        let app = self.app();
        let listed = |known: &[String], more: Vec<(&Model, &str)>| {
            let all = known.iter().map(String::as_str).chain(more.into_iter().map(|(_, table)| table));
            all.map(|table| format!("{table:?}")).collect::<Vec<_>>().join(", ")
        };
        let missing: Vec<_> = self.manifest.tables_to_grant(&config.tables).collect();
        if let Some((model, table)) = missing.first() {
            let name = &model.name;
            return Err(refuse.hinted(
                Step::Grant,
                format!("asks for what it wasn't granted: the model `{name}` of the app `{app}` is the table `{table}`, which isn't the app's own"),
                format!("if the app may read and write it, grant it under [apps.{app}] in bandstand.toml: tables = [{}]", listed(&config.tables, missing)),
            ));
        }
        let managed: Vec<_> = self.manifest.tables_to_manage(&config.manage).collect();
        let Some((model, table)) = managed.first() else { return Ok(()) };
        let name = &model.name;
        Err(refuse.hinted(
            Step::Grant,
            format!("would change what may be another's: the model `{name}` of the app `{app}` is the table `{table}`, which isn't the app's own"),
            format!(
                "leave the table to whoever made it (`managed = false` in the model); or, if the app may make it, add to it, and make it anew while it has no rows, \
                 say so under [apps.{app}] in bandstand.toml: manage = [{}]",
                listed(&config.manage, managed)
            ),
        ))
    }

    /// Checks what the operator says of other apps' models.
    fn check_models(&self, refuse: &Refuse<'_>, config: &AppConfig) -> Result<(), LoadError> {
        let app = self.app();
        if let Some((of, problem)) = config.models.problems().into_iter().next() {
            let message = format!("has a grant that can't be held to: [apps.{app}.models.\"{of}\"] {problem}");
            return Err(refuse.hinted(
                Step::Config,
                message,
                "see \"Models of other apps\" in docs/reference/config.md".into(),
            ));
        }
        if config.grants.has(Capability::DbRaw) && config.models.have_rules() {
            let message = format!(
                "was granted `db-raw`, and [apps.{app}.models] has rules about rows, to which SQL of its own can't be held"
            );
            let hint = "take `db-raw` from its grants, or the rules (`rows`, `filter`) from its models";
            return Err(refuse.hinted(Step::Config, message, hint.into()));
        }
        Ok(())
    }

    /// What it would do to the database.
    pub(crate) fn schema(
        &self,
        parts: &Parts,
        models: &ModelGrants,
        known: &[Manifest],
    ) -> Result<SchemaPlan, LoadError> {
        let refuse = Refuse(&self.origin);
        match (&parts.db, self.manifest.models.is_empty()) {
            (_, true) => Ok(SchemaPlan::default()),
            (Some(db), false) => db.plan_granted(&self.manifest, models, known).map_err(|e| refuse.schema(&e)),
            (None, false) => Err(refuse.at(Step::Schema)("has models, but the site has no database".into())),
        }
    }

    /// Checks templates and static files. Has no effect on the site.
    pub(crate) fn files(&mut self, parts: &Parts) -> Result<(Arc<host_templates::AppTemplates>, Assets), LoadError> {
        let origin = self.origin.clone();
        let refuse = Refuse(&origin);
        let app = self.manifest.name.clone();
        let templates =
            parts.templates.for_app(&app, std::mem::take(&mut self.inspected.templates)).map_err(|errors| {
                let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
                refuse.at(Step::Templates)(format!("has broken templates:\n{}", all.join("\n")))
            })?;
        let assets =
            Assets::new(app.as_str(), std::mem::take(&mut self.inspected.statics)).map_err(refuse.at(Step::File))?;
        Ok((templates, assets))
    }

    /// The second half: gives it its tables and makes it a version. Blocks on the database.
    pub(crate) fn install(
        mut self,
        core: &Core,
        parts: &Parts,
        config: AppConfig,
        before: Option<&Version>,
    ) -> Result<Version, LoadError> {
        let (templates, assets) = self.files(parts)?;
        let refuse = Refuse(&self.origin);
        let db = match &parts.db {
            Some(db) => {
                let app = db.for_granted(&self.manifest, &config.grants, &config.models);
                let app = app.map_err(|error| refuse.schema(&error))?;
                app.set_quota(&config.quota);
                Some(ArcSwap::new(app))
            }
            None => None,
        };
        Ok(Version {
            id: self.manifest.name.clone(),
            grants: Arc::new(config.grants.clone()),
            warm: Warm::new(&config.reuse),
            company: Company::new(&config.reuse),
            config,
            digest: self.digest,
            origin: self.origin,
            wasi: self.inspected.imports_wasi,
            weight: self.inspected.weight,
            share: before.map_or_else(|| core.slots.share(), |before| before.share.clone()),
            usage: before.map_or_else(
                || Usage::new(&core.presence, host_core::priority::processors()),
                |before| before.usage.clone(),
            ),
            db,
            templates,
            followed: Followed::default(),
            assets,
            breaker: Arc::default(),
            offenders: (0..self.manifest.routes.len().max(1)).map(|_| Arc::default()).collect(),
            entry: self.entry,
            manifest: self.manifest,
        })
    }
}

/// The machine code for a component's code: from the cache, or from the compiler's process.
async fn machine_code(core: &Arc<Core>, code: &Bytes) -> Result<(Component, bool), String> {
    let digest = hex::encode(Sha256::digest(code));
    let cached = {
        let (core, digest) = (core.clone(), digest.clone());
        blocking(move || {
            core.cache
                .get(&digest, &core.engine.precompile_compatibility_hash())
                .and_then(|code| deserialize(&core.engine, &code).ok())
        })
        .await?
    };
    if let Some(component) = cached {
        return Ok((component, true));
    }
    let code = core.compiler.compile(code).await?;
    let core = core.clone();
    blocking(move || {
        let component = deserialize(&core.engine, &code).map_err(|e| format!("can't be run here: {e:#}"))?;
        core.cache.put(&digest, &core.engine.precompile_compatibility_hash(), &code);
        Ok((component, false))
    })
    .await?
}

fn deserialize(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes are what our own compiler's process made of a component, either just now or before, kept in a
    // directory that nobody else can write to, with a checksum that was verified. Files from outside never come here:
    // `inspect` takes WebAssembly alone.
    unsafe { Component::deserialize(engine, code) }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|e| format!("could not be loaded: {e}"))
}

fn link(core: &Core, component: &Component, wasi: bool) -> Result<Entry, String> {
    let pre = core.linkers.link(component, wasi)?;
    let ty = component.component_type();
    let exports: Vec<String> = ty.exports(&core.engine).map(|(name, _)| name.to_owned()).collect();
    let exports_any = |prefix: &str| exports.iter().any(|name| name.starts_with(prefix));
    let wrong = |what: &str| {
        let what = what.to_owned();
        move |e: wasmtime::Error| format!("exports {what} in another form than this host's: {e:#}")
    };
    if exports_any("bandstand:routing/handler@") || exports_any("bandstand:app/manifest@") {
        EnginePre::new(pre).map(Entry::App).map_err(wrong("the world bandstand:app/app"))
    } else if exports_any("wasi:http/handler@0.3") {
        ServicePre::new(pre).map(Entry::Http03).map_err(wrong("wasi:http/handler"))
    } else if exports_any("wasi:http/incoming-handler@0.2") {
        ProxyPre::new(pre).map(Entry::Http02).map_err(wrong("wasi:http/incoming-handler"))
    } else {
        let found = if exports.is_empty() { "nothing".into() } else { exports.join(", ") };
        Err(format!(
            "is of another world: a site mounts bandstand:app/app, wasi:http/handler 0.3 or wasi:http/incoming-handler 0.2, and it exports {}",
            found.chars().take(300).flat_map(char::escape_default).collect::<String>()
        ))
    }
}

/// A file's stem as a name: `my-app` is `my_app`.
fn plain_name(stem: &str) -> String {
    stem.to_ascii_lowercase().replace(['-', '.', ' '], "_")
}

/// What a component that can't describe itself is taken for.
fn standard_manifest(name: &str) -> Result<Manifest, String> {
    let name = AppId::new(&plain_name(name)).map_err(|e| e.to_string())?;
    Ok(Manifest {
        v: host_core::manifest::VERSION,
        name,
        label: String::new(),
        version: String::new(),
        sdk: String::new(),
        models: Vec::new(),
        routes: Vec::new(),
        capabilities: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standard_component_is_called_like_its_file() {
        assert_eq!(standard_manifest("My-App").expect("a name").name.as_str(), "my_app");
        assert!(standard_manifest("9lives").is_err());
        assert!(standard_manifest("a--b").is_err());
    }
}
