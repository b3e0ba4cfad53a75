//! A server with a stand-in site on a port of its own, and clients that speak byte by byte.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use host_core::budget::Limits;
use host_core::context::{RequestContext, RequestId};
use host_core::http::{Arrival, Body, BodyError, BodyFault, Request, Response, Served, Site};
use http::header;
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{Drained, Server, ServerConfig};

/// Answers by path, without any application behind it.
#[derive(Default)]
pub(super) struct StandIn {
    /// Requests that reached it.
    pub(super) reached: AtomicUsize,
    /// Requests that run.
    pub(super) running: AtomicUsize,
    /// Bodies of `/held…` whose bytes are somewhere, with the body or on their way.
    pub(super) held: Arc<AtomicUsize>,
}

/// Bytes that tell when nobody has them any more.
struct Held {
    bytes: Vec<u8>,
    count: Arc<AtomicUsize>,
}

impl Held {
    fn bytes(count: &Arc<AtomicUsize>, length: usize) -> Bytes {
        count.fetch_add(1, Ordering::SeqCst);
        Bytes::from_owner(Self { bytes: vec![b'x'; length], count: count.clone() })
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Leaving<'a>(&'a AtomicUsize);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Site for StandIn {
    async fn respond(self: Arc<Self>, request: Request, _arrival: Arrival) -> Response {
        self.reached.fetch_add(1, Ordering::SeqCst);
        self.running.fetch_add(1, Ordering::SeqCst);
        let _leaving = Leaving(&self.running);
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/" => text("hello"),
            "/about" => {
                let host = request.headers().get(header::HOST).map(|host| format!("{host:?}")).unwrap_or_default();
                text(format!("{} {} {host}", request.method(), request.uri()))
            }
            "/echo" => Response::new(request.into_body()),
            "/count" => {
                let mut body = request.into_body();
                let mut bytes = 0;
                loop {
                    match body.frame().await {
                        None => return text(format!("{bytes} bytes")),
                        Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len),
                        Some(Err(error)) => {
                            let fault = error.downcast_ref::<BodyFault>().expect("a fault");
                            return text(format!("{fault:?} after {bytes}"));
                        }
                    }
                }
            }
            "/chunks" => Response::new(Body::stream(Chunks { left: 3, then: Then::End, size: 4 })),
            "/endless" => Response::new(Body::stream(Chunks { left: usize::MAX, then: Then::End, size: 64 << 10 })),
            "/held/small" => text(Held::bytes(&self.held, 1_000)),
            "/held/large" => text(Held::bytes(&self.held, 4 << 20)),
            "/held/stream" => {
                let keeps = Held::bytes(&self.held, 1);
                let pieces = futures::stream::repeat_with(move || {
                    let _ = keeps.len();
                    Ok(Frame::data(Bytes::from_static(&[b'x'; 10_000])))
                });
                Response::new(Body::stream(http_body_util::StreamBody::new(pieces)))
            }
            "/large" => text(vec![b'x'; 32 << 20]),
            "/breaks" => Response::new(Body::stream(Chunks {
                left: 1,
                then: Then::Break(Box::pin(tokio::time::sleep(Duration::from_millis(50)))),
                size: 4,
            })),
            "/hangs" => Response::new(Body::stream(Chunks { left: 1, then: Then::Hang, size: 4 })),
            "/panics" => panic!("the stand-in was told to"),
            "/slow" => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                text("at last")
            }
            "/never" => std::future::pending().await,
            "/early" => http::Response::builder().status(103).body(Body::empty()).expect("a response"),
            "/empty" => http::Response::builder().status(204).body(Body::full("no")).expect("a response"),
            "/framing" => http::Response::builder()
                .header("connection", "upgrade")
                .header("transfer-encoding", "gzip")
                .header("content-length", "999")
                .header("keep-alive", "timeout=1")
                .header("upgrade", "x")
                .body(Body::full("true length"))
                .expect("a response"),
            "/policy" => http::Response::builder()
                .header("content-security-policy", "default-src 'none'")
                .body(Body::empty())
                .expect("a response"),
            "/served" => {
                let mut response = text("served");
                let app = host_core::name::AppId::new("polls").ok();
                let context =
                    RequestContext::new(RequestId(1), app.clone().expect("a name"), Arc::default(), Limits::default());
                context.budget.charge_statements(2).expect("few");
                context.budget.charge_db(std::time::Duration::from_micros(7));
                response.extensions_mut().insert(Served {
                    app,
                    route: Some("index".into()),
                    context: Some(Arc::new(context)),
                });
                response
            }
            _ => http::Response::builder().status(404).body(Body::full("nothing")).expect("a response"),
        }
    }
}

