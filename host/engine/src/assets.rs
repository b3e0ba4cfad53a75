//! Static files that apps ship and sites add, served under `/static/` without any wasm.

mod folder;

use std::collections::HashMap;

use bytes::Bytes;
use host_core::http::{Body, Response};
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use sha2::{Digest, Sha256};

pub(crate) use folder::serve_site;

/// What their addresses begin with.
pub(crate) const PREFIX: &str = "/static/";

/// One file.
#[derive(Debug)]
struct Asset {
    bytes: Bytes,
    kind: HeaderValue,
    etag: HeaderValue,
    /// What stands behind `?v=` in the addresses that templates write.
    version: String,
}

impl Asset {
    fn new(path: &str, bytes: Bytes) -> Self {
        let digest = hex::encode(&Sha256::digest(&bytes)[..12]);
        let (kind, etag) = (kind_of(path), etag(&digest));
        Self { bytes, kind, etag, version: digest }
    }
}

/// The static files of one version of an app.
#[derive(Debug, Default)]
pub(crate) struct Assets(HashMap<String, Asset>);

impl Assets {
    /// Files by path; an app's lie under its own name. The error is a sentence for the operator.
    pub(crate) fn new(app: &str, files: Vec<(String, Bytes)>) -> Result<Self, String> {
        let mut assets = HashMap::with_capacity(files.len());
        for (path, bytes) in files {
            if path.strip_prefix(app).is_none_or(|rest| !rest.starts_with('/')) {
                return Err(format!("its static file `{path}` must lie under `static/{app}/`"));
            }
            let asset = Asset::new(&path, bytes);
            assets.insert(path, asset);
        }
        Ok(Self(assets))
    }

    /// What changes when the file does.
    pub(crate) fn version_of(&self, path: &str) -> Option<String> {
        self.0.get(path).map(|asset| asset.version.clone())
    }

    /// Answers for `path` (below [`PREFIX`]), or `None` where there is no such file.
    pub(crate) fn serve(
        &self,
        path: &str,
        query: Option<&str>,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<Response> {
        let asset = self.0.get(path)?;
        let mut response = answer(asset, method, headers);
        if query.and_then(|query| query.strip_prefix("v=")) == Some(asset.version.as_str())
            && !response.status().is_client_error()
        {
            // Another content would have another address.
            let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
            response.headers_mut().insert(header::CACHE_CONTROL, forever);
        }
        Some(response)
    }
}

fn answer(asset: &Asset, method: &Method, headers: &HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return not_allowed();
    }
    let mut response = Response::default();
    response.headers_mut().insert(header::ETAG, asset.etag.clone());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if is_known(headers, &asset.etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    response.headers_mut().insert(header::CONTENT_TYPE, asset.kind.clone());
    *response.body_mut() = Body::full(asset.bytes.clone());
    response
}

fn not_allowed() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// Whether the client has what `etag` names.
fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let matches = |tag: &str| tag == "*" || tag.trim_start_matches("W/").as_bytes() == etag.as_bytes();
    let names = |value: &HeaderValue| value.to_str().is_ok_and(|list| list.split(',').map(str::trim).any(matches));
    headers.get_all(header::IF_NONE_MATCH).iter().any(names)
}

/// A content type by the file's name.
fn kind_of(path: &str) -> HeaderValue {
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    let is_text = guess.type_() == mime_guess::mime::TEXT || guess.subtype() == "javascript";
    let charset = if is_text { "; charset=utf-8" } else { "" };
    HeaderValue::try_from(format!("{guess}{charset}")).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// Hexadecimal digits as an entity tag.
fn etag(digest: &str) -> HeaderValue {
    // Hexadecimal digits between quotes are always a header value.
    HeaderValue::try_from(format!("\"{digest}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_served_once_and_then_known() {
        let assets = Assets::new("polls", vec![("polls/style.css".into(), "a{}".into())]).expect("assets");
        let first = assets.serve("polls/style.css", None, &Method::GET, &HeaderMap::new()).expect("there");
        assert_eq!(first.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        let again = assets.serve("polls/style.css", None, &Method::GET, &headers).expect("there");
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let post = assets.serve("polls/style.css", None, &Method::POST, &headers).expect("there");
        assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert!(assets.serve("polls/other.css", None, &Method::GET, &headers).is_none());
        let query = format!("v={}", assets.version_of("polls/style.css").expect("there"));
        let forever = assets.serve("polls/style.css", Some(&query), &Method::GET, &HeaderMap::new()).expect("there");
        assert!(forever.headers()[header::CACHE_CONTROL].to_str().expect("text").contains("immutable"));
        let old = assets.serve("polls/style.css", Some("v=0"), &Method::GET, &HeaderMap::new()).expect("there");
        assert_eq!(old.headers()[header::CACHE_CONTROL], "no-cache");
        assert!(Assets::new("polls", vec![("admin/style.css".into(), Bytes::new())]).is_err());
        assert!(Assets::new("polls", vec![("pollsx/style.css".into(), Bytes::new())]).is_err());
    }
}
