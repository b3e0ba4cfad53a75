//! A whole site in this process: engine, database, templates, and a real server on a port of its own.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use host_core::access::ModelGrants;
use host_core::budget::Limits;
use host_core::grants::{Capability, Grants};
use host_core::quota::Quota;
use host_engine::{AppConfig, CompileConfig, EngineConfig, LoadError, Loaded, Parts, Reuse, Site, Source};
use http::Method;
use tokio::sync::oneshot;

use crate::client::{Answer, send};

/// A running site.
pub(crate) struct TestSite {
    pub(crate) site: Arc<Site>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
}

/// What a hostile app may use: little, so that the tests are quick.
pub(crate) fn tight() -> Limits {
    Limits { wall_ms: 1_500, cpu_ms: 300, ..Limits::default() }
}

/// Runs an ignored test of this program alone in a process of its own.
pub(crate) fn in_its_own_process(test: &str) {
    let output = std::process::Command::new(std::env::current_exe().expect("a running program has a path"))
        .args(["--exact", test, "--ignored", "--nocapture"])
        .output()
        .expect("the test starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// How an app of the test is mounted.
pub(crate) struct Mounted {
    pub(crate) mount: String,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    pub(crate) tables: Vec<String>,
    pub(crate) manage: Vec<String>,
    pub(crate) models: ModelGrants,
    pub(crate) reuse: Reuse,
}

impl Mounted {
    /// Below its own name, with all capabilities.
    pub(crate) fn at(mount: &str, limits: Limits) -> Self {
        let grants = Capability::ALL.into_iter().collect();
        let (tables, manage, models) = (Vec::new(), Vec::new(), ModelGrants::default());
        Self { mount: mount.into(), limits, grants, tables, manage, models, reuse: Reuse::default() }
    }
}

impl TestSite {
    /// A site without apps.
    pub(crate) async fn start() -> Self {
        Self::with(CompileConfig::default()).await
    }

    /// The same with other bounds of the compiler's process.
    pub(crate) async fn with(compile: CompileConfig) -> Self {
        Self::made(compile, host_store::StoreConfig::temporary()).await
    }

    /// The same with a database whose transactions may take as long as a busy machine makes them.
    pub(crate) async fn with_patient_transactions() -> Self {
        let store = host_store::StoreConfig {
            transaction_idle_ms: 5_000,
            transaction_total_ms: 5_000,
            ..host_store::StoreConfig::temporary()
        };
        Self::made(CompileConfig::default(), store).await
    }

    /// The same with a database that is there already, and that others may open.
    pub(crate) async fn over(database: &Path) -> Self {
        let store = host_store::StoreConfig { exclusive: false, ..host_store::StoreConfig::file(database) };
        Self::made(CompileConfig::default(), store).await
    }

    /// The same with a database elsewhere, or with other limits.
    pub(crate) async fn with_store(store: host_store::StoreConfig) -> Self {
        Self::made(CompileConfig::default(), store).await
    }

    /// The same with the smallest pool, whose places are all in use soon.
    pub(crate) async fn with_few_places() -> Self {
        Self::built(CompileConfig::default(), host_store::StoreConfig::temporary(), 32).await
    }

    async fn made(compile: CompileConfig, store: host_store::StoreConfig) -> Self {
        // Many sites live in this process at once, so each takes a small pool.
        Self::built(compile, store, 96).await
    }

    async fn built(compile: CompileConfig, store: host_store::StoreConfig, core_instances: u32) -> Self {
        listen_to_the_log();
        // Kept from run to run, since compiling takes long; a component that is meant not to compile is never in it.
        let cache = target().join("it-code");
        std::fs::create_dir_all(&cache).expect("the target directory can be written to");
        std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o700)).expect("it's ours");
        let store = host_store::Store::open(store).expect("a database");
        let db = host_db::Db::open(store, host_db::DbConfig::default()).expect("a database");
        let templates = host_templates::Templates::open(None).expect("the built-in templates");
        let parts = Parts {
            db: Some(db),
            templates,
            cache: Arc::new(
                host_store::CodeCache::open(Dir::open_ambient_dir(&cache, ambient_authority()).expect("it was made"))
                    .expect("it's private"),
            ),
            static_dir: None,
            worker: PathBuf::from(env!("CARGO_BIN_EXE_compile-worker")),
            dev: false,
        };
        let config = EngineConfig { core_instances, compile, ..EngineConfig::default() };
        let site = Site::open(&config, parts).expect("an engine");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        listener.set_nonblocking(true).expect("a socket");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
        let server = host_server::Server::new(host_server::ServerConfig::default(), site.clone()).expect("a server");
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            server
                .serve(vec![listener], async move {
                    let _ = stopped.await;
                })
                .await;
        });
        Self { site, address, stop: Some(stop) }
    }

    /// Loads a component under its own name, mounted at `/name/`.
    pub(crate) async fn load(&self, file: &str, bytes: impl Into<Bytes>, limits: Limits) -> Result<Loaded, LoadError> {
        let source = Source { name: file.to_owned(), origin: format!("{file}.wasm"), bytes: bytes.into() };
        self.site.load(source, |app| Ok(config(Mounted::at(&format!("/{app}/"), limits)))).await
    }

    /// Loads a component as `mounted` says.
    pub(crate) async fn load_as(
        &self,
        file: &str,
        bytes: impl Into<Bytes>,
        mounted: Mounted,
    ) -> Result<Loaded, LoadError> {
        let source = Source { name: file.to_owned(), origin: format!("{file}.wasm"), bytes: bytes.into() };
        self.site.load(source, |_| Ok(config(mounted))).await
    }

    /// Loads one of `tests/guests`.
    pub(crate) async fn load_guest(&self, name: &str, limits: Limits) -> Loaded {
        match self.load(name, guest(name), limits).await {
            Ok(loaded) => loaded,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.address, Method::GET, path, Bytes::new()).await
    }

    /// Sends a POST's head and never its body of `length` bytes; the answer with its head.
    pub(crate) async fn unfinished_post(&self, path: &str, length: usize) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(self.address).await.expect("the server listens");
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        // Where the answer is cut, what came of it counts.
        let _ = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// What comes for a GET, byte by byte: its head, and the body with its framing.
    pub(crate) async fn raw_get(&self, path: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(self.address).await.expect("the server listens");
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        // Where the answer is cut, what came of it counts.
        let _ = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        send(self.address, Method::POST, path, body).await
    }
}

