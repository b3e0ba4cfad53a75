//! `[database]` and `[databases.NAME]`: where data lies, and the settings of [`StoreConfig`].

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use host_db::DbConfig;
use host_store::{ServerConfig, StoreConfig, Target, Wall};
use serde::Deserialize;

/// The longest password, with the end of its line, in bytes.
const MAX_PASSWORD: u64 = 4 << 10;

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Where a database is, and the settings of [`StoreConfig`], each with that type's own meaning and default.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DatabaseSection {
    /// `sqlite:PATH`, `sqlite::memory:` for a database that is gone when the host stops, `postgres://…`, `mariadb://…`.
    url: String,
    /// Copies of a server's database that follow it.
    replicas: Vec<String>,
    /// The login's password, where it doesn't stand in `url`.
    password: Option<Secret>,
    /// A file that holds it, relative to the site's folder or absolute.
    password_file: Option<PathBuf>,
    connections: Option<usize>,
    slow_statements: usize,
    connect_ms: u64,
    lifetime_s: u64,
    wall: Wall,
    readers: usize,
    inline_readers: usize,
    cache_kib: u32,
    max_value_bytes: u32,
    max_waiting: usize,
    max_group: usize,
    group_ms: u64,
    write_ms: u64,
    hold_ms_per_minute: u64,
    transaction_idle_ms: u64,
    transaction_total_ms: u64,
    cursor_idle_ms: u64,
    lock_wait_ms: u64,
    log_kib: u32,
    exclusive: bool,
    statements: usize,
    /// `[database.queries]`.
    pub(crate) queries: DbConfig,
}

impl fmt::Debug for DatabaseSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.debug_struct("DatabaseSection").field("place", &self.parse()).finish_non_exhaustive()
    }
}

impl Default for DatabaseSection {
    fn default() -> Self {
        let store = StoreConfig::default();
        Self {
            url: "sqlite:data/site.db".into(),
            replicas: Vec::new(),
            password: None,
            password_file: None,
            connections: None,
            slow_statements: store.slow_statements,
            connect_ms: 3_000,
            lifetime_s: 1_800,
            wall: Wall::default(),
            readers: store.readers,
            inline_readers: store.inline_readers,
            cache_kib: store.cache_kib,
            max_value_bytes: store.max_value_bytes,
            max_waiting: store.max_waiting,
            max_group: store.max_group,
            group_ms: store.group_ms,
            write_ms: store.write_ms,
            hold_ms_per_minute: store.hold_ms_per_minute,
            transaction_idle_ms: store.transaction_idle_ms,
            transaction_total_ms: store.transaction_total_ms,
            cursor_idle_ms: store.cursor_idle_ms,
            lock_wait_ms: store.lock_wait_ms,
            log_kib: store.log_kib,
            exclusive: store.exclusive,
            statements: store.statements,
            queries: DbConfig::default(),
        }
    }
}

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DatabaseUrl {
    /// In memory.
    Memory,
    /// A SQLite file, relative to the site's folder or absolute.
    Sqlite(PathBuf),
    /// On a server.
    Server(Target),
}

impl DatabaseSection {
    /// A database at `url`, with the settings that all have.
    pub(crate) fn at(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
    }

    /// The store's configuration for a SQLite file at `path`; in memory without one.
    pub(crate) fn store(&self, path: Option<PathBuf>) -> StoreConfig {
        StoreConfig {
            path,
            server: None,
            readers: self.readers,
            inline_readers: self.inline_readers,
            cache_kib: self.cache_kib,
            max_value_bytes: self.max_value_bytes,
            max_waiting: self.max_waiting,
            max_group: self.max_group,
            group_ms: self.group_ms,
            write_ms: self.write_ms,
            hold_ms_per_minute: self.hold_ms_per_minute,
            transaction_idle_ms: self.transaction_idle_ms,
            transaction_total_ms: self.transaction_total_ms,
            cursor_idle_ms: self.cursor_idle_ms,
            lock_wait_ms: self.lock_wait_ms,
            log_kib: self.log_kib,
            exclusive: self.exclusive,
            statements: self.statements,
            slow_statements: self.slow_statements,
        }
    }

