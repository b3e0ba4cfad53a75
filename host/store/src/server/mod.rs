//! Databases that are servers of their own: PostgreSQL and MariaDB.
//!
//! What holds for both:
//!
//! - **Connections are shared fairly.** There is a bounded number; an app may have half of it, and waiting ends by the
//!   request's deadline.
//! - **Everything ends.** A statement that runs past its deadline, or whose request is gone, is stopped at the server.
//! - **A server may go and come back.** While it is away, requests get [`StoreError::Busy`] at once; what was under way says
//!   whether it may have had an effect ([`StoreError::UnknownOutcome`]).
//! - **A dead connection costs nobody more than a moment.** One that was idle is asked before it is used.
//!
//! Connections are driven by threads of the store's own, so that nobody's wait for something else holds up their answers.

pub(crate) mod connection;
pub(crate) mod dump;
pub(crate) mod outage;
pub(crate) mod pool;
pub(crate) mod statements;
pub(crate) mod target;
pub(crate) mod transaction;
mod wall;
pub(crate) mod wire;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::{Handle, Runtime};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::owner::Owner;
use crate::pace::{Floor, Turn};
use crate::share::{Keeper, Taker};
use crate::{mariadb, postgres};
use connection::Connection;
use outage::{AWAY, Outage, Refusal};
use pool::{Place, Places};
use target::{ServerConfig, ServerKind, Target, Tls};
use transaction::ServerTransaction;
use wire::Wire;

/// How long a connection may be idle before it is asked whether it is alive.
const IDLE: Duration = Duration::from_secs(1);

/// How long it may take to say so.
const PING_TIME: Duration = Duration::from_secs(1);

/// One server with the connections to it.
pub(crate) struct Endpoint {
    pub(crate) target: Target,
    pub(crate) places: Arc<Places<Wire>>,
    pub(crate) runtime: Handle,
    pub(crate) max_value_bytes: u32,
    pub(crate) outage: Arc<Outage>,
    pub(crate) floor: Floor,
    tls: Option<MakeRustlsConnect>,
    statements: usize,
    connect_time: Duration,
    lifetime: Duration,
    /// Whether connections belong to the app that they log in as. Otherwise the login is the host's, and they serve all.
    own_logins: bool,
}

impl Endpoint {
    fn open(
        target: &Target,
        config: &StoreConfig,
        server: &ServerConfig,
        runtime: &Handle,
    ) -> Result<Arc<Self>, StoreError> {
        let shared = target.kind == ServerKind::Postgres;
        Self::open_with(target, config, server, runtime, server.connections, !shared, Arc::new(Outage::new()))
    }

    fn open_with(
        target: &Target,
        config: &StoreConfig,
        server: &ServerConfig,
        runtime: &Handle,
        connections: usize,
        own_logins: bool,
        outage: Arc<Outage>,
    ) -> Result<Arc<Self>, StoreError> {
        let tls = match (target.kind, &target.tls) {
            (ServerKind::Postgres, Tls::On | Tls::Authority(_)) => Some(trusted(&target.tls)?),
            _ => None,
        };
        Ok(Arc::new(Self {
            target: target.clone(),
            places: Places::new(connections, config.max_waiting, Duration::from_millis(config.cursor_idle_ms)),
            runtime: runtime.clone(),
            max_value_bytes: config.max_value_bytes,
            outage,
            floor: Floor::default(),
            tls,
            statements: config.statements,
            connect_time: Duration::from_millis(server.connect_ms),
            lifetime: Duration::from_secs(server.lifetime_s),
            own_logins,
        }))
    }

