//! A response's body on its way out: it keeps its connection busy and writes the access line when its last byte is gone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use host_core::http::{Body, BodyError};
use http_body::{Body as _, Frame, SizeHint};

use crate::access::Line;
use crate::connection::Pulse;
use crate::streams;
use crate::underway::{PIECE, Piece, Way};

/// The largest whole body that an HTTP/2 stream hands over together with its end, in bytes.
///
/// What is handed over so can't be taken back: where a client opens a window for a part of it, only the connection's end
/// helps. Clients begin with windows of 64 KiB, so that this happens to those who ask for it.
const SMALL: u64 = 32 << 10;

/// A body whose bytes are watched until they are gone.
pub(crate) struct Outgoing {
    body: Body,
    /// What the body gave and the stream has not handed over yet.
    rest: Bytes,
    /// Only for bodies that have bytes.
    way: Option<Arc<Way>>,
    /// Whether hyper is to know with the last bytes that they are the last.
    tells_end: bool,
}

impl Outgoing {
    /// Hands over `body`; the request stops being busy when its last byte is gone.
    pub(crate) fn new(body: Body, line: Option<Line>, pulse: &Arc<Pulse>) -> Self {
        if body.is_end_stream() {
            pulse.finished();
            if let Some(line) = line {
                line.write(0, true);
            }
            return Self { body, rest: Bytes::new(), way: None, tells_end: true };
        }
        let stream = streams::current();
        let small = body.is_whole() && body.size_hint().upper().is_some_and(|bytes| bytes <= SMALL);
        let tells_end = stream.is_none() || small;
        Self { body, rest: Bytes::new(), way: Some(Way::new(pulse, stream, line)), tells_end }
    }
}

impl http_body::Body for Outgoing {
    type Data = Piece;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, BodyError>>> {
        let this = &mut *self;
        let Some(way) = &this.way else { return Poll::Ready(None) };
        if way.is_stream()
            // One piece after the other: only while hyper asks for the next one can a stream be reset that has bytes
            // waiting for the client.
            && let Err(error) = ready!(way.poll_gone(cx))
        {
            way.complain(&error);
            // Now, and not when hyper lets go: an app may be at work behind it.
            this.body = Body::empty();
            this.rest = Bytes::new();
            return Poll::Ready(Some(Err(error)));
        }
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(trailers) => {
                        way.end();
                        return Poll::Ready(Some(Ok(trailers.map_data(|data| way.offer(data)))));
                    }
                },
                // The connection is cut or the stream reset, so that nobody takes half for the whole.
                Some(Err(error)) => {
                    way.complain(&error);
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    way.end();
                    return Poll::Ready(None);
                }
            }
        }
        let length = if way.is_stream() { this.rest.len().min(PIECE) } else { this.rest.len() };
        let piece = way.offer(this.rest.split_to(length));
        if this.rest.is_empty() && this.body.is_end_stream() {
            way.end();
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.tells_end && self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let mut hint = self.body.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}
