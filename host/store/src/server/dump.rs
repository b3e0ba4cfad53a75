//! How a server's own program makes a copy of a database: what it is called with.

use std::ffi::OsString;

use super::target::{Host, ServerKind, Target, Tls};

/// A program that writes a database to its standard output, as it is at one moment. The password isn't among the arguments,
/// which everybody on the machine can read.
#[derive(Debug)]
pub struct Dump {
    /// Its name.
    pub program: &'static str,
    /// What it is called with.
    pub arguments: Vec<OsString>,
    /// Variables of its environment.
    pub variables: Vec<(&'static str, OsString)>,
    /// Variables that it must not see: they would lead it elsewhere.
    pub hidden: &'static [&'static str],
}

impl Target {
    /// What copies the database. Rights aren't copied: the host grants them anew.
    pub fn dump(&self) -> Dump {
        match self.kind {
            ServerKind::Postgres => self.pg_dump(),
            ServerKind::Mariadb => self.mariadb_dump(),
        }
    }

    fn pg_dump(&self) -> Dump {
        // What it writes is compressed with everything else.
        let arguments = ["--format=custom", "--compress=0", "--no-owner", "--no-privileges", "--no-password"];
        let (host, port): (OsString, u16) = match &self.host {
            Host::Tcp(name, port) => (name.into(), *port),
            Host::Socket(folder, port) => (folder.into(), *port),
        };
        let mut variables = vec![
            ("PGHOST", host),
            ("PGPORT", port.to_string().into()),
            ("PGUSER", self.user.clone().into()),
            ("PGPASSWORD", self.password.0.clone().into()),
            ("PGDATABASE", self.database.clone().into()),
        ];
        let (mode, authority): (&str, OsString) = match &self.tls {
            Tls::Off => ("disable", OsString::new()),
            Tls::On => ("verify-full", "system".into()),
            Tls::Authority(file) => ("verify-full", file.into()),
        };
        variables.extend([("PGSSLMODE", mode.into()), ("PGSSLROOTCERT", authority)]);
        Dump {
            program: "pg_dump",
            arguments: arguments.map(OsString::from).to_vec(),
            variables,
            hidden: &["PGSERVICE", "PGSERVICEFILE", "PGHOSTADDR", "PGOPTIONS"],
        }
    }

    fn mariadb_dump(&self) -> Dump {
        let mut arguments: Vec<OsString> = [
            // First: what the machine's files say isn't asked for.
            "--no-defaults",
            "--single-transaction",
            "--quick",
            "--hex-blob",
            "--no-tablespaces",
            "--default-character-set=utf8mb4",
        ]
        .map(OsString::from)
        .to_vec();
        let with = |option: &str, value: OsString| {
            let mut argument = OsString::from(option);
            argument.push(value);
            argument
        };
        arguments.push(with("--user=", self.user.clone().into()));
        match &self.host {
            Host::Tcp(name, port) => arguments.extend([
                "--protocol=tcp".into(),
                with("--host=", name.into()),
                with("--port=", port.to_string().into()),
            ]),
            Host::Socket(file, _) => arguments.push(with("--socket=", file.into())),
        }
        match &self.tls {
            Tls::Off => arguments.push("--skip-ssl".into()),
            Tls::On => arguments.extend(["--ssl".into(), "--ssl-verify-server-cert".into()]),
            Tls::Authority(file) => {
                arguments.extend([with("--ssl-ca=", file.into()), "--ssl-verify-server-cert".into()]);
            }
        }
        arguments.extend(["--".into(), self.database.clone().into()]);
        Dump {
            program: "mariadb-dump",
            arguments,
            variables: vec![("MYSQL_PWD", self.password.0.clone().into())],
            hidden: &["MYSQL_HOST", "MYSQL_TCP_PORT", "MYSQL_UNIX_PORT"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_no_argument_and_the_way_is_as_safe_as_the_hosts() {
        for (url, words) in [
            ("postgres://me:s3cret@db.example/site", &["PGSSLMODE verify-full", "PGSSLROOTCERT system"][..]),
            ("postgres://me:s3cret@localhost/site?socket=/run/pg", &["PGHOST /run/pg", "PGSSLMODE disable"]),
            ("postgres://me:s3cret@db.example/site?tls=/etc/ca.pem", &["PGSSLROOTCERT /etc/ca.pem"]),
            ("mariadb://me:s3cret@db.example:3307/site", &["--port=3307", "--ssl-verify-server-cert"]),
            ("mariadb://me:s3cret@[::1]/site", &["--host=::1", "--skip-ssl"]),
            (
                "mariadb://me:s3cret@db.example/site?tls=/etc/ca.pem",
                &["--ssl-ca=/etc/ca.pem", "--ssl-verify-server-cert"],
            ),
        ] {
            let dump = Target::parse(url).expect(url).dump();
            let arguments: Vec<String> =
                dump.arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
            assert!(!arguments.join(" ").contains("s3cret"), "{url}: {arguments:?}");
            assert!(dump.variables.iter().any(|(_, value)| value == "s3cret"));
            let variables = dump.variables.iter().map(|(name, value)| format!("{name} {}", value.to_string_lossy()));
            let all: Vec<String> = arguments.into_iter().chain(variables).collect();
            for word in words {
                assert!(all.iter().any(|said| said == word), "{url}: no `{word}` in {all:?}");
            }
        }
    }
}
