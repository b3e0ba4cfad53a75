//! Whether a server is there: who finds out, what requests are told meanwhile, and what the log says of it.
//!
//! The first connection that can't be made makes the server away. From then on nobody else tries: one task does, with pauses
//! that grow to about a second, and requests fail at once. The first answer, be it a refusal, ends that.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::error::StoreError;
use crate::server::Endpoint;

/// What a request is told while the server is away.
pub(crate) const AWAY: StoreError = StoreError::Busy("the database server can't be reached for now");

/// The first pause between two looks at a server that is away; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// Time in which the log has one line of a kind: a server that goes takes many connections with it.
const QUIET: Duration = Duration::from_secs(10);

/// Why there is no connection, for the operator.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nobody answers, or a server that starts or stops.
    Away(String),
    /// It answers, but has no room.
    Full(String),
    /// It answers, and doesn't want this login, or isn't what was expected.
    Denied(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Away(why) | Self::Full(why) | Self::Denied(why)) = self;
        f.write_str(why)
    }
}

/// What is known of one server.
pub(crate) struct Outage {
    away: watch::Sender<bool>,
    /// When a connection broke last.
    broke: Mutex<Option<Instant>>,
    /// When the log had a line about a connection that broke, or one that was refused.
    said: Mutex<Option<Instant>>,
}

impl Outage {
    pub(crate) fn new() -> Self {
        Self { away: watch::Sender::new(false), broke: Mutex::new(None), said: Mutex::new(None) }
    }

    pub(crate) fn is_away(&self) -> bool {
        *self.away.borrow()
    }

    /// Waits until the server is away.
    pub(crate) async fn begins(&self) {
        // The sender lives as long as this.
        let _ = self.away.subscribe().wait_for(|away| *away).await;
    }

    /// A connection broke: those that were last heard of before are asked before they are used.
    pub(crate) fn broke(&self) {
        *self.broke.lock() = Some(Instant::now());
    }

    /// Whether a connection that was heard of at `answered` may be dead.
    pub(crate) fn doubts(&self, answered: Instant) -> bool {
        self.broke.lock().is_some_and(|broke| answered <= broke)
    }

    /// Whether the log may have one more line.
    pub(crate) fn may_say(&self) -> bool {
        let mut said = self.said.lock();
        let may = said.is_none_or(|said| said.elapsed() >= QUIET);
        if may {
            *said = Some(Instant::now());
        }
        may
    }
}

impl Endpoint {
    /// What a request is told that got no connection.
    pub(crate) fn refused(self: &Arc<Self>, refusal: &Refusal) -> StoreError {
        match refusal {
            Refusal::Away(why) => {
                self.went(why);
                AWAY
            }
            Refusal::Full(why) => {
                if self.outage.may_say() {
                    tracing::warn!(server = %self.target, why, "the database server has no room for another connection");
                }
                StoreError::Busy("the database server has no room for now")
            }
            Refusal::Denied(why) => {
                if self.outage.may_say() {
                    tracing::error!(server = %self.target, why, "the database server refuses a connection");
                }
                StoreError::Busy("the database server refuses the site's connections")
            }
        }
    }

    /// The server was found away. Whoever finds it first says so, and has it looked at until it is back.
    fn went(self: &Arc<Self>, why: &str) {
        let first = self.outage.away.send_if_modified(|away| !std::mem::replace(away, true));
        if first {
            self.places.forget_idle();
            tracing::error!(
                server = %self.target, why,
                "the database server can't be reached; requests that need it fail until it can"
            );
            self.runtime.spawn(look_until_back(Arc::downgrade(self)));
        }
    }
}

/// Looks for the server until it answers, or nobody wants it any more.
async fn look_until_back(endpoint: Weak<Endpoint>) {
    let (went, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        // Several hosts that lost the same server don't come back in step.
        tokio::time::sleep(pause.mul_f64(rand::random_range(0.75..1.25))).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let Some(endpoint) = endpoint.upgrade() else { return };
        match endpoint.connect(None).await {
            Err(Refusal::Away(why)) => {
                tracing::debug!(server = %endpoint.target, why, "the database server is still away")
            }
            _ => {
                endpoint.outage.away.send_replace(false);
                let away_ms = u64::try_from(went.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(server = %endpoint.target, away_ms, "the database server is back");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_of_before_another_one_broke_is_doubted() {
        let outage = Outage::new();
        let before = Instant::now();
        assert!(!outage.doubts(before));
        outage.broke();
        assert!(outage.doubts(before));
        std::thread::sleep(Duration::from_millis(2));
        assert!(!outage.doubts(Instant::now()));
    }

    #[test]
    fn the_log_has_one_line_for_many() {
        let outage = Outage::new();
        assert!(outage.may_say());
        assert!((0..1_000).all(|_| !outage.may_say()));
    }
}