    /// A new connection. Call it on the store's own threads, to which the connection belongs from then on.
    pub(crate) async fn connect(&self, owner: Option<&Arc<Owner>>) -> Result<Wire, Refusal> {
        let login = owner.filter(|_| self.own_logins).and_then(|owner| owner.login().cloned());
        let target = match login {
            Some((user, password)) => self.target.with_login(&user, &password),
            None => self.target.clone(),
        };
        // Connections that were opened together aren't all closed together.
        let retires = Instant::now() + self.lifetime.mul_f64(rand::random_range(0.9..1.1));
        let work = async {
            match target.kind {
                ServerKind::Postgres => postgres::Connection::open(&target, self.tls.clone(), self.statements)
                    .await
                    .map(|connection| Wire::postgres(connection, retires)),
                ServerKind::Mariadb => mariadb::Connection::open(&target, self.statements)
                    .await
                    .map(|connection| Wire::mariadb(connection, retires)),
            }
        };
        match tokio::time::timeout(self.connect_time, work).await {
            Ok(result) => result,
            Err(_) => Err(Refusal::Away(format!("no answer within {} ms", self.connect_time.as_millis()))),
        }
    }

    /// A new connection for a request, unless the server is away, or found away meanwhile.
    pub(crate) async fn open_new(
        self: &Arc<Self>,
        owner: Option<&Arc<Owner>>,
        deadline: Instant,
    ) -> Result<Wire, StoreError> {
        if self.outage.is_away() {
            return Err(AWAY);
        }
        let (endpoint, owner) = (self.clone(), owner.cloned());
        // Also where its request gives up first, it says what it found.
        let opening = self
            .runtime
            .spawn(async move { endpoint.connect(owner.as_ref()).await.map_err(|refusal| endpoint.refused(&refusal)) });
        tokio::select! {
            opened = tokio::time::timeout_at(deadline.into(), opening) => match opened {
                Ok(opened) => opened.unwrap_or_else(|error| Err(StoreError::Internal(error.to_string()))),
                Err(_) => Err(StoreError::Busy("the database server didn't answer in time")),
            },
            () = self.outage.begins() => Err(AWAY),
        }
    }

    async fn borrow(self: &Arc<Self>, owner: Option<&Arc<Owner>>, deadline: Instant) -> Result<Connection, StoreError> {
        self.borrow_as(owner, owner.map_or_else(Taker::host, |owner| owner.taker()), deadline).await
    }

    async fn borrow_as(
        self: &Arc<Self>,
        owner: Option<&Arc<Owner>>,
        taker: Taker,
        deadline: Instant,
    ) -> Result<Connection, StoreError> {
        let lane = taker.lane;
        let place = self.enter(taker, deadline).await?;
        loop {
            let idle = if self.own_logins {
                let (own, other) = self.places.take_own(lane);
                drop(other);
                own
            } else {
                self.places.take_idle(lane)
            };
            let Some(wire) = idle else { break };
            if let Some(wire) = self.alive(wire, deadline).await {
                return Ok(Connection::new(wire, place, self.clone(), owner.cloned(), deadline));
            }
        }
        let wire = self.open_new(owner, deadline).await?;
        Ok(Connection::new(wire, place, self.clone(), owner.cloned(), deadline))
    }

    /// A place in the pool. Nobody waits for one while the server is away; who may have one at once may find a connection that
    /// still works.
    async fn enter(&self, taker: Taker, deadline: Instant) -> Result<Place<Wire>, StoreError> {
        if self.outage.is_away() {
            return self.places.enter(taker, Instant::now()).await.map_err(|_| AWAY);
        }
        tokio::select! {
            biased;
            place = self.places.enter(taker, deadline) => place,
            () = self.outage.begins() => Err(AWAY),
        }
    }

