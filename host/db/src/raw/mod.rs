//! `bandstand:db/raw`: SQL that an app wrote itself.
//!
//! The planner has no part in it, so the wall is the database's own: on SQLite the authorizer, which looks at every table and
//! function when the statement is prepared; on a server a login that has rights on the app's tables alone
//! ([`host_store::Server::raw_connection`]). Budgets, deadlines and errors are those of the app's other statements.

mod gather;
mod text;

use std::sync::Arc;
use std::time::Instant;

use host_core::access::Action;
use host_core::grants::Capability;
use host_store::{
    Backend, Cells, Connection, Constraint, Datum, Decimal, Effort, Server, Statement, StoreError, Until, Work,
};

use crate::attempt::{Attempts, Repeatable, until};
pub use crate::bindings::bandstand::db::raw::{Cell, Change, Dialect as Database, Table};
use crate::dialect::Dialect;
use crate::error::{DbError, Fault, code};
use crate::kind::has_zero;
use crate::request::{RequestDb, Scope};
use crate::run::{Allowance, Stopwatch, note};
use crate::shape::From;
use crate::types::Rows;
use gather::{Gather, OfModel, Plain};
use text::{Does, check, numbered, wrong};

/// Values of one statement: the most that SQLite's and the servers' limits have room for beside one another.
const MAX_PARAMS: usize = 1_000;

/// The longest that a database's own words about a statement are passed on, in characters.
const MAX_WORDS: usize = 500;

impl RequestDb {
    /// What the app's tables lie in.
    pub fn database(&self) -> Result<Database, DbError> {
        self.scope.admit_raw()?;
        Ok(match self.scope.app.catalog.dialect {
            Dialect::Sqlite => Database::Sqlite,
            Dialect::Postgres => Database::Postgresql,
            Dialect::Mariadb => Database::Mariadb,
        })
    }

    /// Runs a statement that reads.
    pub async fn fetch_raw(&self, sql: &str, params: Vec<Cell>) -> Result<Table, DbError> {
        let statement = self.scope.prepared(sql, &params, Does::Reads)?;
        self.scope.read_raw(statement, params, Plain::default()).await.map(Plain::table)
    }

    /// Runs a statement that reads rows of a model.
    pub async fn fetch_raw_model(&self, model: &str, sql: &str, params: Vec<Cell>) -> Result<Rows, DbError> {
        let statement = self.scope.prepared(sql, &params, Does::Reads)?;
        let catalog = self.scope.app.catalog.clone();
        let table = catalog.find(&From::Own(model.to_owned()))?;
        catalog.allow(table, Action::View)?;
        self.scope.read_raw(statement, params, OfModel::new(catalog, table)).await.map(OfModel::rows)
    }

    /// Runs a statement that writes, as a transaction by itself.
    pub async fn execute_raw(&self, sql: &str, params: Vec<Cell>) -> Result<Change, DbError> {
        let statement = self.scope.prepared(sql, &params, Does::Writes)?;
        let (affected, returned) = self.scope.write_raw(statement, params).await?;
        Ok(Change { affected, returned: returned.table() })
    }
}

/// What a statement is expected to be like. What it says can't be told without running it.
fn effort(statement: &Statement) -> Effort {
    statement.pace().map_or(Effort::Slow, |pace| pace.effort())
}

impl Scope {
    fn admit_raw(&self) -> Result<(), DbError> {
        if !self.context.may(Capability::DbRaw) {
            return Err(DbError::denied(Capability::DbRaw));
        }
        if self.app.catalog.has_rules() {
            let problem =
                "the app's grants have rules about rows of other apps, and SQL of its own can't be held to them";
            return Err(DbError::new(code::ACCESS_DENIED, problem));
        }
        self.still_open()
    }

    /// The statement for this text: the same one for the same text, so that it stays prepared.
    fn prepared(&self, sql: &str, params: &[Cell], does: Does) -> Result<Arc<Statement>, DbError> {
        self.admit_raw()?;
        check(sql, does)?;
        if self.app.catalog.dialect == Dialect::Sqlite && host_store::joins_by_names(sql) {
            return Err(wrong(
                "on SQLite an app's SQL has no `USING` and no `NATURAL`, whose columns nobody could look at: join with `ON`; where \
                 it is a word in a text, give the text as a value",
            ));
        }
        if params.len() > MAX_PARAMS {
            let problem = format!("a statement has {MAX_PARAMS} values at most, not {}", params.len());
            return Err(DbError::new(code::INVALID_VALUE, problem).with("limit", MAX_PARAMS));
        }
        for (at, cell) in params.iter().enumerate() {
            datum(cell).map_err(|error| error.with("parameter", at))?;
        }
        Ok(self.app.raw_statement(sql, || match self.app.catalog.dialect {
            Dialect::Postgres => numbered(sql),
            Dialect::Sqlite | Dialect::Mariadb => sql.to_owned(),
        }))
    }

