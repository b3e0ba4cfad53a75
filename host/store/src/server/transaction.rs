//! An interactive transaction on a server: a connection that one request has for a short time.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, MutexGuard};

use crate::ending::Ending;
use crate::error::StoreError;
use crate::server::Server;
use crate::server::connection::{Connection, Isolation};

/// A connection inside a transaction. Dropped, it is rolled back before anybody else gets the connection. Left alone for
/// too long, it is rolled back as well.
#[derive(Debug)]
pub struct ServerTransaction {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    connection: Mutex<Option<Connection>>,
    ending: Ending,
    last: parking_lot::Mutex<Instant>,
    idle: Duration,
    end: Instant,
}

impl Drop for ServerTransaction {
    fn drop(&mut self) {
        self.shared.ending.set(StoreError::Closed);
        // Where a statement is under way, whoever runs it is going as well.
        if let Ok(mut connection) = self.shared.connection.try_lock() {
            drop(connection.take());
        }
    }
}

impl ServerTransaction {
    pub(crate) fn new(server: &Server, mut connection: Connection) -> Self {
        connection.begin(Isolation::Transaction);
        let config = server.config();
        let idle = Duration::from_millis(config.transaction_idle_ms);
        let end = Instant::now() + Duration::from_millis(config.transaction_total_ms);
        let shared = Arc::new(Shared {
            connection: Mutex::new(Some(connection)),
            ending: Ending::default(),
            last: parking_lot::Mutex::new(Instant::now()),
            idle,
            end,
        });
        server.runtime().spawn(watch(shared.clone()));
        Self { shared }
    }

    /// Whether it is over, by its end or because its time was up.
    pub fn is_over(&self) -> bool {
        self.shared.ending.is_set()
    }

    /// The connection, for one statement. Nothing runs past the transaction's end.
    pub async fn enter(&self) -> Result<Inside<'_>, StoreError> {
        let connection = self.shared.connection.lock().await;
        match &*connection {
            Some(_) if !self.is_over() => {
                let mut inside = Inside { connection, shared: &self.shared };
                inside.until(self.shared.end);
                Ok(inside)
            }
            _ => Err(self.shared.ending.error()),
        }
    }

    /// When it ends at the latest.
    pub fn end(&self) -> Instant {
        self.shared.end
    }

    /// Takes the connection for good, to commit or to roll back.
    pub async fn finish(&self) -> Result<Connection, StoreError> {
        let mut connection = self.shared.connection.lock().await;
        if self.is_over() {
            return Err(self.shared.ending.error());
        }
        self.shared.ending.set(StoreError::Closed);
        connection.take().ok_or(StoreError::Closed)
    }
}

/// The connection of a transaction, while one statement has it.
#[derive(Debug)]
pub struct Inside<'t> {
    connection: MutexGuard<'t, Option<Connection>>,
    shared: &'t Shared,
}

impl Deref for Inside<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match &*self.connection {
            Some(connection) => connection,
            None => unreachable!("whoever made this saw the connection, and nobody takes it while it is locked"),
        }
    }
}

impl DerefMut for Inside<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        match &mut *self.connection {
            Some(connection) => connection,
            None => unreachable!("whoever made this saw the connection, and nobody takes it while it is locked"),
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        *self.shared.last.lock() = Instant::now();
        // Stopped or left in the middle: the server has undone the transaction, or will.
        if self.is_over() {
            let late = Instant::now() >= self.shared.end;
            self.shared.ending.set(if late { StoreError::Timeout } else { StoreError::Closed });
        }
        if self.shared.ending.is_set() {
            drop(self.connection.take());
        }
    }
}

/// Takes the connection from whoever dawdles with it.
async fn watch(shared: Arc<Shared>) {
    loop {
        let until = (*shared.last.lock() + shared.idle).min(shared.end);
        tokio::time::sleep_until(until.into()).await;
        // While a statement runs it isn't idle, and the statement has the end as its deadline.
        let mut connection = shared.connection.lock().await;
        if shared.ending.is_set() {
            return;
        }
        let now = Instant::now();
        if now >= shared.end || now >= *shared.last.lock() + shared.idle {
            shared.ending.set(StoreError::Timeout);
            drop(connection.take());
            return;
        }
    }
}
