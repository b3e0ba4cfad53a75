//! One version of an app: its models, its plans.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use host_core::access::ModelGrants;
use host_core::context::RequestContext;
use host_core::grants::{Capability, Grants};
use host_core::manifest::Manifest;
use host_core::name::AppId;
use host_core::quota::Quota;
use host_store::{Backend, Constraint, Owner, Statement, Store, StoreError, Until};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::catalog::Catalog;
use crate::catalog::access::{self, Others};
use crate::config::DbConfig;
use crate::dialect::Dialect;
use crate::error::{DbError, Fault, SchemaError, code};
use crate::expand::{self, Refusal};
use crate::plan::delete::{Collect, collectors};
use crate::plan::{self, Plan};
use crate::request::RequestDb;
use crate::run::{Reading, Writing, now};
use crate::shape;
use crate::tables;

/// The site's databases for apps. One for the whole process.
#[derive(Debug)]
pub struct Db {
    store: Arc<Store>,
    config: DbConfig,
    /// The apps whose tables lie elsewhere.
    others: BTreeMap<AppId, Arc<Db>>,
}

impl Db {
    /// Prepares the store: makes the host's own table where it is missing. Blocks; call it at the start.
    pub fn open(store: Arc<Store>, config: DbConfig) -> Result<Arc<Self>, StoreError> {
        let dialect = Dialect::of(&store);
        let own = Statement::of_host(expand::ddl::own_table(dialect));
        match store.backend() {
            Backend::Sqlite(sqlite) => {
                sqlite.write_as_host(move |work| work.run(&own, [], |_| Ok::<_, StoreError>(())))?;
            }
            Backend::Server(server) => {
                let store = store.clone();
                server.blocking(async move { tables::prepare(&store, &own).await })??;
            }
        }
        Ok(Arc::new(Self { store, config, others: BTreeMap::new() }))
    }

    /// The same with other databases for some apps.
    pub fn with_others(&self, others: BTreeMap<AppId, Arc<Db>>) -> Arc<Self> {
        Arc::new(Self { store: self.store.clone(), config: self.config.clone(), others })
    }

    /// Makes and widens the app's tables for `manifest` and gets everything ready for its requests. Errors are for the
    /// operator and leave the tables as they were.
    ///
    /// Blocks until the change is on disk, so call it on a thread that serves no requests.
    pub fn for_app(self: &Arc<Self>, manifest: &Manifest) -> Result<Arc<AppDb>, SchemaError> {
        self.for_granted(manifest, &Grants::none(), &ModelGrants::default())
    }

    /// The same for an app that was granted more than its own models: with `db-raw` it gets what SQL of its own needs, and
    /// `models` says what it may do with those of other apps.
    pub fn for_granted(
        self: &Arc<Self>,
        manifest: &Manifest,
        grants: &Grants,
        models: &ModelGrants,
    ) -> Result<Arc<AppDb>, SchemaError> {
        if let Some(other) = self.others.get(&manifest.name) {
            return other.for_granted(manifest, grants, models);
        }
        let raw = grants.has(Capability::DbRaw);
        let catalog = Arc::new(self.catalog(manifest, models, &[])?);
        for refused in catalog.refusals() {
            tracing::warn!(app = %manifest.name, "{refused}");
        }
        let owner = self.store.owner(&manifest.name, catalog.table_names());
        let before = self.store.grant(&owner, access::rights(&catalog));
        let lines = match self.store.backend() {
            Backend::Sqlite(sqlite) => {
                let (catalog, manifest) = (catalog.clone(), manifest.clone());
                sqlite.write_as_host(move |work| now(expand::expand(work, &catalog, &manifest)))
            }
            Backend::Server(server) => {
                let (store, catalog, manifest) = (self.store.clone(), catalog.clone(), manifest.clone());
                let owner = owner.clone();
                let work = async move { tables::make(&store, &owner, &catalog, &manifest, raw).await };
                server.blocking(work).map_err(Refusal::Store).and_then(|result| result)
            }
        };
        let lines = lines.map_err(|refusal| {
            // What runs now runs on.
            self.store.grant(&owner, before);
            schema_error(manifest, refusal)
        })?;
        for line in &lines {
            tracing::info!(app = %manifest.name, "{line}");
        }
        let weight = u64::from(self.config.plan_cache_kib) << 10;
        Ok(Arc::new(AppDb {
            collectors: collectors(&catalog, &owner),
            dangling: plan::delete::dangling(&catalog, &owner),
            plans: Cache::with_weighter(1_000, weight.max(4 << 10), ShapeWeight),
            raw: Cache::new(RAW_STATEMENTS),
            store: self.store.clone(),
            config: self.config.clone(),
            catalog,
            owner,
        }))
    }