    /// The connection, where it may be used. One that has been idle for a while, or since another one broke, is asked first.
    async fn alive(&self, mut wire: Wire, deadline: Instant) -> Option<Wire> {
        if wire.is_closed() {
            return None;
        }
        if wire.retires <= Instant::now() {
            self.runtime.spawn(wire.close(PING_TIME));
            return None;
        }
        if wire.answered.elapsed() < IDLE && !self.outage.doubts(wire.answered) {
            return Some(wire);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if wire.answers(PING_TIME.min(left)).await {
            return Some(wire);
        }
        self.lost("an idle connection gave no answer");
        // Nor would the others, and each would have its time for that.
        self.places.forget_idle();
        None
    }

    /// A connection broke: its neighbours, which nobody has heard of since, may be gone as well.
    pub(crate) fn lost(&self, why: &str) {
        if self.outage.may_say() {
            tracing::warn!(server = %self.target, why, "a connection to the database was lost");
        } else {
            tracing::debug!(server = %self.target, why, "a connection to the database was lost");
        }
        self.outage.broke();
    }
}

/// The database on a server.
pub struct Server {
    primary: Arc<Endpoint>,
    replicas: Vec<Arc<Endpoint>>,
    /// For SQL that apps wrote themselves: there each connection has its app's login.
    raw: Arc<Endpoint>,
    next: AtomicUsize,
    config: StoreConfig,
    server: ServerConfig,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("target", &self.primary.target).finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for endpoint in self.replicas.iter().chain([&self.primary, &self.raw]) {
            endpoint.places.close();
        }
        if let Some(runtime) = self.runtime.take() {
            // Not waited for: this may be one of the threads that serve requests. What still runs is rolled back by the
            // server when its connection closes.
            runtime.shutdown_background();
        }
    }
}

