//! A response's body on its way out: it keeps its connection busy and writes the access line when it ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use host_core::http::{Body, BodyError};
use http_body::{Body as _, Frame, SizeHint};

use crate::access::Line;
use crate::connection::Pulse;

/// A body with what is to be done at its end.
pub(crate) struct Outgoing {
    body: Body,
    /// Only for bodies whose end isn't known yet; the others are logged when they are handed over.
    end: Option<Box<End>>,
}

struct End {
    line: Option<Line>,
    bytes: u64,
    complete: bool,
    pulse: Arc<Pulse>,
}

impl Outgoing {
    /// Hands over `body`; the request stops being busy when it ends.
    pub(crate) fn new(body: Body, line: Option<Line>, pulse: &Arc<Pulse>) -> Self {
        if let Some(bytes) = body.size_hint().exact()
            && body.is_whole()
        {
            pulse.finished();
            if let Some(line) = line {
                line.write(bytes, true);
            }
            return Self { body, end: None };
        }
        Self { body, end: Some(Box::new(End { line, bytes: 0, complete: false, pulse: pulse.clone() })) }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let ended = self.body.is_end_stream();
        if let Some(end) = &mut self.end {
            match &frame {
                Some(Ok(frame)) => {
                    end.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                    end.complete |= ended;
                }
                // The connection is cut, so that nobody takes half for the whole.
                Some(Err(error)) => tracing::warn!(
                    id = end.line.as_ref().map(|line| tracing::field::display(line.id)),
                    %error,
                    "a response broke off"
                ),
                None => end.complete = true,
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.pulse.finished();
        if let Some(line) = &self.line {
            line.write(self.bytes, self.complete);
        }
    }
}