    /// What [`Db::for_app`] would do, a line for each change; none where nothing is to do. It changes nothing.
    pub fn plan_app(&self, manifest: &Manifest) -> Result<Vec<String>, SchemaError> {
        self.plan_granted(manifest, &ModelGrants::default(), &[]).map(|plan| plan.steps)
    }

    /// What [`Db::for_granted`] would do, in the same way.
    pub fn plan_granted(
        &self,
        manifest: &Manifest,
        models: &ModelGrants,
        known: &[Manifest],
    ) -> Result<SchemaPlan, SchemaError> {
        // Only apps in the same database can share models.
        let home = |app: &AppId| self.others.get(app).map_or(self, |other| other.as_ref());
        let here = home(&manifest.name);
        let beside = known.iter().filter(|known| std::ptr::eq(home(&known.name), here));
        here.plan_here(manifest, models, &beside.cloned().collect::<Vec<_>>())
    }

    fn plan_here(
        &self,
        manifest: &Manifest,
        models: &ModelGrants,
        known: &[Manifest],
    ) -> Result<SchemaPlan, SchemaError> {
        let catalog = self.catalog(manifest, models, known)?;
        let refused = catalog.refusals().collect();
        let changes = match self.store.backend() {
            Backend::Sqlite(sqlite) => {
                let until = Until::deadline(Instant::now() + Duration::from_secs(60));
                let read = sqlite
                    .read_inline(|session| now(expand::changes(&mut Reading { session, until }, &catalog, manifest)));
                let busy = StoreError::Busy("no connection was free");
                read.unwrap_or(Err(busy)).map_err(Refusal::Store).and_then(|changes| changes)
            }
            Backend::Server(server) => {
                let (store, manifest) = (self.store.clone(), manifest.clone());
                let work = async move { tables::plan(&store, &catalog, &manifest).await };
                server.blocking(work).map_err(Refusal::Store).and_then(|result| result)
            }
        };
        let changes = changes.map_err(|refusal| schema_error(manifest, refusal))?;
        Ok(SchemaPlan { steps: expand::lines(changes), refused })
    }
}

/// What loading an app would do to the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaPlan {
    /// A line for each step.
    pub steps: Vec<String>,
    /// Models of other apps that it couldn't use, and why.
    pub refused: Vec<String>,
}

impl Db {
    fn catalog(&self, manifest: &Manifest, models: &ModelGrants, known: &[Manifest]) -> Result<Catalog, SchemaError> {
        let mut others = self.others_of(manifest, models).map_err(|refusal| schema_error(manifest, refusal))?;
        others.manifests.retain(|other| !known.iter().any(|known| known.name == other.name));
        others.manifests.extend(known.iter().cloned());
        Catalog::new(manifest, Dialect::of(&self.store), &others)
    }

    /// What the database remembers of the apps whose models this one uses.
    fn others_of(&self, manifest: &Manifest, models: &ModelGrants) -> Result<Others, Refusal> {
        let apps: Vec<String> = manifest.shares().into_iter().map(str::to_owned).collect();
        let mut others = Others { manifests: Vec::new(), grants: models.clone() };
        if apps.is_empty() {
            return Ok(others);
        }
        let dialect = Dialect::of(&self.store);
        others.manifests = match self.store.backend() {
            Backend::Sqlite(sqlite) => {
                sqlite.write_as_host(move |work| now(expand::remembered(work, dialect, &apps)))?
            }
            Backend::Server(server) => {
                let store = self.store.clone();
                server.blocking(async move { tables::remembered(&store, dialect, &apps).await })??
            }
        };
        Ok(others)
    }
}

