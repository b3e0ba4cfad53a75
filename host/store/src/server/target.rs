//! Where a database server is, and who asks.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use host_core::priority::processors;
use percent_encoding::percent_decode_str;
use url::Url;

/// Which server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// PostgreSQL 15 or later.
    Postgres,
    /// MariaDB 10.11 or later.
    Mariadb,
}

impl ServerKind {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            ServerKind::Postgres => "PostgreSQL",
            ServerKind::Mariadb => "MariaDB",
        }
    }

    fn port(self) -> u16 {
        match self {
            ServerKind::Postgres => 5432,
            ServerKind::Mariadb => 3306,
        }
    }
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Tcp(String, u16),
    /// PostgreSQL: the socket's folder and the port that its name ends with; MariaDB: the socket.
    Socket(PathBuf, u16),
}

impl Host {
    /// Whether it is this machine, as far as the address tells.
    fn is_near(&self) -> bool {
        match self {
            Host::Socket(..) => true,
            Host::Tcp(name, _) => name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
        }
    }
}

/// Whether the way to the server is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tls {
    Off,
    /// With a certificate that the machine trusts and that is made out to the host's name.
    On,
    /// With a certificate that the one in this file vouches for.
    Authority(PathBuf),
}

/// What nobody prints.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A server, a database on it, and a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(crate) kind: ServerKind,
    pub(crate) host: Host,
    pub(crate) user: String,
    pub(crate) password: Secret,
    pub(crate) database: String,
    pub(crate) tls: Tls,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, host, user, database, .. } = self;
        match host {
            Host::Tcp(name, port) => write!(f, "{} at {name}:{port}, database {database}, user {user}", kind.word()),
            Host::Socket(path, _) => {
                write!(f, "{} at {}, database {database}, user {user}", kind.word(), path.display())
            }
        }
    }
}

impl Target {
    /// Reads `postgres://user:password@host:port/database?socket=…&tls=…`, with `postgresql`, `mysql` or `mariadb` as the
    /// other words to begin with. The error is for the operator and never holds the password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
        let kind = match url.scheme() {
            "postgres" | "postgresql" => ServerKind::Postgres,
            "mysql" | "mariadb" => ServerKind::Mariadb,
            scheme => return Err(format!("`{}` is no database that this host knows", scheme.escape_debug())),
        };
        let decoded = |what: &str, part: &str| {
            let part = percent_decode_str(part).decode_utf8().map_err(|_| format!("has a {what} that isn't UTF-8"))?;
            if part.contains('\0') { Err(format!("has a NUL in its {what}")) } else { Ok(part.into_owned()) }
        };
        let user = decoded("user", url.username())?;
        let password = Secret(decoded("password", url.password().unwrap_or_default())?);
        let database = decoded("database", url.path().trim_start_matches('/'))?;
        if user.is_empty() {
            return Err("names no user; write it before the host: `postgres://USER@host/database`".into());
        }
        if database.is_empty() || database.contains('/') {
            return Err("names no database; write its name after the host: `postgres://user@host/DATABASE`".into());
        }
        let port = url.port().unwrap_or(kind.port());
        let (mut socket, mut tls) = (None, None);
        for (key, value) in url.query_pairs() {
            match (key.as_ref(), value.as_ref()) {
                ("socket", path) if path.starts_with('/') => socket = Some(PathBuf::from(path)),
                ("socket", _) => return Err("`socket` takes an absolute path".into()),
                ("tls", "on") => tls = Some(Tls::On),
                ("tls", "off") => tls = Some(Tls::Off),
                ("tls", path) if path.starts_with('/') => tls = Some(Tls::Authority(PathBuf::from(path))),
                ("tls", _) => {
                    return Err("`tls` takes `on`, `off` or the absolute path of an authority's certificate".into());
                }
                (key, _) => {
                    return Err(format!("`{}` is no option; there are `socket` and `tls`", key.escape_debug()));
                }
            }
        }
        let name = url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']').to_owned());
        let host = match (socket, name.filter(|name| !name.is_empty())) {
            (Some(socket), _) => Host::Socket(socket, port),
            (None, Some(name)) => Host::Tcp(name, port),
            (None, None) => return Err("names no host and no `socket`".into()),
        };
        // On the way through a network the password and the rows are for nobody else's eyes.
        let tls = tls.unwrap_or(if host.is_near() { Tls::Off } else { Tls::On });
        Ok(Self { kind, host, user, password, database, tls })
    }

    /// Which server it is.
    pub fn kind(&self) -> ServerKind {
        self.kind
    }

    /// The database's name on its server.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The same with another password, from a file or a variable.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = Secret(password.into());
        self
    }

    pub(crate) fn with_login(&self, user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: Secret(password.to_owned()), ..self.clone() }
    }
}

