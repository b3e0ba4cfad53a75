//! What a site keeps: its database connections, and the machine code of its apps ([`CodeCache`]).
//!
//! What this crate guarantees, for SQLite ([`Sqlite`]):
//!
//! - **One writer, many readers.** Writes of many requests are committed together, each in a savepoint of its own: one
//!   that fails doesn't touch its neighbours, and each is acknowledged after the commit that the disk confirmed.
//! - **A wall between apps.** Each statement belongs to an [`Owner`] or to the host, is prepared under its own identity,
//!   and is checked table by table whenever it is prepared ([`Owner::owns`]). SQL of a plan that went wrong fails here.
//! - **Everything ends.** A statement has a deadline ([`Until`]), a transaction has one from its first write on, queues
//!   are bounded and fair to each app, and so are the places that they wait for.
//!
//! And for PostgreSQL and MariaDB ([`Server`]): the same words with a pool of connections in place of the threads.
//!
//! ```
//! use host_store::{Statement, Store, StoreConfig, StoreError};
//!
//! let store = Store::open(StoreConfig::temporary())?;
//! let create = Statement::of_host("CREATE TABLE t (a)");
//! if let Some(sqlite) = store.sqlite() {
//!     sqlite.write_as_host(move |work| work.run(&create, [], |_| Ok::<_, StoreError>(())))?;
//! }
//! # Ok::<(), StoreError>(())
//! ```

mod allowance;
mod authorizer;
pub mod calendar;
mod claim;
mod code_cache;
mod config;
mod control;
pub mod copy;
mod datum;
mod ending;
mod error;
mod fair;
mod functions;
mod lease;
mod log;
mod mariadb;
mod owner;
mod pace;
mod postgres;
mod quota;
mod readers;
mod rights;
mod server;
mod session;
mod share;
mod sqlite;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use host_core::name::AppId;
use host_core::quota::Quota;
use host_core::usage::Presence;
use parking_lot::Mutex;

pub use authorizer::joins_by_names;
pub use code_cache::CodeCache;
pub use config::StoreConfig;
pub use control::Until;
pub use datum::{Cells, Datum, Type};
pub use error::{Constraint, StoreError};
pub use lease::Lease;
pub use owner::{Owner, Statement};
pub use pace::{Effort, Pace, Turn, Turns};
pub use rights::{Rights, TableRights};
pub use rust_decimal::Decimal;
pub use server::Server;
pub use server::connection::{Connection, Isolation};
pub use server::dump::Dump;
pub use server::target::{ServerConfig, ServerKind, Target, Wall};
pub use server::transaction::{Inside, ServerTransaction};
pub use server::wire::Pause;
pub use session::{KEEP_SQL, Session};
pub use share::Keeper;
pub use sqlite::Sqlite;
pub use writer::Work;

/// The site's database, or one of several.
#[derive(Debug)]
pub struct Store {
    backend: Backend,
    config: StoreConfig,
    owners: Mutex<HashMap<AppId, Arc<Owner>>>,
    presence: Arc<Presence>,
    measures: AtomicBool,
}

/// What the data lies in.
#[derive(Debug)]
pub enum Backend {
    /// A file, opened by this process.
    Sqlite(Sqlite),
    /// A server of its own.
    Server(Server),
}

impl Store {
    /// Opens the database. SQLite's file is made, readable by its owner alone, where there is none; a server is asked once,
    /// so that what is wrong with it is said now. Errors are for the operator.
    pub fn open(config: StoreConfig) -> Result<Arc<Self>, StoreError> {
        config.check().map_err(StoreError::Config)?;
        let backend = match &config.server {
            None => Backend::Sqlite(Sqlite::open(&config)?),
            Some(server) => Backend::Server(Server::open(config.clone(), server.clone())?),
        };
        Ok(Arc::new(Self {
            backend,
            config,
            owners: Mutex::new(HashMap::new()),
            presence: Arc::default(),
            measures: AtomicBool::new(false),
        }))
    }

    /// What the data lies in.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// The file, where the data lies in one.
    pub fn sqlite(&self) -> Option<&Sqlite> {
        match &self.backend {
            Backend::Sqlite(sqlite) => Some(sqlite),
            Backend::Server(_) => None,
        }
    }

    /// The server, where the data lies on one.
    pub fn server(&self) -> Option<&Server> {
        match &self.backend {
            Backend::Sqlite(_) => None,
            Backend::Server(server) => Some(server),
        }
    }

    /// The settings that it was opened with.
    pub fn config(&self) -> &StoreConfig {
        &self.config
    }

    /// An app as the wall sees it, with `tables` (full names such as `polls__choice`) added to those that it owns. All
    /// versions of an app are one owner: they share its tables, its place in the queues and its count of commits.
    pub fn owner(&self, app: &AppId, tables: impl IntoIterator<Item = String>) -> Arc<Owner> {
        let mut owners = self.owners.lock();
        // Lane 0 is the host's.
        let next = owners.len() as u64 + 1;
        let new = || Arc::new(Owner::new(app.clone(), next, &self.config, &self.presence));
        let owner = owners.entry(app.clone()).or_insert_with(new).clone();
        owner.add(tables);
        Owner::count_together(owners.values());
        owner
    }

    /// Bounds what an app may take, from now on; what its requests took before stays counted where nothing changed.
    pub fn set_quota(self: &Arc<Self>, owner: &Owner, quota: &Quota) {
        owner.set_quota(quota);
        if quota.storage_bytes.is_some() {
            quota::start(self, &self.measures);
        }
    }

    fn owners(&self) -> Vec<Arc<Owner>> {
        self.owners.lock().values().cloned().collect()
    }

    /// Sets what an app may do with tables of other apps. Returns what it might do until now.
    pub fn grant(&self, owner: &Owner, rights: Rights) -> Rights {
        let owners = self.owners.lock();
        let before = owner.grant(rights);
        Owner::count_together(owners.values());
        before
    }
}