fn schema_error(manifest: &Manifest, refusal: Refusal) -> SchemaError {
    match refusal {
        Refusal::Schema(error) => error,
        Refusal::Store(error) => SchemaError { app: manifest.name.to_string(), problem: error.to_string() },
    }
}

/// Texts of an app's own that stay prepared; each has 8 KiB at most.
const RAW_STATEMENTS: usize = 100;

#[derive(Debug, Clone)]
struct ShapeWeight;

impl Weighter<Box<[u8]>, Arc<Plan>> for ShapeWeight {
    fn weight(&self, shape: &Box<[u8]>, _plan: &Arc<Plan>) -> u64 {
        // A plan is some times larger than its shape, and never small.
        shape.len() as u64 * 4 + 2_048
    }
}

/// One version of an app with its tables ready. Shared by all of its requests.
pub struct AppDb {
    pub(crate) store: Arc<Store>,
    pub(crate) config: DbConfig,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) owner: Arc<Owner>,
    collectors: Vec<Collect>,
    dangling: Vec<Statement>,
    plans: Cache<Box<[u8]>, Arc<Plan>, ShapeWeight>,
    raw: Cache<Box<str>, Arc<Statement>>,
}

impl std::fmt::Debug for AppDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppDb").field("app", &self.catalog.app).finish_non_exhaustive()
    }
}

impl AppDb {
    /// Bounds what all requests of the app together may take; it holds for all of its versions.
    pub fn set_quota(&self, quota: &Quota) {
        self.store.set_quota(&self.owner, quota);
    }

    /// The app's database for one request.
    pub fn for_request(self: &Arc<Self>, context: Arc<RequestContext>) -> RequestDb {
        if let Some(account) = self.owner.account() {
            context.budget.bill(account);
        }
        RequestDb::new(self.clone(), context)
    }

    /// The plan for a shape: a look-up by its exact bytes, planning on a miss only.
    pub(crate) fn plan(&self, bytes: &[u8]) -> Result<Arc<Plan>, DbError> {
        if let Some(plan) = self.plans.get(bytes) {
            return Ok(plan);
        }
        let shape = shape::parse(bytes)?;
        let plan = Arc::new(plan::plan(&self.catalog, &self.owner, &shape)?);
        self.plans.insert(bytes.into(), plan.clone());
        Ok(plan)
    }

    /// The statement for a text that the app wrote; `made` writes it as the database wants it.
    pub(crate) fn raw_statement(&self, sql: &str, made: impl FnOnce() -> String) -> Arc<Statement> {
        if let Some(statement) = self.raw.get(sql) {
            return statement;
        }
        let statement = Arc::new(Statement::raw(&self.owner, made()));
        if sql.len() <= host_store::KEEP_SQL {
            self.raw.insert(sql.into(), statement.clone());
        }
        statement
    }

    /// One for each foreign key: gives a row where it points nowhere.
    pub(crate) fn dangling(&self) -> &[Statement] {
        &self.dangling
    }

    pub(crate) fn writing<'a>(&'a self, context: &'a RequestContext) -> Writing<'a> {
        Writing {
            catalog: &self.catalog,
            collectors: &self.collectors,
            owner: &self.owner,
            context,
            max_result_bytes: self.config.max_result_bytes,
            max_delete_rows: self.config.max_delete_rows,
        }
    }

