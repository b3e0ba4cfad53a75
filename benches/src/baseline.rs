//! What Bandstand is compared with: hyper alone, and axum with rusqlite as one would write it by hand.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use axum::response::IntoResponse;
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rusqlite::{Connection, OpenFlags};

/// A baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// hyper with a constant answer.
    Hyper,
    /// axum with a constant answer, and a row by key with rusqlite.
    Axum,
}

/// The rows that there are in the baseline's table.
const ROWS: i64 = 10_000;

pub(crate) fn serve(kind: Kind, address: SocketAddr, database: Option<PathBuf>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await.context("listening")?;
        match kind {
            Kind::Hyper => hyper_alone(listener).await,
            Kind::Axum => axum_and_rusqlite(listener, &database.context("axum needs a database")?).await,
        }
    })
}

async fn hyper_alone(listener: tokio::net::TcpListener) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let answer = service_fn(|_: hyper::Request<hyper::body::Incoming>| async {
                let mut response = hyper::Response::new(Full::new(Bytes::from_static(b"Hello, World!")));
                let kind = http::HeaderValue::from_static("text/plain; charset=utf-8");
                response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
                Ok::<_, Infallible>(response)
            });
            // A client that hangs up is no news.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

thread_local! {
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// Makes the table that the row is read from.
pub(crate) fn fill(path: &Path) -> Result<()> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let transaction = connection.transaction()?;
    transaction.execute_batch("CREATE TABLE world (id INTEGER PRIMARY KEY, random_number INTEGER NOT NULL)")?;
    for id in 1..=ROWS {
        transaction.execute("INSERT INTO world VALUES (?1, ?2)", (id, (id - 1) * 7_919 % ROWS))?;
    }
    transaction.commit()?;
    Ok(())
}

#[derive(serde::Serialize)]
struct World {
    id: i64,
    random_number: i32,
}

fn row(path: &Path, id: i64) -> rusqlite::Result<World> {
    CONNECTION.with_borrow_mut(|connection| {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?),
        };
        let mut statement = connection.prepare_cached("SELECT id, random_number FROM world WHERE id = ?1")?;
        statement.query_row([id], |row| Ok(World { id: row.get(0)?, random_number: row.get(1)? }))
    })
}

async fn axum_and_rusqlite(listener: tokio::net::TcpListener, database: &Path) -> Result<()> {
    use axum::extract::{Path, State};
    let database: &'static std::path::Path = Box::leak(database.to_path_buf().into_boxed_path());
    let app = axum::Router::new()
        .route("/hello/", axum::routing::get(async || "Hello, World!"))
        .route(
            "/row/{id}/",
            axum::routing::get(
                async |State(database): State<&'static std::path::Path>, Path(id): Path<i64>| match row(database, id) {
                    Ok(world) => axum::Json(world).into_response(),
                    Err(_) => http::StatusCode::NOT_FOUND.into_response(),
                },
            ),
        )
        .with_state(database);
    axum::serve(listener, app).await.context("serving")
}
