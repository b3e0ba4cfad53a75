//! A client of the test's own server: one connection for each request, so that a cut connection is seen as such.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;

/// The longest that any request of a test may take: far above every limit that is tested.
const PATIENCE: Duration = Duration::from_secs(60);

/// The status of an answer that never came: the connection was cut before it.
pub(crate) const NOTHING: u16 = 599;

/// A response as a visitor got it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// What came of the body.
    pub(crate) body: Bytes,
    /// Whether the connection was cut before the body's end.
    pub(crate) broken: bool,
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The request's id, as in the log.
    pub(crate) fn id(&self) -> String {
        self.headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned()
    }
}

/// Sends one request and reads the response to its end.
pub(crate) async fn send(address: SocketAddr, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .body(Full::new(body.into()))
        .expect("a request that can be sent");
    tokio::time::timeout(PATIENCE, exchange(address, request)).await.expect("the host answers in time")
}

async fn exchange(address: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let stream = tokio::net::TcpStream::connect(address).await.expect("the server listens");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a connection");
    let connection = tokio::spawn(connection);
    let Ok(response) = sender.send_request(request).await else {
        let status = StatusCode::from_u16(NOTHING).expect("a number of HTTP");
        return Answer { status, headers: HeaderMap::new(), body: Bytes::new(), broken: true };
    };
    let (parts, mut incoming) = response.into_parts();
    let mut body = BytesMut::new();
    let mut broken = false;
    while let Some(frame) = incoming.frame().await {
        match frame {
            Ok(frame) => body.extend_from_slice(frame.data_ref().map_or(&[], |bytes| bytes)),
            Err(_) => {
                broken = true;
                break;
            }
        }
    }
    connection.abort();
    Answer { status: parts.status, headers: parts.headers, body: body.freeze(), broken }
}
