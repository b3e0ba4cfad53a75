//! Plans on a database server's connection.

use std::sync::Arc;

use host_store::{Connection, Constraint, Datum, Effort, Isolation, Server, ServerKind, Statement, StoreError};

use crate::attempt::{Attempts, until};
use crate::error::{DbError, Fault};
use crate::plan::Plan;
use crate::request::{Scope, unit, writing};
use crate::run::{OnRow, Params, Run, Unit};
use crate::types::{Outcome, Param};

/// When the keys of a unit are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// By the commit itself, which costs nothing and can't say what is wrong.
    AtCommit,
    /// Before, where what is wrong can still be looked for.
    Before,
}

/// A server's connection.
pub(crate) struct Serving<'c> {
    pub(crate) connection: &'c mut Connection,
    /// One for each foreign key of the app: gives a row where it points nowhere.
    pub(crate) dangling: &'c [Statement],
    keys: Keys,
}

impl<'c> Serving<'c> {
    pub(crate) fn new(connection: &'c mut Connection, dangling: &'c [Statement]) -> Self {
        Self { connection, dangling, keys: Keys::Before }
    }
}

impl Run for Serving<'_> {
    async fn run(&mut self, statement: &Statement, params: Params<'_, '_>, row: OnRow<'_>) -> Result<u64, Fault> {
        let params: Vec<Datum<'_>> = params.collect();
        self.connection.run(statement, &params, row).await
    }
}

impl Unit for Serving<'_> {
    async fn run_rows(
        &mut self,
        statement: &Statement,
        rows: &mut (dyn Iterator<Item = Vec<Datum<'_>>> + Send),
        row: OnRow<'_>,
    ) -> Result<u64, Fault> {
        let rows: Vec<Vec<Datum<'_>>> = rows.collect();
        let rows: Vec<&[Datum<'_>]> = rows.iter().map(Vec::as_slice).collect();
        self.connection.run_all(statement, &rows, row).await
    }

    async fn has_dangling_keys(&mut self) -> Result<bool, Fault> {
        if self.keys == Keys::AtCommit || !self.connection.is_open() {
            return Ok(false);
        }
        match self.connection.kind() {
            ServerKind::Postgres => {
                self.connection.first("SAVEPOINT keys");
                match self.connection.control(Some("SET CONSTRAINTS ALL IMMEDIATE")).await {
                    Ok(()) => {
                        self.connection.first("RELEASE SAVEPOINT keys");
                        Ok(false)
                    }
                    Err(StoreError::Constraint { kind: Constraint::ForeignKey, .. }) => {
                        // Back to where one can look for it.
                        self.connection.first("ROLLBACK TO SAVEPOINT keys");
                        Ok(true)
                    }
                    Err(error) => Err(error.into()),
                }
            }
            ServerKind::Mariadb => {
                if !self.connection.is_unchecked() {
                    return Ok(false);
                }
                for ask in self.dangling {
                    let mut found = false;
                    self.connection
                        .run(ask, &[], |_| {
                            found = true;
                            Ok::<_, Fault>(())
                        })
                        .await?;
                    if found {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

/// Runs the statements of a batch, or the only one, as one unit.
pub(crate) async fn write(
    server: &Server,
    scope: &Scope,
    statements: &[(Arc<Plan>, Vec<Param>)],
) -> Result<Vec<Outcome>, Fault> {
    let mut attempts = Attempts::default();
    let mut keys = match server.kind() {
        ServerKind::Postgres => Keys::AtCommit,
        // It knows by itself whether there is anything to look at.
        ServerKind::Mariadb => Keys::Before,
    };
    loop {
        let result = try_write(server, scope, statements, keys).await;
        if let (Keys::AtCommit, Err(Fault::Store(StoreError::Constraint { kind: Constraint::ForeignKey, .. }))) =
            (keys, &result)
        {
            // The commit said no and undid it all. Once more, to be able to say which statement it is about.
            keys = Keys::Before;
            continue;
        }
        if !attempts.again(&result).await {
            return result;
        }
    }
}

/// Bytes from which on a write isn't quick for a server, whatever it is: packing them and writing them takes its time.
const MUCH: usize = 64 << 10;

/// What a unit of work is expected to be like for a server.
fn effort(statements: &[(Arc<Plan>, Vec<Param>)]) -> Result<Effort, DbError> {
    if statements.iter().flat_map(|(_, params)| params).map(Param::weight).sum::<usize>() >= MUCH {
        return Ok(Effort::Slow);
    }
    let efforts = statements.iter().map(|(plan, params)| Ok(writing(plan)?.effort(params)));
    Ok(efforts.collect::<Result<Vec<_>, DbError>>()?.into_iter().max().unwrap_or(Effort::Quick))
}

async fn try_write(
    server: &Server,
    scope: &Scope,
    statements: &[(Arc<Plan>, Vec<Param>)],
    keys: Keys,
) -> Result<Vec<Outcome>, Fault> {
    let turn = scope.turn(effort(statements)?, None).await?;
    let Scope { app, context, .. } = scope;
    let mut connection = server.connection(&app.owner, context.deadline).await?;
    connection.takes(turn);
    let deadline = until(context)?;
    connection.until(deadline);
    let single = match statements {
        [(plan, params)] => writing(plan)?.is_single(params),
        _ => false,
    };
    if !single {
        connection.begin(Isolation::Statement);
    }
    let mut on = Serving { keys, ..Serving::new(&mut connection, app.dangling()) };
    let result = match unit(&mut on, app, context, statements, deadline).await {
        Ok(outcomes) if single => Ok(outcomes),
        Ok(outcomes) => connection.commit().await.map(|()| outcomes).map_err(Fault::Store),
        Err(fault) => Err(fault),
    };
    if result.is_err() {
        connection.rollback().await;
    }
    result
}
