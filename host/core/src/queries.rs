//! What a request asked of the database, for its developer.
//!
//! Kept only where somebody looks: in `bandstand dev`, or where the log is told to show it (`--log info,queries=debug`). When the request is
//! over, each statement is a line of the log, and a statement that ran again and again is a warning: mostly a loop asks for each row what one
//! query could have fetched for all of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use crate::context::RequestId;
use crate::name::AppId;

/// The log's name in a filter.
pub const TARGET: &str = "queries";

/// Statements that are kept; what comes after is counted alone.
const MOST: usize = 1_000;

/// Runs of one statement from which on it is called repeated. A page of a few parts may well ask the same thing twice.
const REPEATED: usize = 5;

/// The longest text of a statement in a line, in bytes.
const MAX_SQL: usize = 2_000;

/// One statement that ran.
#[derive(Debug, Clone)]
pub struct Query {
    /// Its text, with marks for the values: those are nobody's business but the app's.
    pub sql: Arc<str>,
    /// How long it took.
    pub time: Duration,
    /// Rows that it returned or changed.
    pub rows: u64,
}

/// The statements of one request. Told to the log when it is dropped, which is when the request is over.
#[derive(Debug)]
pub struct QueryLog {
    id: RequestId,
    app: AppId,
    queries: Mutex<Vec<Query>>,
    more: AtomicU64,
}

impl QueryLog {
    /// An empty one.
    pub fn new(id: RequestId, app: AppId) -> Self {
        Self { id, app, queries: Mutex::default(), more: AtomicU64::new(0) }
    }

    /// Whether the log shows statements.
    pub fn is_wanted() -> bool {
        tracing::enabled!(target: TARGET, tracing::Level::DEBUG)
    }

    /// Adds a statement.
    pub fn add(&self, sql: &str, time: Duration, rows: u64) {
        let mut queries = self.queries.lock();
        if queries.len() >= MOST {
            self.more.fetch_add(1, Relaxed);
            return;
        }
        // Mostly the text is one that was kept already.
        let sql = match queries.iter().rev().find(|query| *query.sql == *sql) {
            Some(query) => query.sql.clone(),
            None => Arc::from(sql),
        };
        queries.push(Query { sql, time, rows });
    }

    /// Statements that ran at least [`REPEATED`] times, with how often and for how long in all, the most frequent first.
    pub fn repeated(&self) -> Vec<(Arc<str>, usize, Duration)> {
        let mut counts: HashMap<Arc<str>, (usize, Duration)> = HashMap::new();
        for query in self.queries.lock().iter() {
            let (count, time) = counts.entry(query.sql.clone()).or_default();
            *count += 1;
            *time += query.time;
        }
        let often = counts.into_iter().filter(|(_, (count, _))| *count >= REPEATED);
        let mut often: Vec<_> = often.map(|(sql, (count, time))| (sql, count, time)).collect();
        often.sort_by(|(a, m, _), (b, n, _)| n.cmp(m).then_with(|| a.cmp(b)));
        often
    }
}

impl Drop for QueryLog {
    fn drop(&mut self) {
        for (sql, times, time) in self.repeated() {
            tracing::warn!(
                target: TARGET,
                app = %self.app,
                id = %self.id,
                times,
                micros = micros(time),
                sql = cut(&sql),
                "a statement ran again and again; fetch for all rows at once what a loop asks for each"
            );
        }
        if !Self::is_wanted() {
            return;
        }
        for query in self.queries.lock().iter() {
            let (micros, rows) = (micros(query.time), query.rows);
            tracing::debug!(target: TARGET, app = %self.app, id = %self.id, micros, rows, sql = cut(&query.sql));
        }
        let more = self.more.load(Relaxed);
        if more > 0 {
            tracing::debug!(target: TARGET, app = %self.app, id = %self.id, more, "and more that aren't shown");
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn cut(sql: &str) -> &str {
    sql.get(..sql.floor_char_boundary(MAX_SQL)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> QueryLog {
        QueryLog::new(RequestId(1), AppId::new("polls").expect("a name"))
    }

    #[test]
    fn a_statement_in_a_loop_is_found() {
        let log = log();
        log.add("SELECT question", Duration::from_micros(50), 10);
        for _ in 0..10 {
            log.add("SELECT choice", Duration::from_micros(7), 1);
        }
        let repeated = log.repeated();
        assert_eq!(repeated, [(Arc::from("SELECT choice"), 10, Duration::from_micros(70))]);
    }

    #[test]
    fn it_stops_growing() {
        let log = log();
        for at in 0..MOST + 5 {
            log.add(&format!("SELECT {at}"), Duration::ZERO, 0);
        }
        assert_eq!(log.queries.lock().len(), MOST);
        assert_eq!(log.more.load(Relaxed), 5);
    }
}