impl Drop for TestSite {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

fn config(mounted: Mounted) -> AppConfig {
    let Mounted { mount, limits, grants, tables, manage, models, reuse } = mounted;
    AppConfig { mount, grants, tables, manage, models, limits, quota: Quota::default(), reuse }
}

/// The target directory: that of the running test.
pub(crate) fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    // target/debug/deps/it-…
    test.ancestors().nth(3).map(Path::to_path_buf).expect("cargo's layout")
}

/// The bytes of one of `tests/guests`.
pub(crate) fn guest(name: &str) -> Bytes {
    let path = target().join("guests").join(format!("{name}.wasm"));
    match std::fs::read(&path) {
        Ok(bytes) => bytes.into(),
        Err(error) => panic!("{}: {error}; build the guests first: cargo xtask guests", path.display()),
    }
}

/// What all sites of this process have logged.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn listen_to_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::INFO).with_writer(|| Ears).init();
    });
}

struct Ears;

impl std::io::Write for Ears {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The log's lines about the request `id`.
pub(crate) fn lines(id: &str) -> Vec<String> {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&log).lines().filter(|line| line.contains(id)).map(str::to_owned).collect()
}

/// Waits until a line about the request `id` contains `words`; a streamed response's failure is logged after its end.
pub(crate) async fn logged(id: &str, words: &str) -> Result<(), String> {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let lines = lines(id);
        if lines.iter().any(|line| line.contains(words)) {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(format!("no line with `{words}` in the log of request {id}, only:\n{}", lines.join("\n")));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