fn text(text: impl Into<Bytes>) -> Response {
    Response::new(Body::full(text))
}

enum Then {
    End,
    /// Breaks off when the client has had the time to see the beginning.
    Break(Pin<Box<tokio::time::Sleep>>),
    Hang,
}

struct Chunks {
    left: usize,
    then: Then,
    size: usize,
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left > 0 {
            self.left -= 1;
            return Poll::Ready(Some(Ok(Frame::data(vec![b'x'; self.size].into()))));
        }
        match &mut self.then {
            Then::End => Poll::Ready(None),
            Then::Break(wait) => wait.as_mut().poll(cx).map(|()| Some(Err("the app trapped".into()))),
            Then::Hang => Poll::Pending,
        }
    }
}

/// A running server.
pub(super) struct Running {
    pub(super) site: Arc<StandIn>,
    pub(super) address: std::net::SocketAddr,
    stop: Option<oneshot::Sender<Infallible>>,
    ended: JoinHandle<Drained>,
}

impl Running {
    /// Starts one with `change`s to the default configuration.
    pub(super) fn start(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut config = ServerConfig { bind: vec![([127, 0, 0, 1], 0).into()], ..ServerConfig::default() };
        change(&mut config);
        let site = Arc::new(StandIn::default());
        let server = Server::new(config, site.clone()).expect("a valid configuration");
        let listeners = server.bind().expect("a free port");
        let address = listeners[0].local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<Infallible>();
        let ended = tokio::spawn(async move {
            server
                .serve(listeners, async {
                    let _ = stopped.await;
                })
                .await
        });
        Self { site, address, stop: Some(stop), ended }
    }

    /// Tells it to end and waits until it has.
    pub(super) async fn stop(mut self) -> Drained {
        drop(self.stop.take());
        self.ended.await.expect("the server must not panic")
    }

    /// Tells it to end.
    pub(super) fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    pub(super) async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.expect("a connection"), read: Vec::new() }
    }

    /// Sends `request` on a connection of its own, closes nothing, and reads one response.
    pub(super) async fn ask(&self, request: &str) -> Answer {
        let mut client = self.connect().await;
        client.send(request).await;
        client.answer().await
    }
}

/// A client that sends what it is told.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    read: Vec<u8>,
}

/// A response as it came.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Client {
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The server may close before it has read all; the answer tells.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    async fn more(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        let read = tokio::time::timeout(Duration::from_secs(10), self.stream.read(&mut buffer));
        match read.await.expect("the server must answer or close within 10 s") {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                true
            }
        }
    }

    /// One response with a length, or up to the close.
    pub(super) async fn answer(&mut self) -> Answer {
        self.answer_to("GET").await
    }

    pub(super) async fn answer_to(&mut self, method: &str) -> Answer {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            assert!(self.more().await, "closed before a response: {:?}", String::from_utf8_lossy(&self.read));
        };
        let head = String::from_utf8(self.read[..end].to_vec()).expect("an ASCII head");
        self.read.drain(..end + 4);
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        let mut answer = Answer { status, head, body: String::new() };
        if method == "HEAD" || status == 204 {
            return answer;
        }
        let length = answer.header("content-length").and_then(|length| length.parse::<usize>().ok());
        loop {
            let done = match length {
                Some(length) => self.read.len() >= length,
                None => self.read.ends_with(b"0\r\n\r\n"),
            };
            if done || !self.more().await {
                break;
            }
        }
        let body: Vec<u8> = self.read.drain(..length.unwrap_or(self.read.len()).min(self.read.len())).collect();
        answer.body = String::from_utf8_lossy(&body).into_owned();
        answer
    }

    /// Whether the server closes within `time`, whatever it sends before.
    pub(super) async fn closes_within(&mut self, time: Duration) -> bool {
        let read = async {
            let mut buffer = [0; 16 << 10];
            while let Ok(1..) = self.stream.read(&mut buffer).await {}
        };
        tokio::time::timeout(time, read).await.is_ok()
    }
}
