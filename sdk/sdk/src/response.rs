//! Responses.

use core::fmt;

use serde::Serialize;

use crate::bindings::bandstand::routing::types;
use crate::error::{Error, Result};
use crate::extract::Json;

/// What a view answers.
#[derive(Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

enum Body {
    Empty,
    Bytes(Vec<u8>),
    Described(Vec<u8>),
    Stream(Box<dyn FnOnce() -> wit_bindgen::StreamReader<u8>>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Empty => f.write_str("empty"),
            Body::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Body::Described(document) => f.write_str(&String::from_utf8_lossy(document)),
            Body::Stream(_) => f.write_str("stream"),
        }
    }
}

impl Response {
    fn with_body(status: u16, content_type: &str, body: Body) -> Self {
        Self { status, headers: vec![("content-type".into(), content_type.into())], body }
    }

    /// No body, such as 204.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Empty }
    }

    /// A page that is written here. Escape what comes from visitors; a template does it by itself.
    pub fn html(html: impl Into<String>) -> Self {
        Self::with_body(200, "text/html; charset=utf-8", Body::Bytes(html.into().into_bytes()))
    }

    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::with_body(200, "text/plain; charset=utf-8", Body::Bytes(text.into().into_bytes()))
    }

    /// Bytes of this content type. The host takes at most 1 MiB this way by default; send more as a [stream](Self::stream).
    pub fn bytes(content_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::with_body(200, content_type, Body::Bytes(bytes.into()))
    }

    /// A JSON document. Errors: where the value can't be JSON, such as a map whose keys aren't text.
    pub fn json(value: &(impl Serialize + ?Sized)) -> Result<Self> {
        let bytes = serde_json::to_vec(value).map_err(|error| Error::from(error).context("a JSON response"))?;
        Ok(Self::with_body(200, "application/json", Body::Bytes(bytes)))
    }

    /// Bytes of this content type that `write` sends as it makes them. It runs after the view has returned, under the same
    /// request's budget, and waits where the visitor reads slowly. Where it returns an error the connection is cut, so that nobody takes half
    /// for the whole, and the log has the error.
    ///
    /// ```ignore
    /// Response::stream("text/csv", async |mut out| {
    ///     for page in 0..10 {
    ///         out.write(rows(page).await?).await?;
    ///     }
    ///     Ok(())
    /// })
    /// ```
    pub fn stream<F>(content_type: &str, write: F) -> Self
    where
        F: AsyncFnOnce(BodyWriter) -> Result<()> + 'static,
    {
        let start = move || {
            let (writer, reader) = crate::bindings::wit_stream::new::<u8>();
            wit_bindgen::spawn_local(async move {
                if let Err(error) = crate::db::scope::run(write(BodyWriter(writer))).await {
                    // The status is sent already, so what is left is to cut the connection and to say why.
                    crate::bindings::bandstand::routing::request::break_off();
                    crate::log::write(crate::log::Level::Error, format_args!("a stream ended early: {error:?}"));
                }
            });
            reader
        };
        Self::with_body(200, content_type, Body::Stream(Box::new(start)))
    }

    /// Something that the host makes: a JSON document of `docs/reference/response.md`.
    pub(crate) fn described(status: u16, document: Vec<u8>) -> Self {
        Self { status, headers: Vec::new(), body: Body::Described(document) }
    }

    /// An error page with the site's or the app's template for it.
    pub(crate) fn error(status: u16, message: &str) -> Self {
        let mut document = format!("{{\"error\":{{\"status\":{status},\"message\":").into_bytes();
        crate::json::text(&mut document, message);
        document.extend_from_slice(b"}}");
        Self::described(status, document)
    }

    /// The same with another status, 200 to 599.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same with one more header field; a `content-type` replaces the one before. The host refuses names and values that HTTP doesn't
    /// allow, and fields that are its own.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        let name = name.to_ascii_lowercase();
        if name == "content-type" {
            self.headers.retain(|(known, _)| known != "content-type");
        }
        self.headers.push((name, value.into()));
        self
    }

    /// The status.
    pub fn status_code(&self) -> u16 {
        self.status
    }

    /// The document of a described body, or the bytes of a plain one.
    pub fn body(&self) -> &[u8] {
        match &self.body {
            Body::Bytes(bytes) | Body::Described(bytes) => bytes,
            Body::Empty | Body::Stream(_) => &[],
        }
    }

    pub(crate) fn into_wire(self) -> types::Response {
        let body = match self.body {
            Body::Empty => types::Body::Empty,
            Body::Bytes(bytes) => types::Body::Bytes(bytes),
            Body::Described(document) => types::Body::Described(document),
            Body::Stream(start) => types::Body::Stream(start()),
        };
        types::Response { status: self.status, headers: self.headers, body }
    }
}