    async fn read_raw<G: Gather>(
        &self,
        statement: Arc<Statement>,
        params: Vec<Cell>,
        mut gather: G,
    ) -> Result<G, DbError> {
        self.begin_statements(1)?;
        let deadline = self.deadline()?;
        let (app, context) = (self.app.clone(), self.context.clone());
        let sqlite = match self.app.store.backend() {
            Backend::Sqlite(sqlite) => sqlite,
            Backend::Server(server) => {
                let result = self.read_raw_on_server(server, &statement, &params, &mut gather).await;
                return result.map(|()| gather).map_err(|fault| self.explain_raw(fault, Instant::now()));
            }
        };
        let explain = |fault| self.explain_raw(fault, Instant::now());
        let turn = self.turn_by(effort(&statement), None, deadline).await;
        let _turn = turn.map_err(|error| explain(Fault::Store(error)))?;
        let result = sqlite.read(&self.app.owner, deadline, move |session| -> Result<G, Fault> {
            let time = Stopwatch::start(&context.budget);
            let values = data(&params)?;
            gather.head(session.look_at(&statement, values.len(), true)?)?;
            let mut allowance = Allowance::of(&context, app.config.max_result_bytes);
            let until = Until::deadline(until(&context)?);
            let ran = session.run(&statement, until, values, |row| gather.row(row, &mut allowance));
            statement.pace().inspect(|pace| pace.took(time.since().elapsed()));
            ran?;
            note(&context, &statement, time.since(), allowance.taken());
            context.budget.charge_rows(allowance.taken())?;
            Ok(gather)
        });
        // A read has no other limits than its request's.
        result.await.map_err(explain)
    }

    async fn read_raw_on_server(
        &self,
        server: &Server,
        statement: &Statement,
        params: &[Cell],
        gather: &mut impl Gather,
    ) -> Result<(), Fault> {
        let context = &self.context;
        let mut connection = self.raw_connection(server, statement, true).await?;
        connection.until(until(context)?);
        self.run_raw(&mut connection, statement, params, gather).await.map(drop)
    }

    async fn raw_connection(
        &self,
        server: &Server,
        statement: &Statement,
        reads: bool,
    ) -> Result<Connection, StoreError> {
        let (owner, deadline) = (&self.app.owner, self.context.deadline);
        let turn = self.turn(effort(statement), None).await?;
        let mut connection = server.raw_connection(owner, reads, deadline).await?;
        connection.takes(turn);
        Ok(connection)
    }

