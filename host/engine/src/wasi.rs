//! WASI for components that can't do without: a null implementation.
//!
//! Empty environment and arguments, no directories, no sockets, no outbound HTTP; clocks and chance are real (they
//! stand still in `describe`), and what is written to standard output goes to the site's log. Apps of our SDK import none.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use host_core::context::RequestContext;
use rand::SeedableRng;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::data::Data;
use crate::guest_log;
use crate::host::STILL;

/// A store's WASI state.
pub(crate) struct Wasi {
    ctx: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
    log: LogStream,
}

impl Wasi {
    /// For one request, or for `describe` where time and chance must not move.
    pub(crate) fn new(request: &Arc<RequestContext>, describing: bool) -> Self {
        let mut builder = WasiCtx::builder();
        builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        builder.max_random_size(64 << 10);
        let log = LogStream(Arc::new(Mutex::new(Lines { ctx: request.clone(), pending: Vec::new() })));
        builder.stdout(log.clone()).stderr(log.clone());
        if describing {
            builder.wall_clock(StillClock).monotonic_clock(StillClock);
            let chance = || rand::rngs::StdRng::seed_from_u64(0);
            builder.secure_random(chance()).insecure_random(chance()).insecure_random_seed(0);
        }
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(64 << 10);
        Self { ctx: builder.build(), http, hooks: Hooks, log }
    }

    /// From now on lines are of that request, where several share a store.
    pub(crate) fn log_for(&self, request: &Arc<RequestContext>) {
        let mut lines = self.log.lines();
        if !Arc::ptr_eq(&lines.ctx, request) {
            // An unfinished line is whose it is.
            lines.flush();
            lines.ctx = request.clone();
        }
    }
}

// The view is only reached through functions that are linked for components that import WASI, and their stores have it.
#[allow(clippy::expect_used)]
fn wasi(data: &mut Data) -> (&mut Wasi, &mut wasmtime::component::ResourceTable) {
    (data.wasi.as_mut().expect("linked only where the store has WASI"), &mut data.table)
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (wasi, table) = wasi(self);
        WasiCtxView { ctx: &mut wasi.ctx, table }
    }
}

impl WasiHttpView for Data {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (wasi, table) = wasi(self);
        WasiHttpCtxView { ctx: &mut wasi.http, table, hooks: &mut wasi.hooks }
    }
}

/// No request leaves the host.
struct Hooks;

type Sending = Box<
    dyn Future<
            Output = wasmtime_wasi_http::Result<(
                http::Response<WasiBody>,
                Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>,
            )>,
        > + Send,
>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _done: Box<dyn Future<Output = wasmtime_wasi_http::Result<()>> + Send>,
    ) -> Sending {
        Box::new(async { Err(wasmtime_wasi_http::Error::HttpRequestDenied) })
    }
}

#[derive(Clone)]
struct LogStream(Arc<Mutex<Lines>>);

impl LogStream {
    fn lines(&self) -> std::sync::MutexGuard<'_, Lines> {
        // A poisoned lock means that a writer panicked between two bytes; the text is only a log.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Bytes on their way to become lines.
struct Lines {
    ctx: Arc<RequestContext>,
    pending: Vec<u8>,
}

/// The longest unfinished line that is kept, in bytes.
const MAX_PENDING: usize = 8 << 10;

impl Lines {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            let room = MAX_PENDING.saturating_sub(self.pending.len());
            self.pending.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let text = String::from_utf8_lossy(&pending);
        let text = text.trim_end();
        if !text.is_empty() {
            guest_log::line(&self.ctx, tracing::Level::INFO, text);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.flush();
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.lines().write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A clock that doesn't move.
struct StillClock;

impl HostWallClock for StillClock {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        Duration::from_micros(STILL.unsigned_abs())
    }
}

impl HostMonotonicClock for StillClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}