impl Server {
    /// Connects once, to say at the start what is wrong.
    pub(crate) fn open(config: StoreConfig, server: ServerConfig) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("db-net")
            .enable_all()
            .build()
            .map_err(|error| StoreError::Internal(format!("starting threads: {error}")))?;
        let handle = runtime.handle().clone();
        let primary = Endpoint::open(&server.target, &config, &server, &handle)?;
        let replicas = server
            .replicas
            .iter()
            .map(|target| Endpoint::open(target, &config, &server, &handle))
            .collect::<Result<_, _>>()?;
        let raw = match primary.own_logins {
            true => primary.clone(),
            false => {
                // Nobody may come to the host's rights by way of a role that was taken on: these begin without them.
                let most = server.connections.div_ceil(2);
                let outage = primary.outage.clone();
                Endpoint::open_with(&server.target, &config, &server, &handle, most, true, outage)?
            }
        };
        let open = Self { primary, replicas, raw, next: AtomicUsize::new(0), config, server, runtime: Some(runtime) };
        let endpoint = open.primary.clone();
        let first = open.blocking(async move {
            let wire = endpoint.connect(None).await?;
            if let Ok(place) = endpoint.places.enter(Taker::host(), Instant::now()).await {
                drop(Connection::new(wire, place, endpoint, None, Instant::now()));
            }
            Ok::<_, Refusal>(())
        })?;
        first.map_err(|refusal| {
            StoreError::Config(format!(
                "{} can't be used: {refusal}; check `url` in [database], and that the server runs",
                open.primary.target
            ))
        })?;
        Ok(open)
    }

    /// The settings of the store.
    pub fn config(&self) -> &StoreConfig {
        &self.config
    }

    /// The settings of the server.
    pub fn server(&self) -> &ServerConfig {
        &self.server
    }

    /// Which server it is.
    pub fn kind(&self) -> ServerKind {
        self.primary.target.kind
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.primary.runtime
    }

    /// A connection that works for `owner`, with the rights of its app.
    ///
    /// Errors: [`StoreError::Busy`] where none was free by `deadline`, or the server can't be reached.
    pub async fn connection(&self, owner: &Arc<Owner>, deadline: Instant) -> Result<Connection, StoreError> {
        self.primary.borrow(Some(owner), deadline).await
    }

    /// A connection for reading what needn't be the latest: to a replica where there is one that answers.
    pub async fn reader(&self, owner: &Arc<Owner>, deadline: Instant) -> Result<Connection, StoreError> {
        self.reading(owner, owner.taker(), false, deadline).await
    }

    /// A connection for reading as long as somebody wants, to the server itself where it must be the `latest`: `keeper` gives it
    /// back where that is too long for others.
    pub async fn kept_reader(
        &self,
        owner: &Arc<Owner>,
        keeper: Weak<dyn Keeper>,
        latest: bool,
        deadline: Instant,
    ) -> Result<Connection, StoreError> {
        self.reading(owner, owner.keeping(keeper), latest, deadline).await
    }

    async fn reading(
        &self,
        owner: &Arc<Owner>,
        taker: Taker,
        latest: bool,
        deadline: Instant,
    ) -> Result<Connection, StoreError> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let several = if latest { 0 } else { self.replicas.len() };
        for at in 0..several {
            let replica = &self.replicas[(first + at) % several];
            if let Ok(connection) = replica.borrow_as(Some(owner), taker.clone(), deadline).await {
                return Ok(connection);
            }
        }
        self.primary.borrow_as(Some(owner), taker, deadline).await
    }

    /// A connection for a statement that the app wrote itself, inside a transaction that only `reads` or may write. It has a
    /// login of the app's own, so nothing that the statement says can give it more rights; and what the statement changes about the
    /// session is forgotten before anybody gets the connection again.
    ///
    /// Errors: [`StoreError::Denied`] where the app has no login.
    pub async fn raw_connection(
        &self,
        owner: &Arc<Owner>,
        reads: bool,
        deadline: Instant,
    ) -> Result<Connection, StoreError> {
        if owner.login().is_none() {
            return Err(StoreError::Denied("the app has no login of its own at the database server".into()));
        }
        let mut connection = self.raw.borrow(Some(owner), deadline).await?;
        connection.begin_raw(reads);
        Ok(connection)
    }

    /// A connection with the host's own rights.
    pub async fn host_connection(&self, deadline: Instant) -> Result<Connection, StoreError> {
        self.connecting_as_host(deadline).await
    }

    /// The same as a future that needs nothing of this.
    pub(crate) fn connecting_as_host(
        &self,
        deadline: Instant,
    ) -> impl Future<Output = Result<Connection, StoreError>> + Send + use<> {
        let primary = self.primary.clone();
        async move { primary.borrow(None, deadline).await }
    }

    /// Opens an interactive transaction.
    pub async fn transaction(
        &self,
        owner: &Arc<Owner>,
        turn: Turn,
        deadline: Instant,
    ) -> Result<ServerTransaction, StoreError> {
        let mut connection = self.connection(owner, deadline).await?;
        connection.takes(turn);
        Ok(ServerTransaction::new(self, connection))
    }

    /// Runs `work` on the store's own threads and blocks this one until it is done, so never call it on a thread that
    /// serves requests.
    pub fn blocking<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, StoreError> {
        // Not a future's channel: that one refuses to block a thread which drives futures, and this is called at start-up
        // and in tests, where blocking such a thread for a moment does no harm.
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        self.runtime().spawn(async move {
            let _ = reply.send(work.await);
        });
        answer.recv().map_err(|_| StoreError::Internal("the database's threads gave no answer".into()))
    }
}

/// Who is believed to be the server: whoever has a certificate that the machine, or the operator's file, vouches for.
fn trusted(tls: &Tls) -> Result<MakeRustlsConnect, StoreError> {
    let refuse = |problem: String| StoreError::Config(format!("TLS to the database: {problem}"));
    let Tls::Authority(path) = tls else {
        let (connect, problems) =
            MakeRustlsConnect::with_native_certs().map_err(|error| refuse(format!("{error:?}")))?;
        for problem in problems {
            tracing::warn!(%problem, "a certificate of the machine can't be read");
        }
        return Ok(connect);
    };
    let unreadable = |error: &dyn std::fmt::Display| refuse(format!("{} can't be read: {error}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))? {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        roots.add(certificate).map_err(|error| unreadable(&error))?;
    }
    if roots.is_empty() {
        return Err(unreadable(&"there is no certificate in it"));
    }
    Ok(MakeRustlsConnect::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}
