//! The request that a view answers.

use std::cell::OnceCell;

use serde::Deserialize;

use crate::bindings::bandstand::routing::{request, types};
use crate::error::{self, Error, Result};

/// A request whose route was found.
#[derive(Debug)]
pub struct Request {
    inner: types::Request,
    body: OnceCell<Vec<u8>>,
}

/// What the host knows of a request besides.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The request's id, as in the log and on error pages.
    pub id: String,
    /// `http` or `https`.
    pub scheme: String,
    /// The host that the visitor asked for, such as `example.org`.
    pub host: String,
    /// The visitor's address.
    pub remote: String,
    /// Where the app is mounted, such as `/polls`.
    pub mount: String,
    /// The whole path, mount included.
    pub path: String,
}

impl Request {
    #[doc(hidden)]
    pub fn new(inner: types::Request) -> Self {
        Self { inner, body: OnceCell::new() }
    }

    /// The method in upper case, such as `GET`. A HEAD request comes to the view for GET, whose body the host drops.
    pub fn method(&self) -> &str {
        &self.inner.method
    }

    /// The path below the app's mount, percent-decoded, beginning with `/`.
    pub fn path(&self) -> &str {
        &self.inner.path
    }

    /// The query string as it was sent, without `?`. [`Query`](crate::extract::Query) reads it into a struct.
    pub fn query(&self) -> &str {
        &self.inner.query
    }

    /// What the pattern captured, in its order.
    pub(crate) fn param(&self, at: usize) -> &str {
        self.inner.params.get(at).map_or("", String::as_str)
    }

    /// The first value of a header field, its name in any case. None where there is none, or where it isn't UTF-8.
    ///
    /// Where the operator lets one instance answer several requests at once, ask before the first `.await`.
    pub fn header(&self, name: &str) -> Option<String> {
        request::header(name)
    }

    /// All header fields in the order in which they came, names in lower case. Dearer than [`header`](Self::header).
    pub fn headers(&self) -> Vec<(String, String)> {
        request::headers()
    }

    /// The whole body, at most the route's limit (1 MiB by default). Read once and kept.
    ///
    /// Errors: 413 where it is too large, 408 where it comes too slowly.
    pub async fn body(&self) -> Result<&[u8]> {
        if let Some(body) = self.body.get() {
            return Ok(body);
        }
        // The host holds the limit; the app asks for all that it allows.
        let body = request::body(u64::MAX).await.map_err(error::from_routing)?;
        Ok(self.body.get_or_init(|| body))
    }

    /// The body as it comes, for what shouldn't be held in memory. Errors: where it was read before.
    pub fn body_stream(&self) -> Result<BodyStream> {
        request::body_stream().map(BodyStream).map_err(error::from_routing)
    }

    /// What the host knows besides: the visitor's address, the host name, the request's id.
    pub fn facts(&self) -> Result<Facts> {
        serde_json::from_str(&request::facts()).map_err(|error| Error::from(error).context("the request's facts"))
    }
}

/// A body that is read piece by piece.
#[derive(Debug)]
pub struct BodyStream(wit_bindgen::StreamReader<u8>);

impl BodyStream {
    /// The next piece, at most `most` bytes; `None` at the end.
    pub async fn next(&mut self, most: usize) -> Option<Vec<u8>> {
        let (result, bytes) = self.0.read(Vec::with_capacity(most.max(1))).await;
        match result {
            wit_bindgen::StreamResult::Complete(_) => Some(bytes),
            _ if bytes.is_empty() => None,
            _ => Some(bytes),
        }
    }
}
