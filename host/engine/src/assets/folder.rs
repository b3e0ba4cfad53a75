//! The site's own `static/` folder.
//!
//! Nobody knows what lies there and on what it lies: large files, pipes, a disk on the other side of a network. So it is
//! touched on threads that may wait, and a file is sent in pieces, of which one is in memory at a time.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use host_core::http::{Body, BodyError, Response};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use http_body::{Frame, SizeHint};
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::{is_known, kind_of, not_allowed};

/// The largest part of a file that is in memory for one response, in bytes.
const PIECE: u64 = 64 << 10;
/// How long a disk may take to answer. One that a network lost must not hold visitors for ever.
const PATIENCE: Duration = Duration::from_secs(10);
/// Calls that wait for the disk at once: what one that hangs may hold of the threads that may wait, which others need.
static CALLS: Semaphore = Semaphore::const_new(32);
/// How often a small file is read again that changes meanwhile.
const TRIES: usize = 3;

/// Answers for a file of the site's folder, which comes before what apps ship. `None` where there is no such file.
pub(crate) async fn serve_site(dir: &Dir, path: &str, method: &Method, headers: &HeaderMap) -> Option<Response> {
    // cap-std keeps the path below the folder, links included; what could name a device or a hidden file is left out.
    if path.is_empty() || path.split('/').any(|part| part.is_empty() || part.starts_with('.')) || path.contains('\0') {
        return None;
    }
    let asked = Asked::new(path, method, headers);
    let answer = match dir.try_clone() {
        Ok(dir) => on_disk(move || asked.answer(&dir)).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(response) => Some(response),
        Err(error) if is_absence(&error) => None,
        Err(error) => {
            tracing::error!(?path, %error, "a file of the site can't be read");
            Some(unavailable())
        }
    }
}

/// Whether there is no such file, as opposed to one that can't be read now.
fn is_absence(error: &io::Error) -> bool {
    let trouble = matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::OutOfMemory | io::ErrorKind::StaleNetworkFileHandle
    ) || matches!(error.raw_os_error(), Some(libc::EIO | libc::EMFILE | libc::ENFILE | libc::ENOMEM))
        || error.get_ref().is_some_and(|inner| inner.is::<Changed>());
    !trouble
}

