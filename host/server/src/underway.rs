//! Responses under way: from their beginning until the client has taken the last byte, or too little for too long.
//!
//! hyper asks for a body's bytes when there is room for them, and an HTTP/2 client that opens no window makes none for
//! ever. So nothing here waits to be asked: each response stands in its connection's list with the time since when its
//! client has taken nothing of it, and the connection's one timer looks the list through.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use futures::future::AbortHandle;
use host_core::http::BodyError;

use crate::access::Line;
use crate::connection::Pulse;

/// The most bytes that an HTTP/2 stream hands over at once: what a stream may get before it is another's turn.
pub(crate) const PIECE: usize = 64 << 10;
/// Milliseconds after which a stream that was given up must be gone, or its connection is closed.
const GRACE: u64 = 1_000;

/// The responses of one connection that are under way.
#[derive(Default)]
pub(crate) struct Underway {
    list: Mutex<Vec<Weak<Way>>>,
    /// Bytes of all its responses that the client has taken.
    taken: AtomicU64,
}

impl Underway {
    /// Gives up the responses of which the client has taken nothing for `idle` milliseconds. Tells when to look again,
    /// or nothing where only the connection's end helps.
    ///
    /// Where `streams` share a connection, one may stand still because the client's bytes go to others. As long as those
    /// are worth a piece in `idle`, it is left its time, until all of them have had two turns.
    pub(crate) fn look(&self, now: u64, idle: u64, streams: u32) -> Option<u64> {
        // What is held here may be the last one who holds it, and leaves the list when it's dropped.
        let ways: Vec<Arc<Way>> = lock(&self.list).iter().filter_map(Weak::upgrade).collect();
        let mut next = u64::MAX;
        for way in ways {
            let since = way.since.load(Relaxed);
            if since == 0 {
                continue;
            }
            let gone_at = way.given_up.load(Relaxed).saturating_add(GRACE);
            if gone_at > GRACE {
                next = next.min(gone_at);
                if gone_at <= now { return None } else { continue }
            }
            if now < since.saturating_add(idle) {
                next = next.min(since.saturating_add(idle));
            } else if way.waits_for_others(now, self.taken.load(Relaxed), streams) {
                next = next.min(now.saturating_add(idle));
            } else if way.give_up(now) {
                next = next.min(now.saturating_add(GRACE));
            } else {
                return None;
            }
        }
        Some(next)
    }
}

impl fmt::Debug for Underway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Underway").field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// One response under way. When nobody holds it, neither its body nor a byte of it, it is through.
pub(crate) struct Way {
    pulse: Arc<Pulse>,
    /// Ends the HTTP/2 stream; none in HTTP/1, where the connection goes.
    stream: Option<AbortHandle>,
    line: Option<Line>,
    /// Since when the client has taken nothing of what it was offered, or was given more time; 0 where nothing is
    /// offered.
    since: AtomicU64,
    /// What the client had taken of all responses by then.
    mark: AtomicU64,
    /// What it had taken of all when it took something of this one.
    turn: AtomicU64,
    /// Bytes that the client took.
    taken: AtomicU64,
    /// When it was given up; 0 if it wasn't.
    given_up: AtomicU64,
    /// Whether the body came to its end.
    ended: AtomicBool,
    /// Whether bytes were offered that the client didn't take.
    lost: AtomicBool,
    door: Mutex<Door>,
}

#[derive(Default)]
struct Door {
    /// Pieces that are offered and not gone.
    pieces: usize,
    /// Who waits until they are.
    waiting: Option<Waker>,
}

impl Way {
    /// Enters a response into its connection's list.
    pub(crate) fn new(pulse: &Arc<Pulse>, stream: Option<AbortHandle>, line: Option<Line>) -> Arc<Self> {
        let way = Arc::new(Self {
            pulse: pulse.clone(),
            stream,
            line,
            since: AtomicU64::new(0),
            mark: AtomicU64::new(0),
            turn: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            door: Mutex::default(),
        });
        lock(&pulse.underway().list).push(Arc::downgrade(&way));
        way
    }

