//! Throw-away database servers for tests: PostgreSQL and MariaDB, started when a test first asks, on sockets in a temporary
//! folder, without waiting for the disk. They end with the test process, however it ends.
//!
//! The binaries are those of the machine: on Debian the packages `postgresql` and `mariadb-server`, which needn't run as
//! services. As root the servers run as another user, since PostgreSQL refuses to be root.
//!
//! Each test takes a database of its own ([`Server::database`]), with a login that may make tables in it and roles, but is no
//! superuser: what a careful operator gives the host.

// Only tests use this: what goes wrong here is theirs to see. They start programs.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::disallowed_methods)]

mod proxy;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

pub use proxy::{Cut, Proxy};

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    Mariadb,
}

/// The login that [`Server::database`] gives, and its password. They mean nothing outside of the temporary folder.
pub const LOGIN: (&str, &str) = ("site", "site password");
/// PostgreSQL's administrator. MariaDB's is `root`, who has no password.
const ADMIN: (&str, &str) = ("admin", "admin password");

/// A server of this process's own.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    folder: PathBuf,
    socket: PathBuf,
    control: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _supervisor: Child,
}

impl Kind {
    /// The server that all tests of this process share.
    pub fn shared(self) -> &'static Server {
        static POSTGRES: LazyLock<Server> = LazyLock::new(|| Server::start(Kind::Postgres));
        static MARIADB: LazyLock<Server> = LazyLock::new(|| Server::start(Kind::Mariadb));
        match self {
            Kind::Postgres => &POSTGRES,
            Kind::Mariadb => &MARIADB,
        }
    }

    /// Where the binary is; fails with what to install where it isn't.
    fn binary(self, name: &str) -> PathBuf {
        let mut folders: Vec<PathBuf> = vec!["/usr/sbin".into(), "/usr/bin".into(), "/usr/local/bin".into()];
        if self == Kind::Postgres {
            let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
                .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
                .unwrap_or_default();
            versions.sort();
            folders.extend(versions.into_iter().rev());
            folders.push("/opt/homebrew/bin".into());
        }
        folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
        let package = match self {
            Kind::Postgres => "postgresql",
            Kind::Mariadb => "mariadb-server",
        };
        folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()).unwrap_or_else(|| {
            panic!(
                "the tests need `{name}` of the database server: install it, on Debian with `apt-get install {package}`"
            )
        })
    }
}

/// User and group to run a server as, where we are root.
fn other_user(kind: Kind) -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let wanted = match kind {
        Kind::Postgres => ["postgres", "nobody"],
        Kind::Mariadb => ["mysql", "nobody"],
    };
    let users = std::fs::read_to_string("/etc/passwd").expect("the list of users");
    let find = |name: &str| {
        users.lines().find_map(|line| {
            let parts: Vec<&str> = line.split(':').collect();
            (parts.first() == Some(&name)).then(|| Some((parts[2].parse().ok()?, parts[3].parse().ok()?)))?
        })
    };
    Some(wanted.iter().find_map(|name| find(name)).expect("a user that isn't root"))
}

