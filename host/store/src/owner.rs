//! Whose a statement is, and what that lets it touch.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use host_core::name::AppId;
use host_core::quota::{Account, Quota, UsedUp};
use host_core::usage::{Presence, Usage};
use parking_lot::RwLock;

use crate::config::StoreConfig;
use crate::datum::Type;
use crate::pace::{Effort, Pace, Turns};
use crate::quota::Storage;
use crate::rights::{Doing, Rights};
use crate::share::{Keeper, Taker};

/// An app as the database's wall sees it: a name and the tables that it owns. One for all versions of an app.
pub struct Owner {
    app: AppId,
    lane: u64,
    tables: RwLock<HashSet<String>>,
    /// On tables of other apps.
    rights: RwLock<Rights>,
    quota: RwLock<(Quota, Option<Arc<Account>>)>,
    storage: Storage,
    /// Apps that write each other's tables have one count.
    commits: RwLock<Arc<AtomicU64>>,
    /// On PostgreSQL, the role that its statements run as.
    role: OnceLock<Arc<str>>,
    /// The account that connections of its own log in with, and the password: on MariaDB all of its connections, on
    /// PostgreSQL those for SQL of its own.
    login: OnceLock<(Arc<str>, Arc<str>)>,
    /// For what is slow on a server.
    turns: Turns,
    transactions: Pace,
    /// How much it makes a server compute.
    usage: Arc<Usage>,
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the password.
        f.debug_struct("Owner").field("app", &self.app).finish_non_exhaustive()
    }
}

impl Owner {
    pub(crate) fn new(app: AppId, lane: u64, config: &StoreConfig, presence: &Arc<Presence>) -> Self {
        Self {
            app,
            lane,
            tables: RwLock::default(),
            rights: RwLock::default(),
            quota: RwLock::default(),
            storage: Storage::default(),
            commits: RwLock::default(),
            role: OnceLock::new(),
            login: OnceLock::new(),
            turns: Turns::new(config.slow_statements, config),
            transactions: Pace::of_transactions(),
            usage: Usage::new(presence, host_core::priority::processors()),
        }
    }

    /// An app without tables, for statements that are never run.
    pub fn of_nothing(app: &AppId) -> Arc<Self> {
        Arc::new(Self::new(app.clone(), 0, &StoreConfig::default(), &Arc::default()))
    }

    /// The app.
    pub fn app(&self) -> &AppId {
        &self.app
    }

    /// Whether `table` is one of its own.
    pub fn owns(&self, table: &str) -> bool {
        self.tables.read().contains(table)
    }

    /// Adds tables. None is taken away: while two versions of an app run side by side, a table of the old one may have
    /// a foreign key to a table that only the new one knows, and writing the one looks into the other.
    pub(crate) fn add(&self, tables: impl IntoIterator<Item = String>) {
        self.tables.write().extend(tables);
    }

    /// Sets what it may do with tables of other apps. Returns what it might do until now.
    pub(crate) fn grant(&self, rights: Rights) -> Rights {
        std::mem::replace(&mut *self.rights.write(), rights)
    }

    /// What it may do with tables of other apps.
    pub(crate) fn rights(&self) -> Rights {
        self.rights.read().clone()
    }

    /// Whether it may do something with a table, its own or another's.
    pub(crate) fn may(&self, table: &str, doing: Doing<'_>) -> bool {
        self.owns(table) || self.rights.read().get(table).is_some_and(|rights| rights.allow(doing))
    }

    /// Whether the database reads the column for a write that the app may do.
    pub(crate) fn is_key(&self, table: &str, column: &str) -> bool {
        let key = (table.to_owned(), column.to_owned());
        self.rights.read().values().any(|rights| rights.keys.contains(&key))
    }

    /// How many commits have changed this app's data, and that of the apps whose tables it shares, since the store was opened.
    /// Two equal numbers mean that what was read after the first was asked for is still so.
    pub fn commits(&self) -> u64 {
        self.commits.read().load(Ordering::Acquire)
    }

    /// Whether one of them may do something with the other's tables.
    fn shares_with(&self, other: &Owner) -> bool {
        let uses = |one: &Owner, other: &Owner| one.rights.read().keys().any(|table| other.owns(table));
        uses(self, other) || uses(other, self)
    }