    /// Whether it goes over a stream that shares its connection.
    pub(crate) fn is_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// Ready when all that was offered is gone. The error: it was given up.
    pub(crate) fn poll_gone(&self, cx: &Context<'_>) -> Poll<Result<(), BodyError>> {
        let mut door = lock(&self.door);
        if self.given_up.load(Relaxed) != 0 {
            return Poll::Ready(Err("the client took nothing for too long".into()));
        }
        if door.pieces == 0 {
            return Poll::Ready(Ok(()));
        }
        door.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Offers bytes to the client.
    pub(crate) fn offer(self: &Arc<Self>, bytes: Bytes) -> Piece {
        let mut door = lock(&self.door);
        door.pieces += 1;
        if door.pieces == 1 {
            self.waits_from(self.pulse.underway().taken.load(Relaxed));
        }
        Piece { bytes, way: self.clone() }
    }

    /// The body came to its end: what is offered is all there is.
    pub(crate) fn end(&self) {
        self.ended.store(true, Relaxed);
    }

    /// The body broke off.
    pub(crate) fn complain(&self, error: &BodyError) {
        let id = self.line.as_ref().map(|line| tracing::field::display(line.id));
        if self.given_up.load(Relaxed) != 0 {
            tracing::debug!(id, %error, "a response was given up");
        } else {
            tracing::warn!(id, %error, "a response broke off");
        }
    }

    fn took(&self, bytes: usize) {
        let bytes = bytes as u64;
        self.taken.fetch_add(bytes, Relaxed);
        let all = self.pulse.underway().taken.fetch_add(bytes, Relaxed);
        self.waits_from(all.saturating_add(bytes));
    }

    fn waits_from(&self, all: u64) {
        self.mark.store(all, Relaxed);
        self.turn.store(all, Relaxed);
        self.since.store(self.pulse.now(), Relaxed);
    }

    /// Whether the client takes so much of other responses that it may not be this one's turn. It's given more time then.
    fn waits_for_others(&self, now: u64, all: u64, streams: u32) -> bool {
        let piece = PIECE as u64;
        let lately = all.saturating_sub(self.mark.load(Relaxed));
        let turns = all.saturating_sub(self.turn.load(Relaxed));
        if lately < piece || turns > 2 * piece * u64::from(streams) {
            return false;
        }
        let door = lock(&self.door);
        if door.pieces > 0 {
            self.mark.store(all, Relaxed);
            self.since.store(now, Relaxed);
        }
        true
    }

    fn gone(&self, left: bool) {
        if left {
            self.lost.store(true, Relaxed);
        }
        let mut door = lock(&self.door);
        door.pieces -= 1;
        if door.pieces == 0 {
            self.since.store(0, Relaxed);
            let waiting = door.waiting.take();
            drop(door);
            if let Some(waker) = waiting {
                waker.wake();
            }
        }
    }

    /// Ends the stream and drops its body; false where there is none.
    fn give_up(&self, now: u64) -> bool {
        let Some(stream) = &self.stream else { return false };
        let mut door = lock(&self.door);
        self.given_up.store(now, Relaxed);
        match door.waiting.take() {
            // hyper asks for more, and is told: it resets the stream and drops what was offered.
            Some(waker) => {
                drop(door);
                waker.wake();
            }
            // hyper holds what was offered and doesn't ask: without its task the stream is cancelled.
            None => stream.abort(),
        }
        true
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        {
            let mut list = lock(&self.pulse.underway().list);
            // Those of others that can't be upgraded are about to leave, too.
            list.retain(|way| way.strong_count() > 0);
        }
        self.pulse.finished();
        if let Some(line) = &self.line {
            line.write(self.taken.load(Relaxed), self.ended.load(Relaxed) && !self.lost.load(Relaxed));
        }
    }
}

/// Bytes that are offered to a client. As they are written they count as taken.
pub(crate) struct Piece {
    bytes: Bytes,
    way: Arc<Way>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if count > 0 {
            self.way.took(count);
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.way.gone(!self.bytes.is_empty());
    }
}

/// Nothing that panics runs under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    const IDLE: u64 = 1_000_000;

    fn way(pulse: &Arc<Pulse>) -> (Arc<Way>, AbortHandle) {
        let (handle, _) = AbortHandle::new_pair();
        (Way::new(pulse, Some(handle.clone()), None), handle)
    }

    fn pulse() -> Arc<Pulse> {
        Arc::new(Pulse::new())
    }

