//! What all requests of one app together may take of the database.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// `[apps.NAME.quota]` in `bandstand.toml`. What isn't set isn't bounded, but for what fairness leaves: apps share the
/// database's connections and its time for writes in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Connections to a server, or SQLite's reading threads, that it may have at once.
    pub connections: Option<u32>,
    /// Milliseconds that its statements may spend in the database in a minute.
    pub db_ms_per_minute: Option<u64>,
    /// Rows that its statements may return in a minute.
    pub db_rows_per_minute: Option<u64>,
    /// Bytes that its tables and their indexes may have.
    pub storage_bytes: Option<u64>,
}

impl Quota {
    /// What makes no sense: the key of a number that would let the app do nothing at all.
    pub fn problem(&self) -> Option<&'static str> {
        // An app without storage may still read what the operator lets it read.
        let stops = |(key, number): &(&str, _)| *number == Some(0) && *key != "storage_bytes";
        self.keys().into_iter().find(stops).map(|(key, _)| key)
    }

    fn keys(&self) -> [(&'static str, Option<u64>); 4] {
        [
            ("connections", self.connections.map(u64::from)),
            ("db_ms_per_minute", self.db_ms_per_minute),
            ("db_rows_per_minute", self.db_rows_per_minute),
            ("storage_bytes", self.storage_bytes),
        ]
    }
}

impl fmt::Display for Quota {
    /// What is set, `key = number` each; nothing where nothing is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set: Vec<String> =
            self.keys().iter().filter_map(|(key, number)| Some(format!("{key} = {}", (*number)?))).collect();
        f.write_str(&set.join(", "))
    }
}

/// A part of an app's quota is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedUp {
    /// Its key in `[apps.NAME.quota]`.
    pub key: &'static str,
    /// What it says.
    pub limit: u64,
    /// When there is some again; `None` where that is for the app to bring about.
    pub after: Option<Duration>,
}

/// What an app has used of what is counted by the minute. One for all of its versions and requests.
#[derive(Debug)]
pub struct Account {
    time: Rate,
    rows: Rate,
}

impl Account {
    /// An account with all of its first minute left; `None` where the quota bounds nothing by the minute.
    pub fn of(quota: &Quota) -> Option<Self> {
        if quota.db_ms_per_minute.is_none() && quota.db_rows_per_minute.is_none() {
            return None;
        }
        let time = quota.db_ms_per_minute.map(|limit| limit.saturating_mul(1_000_000));
        Some(Self { time: Rate::new(time), rows: Rate::new(quota.db_rows_per_minute) })
    }

    /// Whether there is something left to begin with. What is begun is charged afterwards, so the last one may take more.
    pub fn admit(&self) -> Result<(), UsedUp> {
        let used_up = |key, rate: &Rate, unit| {
            let after = rate.wait()?;
            Some(UsedUp { key, limit: rate.limit / unit, after: Some(after) })
        };
        let time = used_up("db_ms_per_minute", &self.time, 1_000_000);
        match time.or_else(|| used_up("db_rows_per_minute", &self.rows, 1)) {
            Some(used_up) => Err(used_up),
            None => Ok(()),
        }
    }

    /// Counts time in the database.
    pub fn charge_time(&self, time: Duration) {
        self.time.charge(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts rows.
    pub fn charge_rows(&self, rows: u64) {
        self.rows.charge(rows);
    }
}

const MINUTE: u64 = 60_000_000_000;

/// So much in a minute, which comes back evenly: the generic cell rate algorithm, with a minute's worth of burst.
#[derive(Debug)]
struct Rate {
    limit: u64,
    /// When all of it would be back, in nanoseconds since the program began.
    back: AtomicU64,
}

impl Rate {
    fn new(limit: Option<u64>) -> Self {
        Self { limit: limit.unwrap_or(u64::MAX), back: AtomicU64::new(0) }
    }

    fn charge(&self, amount: u64) {
        if self.limit == u64::MAX {
            return;
        }
        let cost = u128::from(amount) * u128::from(MINUTE) / u128::from(self.limit.max(1));
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        let now = now();
        self.back.update(Relaxed, Relaxed, |back| back.max(now).saturating_add(cost));
    }

    /// How long until there is some; `None` where there is.
    fn wait(&self) -> Option<Duration> {
        let wait = self.back.load(Relaxed).saturating_sub(now()).checked_sub(MINUTE)?;
        // A millisecond at least: this is told to whoever tries again.
        Some(Duration::from_nanos(wait).max(Duration::from_millis(1)))
    }
}

fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_up_comes_back_evenly() {
        let account = Account::of(&Quota { db_rows_per_minute: Some(6_000), ..Quota::default() }).expect("a rate");
        account.charge_time(Duration::from_secs(3_600));
        account.charge_rows(5_000);
        assert_eq!(account.admit(), Ok(()));
        account.charge_rows(1_100);
        let used_up = account.admit().expect_err("it was too much");
        assert_eq!((used_up.key, used_up.limit), ("db_rows_per_minute", 6_000));
        // A hundred too many, at a hundred in a second.
        let after = used_up.after.expect("it comes back");
        assert!((Duration::from_millis(500)..=Duration::from_secs(1)).contains(&after), "{after:?}");
    }

    #[test]
    fn time_is_counted_in_milliseconds() {
        let account = Account::of(&Quota { db_ms_per_minute: Some(10), ..Quota::default() }).expect("a rate");
        account.charge_time(Duration::from_millis(9));
        assert_eq!(account.admit(), Ok(()));
        account.charge_time(Duration::from_millis(9));
        let used_up = account.admit().expect_err("eighteen");
        assert_eq!((used_up.key, used_up.limit), ("db_ms_per_minute", 10));
    }

    #[test]
    fn enormous_numbers_are_no_trouble() {
        for limit in [1, u64::MAX - 1, u64::MAX] {
            let quota = Quota { db_rows_per_minute: Some(limit), db_ms_per_minute: Some(limit), ..Quota::default() };
            let account = Account::of(&quota).expect("a rate");
            assert_eq!(account.admit(), Ok(()));
            for _ in 0..3 {
                account.charge_rows(u64::MAX);
                account.charge_time(Duration::MAX);
            }
            assert_eq!(account.admit().is_err(), limit < u64::MAX, "{limit}");
        }
    }

    #[test]
    fn what_is_set_is_shown_and_nothing_at_all_is_refused() {
        let quota = Quota { connections: Some(2), storage_bytes: Some(0), ..Quota::default() };
        assert_eq!(quota.to_string(), "connections = 2, storage_bytes = 0");
        assert_eq!(quota.problem(), None, "an app may have to do without storage");
        for none in [
            Quota { connections: Some(0), ..Quota::default() },
            Quota { db_ms_per_minute: Some(0), ..Quota::default() },
            Quota { db_rows_per_minute: Some(0), ..Quota::default() },
        ] {
            assert_eq!(none.problem().map(|key| format!("{key} = 0")), Some(none.to_string()));
        }
        assert_eq!(Quota::default().to_string(), "");
    }
}