/// Whether each app's statements run with rights of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wall {
    /// The site doesn't start without.
    Require,
    /// Where the host's login may make roles; otherwise the operator is told.
    #[default]
    Prefer,
    /// All statements run with the host's rights: the planner is the only wall.
    Off,
}

/// Connections that a server has as long as nothing else is said: most statements take less than the way there and back.
const MOST_CONNECTIONS: usize = 16;
/// Those for each processor of a server on this machine, which has no way there.
const CONNECTIONS_PER_PROCESSOR: usize = 4;
/// What several apps need to find one each.
const LEAST_CONNECTIONS: usize = 8;

/// A database server and what the host asks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where everything is written.
    pub target: Target,
    /// Copies that follow the first one, for reads of requests that haven't written.
    pub replicas: Vec<Target>,
    /// Connections at a time, for each of them; an app may have half. What is more than its processors can serve at once costs
    /// other apps time, so there are fewer for a server on this machine.
    pub connections: usize,
    /// Milliseconds to wait for a new connection.
    pub connect_ms: u64,
    /// Seconds after which a connection is closed rather than lent again.
    pub lifetime_s: u64,
    /// Whether each app has rights of its own.
    pub wall: Wall,
}

impl ServerConfig {
    /// With everything else as it is by default.
    pub fn new(target: Target) -> Self {
        let connections = if target.host.is_near() {
            (CONNECTIONS_PER_PROCESSOR * processors()).clamp(LEAST_CONNECTIONS, MOST_CONNECTIONS)
        } else {
            MOST_CONNECTIONS
        };
        Self { target, replicas: Vec::new(), connections, connect_ms: 3_000, lifetime_s: 1_800, wall: Wall::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_passwords_are_not_shown() {
        let target = Target::parse("postgres://me:p%40ss@db.example/site").expect("an address");
        assert_eq!(target.host, Host::Tcp("db.example".into(), 5432));
        assert_eq!((target.password.0.as_str(), &target.tls), ("p@ss", &Tls::On));
        for shown in [format!("{target:?}"), target.to_string(), format!("{:?}", ServerConfig::new(target.clone()))] {
            assert!(!shown.contains("p@ss") && !shown.contains("p%40ss"), "{shown}");
        }
        let target = Target::parse("mariadb://me@[::1]:3307/site").expect("an address");
        assert_eq!((&target.host, &target.tls), (&Host::Tcp("::1".into(), 3307), &Tls::Off));
        let target = Target::parse("mysql://me@x/site?socket=/run/mysqld/mysqld.sock").expect("an address");
        assert_eq!(target.host, Host::Socket("/run/mysqld/mysqld.sock".into(), 3306));
        let target = Target::parse("postgresql:///?socket=/run").expect_err("no user");
        assert!(target.contains("user"));
    }

    #[test]
    fn a_server_on_this_machine_gets_connections_for_its_processors() {
        let connections = |url: &str| ServerConfig::new(Target::parse(url).expect("an address")).connections;
        assert_eq!(connections("postgres://me@db.example/site"), 16);
        assert_eq!(connections("postgres://me@[2001:db8::1]/site"), 16);
        let here = (4 * std::thread::available_parallelism().expect("a number").get()).clamp(8, 16);
        for url in ["me@localhost/site", "me@127.0.0.1/site", "me@[::1]/site", "me@x/site?socket=/run/postgresql"] {
            assert_eq!(connections(&format!("postgres://{url}")), here, "{url}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_hint() {
        for (text, word) in [
            ("oracle://a@b/c", "oracle"),
            ("postgres://a@b", "database"),
            ("postgres://a@b/", "database"),
            ("postgres://a@b/c/d", "database"),
            ("postgres://b/c", "user"),
            ("postgres://a@b/c?sslmode=off", "sslmode"),
            ("postgres://a@b/c?tls=maybe", "tls"),
            ("mysql://a@b/c?socket=here", "socket"),
            ("mysql://a%00@b/c", "NUL"),
            ("nonsense", "URL"),
            ("postgres://a:secret@b:99999/c", "URL"),
        ] {
            let error = Target::parse(text).expect_err(text);
            assert!(error.contains(word) && !error.contains("secret"), "{text}: {error}");
        }
    }
}
