//! The host's own pages, for when there is no app or template to make one.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use crate::context::RequestId;
use crate::http::{Body, Response};

/// The style of every page that the host makes itself: readable without any other file, light and dark, on phones.
pub const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c1b22;--soft:#5f5d6b;--paper:#fbfaf7;--line:#e3e0d8;--mark:#b4432f}\
@media(prefers-color-scheme:dark){:root{--ink:#eceaf2;--soft:#a5a2b3;--paper:#17161c;--line:#33313d;--mark:#f08d78}}\
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:17px/1.6 system-ui,sans-serif}\
main{max-width:46rem;margin:0 auto;padding:12vh 1.5rem 4rem}h1{font-size:1.9rem;line-height:1.2;margin:0 0 1rem}\
p{margin:0 0 1rem}.status{color:var(--mark);font-weight:600;letter-spacing:.04em;margin:0 0 .4rem}\
.note{color:var(--soft);font-size:.88rem;border-top:1px solid var(--line);margin-top:2.5rem;padding-top:1rem}\
code,pre{font:.88em/1.5 ui-monospace,monospace}pre{overflow:auto;padding:1rem;border:1px solid var(--line);border-radius:8px}\
a{color:inherit;text-underline-offset:.2em}";

/// Escapes text for HTML, inside elements and quoted attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            c => out.push(c),
        }
    }
    out
}

/// An error page: the status, what happened in a sentence, and the request's id to quote.
pub fn error(status: StatusCode, message: &str, id: RequestId) -> Response {
    let reason = status.canonical_reason().unwrap_or("Error");
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{reason}</title>\
         <style>{STYLE}</style></head><body><main><p class=\"status\">{code}</p><h1>{reason}</h1><p>{message}</p>\
         <p class=\"note\">Request <code>{id}</code></p></main></body></html>",
        code = status.as_u16(),
        message = escape(message),
    );
    html_response(status, html)
}

/// A response with an HTML page.
pub fn html_response(status: StatusCode, html: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::full(html));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_can_not_bring_markup() {
        let page = error(StatusCode::NOT_FOUND, "<script>'\"&", RequestId(1));
        assert_eq!(page.status(), 404);
        let body = format!("{:?}", page.body());
        assert!(body.contains("bytes"));
        assert_eq!(escape("<script>'\"&"), "&lt;script&gt;&#x27;&quot;&amp;");
    }
}
