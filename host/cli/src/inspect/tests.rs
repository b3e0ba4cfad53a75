use std::path::Path;

use host_db::inspect::Schema;

use super::source::source;
use super::*;

/// The sample database of the example.
#[path = "../../../../examples/chinook/data/load.rs"]
mod sample;

/// A database file with `sql` in it.
fn database(sql: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("old.db");
    rusqlite::Connection::open(&path).and_then(|made| made.execute_batch(sql)).expect("a database");
    (folder, path)
}

fn models_with(sql: &str, asked: &[&str], managed: bool) -> String {
    let (_folder, path) = database(sql);
    let schema = Schema::of_sqlite(&path).expect("readable");
    let asked: Vec<String> = asked.iter().map(ToString::to_string).collect();
    source(&schema, &chosen(&schema, &asked).expect("known tables"), managed)
}

fn models(sql: &str) -> String {
    models_with(sql, &[], false)
}

/// The structs in a source, and their fields. Anything else in it but `use` is a break-out.
fn structs(source: &str) -> Vec<(String, Vec<String>)> {
    let file = syn::parse_file(source).unwrap_or_else(|error| panic!("{error}:\n{source}"));
    let mut structs = Vec::new();
    for item in file.items {
        match item {
            syn::Item::Use(_) => {}
            syn::Item::Struct(item) => {
                let name = |field: &syn::Field| field.ident.as_ref().expect("a name").to_string();
                structs.push((item.ident.to_string(), item.fields.iter().map(name).collect()));
            }
            other => panic!("{other:?} in:\n{source}"),
        }
    }
    structs
}

#[test]
fn a_rich_schema_becomes_models() {
    let made = models(include_str!("tests/rich.sql"));
    assert!(structs(&made).len() > 10);
    insta::assert_snapshot!(made);
}

#[test]
fn the_models_of_the_sample_database_are_those_of_the_example() {
    let expected = include_str!("../../../../examples/chinook/src/models.rs");
    let made = models(&sample::statements(sample::Database::Sqlite).join(";"));
    assert!(made == expected, "write them again, as examples/chinook/README.md says; they would be:\n{made}");
}

#[test]
fn servers_say_the_same_of_the_sample_database() {
    for (kind, database) in [
        (test_servers::Kind::Postgres, sample::Database::Postgres),
        (test_servers::Kind::Mariadb, sample::Database::Mariadb),
    ] {
        let url = kind.shared().database();
        kind.shared().script(&url, &format!("BEGIN;\n{};\nCOMMIT;\n", sample::statements(database).join(";\n")));
        let schema = Schema::of_server(Target::parse(&url).expect("a URL")).expect("readable");
        let made = source(&schema, &chosen(&schema, &[]).expect("tables"), false);
        // What can't be told apart in SQLite, or has to be guessed in MariaDB, stands in comments.
        let plain =
            |source: &str| source.lines().filter(|line| !line.contains("// inspectdb:")).collect::<Vec<_>>().join("\n");
        let expected = plain(include_str!("../../../../examples/chinook/src/models.rs"));
        assert!(plain(&made) == expected, "{kind:?} says:\n{made}");
    }
}

#[test]
fn a_rich_schema_on_servers_becomes_models() {
    for (kind, sql) in [
        (test_servers::Kind::Postgres, include_str!("tests/postgres.sql")),
        (test_servers::Kind::Mariadb, include_str!("tests/mariadb.sql")),
    ] {
        let url = kind.shared().database();
        kind.shared().script(&url, sql);
        let schema = Schema::of_server(Target::parse(&url).expect("a URL")).expect("readable");
        let made = source(&schema, &chosen(&schema, &[]).expect("tables"), false);
        structs(&made);
        insta::assert_snapshot!(format!("{kind:?}"), made);
    }
}

#[test]
fn only_what_is_asked_for_and_managed_where_that_is_asked_for() {
    let sql = include_str!("tests/rich.sql");
    let made = models_with(sql, &["Country", "person", "person"], true);
    assert_eq!(structs(&made).iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["Country", "Person"]);
    assert!(!made.contains("managed") && made.contains("//! manage = [\"Country\", \"person\"]\n"), "{made}");
    let (_folder, path) = database(sql);
    let schema = Schema::of_sqlite(&path).expect("readable");
    let error = chosen(&schema, &["persn".into()]).expect_err("no such table").to_string();
    assert_eq!(error, "the database has no table `persn`; did you mean `person`?");
    assert!(chosen(&schema, &["\u{1b}[2J\n".into()]).expect_err("none").to_string().contains("\\u{1b}[2J\\n"));
}