fn unavailable() -> Response {
    let mut response = Response::new(Body::full("This file can't be read at the moment. Try again later.\n"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// Runs `work` where it may wait, for as long as visitors can.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let call = async {
        let place = CALLS.acquire().await.map_err(io::Error::other)?;
        let call = tokio::task::spawn_blocking(move || {
            // Held until the disk answers, also where nobody waits for it any more.
            let _place = place;
            work()
        });
        call.await.map_err(io::Error::other)?
    };
    tokio::time::timeout(PATIENCE, call).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// What of a request decides the answer.
struct Asked {
    path: String,
    method: Method,
    headers: HeaderMap,
}

impl Asked {
    fn new(path: &str, method: &Method, all: &HeaderMap) -> Self {
        let mut headers = HeaderMap::new();
        for name in [header::IF_NONE_MATCH, header::IF_RANGE, header::RANGE] {
            for value in all.get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
        Self { path: path.to_owned(), method: method.clone(), headers }
    }

    /// The answer, with the bytes in it where they are few. Waits for the disk.
    fn answer(&self, dir: &Dir) -> io::Result<Response> {
        let file = open(dir, &self.path)?;
        if self.method != Method::GET && self.method != Method::HEAD {
            return Ok(not_allowed());
        }
        for _ in 0..TRIES {
            let metadata = file.metadata()?;
            let (mut response, part) = self.head(&metadata);
            let Some((start, length)) = part.filter(|_| self.method == Method::GET) else { return Ok(response) };
            if length > PIECE {
                *response.body_mut() = Body::stream(Contents::new(file, Stamp::of(&metadata), start, length));
                return Ok(response);
            }
            match read(&file, Stamp::of(&metadata), start, length) {
                Ok(bytes) => {
                    *response.body_mut() = Body::full(bytes);
                    return Ok(response);
                }
                Err(error) if error.get_ref().is_some_and(|inner| inner.is::<Changed>()) => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other(Changed))
    }

    /// The answer without its body, and where that begins and how long it is, if there is one.
    fn head(&self, metadata: &Metadata) -> (Response, Option<(u64, u64)>) {
        let (length, etag) = (metadata.len(), etag(metadata));
        let mut response = Response::default();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::ETAG, etag.clone());
        if is_known(&self.headers, &etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return (response, None);
        }
        // HEAD has the headers of the whole: a range is of GET alone.
        let part = if self.method == Method::GET { part(&self.headers, length, &etag) } else { Part::Whole };
        let (start, end) = match part {
            Part::Whole => (0, length),
            Part::Range(start, end) => {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                insert(response.headers_mut(), header::CONTENT_RANGE, format!("bytes {start}-{}/{length}", end - 1));
                (start, end)
            }
            Part::Beyond => {
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                insert(response.headers_mut(), header::CONTENT_RANGE, format!("bytes */{length}"));
                return (response, None);
            }
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, kind_of(&self.path));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
        (response, Some((start, end - start)))
    }
}

/// Opens a file for reading, if it is one. Where it is a pipe or a device, this doesn't wait for its other end.
fn open(dir: &Dir, path: &str) -> io::Result<File> {
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).map_err(io::Error::other)?;
    let file = dir.open_with(path, OpenOptions::new().read(true).custom_flags(flags))?.into_std();
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// What changes when the file does, as far as can be told without reading it.
fn etag(metadata: &Metadata) -> HeaderValue {
    let mut digest = Sha256::new();
    for number in [metadata.dev(), metadata.ino(), metadata.len()] {
        digest.update(number.to_le_bytes());
    }
    for number in [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()] {
        digest.update(number.to_le_bytes());
    }
    super::etag(&hex::encode(&digest.finalize()[..12]))
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    // Only digits and signs.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// What of a file is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// From the first byte to behind the last one, never empty.
    Range(u64, u64),
    /// Nothing that the file has.
    Beyond,
}

/// Reads `Range` (RFC 9110 14): one range; what is malformed, or more than one, is answered with the whole.
fn part(headers: &HeaderMap, length: u64, etag: &HeaderValue) -> Part {
    let mut ranges = headers.get_all(header::RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Part::Whole };
    // Dates are not given out, so that one that stands here is of another file.
    if headers.get_all(header::IF_RANGE).iter().any(|known| known != etag) {
        return Part::Whole;
    }
    let Some((unit, range)) = range.to_str().ok().and_then(|range| range.split_once('=')) else { return Part::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Part::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Part::Whole;
    }
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        // A number beyond 64 bits is beyond each file's end, too.
        is_number.then(|| digits.parse().unwrap_or(u64::MAX))
    };
    match (number(first), number(last)) {
        (Some(first), _) if last.is_empty() => range_of(first, length, length),
        (Some(first), Some(last)) if first <= last => range_of(first, last.saturating_add(1).min(length), length),
        (None, Some(count)) if first.is_empty() => range_of(length.saturating_sub(count), length, length),
        _ => Part::Whole,
    }
}

fn range_of(start: u64, end: u64, length: u64) -> Part {
    if start < end && start < length { Part::Range(start, end) } else { Part::Beyond }
}

/// What says that a file is still the one that was begun with. Not its change time: another file that is moved to its
/// place changes that, and takes nothing from this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

/// Why half of a file is no file.
#[derive(Debug, thiserror::Error)]
#[error("the file was changed while it was sent")]
struct Changed;

/// Reads a part of a file that has not changed since `stamp`. Waits for the disk.
fn read(file: &File, stamp: Stamp, start: u64, length: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    match file.read_exact_at(&mut bytes, start) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(io::Error::other(Changed)),
        other => other?,
    }
    // Looked at afterwards: bytes of before and after a change must not stand in one response.
    if Stamp::of(&file.metadata()?) == stamp { Ok(bytes.into()) } else { Err(io::Error::other(Changed)) }
}

type Reading = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

/// A part of a file as a body: each piece is read when it is asked for, while the one before is on its way.
struct Contents {
    file: Arc<File>,
    stamp: Stamp,
    at: u64,
    left: u64,
    reading: Option<Reading>,
}

impl Contents {
    fn new(file: File, stamp: Stamp, at: u64, left: u64) -> Self {
        Self { file: Arc::new(file), stamp, at, left, reading: None }
    }
}

impl http_body::Body for Contents {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let reading = this.reading.get_or_insert_with(|| {
            let (file, stamp, at, length) = (this.file.clone(), this.stamp, this.at, this.left.min(PIECE));
            Box::pin(on_disk(move || read(&file, stamp, at, length)))
        });
        let piece = ready!(reading.as_mut().poll(cx));
        this.reading = None;
        match piece {
            Ok(bytes) => {
                this.at += bytes.len() as u64;
                this.left -= bytes.len() as u64;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Err(error) => {
                this.left = 0;
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // Tests make the files that they read.
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::path::PathBuf;

    struct Folder {
        _outer: tempfile::TempDir,
        path: PathBuf,
        dir: Dir,
    }

    impl Folder {
        fn new() -> Self {
            let outer = tempfile::tempdir().expect("a folder");
            let path = outer.path().join("static");
            std::fs::create_dir(&path).expect("a folder");
            let dir = Dir::open_ambient_dir(&path, cap_std::ambient_authority()).expect("opens");
            Self { _outer: outer, path, dir }
        }

        fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
            std::fs::write(self.path.join(name), bytes).expect("a file");
        }

        async fn ask(&self, method: Method, name: &str, headers: &[(HeaderName, &str)]) -> Option<Response> {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(name, HeaderValue::from_str(value).expect("a value"));
            }
            serve_site(&self.dir, name, &method, &map).await
        }

        async fn get(&self, name: &str, headers: &[(HeaderName, &str)]) -> (Response, Bytes) {
            let (parts, body) = self.ask(Method::GET, name, headers).await.expect("there").into_parts();
            let bytes = body.collect().await.expect("a whole body").to_bytes();
            (Response::from_parts(parts, Body::empty()), bytes)
        }
    }

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|n| u8::try_from(n * 7 % 251).expect("small")).collect()
    }

    #[tokio::test]
    async fn the_folder_keeps_its_walls() {
        let folder = Folder::new();
        let secret = folder.path.parent().expect("the outer one").join("secret");
        std::fs::write(&secret, "s").expect("a file");
        folder.write("ok.txt", "ok");
        folder.write(".hidden", "h");
        std::fs::create_dir(folder.path.join("folder")).expect("a folder");
        std::os::unix::fs::symlink(&secret, folder.path.join("link")).expect("a link");
        std::os::unix::fs::symlink("/dev/zero", folder.path.join("zero")).expect("a link");
        assert_eq!(folder.get("ok.txt", &[]).await.1, "ok");
        let long = "x".repeat(5_000);
        for path in [
            "../secret",
            "link",
            "zero",
            ".hidden",
            "",
            "folder",
            "/etc/passwd",
            "a//b",
            "ok.txt/",
            "ok.txt/../../secret",
            "x\0",
            &long,
        ] {
            assert!(folder.ask(Method::GET, path, &[]).await.is_none(), "{path:?}");
        }
        let post = folder.ask(Method::POST, "ok.txt", &[]).await.expect("there");
        assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    /// Opening a pipe waits for its writer, for ever if there is none.
    #[tokio::test]
    async fn what_is_no_file_is_not_there() {
        let folder = Folder::new();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, folder.path.join("pipe"), fifo, 0o600.into(), 0).expect("a pipe");
        let _socket = std::os::unix::net::UnixListener::bind(folder.path.join("socket")).expect("a socket");
        for path in ["pipe", "socket"] {
            // One that is waited for would be a 503 in the end.
            assert!(folder.ask(Method::GET, path, &[]).await.is_none(), "{path}");
        }
    }

    #[tokio::test]
    async fn a_file_comes_whole_and_is_then_known() {
        let folder = Folder::new();
        for length in [0, 1, 65_536, 65_537, 300_000] {
            folder.write("file.css", bytes(length));
            let (response, body) = folder.get("file.css", &[]).await;
            assert!(body == bytes(length), "{length}");
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
            assert_eq!(response.headers()[header::CONTENT_LENGTH], length.to_string());
            let etag = response.headers()[header::ETAG].to_str().expect("text").to_owned();
            for known in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
                let (again, body) = folder.get("file.css", &[(header::IF_NONE_MATCH, &known)]).await;
                assert_eq!((again.status(), body.len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
                assert_eq!(again.headers()[header::ETAG], etag);
            }
            let head = folder.ask(Method::HEAD, "file.css", &[(header::RANGE, "bytes=0-0")]).await.expect("there");
            assert_eq!((head.status(), head.body().is_empty()), (StatusCode::OK, true));
            assert_eq!(head.headers()[header::CONTENT_LENGTH], length.to_string());
            assert_eq!(head.headers()[header::ETAG], etag);
        }
        let before = folder.get("file.css", &[]).await.0.headers()[header::ETAG].clone();
        folder.write("other.css", bytes(300_000));
        std::fs::rename(folder.path.join("other.css"), folder.path.join("file.css")).expect("moved");
        assert_ne!(folder.get("file.css", &[]).await.0.headers()[header::ETAG], before, "another file of that size");
    }

    #[tokio::test]
    async fn a_range_is_that_part_of_the_file() {
        let folder = Folder::new();
        let all = bytes(200_000);
        folder.write("file", &all);
        let etag = folder.get("file", &[]).await.0.headers()[header::ETAG].to_str().expect("text").to_owned();
        for (range, start, end) in [
            ("bytes=0-0", 0, 1),
            ("bytes=0-199999", 0, 200_000),
            ("bytes=10-99999999999999999999999", 10, 200_000),
            ("bytes=1000-", 1_000, 200_000),
            ("BYTES=199999-", 199_999, 200_000),
            ("bytes=-5", 199_995, 200_000),
            ("bytes=-900000", 0, 200_000),
            ("bytes=100-100099", 100, 100_100),
        ] {
            let (response, body) = folder.get("file", &[(header::RANGE, range), (header::IF_RANGE, &etag)]).await;
            assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT, "{range}");
            assert!(body == all[start..end], "{range}");
            let content_range = format!("bytes {start}-{}/200000", end - 1);
            assert_eq!(response.headers()[header::CONTENT_RANGE], content_range, "{range}");
            assert_eq!(response.headers()[header::CONTENT_LENGTH], (end - start).to_string(), "{range}");
        }
        for range in ["bytes=200000-", "bytes=200000-200001", "bytes=-0", "bytes=99999999999999999999-"] {
            let (response, body) = folder.get("file", &[(header::RANGE, range)]).await;
            assert_eq!((response.status(), body.len()), (StatusCode::RANGE_NOT_SATISFIABLE, 0), "{range}");
            assert_eq!(response.headers()[header::CONTENT_RANGE], "bytes */200000");
        }
        for range in [
            "bytes=0-1,5-6",
            "bytes=5-1",
            "bytes=-",
            "bytes=",
            "bytes",
            "",
            "lines=0-1",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=a-b",
            "bytes=--1",
            "bytes=1-2-3",
            "bytes=0x1-2",
        ] {
            let (response, body) = folder.get("file", &[(header::RANGE, range)]).await;
            assert_eq!((response.status(), body.len()), (StatusCode::OK, 200_000), "{range:?}");
        }
        for known in ["\"old\"", &format!("W/{etag}"), "Sun, 22 Nov 2026 10:00:00 GMT"] {
            let (response, _) = folder.get("file", &[(header::RANGE, "bytes=0-0"), (header::IF_RANGE, known)]).await;
            assert_eq!(response.status(), StatusCode::OK, "a part of another file fits nothing: {known}");
        }
        folder.write("empty", "");
        let (response, _) = folder.get("empty", &[(header::RANGE, "bytes=0-")]).await;
        assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    }

    #[tokio::test]
    async fn a_file_that_changes_on_the_way_breaks_off() {
        let folder = Folder::new();
        let path = folder.path.join("file");
        let shorter = || std::fs::File::options().write(true).open(&path).expect("a file").set_len(100).expect("cut");
        let longer = || std::fs::write(&path, bytes(300_000)).expect("written");
        let other = || {
            let file = std::fs::File::options().write(true).open(&path).expect("a file");
            file.write_all_at(b"other", 150_000).expect("written");
            // Clocks of file systems are coarse; a test is quick.
            file.set_modified(std::time::SystemTime::now() + Duration::from_secs(1)).expect("set");
        };
        for change in [&shorter as &dyn Fn(), &longer, &other] {
            folder.write("file", bytes(200_000));
            let mut body = folder.ask(Method::GET, "file", &[]).await.expect("there").into_body();
            let first = body.frame().await.expect("a piece").expect("unchanged").into_data().expect("data");
            assert_eq!(first.len(), 65_536);
            change();
            let error = body.frame().await.expect("a frame").expect_err("half of two files");
            assert!(error.to_string().contains("changed while it was sent"), "{error}");
            assert!(body.frame().await.is_none(), "nothing comes after it");
        }
        folder.write("file", bytes(200_000));
        let body = folder.ask(Method::GET, "file", &[]).await.expect("there").into_body();
        folder.write("new", bytes(10));
        std::fs::rename(folder.path.join("new"), &path).expect("moved");
        let all = body.collect().await.expect("the file that was begun is still there").to_bytes();
        assert!(all == bytes(200_000));
    }

    /// A client that doesn't ask for more must not have more read for it.
    #[tokio::test]
    async fn nothing_is_read_before_it_is_asked_for() {
        let folder = Folder::new();
        folder.write("file", bytes(200_000));
        let mut body = folder.ask(Method::GET, "file", &[]).await.expect("there").into_body();
        assert!(!body.is_whole());
        for length in [65_536, 65_536, 65_536, 3_392] {
            let piece = body.frame().await.expect("a piece").expect("unchanged").into_data().expect("data");
            assert_eq!(piece.len(), length);
        }
        assert!(body.frame().await.is_none());
    }
}
