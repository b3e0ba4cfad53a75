//! Listening, accepting, and ending without losing a request.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use host_core::http::Site;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::chain::Chain;
use crate::config::{ConfigError, ServerConfig};
use crate::connection::{self, Phase};
use crate::streams::Streams;

/// Connections that wait in the kernel to be accepted.
const BACKLOG: u32 = 1024;

/// A server in front of a site.
#[allow(missing_debug_implementations)]
pub struct Server<S> {
    chain: Arc<Chain<S>>,
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Whether connections had to be cut because their requests ran longer than the drain time.
    pub cut: bool,
}

impl<S: Site> Server<S> {
    /// A server for `site`. Errors: a value in `config` that is out of its bounds.
    pub fn new(config: ServerConfig, site: Arc<S>) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { chain: Arc::new(Chain::new(site, config)) })
    }

    /// Listens on the configured addresses. Errors name the address.
    pub fn bind(&self) -> io::Result<Vec<TcpListener>> {
        self.chain.config().bind.iter().map(|address| listen(*address)).collect()
    }

    /// Serves until `shutdown` is done, then lets running requests end for at most the drain time.
    ///
    /// Dropping the future cuts all connections.
    pub async fn serve(&self, listeners: Vec<TcpListener>, shutdown: impl Future<Output = ()>) -> Drained {
        let config = self.chain.config();
        let (phase, phases) = watch::channel(Phase::Serving);
        let slots = Arc::new(Semaphore::new(config.max_connections));
        // Nobody sends; all senders are gone when all connections are.
        let (alive, mut ended) = mpsc::channel::<()>(1);
        let http = Arc::new(protocol(config));
        let accepting = listeners.into_iter().map(|listener| {
            accept(listener, self.chain.clone(), http.clone(), slots.clone(), phases.clone(), alive.clone())
        });
        let accepting = futures::future::join_all(accepting.collect::<Vec<_>>());
        tokio::select! {
            _ = accepting => {}
            () = shutdown => {}
        }
        drop((alive, phases));
        // A send fails only where no connection is left to hear it.
        let _ = phase.send(Phase::Draining);
        let drain = ServerConfig::millis(config.drain_ms);
        let cut = tokio::time::timeout(drain, ended.recv()).await.is_err();
        if cut {
            tracing::warn!(?drain, "cutting requests that run longer than the drain time");
            let _ = phase.send(Phase::Cut);
            ended.recv().await;
        }
        Drained { cut }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restart must not wait for the old process's connections to time out.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().map_err(|error| io::Error::new(error.kind(), format!("can't listen on {address}: {error}")))
}

fn protocol(config: &ServerConfig) -> Builder<Streams> {
    let mut http = Builder::new(Streams);
    // The head's time is watched by the connection's own clock, which costs no timer for each request. The buffer takes
    // the largest head that is allowed, so that what is larger gets hyper's 431.
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_headers(config.max_headers)
        .max_buf_size((config.max_header_bytes + config.max_target_bytes).max(64 << 10));
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20))
        .max_concurrent_streams(config.http2_max_streams)
        .max_pending_accept_reset_streams(config.http2_max_pending_resets)
        .max_local_error_reset_streams(config.http2_max_error_resets)
        .max_header_list_size(u32::try_from(config.max_header_bytes + config.max_target_bytes).unwrap_or(u32::MAX));
    http
}

async fn accept<S: Site>(
    listener: TcpListener,
    chain: Arc<Chain<S>>,
    http: Arc<Builder<Streams>>,
    slots: Arc<Semaphore>,
    phases: watch::Receiver<Phase>,
    alive: mpsc::Sender<()>,
) {
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Mostly out of file descriptors: trying at once would spin, and some will be given back.
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Beyond the limit, one connection waits here and the others in the kernel.
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone before it began");
            continue;
        }
        let (chain, http, phases, alive) = (chain.clone(), http.clone(), phases.clone(), alive.clone());
        tokio::spawn(async move {
            connection::serve(stream, remote.ip().to_canonical(), chain, http, phases).await;
            drop((slot, alive));
        });
    }
}