    /// Gives apps that share tables one count of commits. They stay together where a grant is taken away: that costs a
    /// transaction that begins again, no more.
    pub(crate) fn count_together<'o>(owners: impl Iterator<Item = &'o Arc<Owner>> + Clone) {
        for (at, one) in owners.clone().enumerate() {
            for other in owners.clone().skip(at + 1) {
                let (ours, theirs) = (one.commits.read().clone(), other.commits.read().clone());
                if Arc::ptr_eq(&ours, &theirs) || !one.shares_with(other) {
                    continue;
                }
                // More than either has seen, so that what was read until now counts as changed.
                let most = ours.load(Ordering::Acquire).max(theirs.load(Ordering::Acquire));
                let both = Arc::new(AtomicU64::new(most + 1));
                for owner in owners.clone() {
                    let mut commits = owner.commits.write();
                    if Arc::ptr_eq(&commits, &ours) || Arc::ptr_eq(&commits, &theirs) {
                        *commits = both.clone();
                    }
                }
            }
        }
    }

    /// Its tables, in order.
    pub(crate) fn tables(&self) -> Vec<String> {
        let mut tables: Vec<String> = self.tables.read().iter().cloned().collect();
        tables.sort();
        tables
    }

    pub(crate) fn acts_as(&self, role: Arc<str>) {
        // The same for all versions of the app.
        let _ = self.role.set(role);
    }

    pub(crate) fn logs_in(&self, account: Arc<str>, password: Arc<str>) {
        let _ = self.login.set((account, password));
    }

    pub(crate) fn role(&self) -> Option<&Arc<str>> {
        self.role.get()
    }

    pub(crate) fn login(&self) -> Option<&(Arc<str>, Arc<str>)> {
        self.login.get()
    }

    /// Its place in the queues.
    pub(crate) fn lane(&self) -> u64 {
        self.lane
    }

    pub(crate) fn set_quota(&self, quota: &Quota) {
        let mut present = self.quota.write();
        if present.0 != *quota {
            *present = (quota.clone(), Account::of(quota).map(Arc::new));
            self.storage.set_limit(quota.storage_bytes);
        }
    }

    /// What its requests are counted in, where that is bounded.
    pub fn account(&self) -> Option<Arc<Account>> {
        self.quota.read().1.clone()
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Whether the size of its tables is bounded.
    pub fn has_bounded_storage(&self) -> bool {
        self.storage.is_bounded()
    }

    /// Counts `bytes` that are about to be written; the error where its tables may not grow by them.
    pub fn grow(&self, bytes: u64) -> Result<(), UsedUp> {
        self.storage.grow(bytes)
    }

    /// Counts `bytes` that were written beyond that.
    pub fn grew(&self, bytes: u64) {
        self.storage.grew(bytes);
    }

    /// Says that rows are about to be removed or changed without growing.
    pub fn touch(&self) {
        self.storage.touch();
    }

    /// What a unit of work is like that is expected to be so by itself: where the app had more of a server than its part and others
    /// want theirs, nothing of it is quick.
    pub fn effort(&self, alone: Effort) -> Effort {
        if self.usage.gives_way() { Effort::Slow } else { alone }
    }

    /// How much it makes a server compute.
    pub(crate) fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }

    /// Its turns for what is slow.
    pub fn turns(&self) -> &Turns {
        &self.turns
    }

    /// How long its interactive transactions keep a server at work.
    pub fn transactions(&self) -> &Pace {
        &self.transactions
    }

    /// As one who wants a place, for as long as the database alone decides.
    pub(crate) fn taker(&self) -> Taker {
        let most = self.quota.read().0.connections.map_or(usize::MAX, |most| most as usize);
        Taker { lane: self.lane, most, keeper: None }
    }

    /// As one who wants a place for as long as `keeper` likes.
    pub(crate) fn keeping(&self, keeper: Weak<dyn Keeper>) -> Taker {
        Taker { keeper: Some(keeper), ..self.taker() }
    }

    pub(crate) fn committed(&self) {
        self.commits.read().fetch_add(1, Ordering::Release);
    }
}

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A statement's text and owner. Connections keep it prepared under its identity, never under its text, so what was
/// prepared for one app can't run for another.
#[derive(Debug)]
pub struct Statement {
    id: u64,
    sql: Box<str>,
    types: Box<[Type]>,
    owner: Option<Arc<Owner>>,
    raw: bool,
    strict: bool,
    pace: Option<Arc<Pace>>,
}

impl Statement {
    /// An app's statement. Everything it touches is checked against `owner` whenever it is prepared.
    pub fn of_app(owner: &Arc<Owner>, sql: impl Into<Box<str>>) -> Self {
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            sql: sql.into(),
            types: Box::default(),
            owner: Some(owner.clone()),
            raw: false,
            strict: false,
            pace: None,
        }
    }

    /// A statement that an app wrote itself. It may name more of the database's own functions than the planner does, and
    /// still nothing but `owner`'s tables. On a server run it with [`crate::Server::raw_connection`] alone.
    pub fn raw(owner: &Arc<Owner>, sql: impl Into<Box<str>>) -> Self {
        Self { raw: true, pace: Some(Pace::of_statement()), ..Self::of_app(owner, sql) }
    }

    /// The host's own statement, which nothing holds back. Never with a text that an app had a part in, except for names
    /// checked by [`host_core::name::check_name`].
    pub fn of_host(sql: impl Into<Box<str>>) -> Self {
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            sql: sql.into(),
            types: Box::default(),
            owner: None,
            raw: false,
            strict: false,
            pace: None,
        }
    }

    /// Says what its places take, in order. PostgreSQL settles that when it prepares a statement; without being told it
    /// guesses from the text around a place, and a number that is too large for its guess could not be sent at all.
    #[must_use]
    pub fn taking(mut self, types: impl Into<Box<[Type]>>) -> Self {
        self.types = types.into();
        self
    }

    /// Has the database look at foreign keys at once, also where a unit of work could be looked at when it ends: MariaDB can't
    /// do that, the host looks in its place, and it knows the keys of one app alone.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Says where it is noted how long it takes.
    #[must_use]
    pub fn paced(mut self, pace: Option<Arc<Pace>>) -> Self {
        self.pace = pace;
        self
    }

    /// How long it takes, where that is noted.
    pub fn pace(&self) -> Option<&Arc<Pace>> {
        self.pace.as_ref()
    }

    /// Whether the database looks at foreign keys at once.
    pub(crate) fn is_strict(&self) -> bool {
        self.strict
    }

    /// Its text.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// What its places take; empty where nobody said.
    pub(crate) fn types(&self) -> &[Type] {
        &self.types
    }

    pub(crate) fn owner(&self) -> Option<&Arc<Owner>> {
        self.owner.as_ref()
    }

    /// Whether an app wrote it.
    pub(crate) fn is_raw(&self) -> bool {
        self.raw
    }
}