impl Server {
    /// A server of a test's own, for tests that stop and start it. Takes a second or two.
    pub fn start(kind: Kind) -> Self {
        let user = other_user(kind);
        let folder = tempfile::Builder::new().prefix("bandstand-db-").tempdir().expect("a folder").keep();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).expect("it's ours");
        if let Some((user, group)) = user {
            chown(&folder, Some(user), Some(group)).expect("we are root");
        }
        let command = |program: &Path| {
            let mut command = Command::new(program);
            command.current_dir(&folder).env("HOME", &folder);
            if let Some((user, group)) = user {
                command.uid(user).gid(group);
            }
            command
        };
        let data = folder.join("data");
        let (socket, line) = match kind {
            Kind::Postgres => install_postgres(&folder, &data, command),
            Kind::Mariadb => install_mariadb(&folder, &data, command),
        };
        let mut supervisor = command(Path::new("/bin/sh"))
            .arg("-c")
            .arg(include_str!("supervise.sh"))
            .arg("supervise")
            .arg(&folder)
            .args(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let input = supervisor.stdin.take().expect("a pipe");
        let output = BufReader::new(supervisor.stdout.take().expect("a pipe"));
        let server = Self { kind, folder, socket, control: Mutex::new((input, output)), _supervisor: supervisor };
        server.go();
        let (site, password) = LOGIN;
        server.administer(&match kind {
            Kind::Postgres => format!(
                "CREATE ROLE {site} LOGIN CREATEROLE CREATEDB PASSWORD '{password}'; \
                 CREATE ROLE plain LOGIN PASSWORD 'plain password'"
            ),
            Kind::Mariadb => format!(
                "CREATE USER {site}@localhost IDENTIFIED BY '{password}'; \
                 GRANT ALL ON `test\\_%`.* TO {site}@localhost WITH GRANT OPTION; \
                 GRANT CREATE USER ON *.* TO {site}@localhost; \
                 CREATE USER plain@localhost IDENTIFIED BY 'plain password'; \
                 GRANT ALL ON `test\\_%`.* TO plain@localhost"
            ),
        });
        server
    }

    fn tell(&self, word: &str) {
        let mut control = self.control.lock().unwrap();
        writeln!(control.0, "{word}").expect("the supervisor listens");
        let mut answer = String::new();
        control.1.read_line(&mut answer).expect("the supervisor answers");
    }

