//! Requests and responses as they pass between the server and the site.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::context::{RequestContext, RequestId};

/// Why a body ended early. Where it is a response's, the connection is cut, so that nobody takes half for the whole.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request's body ended early, inside of a [`BodyError`]: downcast to tell the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// It is longer than somebody on the way allows.
    #[error("the request's body is too large")]
    TooLarge,
    /// The client sent nothing for too long.
    #[error("the client was too slow in sending the request's body")]
    Timeout,
    /// The client went away.
    #[error("the client closed the connection before the request's body was complete")]
    Closed,
}

/// A body, in either direction.
#[derive(Default)]
pub struct Body(Inner);

#[derive(Default)]
enum Inner {
    #[default]
    Empty,
    Full(Bytes),
    Stream(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>),
}

impl Body {
    /// No bytes.
    pub const fn empty() -> Self {
        Self(Inner::Empty)
    }

    /// Bytes that are all there.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::empty() } else { Self(Inner::Full(bytes)) }
    }

    /// Bytes that come later.
    pub fn stream(body: impl http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static) -> Self {
        Self(Inner::Stream(Box::pin(body)))
    }

    /// Whether it is known to have no bytes.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Inner::Empty)
    }

    /// Whether all its bytes are there already.
    pub fn is_whole(&self) -> bool {
        !matches!(self.0, Inner::Stream(_))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Empty => f.write_str("Body::empty"),
            Inner::Full(bytes) => write!(f, "Body::full({} bytes)", bytes.len()),
            Inner::Stream(_) => f.write_str("Body::stream"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Inner::Empty => Poll::Ready(None),
            Inner::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Inner::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Inner::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Full(_) => false,
            Inner::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Stream(body) => body.size_hint(),
        }
    }
}

/// A request that passed the server's own checks.
pub type Request = http::Request<Body>;

/// A response to send.
pub type Response = http::Response<Body>;

/// What the server knows of a request besides its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Its id, for the log and the error pages.
    pub id: RequestId,
    /// The client's address.
    pub remote: IpAddr,
    /// Whether it came encrypted.
    pub secure: bool,
}

/// Where a response came from, for the access log. The site puts it into the response's extensions.
#[derive(Debug, Clone, Default)]
pub struct Served {
    /// The app that answered, if one did.
    pub app: Option<crate::name::AppId>,
    /// The name of the matched route.
    pub route: Option<Arc<str>>,
    /// The request as the app had it. What it used is known when its response is through, since a body may ask for more.
    pub context: Option<Arc<RequestContext>>,
}

impl Served {
    /// Statements that the request has run.
    pub fn statements(&self) -> u64 {
        self.context.as_ref().map_or(0, |context| context.budget.statements())
    }

    /// Microseconds that they took.
    pub fn db_micros(&self) -> u64 {
        let used = self.context.as_ref().map_or(Duration::ZERO, |context| context.budget.db_used());
        u64::try_from(used.as_micros()).unwrap_or(u64::MAX)
    }
}

/// What answers requests: the engine with its apps, or a stand-in in a test of the server.
pub trait Site: Send + Sync + 'static {
    /// Answers one request. Never panics on input, and is cancelled by a drop: what may not be cancelled, such as a
    /// POST under way, it runs on a task of its own.
    fn respond(self: Arc<Self>, request: Request, arrival: Arrival) -> impl Future<Output = Response> + Send;
}
