//! What a transaction holds from its first write on: SQLite's write lease, or a server's connection.

use std::sync::Arc;
use std::time::Instant;

use host_store::{Connection, Constraint, Lease, ServerKind, ServerTransaction, Statement, StoreError};

use crate::error::Fault;
use crate::plan::Plan;
use crate::request::{Scope, reading, writing};
use crate::result::Sink;
use crate::run::{self, Allowance, Unit};
use crate::serve::Serving;
use crate::types::{Outcome, Param};

/// What a transaction holds.
#[derive(Debug)]
pub(crate) enum Hold {
    /// The only connection that writes.
    File(Lease),
    /// One of a server's connections.
    Server(ServerTransaction),
}

impl Hold {
    /// Whether the other side ended it: its time was up, or its connection broke.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Hold::File(lease) => lease.is_over(),
            Hold::Server(transaction) => transaction.is_over(),
        }
    }

    pub(crate) async fn read<S: Sink>(
        &self,
        scope: &Scope,
        plan: Arc<Plan>,
        params: Vec<Param>,
        deadline: Instant,
    ) -> Result<S, Fault> {
        match self {
            Hold::File(lease) => {
                let Scope { app, context, .. } = scope.clone();
                lease
                    .run(move |work| -> Result<S, Fault> {
                        work.no_later_than(deadline);
                        let allowance = Allowance::of(&context, app.config.max_result_bytes);
                        run::now(run::read(work, reading(&plan)?, &params, allowance, &context))
                    })
                    .await
            }
            Hold::Server(transaction) => {
                let read = reading(&plan)?;
                let mut inside = transaction.enter().await?;
                inside.until(deadline.min(transaction.end()));
                let marked = mark(&mut inside, true);
                let allowance = Allowance::of(&scope.context, scope.app.config.max_result_bytes);
                let mut on = Serving::new(&mut inside, scope.app.dangling());
                let result = run::read(&mut on, read, &params, allowance, &scope.context).await;
                unmark(&mut inside, marked, result.is_ok());
                result
            }
        }
    }

    pub(crate) async fn write(
        &self,
        scope: &Scope,
        plan: Arc<Plan>,
        params: Vec<Param>,
        deadline: Instant,
    ) -> Result<Outcome, Fault> {
        match self {
            Hold::File(lease) => {
                let Scope { app, context, .. } = scope.clone();
                lease
                    .run(move |work| -> Result<Outcome, Fault> {
                        work.no_later_than(deadline);
                        run::now(app.writing(&context).write(work, writing(&plan)?, &params, &[]))
                    })
                    .await
            }
            Hold::Server(transaction) => {
                let write = writing(&plan)?;
                let mut inside = transaction.enter().await?;
                inside.until(deadline.min(transaction.end()));
                let marked = mark(&mut inside, write.is_single(&params));
                let mut on = Serving::new(&mut inside, scope.app.dangling());
                let result = scope.app.writing(&scope.context).write(&mut on, write, &params, &[]).await;
                unmark(&mut inside, marked, result.is_ok());
                result
            }
        }
    }

    /// Sets, goes back to, or forgets a savepoint; `statement` is one of the host's own.
    pub(crate) async fn control(&self, statement: Arc<Statement>) -> Result<(), StoreError> {
        match self {
            Hold::File(lease) => lease.control(statement).await,
            Hold::Server(transaction) => {
                // It goes with the next statement: nothing can be wrong with it.
                transaction.enter().await?.first(statement.sql().to_owned());
                Ok(())
            }
        }
    }

    pub(crate) async fn commit(self, scope: &Scope) -> Result<(), Fault> {
        match self {
            Hold::File(lease) => Ok(lease.commit().await?),
            Hold::Server(transaction) => {
                let mut connection = transaction.finish().await?;
                connection.until(scope.context.deadline);
                if connection.is_unchecked() {
                    let mut on = Serving::new(&mut connection, scope.app.dangling());
                    if on.has_dangling_keys().await? {
                        connection.rollback().await;
                        let subject = String::new();
                        return Err(StoreError::Constraint { kind: Constraint::ForeignKey, subject }.into());
                    }
                }
                Ok(connection.commit().await?)
            }
        }
    }

    pub(crate) async fn rollback(self) -> Result<(), Fault> {
        match self {
            Hold::File(lease) => Ok(lease.rollback().await?),
            Hold::Server(transaction) => {
                transaction.finish().await?.rollback().await;
                Ok(())
            }
        }
    }
}

/// Makes sure that a statement which fails undoes its own effect alone. `single` says whether it is one for the database,
/// too. Nothing of this takes a flight of its own on PostgreSQL.
fn mark(connection: &mut Connection, single: bool) -> bool {
    // MariaDB undoes a single statement by itself.
    let needed = !single || connection.kind() == ServerKind::Postgres;
    if needed {
        connection.first("SAVEPOINT statement");
    }
    needed
}

fn unmark(connection: &mut Connection, marked: bool, good: bool) {
    if !marked || connection.is_over() {
        return;
    }
    if !good {
        connection.first("ROLLBACK TO SAVEPOINT statement");
    }
    connection.first("RELEASE SAVEPOINT statement");
}