#[test]
fn nothing_in_a_schema_breaks_out_of_the_source() {
    let odd = [
        "\"",
        "\\",
        "'",
        "`",
        "\n",
        "\r\n",
        "//",
        "*/ fn evil() {} /*",
        "\"]\nfn evil() {}\n#[doc = \"",
        "}",
        "\u{202e}",
        "\u{2028}fn evil() {}",
        "#",
        "r#\"",
        "é\u{301}",
        "\u{1f469}\u{200d}\u{1f680}",
        "\u{85}",
        "mod x {",
        "{}",
        "%s",
        "$(x)",
    ];
    let sql_name = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let sql_text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let long = "long\"\n".repeat(20_000);
    let mut sql = String::new();
    for (at, text) in odd.iter().copied().chain([long.as_str()]).enumerate() {
        let (table, column, default) = (sql_name(text), sql_name(&format!("{text} of it")), sql_text(text));
        // In the table's name; in a column's name, type, default and index; in what it points to.
        sql += &format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY);");
        sql += &format!(
            "CREATE TABLE plain{at} (id INTEGER PRIMARY KEY, {column} TEXT, a {0} NOT NULL DEFAULT ({default} || 'x'), \
             b TEXT NOT NULL DEFAULT {default}, c INTEGER REFERENCES {table} (id), d TEXT COLLATE NOCASE, \
             e VARCHAR(20) DEFAULT {default});",
            sql_name(text)
        );
        sql += &format!("CREATE UNIQUE INDEX {0} ON plain{at} (lower(b));", sql_name(&format!("i{text}")));
        sql += &format!("CREATE VIEW {0} AS SELECT 1 AS x;", sql_name(&format!("v{text}")));
    }
    let made = models(&sql);
    let structs = structs(&made);
    assert_eq!(structs.len(), odd.len() + 1, "a model for each plain table:\n{made}");
    for (name, fields) in structs {
        assert!(name.starts_with("Plain"), "{name}");
        assert_eq!(fields, ["id", "a", "b", "c", "d", "e"], "{name}");
    }
    assert!(made.lines().all(|line| line.len() < 1_000 || line.contains("default =")), "long lines:\n{made}");
}

#[test]
fn odd_schemas_are_read_without_a_panic() {
    for sql in [
        "",
        "CREATE TABLE t (a)",
        "CREATE TABLE t (a, b, PRIMARY KEY (b, a)) WITHOUT ROWID",
        "CREATE TABLE t (a REFERENCES missing, b REFERENCES t (zero), PRIMARY KEY (a))",
        "CREATE TABLE t (a PRIMARY KEY REFERENCES u); CREATE TABLE u (a PRIMARY KEY REFERENCES t)",
        "CREATE TABLE t (a, b, FOREIGN KEY (a, b) REFERENCES t (b, a))",
        "CREATE TABLE t (id INTEGER PRIMARY KEY DESC, x AS (id * 2), y AS (x + 1) STORED)",
        "CREATE TABLE t (a REAL PRIMARY KEY, b REFERENCES t); CREATE TABLE u (id INTEGER PRIMARY KEY, t REFERENCES t)",
        "CREATE TABLE t (a DECIMAL(0,0), b VARCHAR(0), c VARCHAR(9999999999999), d DEFAULT 1e999, e DEFAULT -9223372036854775808)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a DEFAULT 'x' , b DEFAULT (((NULL))), c DEFAULT x'00', d DEFAULT '''')",
        "CREATE VIRTUAL TABLE f USING fts5(a); CREATE VIEW v AS SELECT * FROM zero",
    ] {
        let made = models(sql);
        structs(&made);
    }
    let wide: Vec<String> = (0..400).map(|n| format!("c{n}")).collect();
    let made = models(&format!("CREATE TABLE t (id INTEGER PRIMARY KEY, {})", wide.join(", ")));
    assert!(made.contains("it has 401 columns, a model at most 300"), "{made}");
}

#[test]
fn what_is_no_database_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("text.db");
    // A test's own file.
    #[allow(clippy::disallowed_methods)]
    std::fs::write(&path, "no database ".repeat(1_000)).expect("written");
    assert!(Schema::of_sqlite(&path).is_err());
    assert!(Schema::of_sqlite(folder.path()).is_err());
    let options =
        |url: &str| Inspect { dir: ".".into(), url: Some(url.into()), database: None, table: vec![], managed: false };
    for (url, expected) in [
        ("sqlite:missing.db", "there is no database at missing.db"),
        ("sqlite::memory:", "a database in memory has no tables"),
        ("oracle:x", "`oracle` is no database that this host knows"),
    ] {
        let error = format!("{:#}", run(&options(url), &[]).expect_err("no database"));
        assert!(error.contains(expected), "{error}");
    }
    assert!(!Path::new("missing.db").exists(), "looking makes nothing");
    let text = "[databases.archive]\nurl = \"sqlite::memory:\"\n";
    #[allow(clippy::disallowed_methods)]
    std::fs::write(folder.path().join("bandstand.toml"), text).expect("written");
    for (name, expected) in [
        ("archive", "a database in memory"),
        ("archiv", "no [databases.archiv] in the configuration; did you mean `archive`?"),
    ] {
        let options = Inspect {
            dir: folder.path().into(),
            url: None,
            database: Some(name.into()),
            table: vec![],
            managed: false,
        };
        let error = format!("{:#}", run(&options, &[]).expect_err("no tables"));
        assert!(error.contains(expected), "{error}");
    }
}