/// Where a stream writes to.
#[derive(Debug)]
pub struct BodyWriter(wit_bindgen::StreamWriter<u8>);

impl BodyWriter {
    /// Sends bytes, and waits until they are taken. Errors: where the visitor went away.
    pub async fn write(&mut self, bytes: impl Into<Vec<u8>>) -> Result<()> {
        let rest = self.0.write_all(bytes.into()).await;
        if rest.is_empty() { Ok(()) } else { Err(Error::internal("the visitor went away")) }
    }
}

/// Where to send a visitor: an address, or what [`url!`](crate::url) found.
#[diagnostic::on_unimplemented(message = "`{Self}` is no address", note = "use url!(\"name\", …) or a string")]
pub trait IntoLocation {
    /// The address.
    fn into_location(self) -> Result<String>;
}

impl IntoLocation for String {
    fn into_location(self) -> Result<String> {
        Ok(self)
    }
}

impl IntoLocation for &str {
    fn into_location(self) -> Result<String> {
        Ok(self.into())
    }
}

impl IntoLocation for Result<String> {
    fn into_location(self) -> Result<String> {
        self
    }
}

/// Sends the visitor to another page with 303, which browsers follow with GET: what a view answers after it changed something.
///
/// Never hand it an address that came from the visitor: it would lead anywhere.
pub fn redirect(location: impl IntoLocation) -> Result<Response> {
    Ok(Response::empty(303).header("location", location.into_location()?))
}

/// The same for good (308): the page has moved.
pub fn redirect_permanently(location: impl IntoLocation) -> Result<Response> {
    Ok(Response::empty(308).header("location", location.into_location()?))
}

/// What a view can return.
#[diagnostic::on_unimplemented(
    message = "a view can't return `{Self}`",
    note = "return a `Response`, `Json<T>`, or a `Result` of them"
)]
pub trait IntoResponse {
    /// The response.
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        Response::json(&self.0).unwrap_or_else(Response::from)
    }
}

impl<T: IntoResponse> IntoResponse for Result<T> {
    fn into_response(self) -> Response {
        self.map_or_else(Response::from, IntoResponse::into_response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_page_is_a_document_for_the_host() {
        let response = Response::from(Error::bad_request("no \"such\" <colour>\n"));
        assert_eq!(response.status_code(), 400);
        let document: serde_json::Value = serde_json::from_slice(response.body()).expect("json");
        assert_eq!(document, serde_json::json!({"error": {"status": 400, "message": "no \"such\" <colour>\n"}}));
    }

    #[test]
    fn a_content_type_stands_once() {
        let response = Response::html("<p>").header("Content-Type", "application/xhtml+xml").header("X-Test", "1");
        assert_eq!(
            response.headers,
            [("content-type".into(), "application/xhtml+xml".into()), ("x-test".into(), "1".to_owned())]
        );
    }

    #[test]
    fn a_redirect_after_a_post_is_a_303() {
        let response = redirect("/polls/").expect("a response");
        assert_eq!(response.status_code(), 303);
        assert_eq!(response.headers, [("location".into(), "/polls/".to_owned())]);
    }
}
