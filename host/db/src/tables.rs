//! Making tables on a database server, where other hosts may be at it as well.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use host_core::manifest::Manifest;
use host_store::{Connection, Datum, Isolation, Owner, Server, ServerKind, Statement, Store, StoreError, Type};

use crate::catalog::Catalog;
use crate::dialect::Dialect;
use crate::expand::{self, Change, Refusal};
use crate::serve::Serving;

/// What a change of tables may take: an index over many rows takes minutes.
const TIME: Duration = Duration::from_secs(3_600);

/// What is wrong with a MariaDB that knows no time zones, and what to do about it.
pub(crate) const NO_ZONES: &str = "MariaDB's time zone tables are empty; fill them: \
    mariadb-tzinfo-to-sql /usr/share/zoneinfo | mariadb -u root mysql";

/// The number under which hosts of one database take turns: the first bytes of "bandstand" in ASCII.
const LOCK: i64 = 0x6261_6e64_7374;

/// Makes the host's own table.
pub(crate) async fn prepare(store: &Store, own: &Statement) -> Result<(), StoreError> {
    let server = server(store)?;
    let mut connection = alone(server).await?;
    let result = match connection.run(own, &[], |_| Ok::<_, StoreError>(())).await {
        Ok(_) => server.look_at_wall(&mut connection).await,
        Err(error) => Err(error),
    };
    if server.kind() == ServerKind::Mariadb && matches!(knows_zones(&mut connection).await, Ok(false)) {
        tracing::warn!("queries that look at a moment in a time zone will be refused: {NO_ZONES}");
    }
    let_others(server, connection, result).await
}

/// Makes an app's tables and lets its role use them.
pub(crate) async fn make(
    store: &Store,
    owner: &Arc<Owner>,
    catalog: &Catalog,
    manifest: &Manifest,
    raw: bool,
) -> Result<Vec<String>, Refusal> {
    let server = server(store)?;
    let mut connection = alone(server).await?;
    let result = async {
        let mut on = Serving::new(&mut connection, &[]);
        let lines = expand::expand(&mut on, catalog, manifest).await?;
        if server.kind() == ServerKind::Mariadb {
            catalog.named_zones.store(knows_zones(&mut connection).await?, Ordering::Relaxed);
        }
        server.admit(&mut connection, owner, raw).await?;
        Ok::<_, Refusal>(lines)
    };
    let result = result.await;
    let_others(server, connection, result).await
}

/// Whether MariaDB's tables of time zones were filled: without them every zone is NULL.
async fn knows_zones(connection: &mut Connection) -> Result<bool, StoreError> {
    let ask = Statement::of_host("SELECT CONVERT_TZ('2000-01-01', '+00:00', 'Europe/Berlin') IS NOT NULL");
    let mut known = false;
    let seen = |row: &host_store::Cells<'_>| {
        known = row.get(0)?.as_integer() == Some(1);
        Ok::<_, StoreError>(())
    };
    connection.run(&ask, &[], seen).await?;
    Ok(known)
}

/// What [`make`] would do.
pub(crate) async fn plan(store: &Store, catalog: &Catalog, manifest: &Manifest) -> Result<Vec<Change>, Refusal> {
    let mut connection = server(store)?.host_connection(Instant::now() + Duration::from_secs(60)).await?;
    let mut on = Serving::new(&mut connection, &[]);
    expand::changes(&mut on, catalog, manifest).await
}

/// The manifests of these apps that the database remembers.
pub(crate) async fn remembered(store: &Store, dialect: Dialect, apps: &[String]) -> Result<Vec<Manifest>, Refusal> {
    let mut connection = server(store)?.host_connection(Instant::now() + Duration::from_secs(60)).await?;
    expand::remembered(&mut Serving::new(&mut connection, &[]), dialect, apps).await
}

fn server(store: &Store) -> Result<&Server, StoreError> {
    store.server().ok_or_else(|| StoreError::Internal("no database server".into()))
}

/// A connection that no other host changes tables beside.
async fn alone(server: &Server) -> Result<Connection, StoreError> {
    let mut connection = server.host_connection(Instant::now() + TIME).await?;
    match server.kind() {
        ServerKind::Postgres => {
            connection.begin(Isolation::Statement);
            let lock = Statement::of_host("SELECT pg_advisory_xact_lock($1)").taking([Type::Integer]);
            connection.run(&lock, &[Datum::Integer(LOCK)], |_| Ok::<_, StoreError>(())).await?;
        }
        ServerKind::Mariadb => {
            let lock = Statement::of_host("SELECT GET_LOCK(CONCAT('bandstand.', DATABASE()), ?)");
            let wait = Datum::Integer(i64::try_from(TIME.as_secs()).unwrap_or(i64::MAX));
            let mut got = false;
            let seen = |row: &host_store::Cells<'_>| {
                got = row.get(0)?.as_integer() == Some(1);
                Ok::<_, StoreError>(())
            };
            connection.run(&lock, &[wait], seen).await?;
            if !got {
                return Err(StoreError::Busy("another host changes the tables"));
            }
        }
    }
    Ok(connection)
}

async fn let_others<T, E: From<StoreError>>(
    server: &Server,
    mut connection: Connection,
    result: Result<T, E>,
) -> Result<T, E> {
    match (server.kind(), result) {
        (ServerKind::Postgres, Ok(done)) => {
            connection.commit().await?;
            Ok(done)
        }
        (ServerKind::Postgres, Err(error)) => {
            connection.rollback().await;
            Err(error)
        }
        (ServerKind::Mariadb, result) => {
            // The lock is the session's, and so are switches that a change which broke off may have left.
            let end = "DO RELEASE_LOCK(CONCAT('bandstand.', DATABASE())); SET foreign_key_checks = 1";
            connection.control(Some(end)).await?;
            result
        }
    }
}
