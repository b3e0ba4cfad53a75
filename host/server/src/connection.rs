//! One connection: its bytes, its clock, its end.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use host_core::http::Site;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::chain::Chain;
use crate::config::ServerConfig;
use crate::streams::Streams;
use crate::underway::Underway;

/// How far the server is with ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not at all.
    Serving,
    /// No new requests; those that run may end.
    Draining,
    /// Now.
    Cut,
}

/// What a connection is doing, written by its parts without a timer of their own: one timer for each connection reads
/// it when the earliest limit may have passed. Times are milliseconds since the connection began, plus one; 0 is none.
#[derive(Debug)]
pub(crate) struct Pulse {
    start: Instant,
    /// Requests that run.
    busy: AtomicU32,
    /// Since when none has run, and no byte has gone to the client.
    idle_since: AtomicU64,
    /// When the first byte after the last request came.
    head_since: AtomicU64,
    /// Since when the client takes no bytes.
    stuck_since: AtomicU64,
    /// Whether it speaks HTTP/2, where bytes between requests are no head: windows, pings and their answers.
    http2: AtomicBool,
    /// The responses that the client hasn't taken to their end.
    underway: Underway,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        // The first head's time runs from the beginning: a client that connects has something to ask.
        Self {
            start: Instant::now(),
            busy: AtomicU32::new(0),
            idle_since: AtomicU64::new(1),
            head_since: AtomicU64::new(1),
            stuck_since: AtomicU64::new(0),
            http2: AtomicBool::new(false),
            underway: Underway::default(),
        }
    }

    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    /// A request's head is complete.
    fn started(&self, version: http::Version) {
        self.busy.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
        if version == http::Version::HTTP_2 && !self.http2.load(Relaxed) {
            self.http2.store(true, Relaxed);
        }
    }

    /// The responses that are under way.
    pub(crate) fn underway(&self) -> &Underway {
        &self.underway
    }

    /// A request's response is through: its last byte is gone, or none will go.
    pub(crate) fn finished(&self) {
        self.idle_since.store(self.now(), Relaxed);
        self.busy.fetch_sub(1, Relaxed);
    }

    fn bytes_came(&self) {
        if self.busy.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0 && !self.http2.load(Relaxed) {
            self.head_since.store(self.now(), Relaxed);
        }
    }

    fn bytes_went(&self, all: bool) {
        if all {
            // What hyper still holds may take its time on the way: bytes that go are no idleness.
            self.idle_since.store(self.now(), Relaxed);
            if self.stuck_since.load(Relaxed) != 0 {
                self.stuck_since.store(0, Relaxed);
            }
        } else if self.stuck_since.load(Relaxed) == 0 {
            self.stuck_since.store(self.now(), Relaxed);
        }
    }

    /// When to look again, or what has run out. Responses that a client doesn't take are given up on the way.
    fn check(&self, config: &ServerConfig) -> Result<Duration, Overdue> {
        let now = self.now();
        let mut next = u64::MAX;
        let mut limit = |since: u64, limit: u64, overdue: Overdue| {
            if since == 0 {
                return Ok(());
            }
            let deadline = since.saturating_add(limit);
            next = next.min(deadline);
            if deadline <= now { Err(overdue) } else { Ok(()) }
        };
        limit(self.stuck_since.load(Relaxed), config.body_idle_ms, Overdue::Taking)?;
        if self.busy.load(Relaxed) == 0 {
            limit(self.head_since.load(Relaxed), config.header_timeout_ms, Overdue::Head)?;
            limit(self.idle_since.load(Relaxed), config.keep_alive_ms, Overdue::Idle)?;
        } else {
            // The socket alone doesn't tell: HTTP/2 has windows for each stream, and answers pings meanwhile.
            let look = self.underway.look(now, config.body_idle_ms, config.http2_max_streams);
            next = next.min(look.ok_or(Overdue::Taking)?);
        }
        // While requests run, only a client that takes nothing is to be found, and that within its limit.
        let longest = config.body_idle_ms.min(config.header_timeout_ms).min(config.keep_alive_ms);
        Ok(Duration::from_millis(next.saturating_sub(now).min(longest).max(1)))
    }
}

/// What a connection took too long for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overdue {
    Head,
    Idle,
    Taking,
}

/// Serves one connection to its end.
pub(crate) async fn serve<S: Site>(
    stream: TcpStream,
    remote: std::net::IpAddr,
    chain: Arc<Chain<S>>,
    http: Arc<hyper_util::server::conn::auto::Builder<Streams>>,
    mut phase: watch::Receiver<Phase>,
) {
    let pulse = Arc::new(Pulse::new());
    let io = Watched { io: TokioIo::new(stream), pulse: pulse.clone() };
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
        pulse.started(request.version());
        let (chain, pulse) = (chain.clone(), pulse.clone());
        async move { Ok::<_, std::convert::Infallible>(chain.answer(request, remote, pulse).await) }
    });
    let mut connection = pin!(http.serve_connection(io, service));
    let config = chain.config();
    let mut look = pin!(tokio::time::sleep(pulse.check(config).unwrap_or_default()));
    let mut closing = *phase.borrow_and_update() != Phase::Serving;
    if closing {
        connection.as_mut().graceful_shutdown();
    }
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    // What clients do wrong is their business: a line for those who look for it.
                    tracing::debug!(%remote, %error, "a connection ended early");
                }
                return;
            }
            changed = phase.changed() => {
                let now = if changed.is_ok() { *phase.borrow_and_update() } else { Phase::Cut };
                match now {
                    Phase::Cut => return,
                    Phase::Draining if !closing => {
                        closing = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    _ => {}
                }
            }
            () = look.as_mut() => {
                let next = match pulse.check(config) {
                    Ok(next) => next,
                    Err(Overdue::Idle) if !closing => {
                        // HTTP/2 clients are told, and get a moment to read it.
                        closing = true;
                        connection.as_mut().graceful_shutdown();
                        Duration::from_millis(500)
                    }
                    Err(overdue) => {
                        tracing::debug!(%remote, ?overdue, "a client took too long");
                        return;
                    }
                };
                look.as_mut().reset(tokio::time::Instant::now() + next);
            }
        }
    }
}

/// The connection's bytes, watched as they pass.
struct Watched {
    io: TokioIo<TcpStream>,
    pulse: Arc<Pulse>,
}

impl Read for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.pulse.bytes_came();
        Poll::Ready(Ok(()))
    }
}

impl Write for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write(cx, buf);
        self.pulse.bytes_went(poll.is_ready());
        poll
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.pulse.bytes_went(poll.is_ready());
        poll
    }
}