    #[test]
    fn a_response_has_its_time_from_what_was_taken_last() {
        let pulse = pulse();
        let way = Way::new(&pulse, None, None);
        let look = |now| pulse.underway().look(now, IDLE, 100);
        assert_eq!(look(u64::MAX), Some(u64::MAX), "nothing is offered");
        let mut piece = way.offer(Bytes::from_static(b"abc"));
        let since = way.since.load(Relaxed);
        assert_eq!(look(since + IDLE - 1), Some(since + IDLE));
        assert_eq!(look(since + IDLE), None, "without streams only the connection's end helps");
        way.since.store(1, Relaxed);
        piece.advance(1);
        assert_eq!(look(IDLE), Some(way.since.load(Relaxed) + IDLE));
        drop(piece);
        assert_eq!(look(u64::MAX), Some(u64::MAX), "nothing is offered");
    }

    #[test]
    fn a_stream_is_ended_first_and_its_connection_if_that_does_not_help() {
        let pulse = pulse();
        let (way, handle) = way(&pulse);
        let piece = way.offer(Bytes::from_static(b"abc"));
        let now = way.since.load(Relaxed) + IDLE;
        assert_eq!(pulse.underway().look(now, IDLE, 100), Some(now + GRACE));
        assert!(handle.is_aborted());
        assert_eq!(pulse.underway().look(now + 1, IDLE, 100), Some(now + GRACE));
        assert_eq!(pulse.underway().look(now + GRACE, IDLE, 100), None);
        drop((piece, way));
        assert_eq!(pulse.underway().look(now + GRACE, IDLE, 100), Some(u64::MAX));
        assert!(lock(&pulse.underway().list).is_empty());
    }

    #[tokio::test]
    async fn who_waits_for_the_client_is_told_that_it_takes_nothing() {
        let pulse = pulse();
        let (way, handle) = way(&pulse);
        let piece = way.offer(Bytes::from_static(b"abc"));
        let waiting = tokio::spawn({
            let way = way.clone();
            async move { poll_fn(|cx| way.poll_gone(cx)).await }
        });
        tokio::task::yield_now().await;
        let now = way.since.load(Relaxed) + IDLE;
        assert!(pulse.underway().look(now, IDLE, 100).is_some());
        assert!(waiting.await.expect("no panic").is_err());
        assert!(!handle.is_aborted(), "hyper resets the stream itself");
        drop(piece);
    }

    /// Where many share a connection, one may wait for its turn.
    #[test]
    fn a_stream_that_waits_for_others_has_two_turns_of_all() {
        let pulse = pulse();
        let (way, handle) = way(&pulse);
        let (other, _) = self::way(&pulse);
        let piece = way.offer(Bytes::from_static(b"abc"));
        let since = way.since.load(Relaxed);
        let look = |now| pulse.underway().look(now, IDLE, 4);
        let take = |bytes: usize| {
            let mut piece = other.offer(vec![0; bytes].into());
            piece.advance(bytes);
        };
        for turn in 1..=4 {
            take(2 * PIECE);
            let now = since + turn * IDLE;
            assert_eq!(look(now), Some(now + IDLE), "pieces went to another");
        }
        assert!(!handle.is_aborted());
        take(2 * PIECE);
        assert!(look(since + 5 * IDLE).is_some() && handle.is_aborted(), "it had its turn");
        drop(piece);
    }

    #[test]
    fn what_others_took_at_first_does_not_help_for_long() {
        let pulse = pulse();
        let (way, handle) = way(&pulse);
        let piece = way.offer(Bytes::from_static(b"abc"));
        let (other, _) = self::way(&pulse);
        other.offer(vec![0; 9 * PIECE].into()).advance(9 * PIECE);
        let now = way.since.load(Relaxed) + IDLE;
        assert_eq!(pulse.underway().look(now, IDLE, 100), Some(now + IDLE));
        assert!(pulse.underway().look(now + IDLE, IDLE, 100).is_some() && handle.is_aborted());
        drop(piece);
    }

    #[test]
    fn small_requests_in_between_do_not_help() {
        let pulse = pulse();
        let (way, handle) = way(&pulse);
        let piece = way.offer(Bytes::from_static(b"abc"));
        let (other, _) = self::way(&pulse);
        other.offer(Bytes::from_static(b"hello")).advance(5);
        drop(other);
        let now = way.since.load(Relaxed) + IDLE;
        assert!(pulse.underway().look(now, IDLE, 100).is_some() && handle.is_aborted());
        drop(piece);
    }
}