    /// The store's configuration for a database on a server. `site` is the site's folder, for the file with the password;
    /// the error is for the operator.
    pub(crate) fn on_server(&self, target: Target, site: &Path) -> Result<StoreConfig, String> {
        let password = match (&self.password, &self.password_file) {
            (Some(Secret(password)), _) => Some(password.clone()),
            (None, Some(file)) => Some(read_password(&site.join(file))?),
            (None, None) => None,
        };
        let with_password = |target: Target| match &password {
            Some(password) => target.with_password(password),
            None => target,
        };
        let replicas = self.replicas.iter().map(|url| server_url(url).map(with_password));
        let usual = ServerConfig::new(with_password(target));
        let server = ServerConfig {
            connections: self.connections.unwrap_or(usual.connections),
            replicas: replicas.collect::<Result<_, _>>().map_err(|problem| format!("a replica {problem}"))?,
            connect_ms: self.connect_ms,
            lifetime_s: self.lifetime_s,
            wall: self.wall,
            ..usual
        };
        Ok(StoreConfig { server: Some(server), ..self.store(None) })
    }

    /// Reads the URL. The error says what is wrong and never holds a password.
    pub(crate) fn parse(&self) -> Result<DatabaseUrl, String> {
        let Some(rest) = self.url.strip_prefix("sqlite:") else {
            return server_url(&self.url).map(DatabaseUrl::Server);
        };
        let path = rest.strip_prefix("//").unwrap_or(rest);
        match path {
            ":memory:" => Ok(DatabaseUrl::Memory),
            "" => Err("names no file".into()),
            path if path.contains('\0') || path.contains('?') => Err("has a `?` or a NUL in its path".into()),
            path => Ok(DatabaseUrl::Sqlite(PathBuf::from(path))),
        }
    }

    /// The file that holds the login's password.
    pub(crate) fn password_file(&self) -> Option<&Path> {
        self.password_file.as_deref()
    }

    /// What types can't say, a sentence for each problem, with the key that it is about.
    pub(crate) fn check(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let url = self.parse();
        let on_server = match &url {
            Err(problem) => {
                problems.push(("url", problem.clone()));
                return problems;
            }
            Ok(DatabaseUrl::Server(target)) => Some(target),
            Ok(_) => None,
        };
        if on_server.is_none() {
            let given = [
                ("replicas", !self.replicas.is_empty()),
                ("password", self.password.is_some()),
                ("password_file", self.password_file.is_some()),
            ];
            let wrong = given.into_iter().filter(|(_, given)| *given);
            problems.extend(wrong.map(|(key, _)| (key, "means something for a server alone".into())));
        }
        if self.password.is_some() && self.password_file.is_some() {
            problems.push(("password_file", "stands beside `password`; one of them is enough".into()));
        }
        for replica in &self.replicas {
            match (server_url(replica), on_server) {
                (Err(problem), _) => problems.push(("replicas", problem)),
                (Ok(replica), Some(target)) if replica.kind() != target.kind() => {
                    problems.push((
                        "replicas",
                        format!("has a {} beside a {}", replica.kind().word(), target.kind().word()),
                    ));
                }
                _ => {}
            }
        }
        problems
    }
}

fn server_url(url: &str) -> Result<Target, String> {
    // A name without `//` isn't one that the parser of URLs speaks of in words that help.
    match url.split_once("://") {
        Some(_) => Target::parse(url),
        None => {
            let scheme = url.split(':').next().unwrap_or_default();
            Err(format!("`{}` is no database that this host knows", scheme.escape_debug()))
        }
    }
}

fn read_password(path: &Path) -> Result<String, String> {
    let unreadable = |error: &dyn fmt::Display| format!("the password in {} can't be read: {error}", path.display());
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(unreadable(&"that is no file"));
    };
    let dir = Dir::open_ambient_dir(folder, cap_std::ambient_authority()).map_err(|error| unreadable(&error))?;
    let mut text = String::new();
    let file = dir.open(name).map_err(|error| unreadable(&error))?;
    file.take(MAX_PASSWORD + 1).read_to_string(&mut text).map_err(|error| unreadable(&error))?;
    if text.len() as u64 > MAX_PASSWORD {
        return Err(unreadable(&format!("it has more than {MAX_PASSWORD} bytes")));
    }
    let password = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if password.is_empty() || password.contains(['\n', '\0']) {
        return Err(unreadable(&"it must hold one line, the password"));
    }
    Ok(password.to_owned())
}