    /// Starts it again after [`Server::stop`], and waits until it answers.
    pub fn go(&self) {
        self.tell("start");
        let end = Instant::now() + Duration::from_secs(60);
        while UnixStream::connect(&self.socket).is_err() || !self.answers() {
            assert!(Instant::now() < end, "the server didn't start:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it at once, as a crash would: what is connected is cut off.
    pub fn stop(&self) {
        self.tell(match self.kind {
            Kind::Postgres => "quit",
            Kind::Mariadb => "stop",
        });
    }

    /// Kills it and its processes, as the machine does that has no memory left. What it acknowledged is on the machine's disk or on
    /// its way there.
    pub fn kill(&self) {
        self.tell("kill");
    }

    /// Stops it as its administrator would: on PostgreSQL connections are ended with a word, and what is committed meanwhile is kept.
    pub fn stop_gently(&self) {
        self.tell(match self.kind {
            Kind::Postgres => "fast",
            Kind::Mariadb => "stop",
        });
    }

    /// Which server it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// The server's own client, as a login in a database.
    fn program(&self, (user, password): (&str, &str), database: &str) -> Command {
        match self.kind {
            Kind::Postgres => {
                let mut program = Command::new(Kind::Postgres.binary("psql"));
                program.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-p", "5432"]);
                program.args(["-U", user, "-d", database]).arg("-h").arg(&self.folder).env("PGPASSWORD", password);
                program
            }
            Kind::Mariadb => {
                let mut program = Command::new(Kind::Mariadb.binary("mariadb"));
                program.args(["--no-defaults", "--default-character-set=utf8mb4", "-N", "-B", "-u", user, database]);
                program.arg(format!("--password={password}")).arg("--socket").arg(&self.socket);
                program
            }
        }
    }

    fn client(&self, sql: &str) -> Command {
        let (admin, database, run) = match self.kind {
            Kind::Postgres => (ADMIN, "postgres", "-c"),
            Kind::Mariadb => (("root", ""), "mysql", "-e"),
        };
        let mut client = self.program(admin, database);
        client.args([run, sql]);
        client
    }

    fn answers(&self) -> bool {
        self.client("SELECT 1").output().is_ok_and(|output| output.status.success())
    }

    /// Runs SQL as the administrator and returns what it prints.
    pub fn administer(&self, sql: &str) -> String {
        // A database can't be made in one transaction with anything else.
        let statements: Vec<&str> = match self.kind {
            Kind::Postgres => sql.split("; ").collect(),
            Kind::Mariadb => vec![sql],
        };
        let mut printed = String::new();
        for sql in statements {
            let output = self.client(sql).output().expect("the server's client");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{sql}: {said}");
            printed.push_str(&String::from_utf8_lossy(&output.stdout));
        }
        printed
    }

    /// A new database and the URL of the login that owns it.
    pub fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.administer(&match self.kind {
            Kind::Postgres => format!("CREATE DATABASE {name} OWNER {} TEMPLATE template0", LOGIN.0),
            Kind::Mariadb => format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"),
        });
        self.url(LOGIN, &name)
    }

    /// Runs a script, statements with a semicolon each, in a database that [`Server::database`] gave, as its login.
    pub fn script(&self, url: &str, sql: &str) {
        let database = url.split(['/', '?']).nth(3).expect("a database in the URL");
        let mut client = self.program(LOGIN, database);
        if self.kind == Kind::Postgres {
            client.args(["-f", "-"]);
        }
        let mut child =
            client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        child.stdin.take().expect("a pipe").write_all(sql.as_bytes()).expect("it listens");
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The URL of another login for the same database.
    pub fn url(&self, login: (&str, &str), database: &str) -> String {
        let (scheme, socket) = match self.kind {
            Kind::Postgres => ("postgres", &self.folder),
            Kind::Mariadb => ("mariadb", &self.socket),
        };
        let password = login.1.replace(' ', "%20");
        format!("{scheme}://{}:{password}@localhost/{database}?socket={}", login.0, socket.display())
    }
}

fn checked(mut command: Command) {
    let output = command.output().expect("the server's installer");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}:\n{}\n{}", said(&output.stdout), said(&output.stderr));
}

fn install_postgres(folder: &Path, data: &Path, command: impl Fn(&Path) -> Command) -> (PathBuf, Vec<String>) {
    let password = folder.join("password");
    std::fs::write(&password, ADMIN.1).expect("the folder is ours");
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o644)).expect("it's ours");
    let mut install = command(&Kind::Postgres.binary("initdb"));
    install.args(["-U", ADMIN.0, "-A", "scram-sha-256", "--no-sync", "--no-locale", "-E", "UTF8", "-D"]).arg(data);
    install.arg("--pwfile").arg(&password);
    checked(install);
    let mut line = vec![Kind::Postgres.binary("postgres").display().to_string()];
    line.extend(["-D".to_owned(), data.display().to_string(), "-k".into(), folder.display().to_string()]);
    for setting in [
        "listen_addresses=",
        "fsync=off",
        "full_page_writes=off",
        "autovacuum=off",
        "max_connections=400",
        "shared_buffers=32MB",
        "max_wal_size=256MB",
    ] {
        line.extend(["-c".into(), setting.into()]);
    }
    (folder.join(".s.PGSQL.5432"), line)
}

fn install_mariadb(folder: &Path, data: &Path, command: impl Fn(&Path) -> Command) -> (PathBuf, Vec<String>) {
    let mut install = command(&Kind::Mariadb.binary("mariadb-install-db"));
    install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
    install.arg(format!("--datadir={}", data.display()));
    // A server that starts clears away what it takes for leavings of its own, also in a folder that others use.
    let temporary = format!("--tmpdir={}", folder.display());
    install.arg(&temporary);
    checked(install);
    let socket = folder.join("mariadb.sock");
    let line = vec![
        Kind::Mariadb.binary("mariadbd").display().to_string(),
        "--no-defaults".into(),
        format!("--datadir={}", data.display()),
        format!("--socket={}", socket.display()),
        temporary,
        format!("--pid-file={}", folder.join("pid").display()),
        "--skip-networking".into(),
        "--skip-log-bin".into(),
        // At each commit to the machine, which writes it to the disk later: what is killed has lost nothing.
        "--innodb-flush-log-at-trx-commit=2".into(),
        "--innodb-flush-method=nosync".into(),
        "--innodb-doublewrite=0".into(),
        "--innodb-buffer-pool-size=64M".into(),
        "--innodb-fast-shutdown=3".into(),
        "--max-connections=400".into(),
    ];
    (socket, line)
}