    /// Runs the statement on a server's connection, inside the transaction that is open there.
    async fn run_raw(
        &self,
        connection: &mut Connection,
        statement: &Statement,
        params: &[Cell],
        gather: &mut impl Gather,
    ) -> Result<u64, Fault> {
        let time = Stopwatch::start(&self.context.budget);
        let mut allowance = Allowance::of(&self.context, self.app.config.max_result_bytes);
        let mut begun = false;
        let row = |row: &Cells<'_>| -> Result<(), Fault> {
            if !std::mem::replace(&mut begun, true) {
                gather.head(row.names())?;
            }
            gather.row(row, &mut allowance)
        };
        let affected = connection.run(statement, &data(params)?, row).await?;
        if !begun {
            gather.head(connection.columns(statement))?;
        }
        note(&self.context, statement, time.since(), allowance.taken());
        self.context.budget.charge_rows(allowance.taken())?;
        Ok(affected)
    }

    async fn write_raw(&self, statement: Arc<Statement>, params: Vec<Cell>) -> Result<(u64, Plain), DbError> {
        self.check_no_writing_transaction()?;
        self.begin_statements(1)?;
        self.deadline()?;
        self.charge_storage(&statement, &params)?;
        self.begin_writing()?;
        let sqlite = match self.app.store.backend() {
            Backend::Sqlite(sqlite) => sqlite,
            Backend::Server(server) => {
                let result = self.write_raw_on_server(server, &statement, &params).await;
                return result.map_err(|fault| self.explain_raw(fault, Instant::now()));
            }
        };
        let scope = self.clone();
        let mut time_left = Repeatable::default();
        let result = sqlite.write(&self.app.owner, self.context.deadline, move |work| -> Result<_, Fault> {
            let deadline = time_left.until(&scope.context)?;
            work.no_later_than(deadline);
            // Here, where it is known whose time ran out: the request's, or what one may have of the writing connection.
            scope.write_raw_now(work, &statement, &params).map_err(|fault| scope.explain_raw(fault, deadline).into())
        });
        result.await.map_err(|fault| self.explain_raw(fault, self.context.deadline))
    }

    /// Counts what the statement says itself, where the size of the app's tables is bounded. What else it makes is seen when
    /// they are measured.
    fn charge_storage(&self, statement: &Statement, params: &[Cell]) -> Result<(), DbError> {
        let owner = &self.app.owner;
        if !owner.has_bounded_storage() {
            return Ok(());
        }
        if statement.sql().trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("delete")) {
            owner.touch();
            return Ok(());
        }
        let weight = statement.sql().len() + data(params)?.iter().map(Datum::content).sum::<usize>();
        Ok(owner.grow(weight as u64)?)
    }

    fn write_raw_now(
        &self,
        work: &mut Work<'_>,
        statement: &Statement,
        params: &[Cell],
    ) -> Result<(u64, Plain), Fault> {
        let time = Stopwatch::start(&self.context.budget);
        let values = data(params)?;
        let mut gather = Plain::default();
        gather.head(work.look_at(statement, values.len())?)?;
        let mut allowance = Allowance::of(&self.context, self.app.config.max_result_bytes);
        let affected = work.run(statement, values, |row| gather.row(row, &mut allowance))?;
        if work.has_dangling_keys() {
            return Err(StoreError::Constraint { kind: Constraint::ForeignKey, subject: String::new() }.into());
        }
        note(&self.context, statement, time.since(), allowance.taken());
        self.context.budget.charge_rows(allowance.taken())?;
        Ok((affected, gather))
    }

    async fn write_raw_on_server(
        &self,
        server: &Server,
        statement: &Statement,
        params: &[Cell],
    ) -> Result<(u64, Plain), Fault> {
        let mut attempts = Attempts::default();
        loop {
            let result = self.try_write_raw(server, statement, params).await;
            if !attempts.again(&result).await {
                return result;
            }
        }
    }

    async fn try_write_raw(
        &self,
        server: &Server,
        statement: &Statement,
        params: &[Cell],
    ) -> Result<(u64, Plain), Fault> {
        let mut connection = self.raw_connection(server, statement, false).await?;
        connection.until(until(&self.context)?);
        let mut gather = Plain::default();
        let affected = self.run_raw(&mut connection, statement, params, &mut gather).await?;
        connection.commit().await?;
        Ok((affected, gather))
    }

    /// The database's words about a statement are its author's to read: it ran with the app's own rights. `deadline` is
    /// that of the request's own limits.
    fn explain_raw(&self, fault: Fault, deadline: Instant) -> DbError {
        match fault {
            Fault::Store(StoreError::Internal(words)) => wrong(words.chars().take(MAX_WORDS).collect::<String>()),
            Fault::Store(StoreError::ReadOnly(_)) => wrong("the statement writes; call `execute`"),
            Fault::Store(StoreError::Denied(words)) => {
                let words: String = words.chars().take(MAX_WORDS).collect();
                DbError::new(code::ACCESS_DENIED, format!("the statement reaches for what isn't the app's: {words}"))
            }
            fault => self.app.explain(fault, &self.context, deadline),
        }
    }
}

fn data(cells: &[Cell]) -> Result<Vec<Datum<'_>>, DbError> {
    cells.iter().map(datum).collect()
}

fn datum(cell: &Cell) -> Result<Datum<'_>, DbError> {
    let invalid = |problem: &str| Err(DbError::new(code::INVALID_VALUE, problem));
    Ok(match cell {
        Cell::Null => Datum::Null,
        Cell::Boolean(truth) => Datum::Boolean(*truth),
        Cell::Integer(number) => Datum::Integer(*number),
        Cell::Float(number) if number.is_nan() => return invalid("NaN is no value"),
        Cell::Float(number) => Datum::Real(*number),
        Cell::Text(text) | Cell::Json(text) if has_zero(text) => return invalid("a text can't hold U+0000"),
        Cell::Text(text) => Datum::Text(text.as_bytes()),
        Cell::Bytes(bytes) => Datum::Blob(bytes),
        Cell::Date(days) => Datum::Date(*days),
        Cell::Time(micros) => Datum::Time(*micros),
        Cell::Datetime(micros) => Datum::DateTime(*micros),
        Cell::Decimal(text) => match Decimal::from_str_exact(text) {
            Ok(number) => Datum::Decimal(number),
            Err(_) => return invalid("a decimal has digits, a point, and 28 digits at most"),
        },
        Cell::Uuid(bytes) if bytes.len() == 16 => Datum::Uuid(bytes),
        Cell::Uuid(_) => return invalid("a UUID has 16 bytes"),
        Cell::Json(text) => Datum::Json(text.as_bytes()),
    })
}