    /// Puts what the database said into words that the app may see. `deadline` is the one that the request's own limits
    /// set for the statement.
    pub(crate) fn explain(&self, fault: Fault, context: &RequestContext, deadline: Instant) -> DbError {
        let error = match fault {
            Fault::Db(error) => return error,
            Fault::Store(error) => error,
        };
        match error {
            StoreError::Constraint { kind, subject } => self.constraint(kind, &subject),
            StoreError::Busy(_) if context.time_left().is_zero() => self.late(context, deadline),
            StoreError::Busy(why) => DbError::new(code::BUSY, format!("{why}; nothing was done, try again later")),
            StoreError::Timeout => self.late(context, deadline),
            StoreError::Closed | StoreError::Cancelled => {
                DbError::new(code::CLOSED, "the transaction or its request is over")
            }
            StoreError::Conflict => DbError::new(
                code::CONFLICT_RETRY,
                "the app's data changed between the transaction's first read and its first write; begin it again",
            ),
            StoreError::Overflow | StoreError::Unfit(_) => DbError::new(code::INVALID_VALUE, error.to_string()),
            StoreError::TooBig(limit) => {
                DbError::new(code::INVALID_VALUE, format!("a value or a row is larger than {limit} bytes"))
                    .with("limit", limit)
            }
            StoreError::UnknownOutcome(text) => {
                tracing::error!(app = %self.catalog.app, error = text, "a commit ended unknown");
                DbError::new(
                    code::UNKNOWN_OUTCOME,
                    "the connection broke while committing; read before you write again",
                )
            }
            StoreError::Full => {
                tracing::error!(app = %self.catalog.app, "the disk is full");
                DbError::new(code::BUSY, "the site's disk is full; nothing was done")
            }
            // What follows are mistakes of ours or the machine's: the log has the words, the app a code.
            other => {
                tracing::error!(app = %self.catalog.app, request = %context.id, error = %other, "a statement failed");
                DbError::new(code::INTERNAL, "the database failed; the site's log has the details")
            }
        }
    }

    fn late(&self, context: &RequestContext, deadline: Instant) -> DbError {
        if context.time_left().is_zero() {
            return DbError::time_is_up(context);
        }
        if Instant::now() >= deadline {
            return DbError::database_time_is_up(context);
        }
        let limit = self.store.config().write_ms;
        let problem = format!(
            "a write or a transaction held the connection that all share for too long, {limit} ms{}; it was undone",
            self.when_others_wait()
        );
        DbError::new(code::TIMEOUT, problem).with("limit", limit)
    }

    /// What else ends a transaction or a write that nobody else's may pass.
    pub(crate) fn when_others_wait(&self) -> String {
        let config = self.store.config();
        match self.store.sqlite() {
            Some(_) => format!(
                ", or {} ms where other apps wait and this one was in their way for {} ms in a minute",
                config.group_ms, config.hold_ms_per_minute
            ),
            None => String::new(),
        }
    }

    fn constraint(&self, kind: Constraint, subject: &str) -> DbError {
        let (code, problem) = match kind {
            Constraint::Unique => (code::UNIQUE, "another row has this value already"),
            Constraint::ForeignKey => (code::FOREIGN_KEY, "a row would point to one that doesn't exist"),
            Constraint::NotNull => (code::NOT_NULL, "the field must have a value"),
            Constraint::Check | Constraint::Type => (code::CHECK, "the result is outside of what the field can hold"),
        };
        let catalog = &*self.catalog;
        let named = expand::names::named(catalog, subject).or_else(|| expand::names::listed(catalog, subject));
        let mut error = DbError::new(code, problem);
        let Some(named) = named else { return error };
        let fields: Vec<&str> = named.columns.iter().map(|column| column.field.as_str()).collect();
        error.message = format!("{problem}: `{}` of `{}`", fields.join("`, `"), named.table.model);
        error = error.with("model", &named.table.model);
        for field in fields {
            error = error.with("field", field);
        }
        if let (Constraint::ForeignKey, [column]) = (kind, named.columns.as_slice())
            && let Some(target) = column.target
        {
            error = error.with("target", &catalog.tables[target].model);
        }
        if let Some(constraint) = named.constraint {
            error.message = match (constraint.message.as_str(), code) {
                ("", code::CHECK) => {
                    format!("the row of `{}` doesn't fulfil the check `{}`", named.table.model, constraint.name)
                }
                ("", _) => error.message,
                (message, _) => message.to_owned(),
            };
            error = error.with("constraint", &constraint.name);
        }
        error
    }
}
