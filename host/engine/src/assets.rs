//! Static files that apps ship and sites add, served under `/static/` without any wasm.

use std::collections::HashMap;
use std::io::Read;

use bytes::Bytes;
use cap_std::fs::Dir;
use host_core::http::{Body, Response};
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use sha2::{Digest, Sha256};

/// What their addresses begin with.
pub(crate) const PREFIX: &str = "/static/";
/// The largest file of the site's own folder, in bytes.
const MAX_SITE_FILE: u64 = 64 << 20;

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
        let guess = mime_guess::from_path(path).first_or_octet_stream();
        let charset = if guess.type_() == mime_guess::mime::TEXT || guess.subtype() == "javascript" {
            "; charset=utf-8"
        } else {
            ""
        };
        let kind = HeaderValue::try_from(format!("{guess}{charset}"))
            .unwrap_or(HeaderValue::from_static("application/octet-stream"));
        let digest = hex::encode(&Sha256::digest(&bytes)[..12]);
        // Hexadecimal digits between quotes are always a header value.
        let etag = HeaderValue::try_from(format!("\"{digest}\"")).unwrap_or(HeaderValue::from_static("\"\""));
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

/// Answers for a file of the site's own `static/` folder, which comes before what apps ship.
pub(crate) fn serve_site(dir: &Dir, path: &str, method: &Method, headers: &HeaderMap) -> Option<Response> {
    // cap-std keeps the path below the folder, links included; what could name a device or a hidden file is left out.
    if path.is_empty() || path.split('/').any(|part| part.is_empty() || part.starts_with('.')) || path.contains('\0') {
        return None;
    }
    let file = dir.open(path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > MAX_SITE_FILE {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX_SITE_FILE).read_to_end(&mut bytes).ok()?;
    Some(answer(&Asset::new(path, bytes.into()), method, headers))
}

fn answer(asset: &Asset, method: &Method, headers: &HeaderMap) -> Response {
    let mut response = Response::default();
    if method != Method::GET && method != Method::HEAD {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    response.headers_mut().insert(header::ETAG, asset.etag.clone());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let matches = |value: &HeaderValue| {
        value.to_str().is_ok_and(|list| {
            list.split(',').any(|tag| tag.trim().trim_start_matches("W/").as_bytes() == asset.etag.as_bytes())
        })
    };
    if headers.get_all(header::IF_NONE_MATCH).iter().any(matches) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    response.headers_mut().insert(header::CONTENT_TYPE, asset.kind.clone());
    *response.body_mut() = Body::full(asset.bytes.clone());
    response
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // Tests make the files that they read.
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

    #[test]
    fn the_sites_folder_keeps_its_walls() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("static")).expect("a folder");
        std::fs::write(folder.path().join("secret"), "s").expect("a file");
        std::fs::write(folder.path().join("static/ok.txt"), "ok").expect("a file");
        std::fs::write(folder.path().join("static/.hidden"), "h").expect("a file");
        std::os::unix::fs::symlink(folder.path().join("secret"), folder.path().join("static/link")).expect("a link");
        let dir = Dir::open_ambient_dir(folder.path().join("static"), cap_std::ambient_authority()).expect("opens");
        let get = |path: &str| serve_site(&dir, path, &Method::GET, &HeaderMap::new());
        assert!(get("ok.txt").is_some());
        for path in ["../secret", "link", ".hidden", "", "/etc/passwd", "a//b", "ok.txt/../../secret", "x\0"] {
            assert!(get(path).is_none(), "{path:?}");
        }
    }
}
