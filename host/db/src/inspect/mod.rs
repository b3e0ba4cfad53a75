//! The tables of a database that is there already, whoever made them, as models could speak of them.
//!
//! Nothing is changed, and nothing is trusted: names and types are whatever somebody wrote into the database, and arrive
//! here as they are. Whoever writes them anywhere has to quote them. What has no counterpart among the kinds of fields is
//! said in words ([`Column::note`], [`Table::notes`]), for a person to read.

mod ask;
mod literal;
mod mariadb;
mod postgres;
mod sqlite;
mod types;

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use host_core::manifest::OnDelete;
use host_store::{Backend, ServerConfig, ServerKind, Session, Store, StoreConfig, StoreError, Target, Until};

use crate::kind::MAX_DIGITS;
use crate::run::{Reading, now};
use crate::serve::Serving;

/// How long reading a database's tables may take. A few thousand tables take less than a second.
const MOST_TIME: Duration = Duration::from_secs(60);

/// The most tables and the most columns of all of them together. A manifest has at most 500 models of 300 fields.
const MOST_TABLES: usize = 5_000;
const MOST_COLUMNS: usize = 100_000;

/// The most digits of a decimal field.
const MOST_DIGITS: u32 = MAX_DIGITS as u32;

/// A database's tables, sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// The tables that models can be made of.
    pub tables: Vec<Table>,
    /// What was left out (views, virtual tables), by name with what it is.
    pub left_out: Vec<(String, &'static str)>,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Its name in the database.
    pub name: String,
    /// Its columns in their order.
    pub columns: Vec<Column>,
    /// The columns of the primary key, by place; empty where there is none.
    pub primary_key: Vec<usize>,
    /// Sets of columns whose values are unique together, the primary key not among them.
    pub uniques: Vec<Vec<usize>>,
    /// Other indexes.
    pub indexes: Vec<Index>,
    /// The relations to other tables.
    pub foreign_keys: Vec<ForeignKey>,
    /// What couldn't be mapped, in words.
    pub notes: Vec<String>,
}

/// One column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Column {
    /// Its name in the database.
    pub name: String,
    /// Its type in the database's words.
    pub declared: String,
    /// Whether it may be NULL.
    pub null: bool,
    /// The kind of field that holds its values; none where no field can, and `note` says why.
    pub kind: Option<Kind>,
    /// Whether the database gives numbers to rows that come without a value.
    pub counts_up: bool,
    /// What it takes where a row gives no value, if that is one fixed value.
    pub default: Option<Default>,
    /// What had to be guessed, or why there is no kind, in words.
    pub note: Option<String>,
}

/// A fixed default.
#[derive(Debug, Clone, PartialEq)]
pub enum Default {
    /// A truth value.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A float.
    Float(f64),
    /// A text.
    Text(String),
}

// Floats come from the database's text and are never NaN.
impl Eq for Default {}

/// An index: its columns by place, each with whether it descends.
pub type Index = Vec<(usize, bool)>;

/// A relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The columns that point, by place.
    pub columns: Vec<usize>,
    /// The table that they point to.
    pub table: String,
    /// The columns that they point to; empty for that table's primary key.
    pub to: Vec<String>,
    /// What the database does when the other row is deleted, in the word that comes closest.
    pub on_delete: OnDelete,
}

/// Kinds of fields, as `docs/reference/manifest.md` describes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words are the manifest's")]
pub enum Kind {
    Auto,
    SmallInteger,
    Integer,
    BigInteger,
    Float,
    Decimal { max_digits: u32, decimal_places: u32 },
    Boolean,
    Char { max_length: u32 },
    Text,
    Binary,
    Date,
    Time,
    DateTime,
    Uuid,
    Json,
}

impl Schema {
    /// Reads the tables of a SQLite file. Blocks. Errors are for the operator: the file isn't there, is no database, is
    /// held by another program, or is larger than anything that models can be made of.
    pub fn of_sqlite(path: &Path) -> Result<Self, StoreError> {
        let mut session = Session::look(path)?;
        let until = Until::deadline(Instant::now() + MOST_TIME);
        now(sqlite::read(&mut Reading { session: &mut session, until }))
    }

    /// Reads the tables of a database on a server, those of the schema that the login finds first. Blocks, so never call it on
    /// a thread that serves requests. Errors are for the operator.
    pub fn of_server(target: Target) -> Result<Self, StoreError> {
        let server = ServerConfig { connections: 2, ..ServerConfig::new(target) };
        let store = Store::open(StoreConfig { server: Some(server), ..StoreConfig::temporary() })?;
        let Backend::Server(server) = store.backend() else {
            return Err(StoreError::Internal("a server's database was opened as a file".into()));
        };
        let (kind, held) = (server.kind(), store.clone());
        server.blocking(async move {
            let Backend::Server(server) = held.backend() else { return Ok(Self::default()) };
            let mut connection = server.host_connection(Instant::now() + MOST_TIME).await?;
            let mut on = Serving::new(&mut connection, &[]);
            match kind {
                ServerKind::Postgres => postgres::read(&mut on).await,
                ServerKind::Mariadb => mariadb::read(&mut on).await,
            }
        })?
    }

    /// A primary key of one whole number that the database counts up is one of kind `auto`.
    fn name_automatic_keys(&mut self) {
        for table in &mut self.tables {
            let &[key] = table.primary_key.as_slice() else { continue };
            let column = &mut table.columns[key];
            if column.counts_up && matches!(column.kind, Some(Kind::SmallInteger | Kind::Integer | Kind::BigInteger)) {
                (column.kind, column.note) = (Some(Kind::Auto), None);
            }
        }
    }

    /// The table called `name`.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }
}

impl Table {
    /// The place of the column called `name`.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Whether the columns, in any order, are the primary key or unique together.
    pub fn is_unique(&self, columns: &[usize]) -> bool {
        let same = |set: &Vec<usize>| set.len() == columns.len() && columns.iter().all(|at| set.contains(at));
        same(&self.primary_key) || self.uniques.iter().any(same)
    }
}

/// The place of the table called `name`, by tables that are sorted by name or not.
fn places(tables: &[Table]) -> HashMap<String, usize> {
    tables.iter().enumerate().map(|(at, table)| (table.name.clone(), at)).collect()
}

/// The word that comes closest to what SQL says after ON DELETE. NO ACTION is the database's affair alone, and it checks at
/// the end what RESTRICT checks at once.
fn on_delete(action: &str) -> OnDelete {
    match action {
        "CASCADE" => OnDelete::Cascade,
        "SET NULL" => OnDelete::SetNull,
        "RESTRICT" => OnDelete::Protect,
        _ => OnDelete::DoNothing,
    }
}
