//! Backups of a site that is served and written to, and what is left where a backup or a restore is killed.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use rusqlite::Connection;
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::client::send;
use crate::command::{Host, bandstand, done, said, site};
use crate::site::guest;

/// What each write does, all or nothing: one more `node`, and the number of them in a `row`.
fn step() -> String {
    json!([{"do": "batch", "statements": [
        {"shape": {"v": 1, "op": "insert", "from": "node", "set": {"label": "one more"}}},
        {"shape": {"v": 1, "op": "update", "from": "row", "set": {"number": ["add", {"f": "number"}, 1]}}},
    ]}])
    .to_string()
}

async fn ask(host: &Host, steps: Value) -> String {
    send(host.address, Method::POST, "/hostile/db/", steps.to_string()).await.text()
}

/// Nodes, and what the row says of them.
fn counted(database: &Path) -> (i64, i64) {
    let connection = Connection::open(database).expect("a database");
    let one = |sql: &str| connection.query_row(sql, [], |row| row.get(0)).expect("a number");
    assert_eq!(connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).as_deref(), Ok("ok"));
    (one("SELECT count(*) FROM hostile__node"), one("SELECT number FROM hostile__row"))
}

/// Makes a database so large that copying it takes a while.
fn fill(database: &Path, megabytes: i64) {
    fs::create_dir_all(database.parent().expect("a folder")).expect("made");
    let connection = Connection::open(database).expect("a database");
    connection
        .execute_batch("PRAGMA journal_mode = wal; PRAGMA synchronous = off; CREATE TABLE filler (b BLOB)")
        .expect("made");
    for _ in 0..megabytes {
        connection.execute("INSERT INTO filler VALUES (randomblob(1000000))", []).expect("inserted");
    }
}

/// Names in a folder, without what killed processes leave for the next one to sweep.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("there");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with(".bandstand-scratch-")).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_under_load_is_backed_up_and_comes_back_with_all_that_was_acknowledged() {
    let site = site("[site]\nname = \"it\"\n\n[plugins]\ngrants = [\"db\"]\n");
    fs::write(site.path().join("plugins/hostile.wasm"), guest("hostile")).expect("written");
    fill(&site.path().join("data/site.db"), 30);
    let host = Host::start(site.path(), "serve").await;
    let first = json!([{"do": "execute", "shape": {"v": 1, "op": "insert", "from": "row", "set": {"number": 0}}}]);
    assert!(ask(&host, first).await.contains("affected"));
    let (acknowledged, stop) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (acknowledged, stop, address) = (acknowledged.clone(), stop.clone(), host.address);
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = send(address, Method::POST, "/hostile/db/", step()).await;
                    let good = answer.status == 200 && answer.text().contains("\"ok\"");
                    assert!(good, "{}: {}", answer.status, answer.text());
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let elsewhere = tempfile::tempdir().expect("a folder");
    for round in 0..4 {
        let before = acknowledged.load(Ordering::SeqCst);
        let (folder, archive) = (site.path().to_path_buf(), elsewhere.path().join(format!("{round}.tar.zst")));
        let name = archive.display().to_string();
        let made = tokio::task::spawn_blocking(move || done(&folder, &["backup", &name])).await.expect("it ran");
        let after = acknowledged.load(Ordering::SeqCst);
        assert!(made.status.success(), "{}", said(&made));
        assert!(after > before, "nobody could write while it was backed up");
        let into = elsewhere.path().join(format!("site-{round}")).display().to_string();
        let restored = done(elsewhere.path(), &["restore", &archive.display().to_string(), "--into", &into]);
        assert!(restored.status.success(), "{}", said(&restored));
        let (nodes, number) = counted(&Path::new(&into).join("data/site.db"));
        assert_eq!(nodes, number, "half of a batch is in the backup");
        assert!((before..=after + 4).contains(&nodes), "{nodes} of {before} to {after}");
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("every write was acknowledged");
    }
    // It isn't restored over a site that is served.
    let archive = elsewhere.path().join("3.tar.zst").display().to_string();
    let refused = done(site.path(), &["restore", &archive, "--replace"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("a host serves"), "{}", said(&refused));
    let total = acknowledged.load(Ordering::SeqCst);
    let count = json!([{"do": "fetch", "shape": {"v": 1, "op": "count", "from": "node"}}]);
    assert!(ask(&host, count.clone()).await.contains(&format!("[{total}]")));
    assert!(host.end(Signal::TERM).success());

    // What is restored serves.
    let (nodes, _) = counted(&elsewhere.path().join("site-3/data/site.db"));
    let host = Host::start(&elsewhere.path().join("site-3"), "serve").await;
    let answer = ask(&host, count).await;
    assert!(answer.contains(&format!("[{nodes}]")), "{answer} isn't {nodes}");
    assert!(send(host.address, Method::POST, "/hostile/db/", step()).await.text().contains("\"ok\""));
    assert!(host.end(Signal::TERM).success());
    // Now that the first host is gone, the backup may take the site's place.
    let replaced = done(site.path(), &["restore", &archive, "--replace"]);
    assert!(replaced.status.success(), "{}", said(&replaced));
    assert_eq!(counted(&site.path().join("data/site.db")), (nodes, nodes));
    let kept = said(&replaced);
    let kept = kept.split("the old site in ").nth(1).and_then(|rest| rest.lines().next()).expect("where it is");
    assert_eq!(counted(&Path::new(kept).join("data/site.db")), (total, total));
    fs::remove_dir_all(kept).expect("removed");
}

/// Loads a server's dump into a database, as the message of `bandstand restore` says.
fn load(server: &test_servers::Server, kind: test_servers::Kind, dump: &Path, url: &str) {
    if kind == test_servers::Kind::Mariadb {
        return server.script(url, &fs::read_to_string(dump).expect("SQL"));
    }
    let (folder, database) =
        (url.split("socket=").nth(1).expect("a socket"), url.split(['/', '?']).nth(3).expect("a name"));
    let mut load = std::process::Command::new("pg_restore");
    load.args(["--exit-on-error", "--no-owner", "--no-privileges", "--dbname", database]).arg(dump);
    let (user, password) = test_servers::LOGIN;
    let loaded =
        load.env("PGHOST", folder).env("PGUSER", user).env("PGPASSWORD", password).output().expect("it starts");
    assert!(loaded.status.success(), "{}", said(&loaded));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_on_a_server_goes_in_when_asked_and_serves_again() {
    for (kind, dump) in [(test_servers::Kind::Postgres, "dump"), (test_servers::Kind::Mariadb, "sql")] {
        let server = kind.shared();
        let (url, other) = (server.database(), server.database());
        let config = |url: &str| format!("[database]\nurl = \"{url}\"\n\n[plugins]\ngrants = [\"db\"]\n");
        let site = site(&config(&url));
        fs::write(site.path().join("plugins/hostile.wasm"), guest("hostile")).expect("written");
        let host = Host::start(site.path(), "serve").await;
        let first = json!([{"do": "execute", "shape": {"v": 1, "op": "insert", "from": "row", "set": {"number": 0}}}]);
        assert!(ask(&host, first).await.contains("affected"));
        let stop = Arc::new(AtomicBool::new(false));
        let writer = tokio::spawn({
            let (stop, address) = (stop.clone(), host.address);
            async move {
                let mut written = 0;
                while !stop.load(Ordering::Relaxed) {
                    assert!(send(address, Method::POST, "/hostile/db/", step()).await.text().contains("\"ok\""));
                    written += 1;
                }
                written
            }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let folder = site.path().to_path_buf();
        let made = tokio::task::spawn_blocking(move || {
            let without = done(&folder, &["backup", "without.tar.zst"]);
            assert!(said(&without).contains("give --servers"), "{}", said(&without));
            done(&folder, &["backup", "with.tar.zst", "--servers"])
        });
        let made = made.await.expect("it ran");
        assert!(made.status.success(), "{}", said(&made));
        assert!(!said(&made).contains("not in it: [database]"), "{}", said(&made));
        stop.store(true, Ordering::Relaxed);
        let written: i64 = writer.await.expect("every write was acknowledged");
        assert!(host.end(Signal::TERM).success());

        let restored = done(site.path(), &["restore", "with.tar.zst", "--into", "back"]);
        assert!(restored.status.success() && said(&restored).contains("load it into an empty"), "{}", said(&restored));
        load(server, kind, &site.path().join("back/restored/database").with_extension(dump), &other);
        fs::write(site.path().join("back/bandstand.toml"), config(&other)).expect("written");
        let host = Host::start(&site.path().join("back"), "serve").await;
        let nodes = json!([{"do": "fetch", "shape": {"v": 1, "op": "count", "from": "node"}}]);
        let number = json!([{"do": "fetch", "shape": {"v": 1, "from": "row", "fields": ["number"]}}]);
        let cells = |answer: String| -> i64 {
            let answer: Value = serde_json::from_str(&answer).expect("JSON");
            answer[0]["ok"]["cells"][0].as_i64().unwrap_or_else(|| panic!("{answer}"))
        };
        let count = cells(ask(&host, nodes.clone()).await);
        assert_eq!(count, cells(ask(&host, number).await), "half of a batch is in the backup");
        assert!((1..=written).contains(&count), "{count} of {written}");
        // The apps have their rights again, and keys go on where they were.
        assert!(send(host.address, Method::POST, "/hostile/db/", step()).await.text().contains("\"ok\""));
        assert_eq!(cells(ask(&host, nodes).await), count + 1);
        assert!(host.end(Signal::TERM).success());

        // What the server's program says is told, and no archive is left.
        let gone = url.split("socket=").next().expect("a URL").to_owned() + "socket=/nonexistent";
        fs::write(site.path().join("bandstand.toml"), config(&gone)).expect("written");
        let failed = done(site.path(), &["backup", "gone.tar.zst", "--servers"]);
        assert_eq!(failed.status.code(), Some(1));
        assert!(said(&failed).contains("says: ") && said(&failed).contains("/nonexistent"), "{}", said(&failed));
        assert!(!said(&failed).contains(test_servers::LOGIN.1) && !site.path().join("gone.tar.zst").exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_has_its_database_alone_has_to_be_stopped() {
    let site = site("[site]\nname = \"it\"\n\n[database]\nexclusive = true\n");
    let host = Host::start(site.path(), "serve").await;
    let refused = done(site.path(), &["backup", "plugins"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("exclusive = true") && said(&refused).contains("stop"), "{}", said(&refused));
    assert_eq!(names(&site.path().join("plugins")), [""; 0]);
    assert!(host.end(Signal::TERM).success());
    let made = done(site.path(), &["backup"]);
    assert!(made.status.success(), "{}", said(&made));
}

/// Starts a command and waits until it has begun to write into `folder`.
fn begun(folder: &Path, arguments: &[&str]) -> Child {
    let earlier: Vec<_> = fs::read_dir(folder).expect("there").flatten().map(|entry| entry.file_name()).collect();
    let child = bandstand(folder, arguments).stderr(Stdio::piped()).spawn().expect("it starts");
    let patience = Instant::now();
    let is_new = |name: std::ffi::OsString| {
        name.to_string_lossy().starts_with(".bandstand-scratch-") && !earlier.contains(&name)
    };
    while !fs::read_dir(folder).expect("there").flatten().any(|entry| is_new(entry.file_name())) {
        assert!(patience.elapsed() < Duration::from_secs(60), "it doesn't begin");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

#[test]
fn a_backup_that_is_stopped_or_killed_leaves_no_half_of_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = folder.path().join("site");
    fill(&site.join("data/site.db"), 40);
    fs::write(site.join("bandstand.toml"), "").expect("written");
    let arguments = ["backup", "a.tar.zst", "--site", "site"];
    let child = begun(folder.path(), &arguments);
    rustix::process::kill_process(Pid::from_child(&child), Signal::INT).expect("it is ours");
    let stopped = child.wait_with_output().expect("it ends");
    assert_eq!(stopped.status.code(), Some(1));
    assert!(said(&stopped).contains("stopped; everything is as it was before"), "{}", said(&stopped));
    let left = fs::read_dir(folder.path()).expect("there").count();
    assert_eq!(left, 1, "something stays behind");

    for wait in [0, 20, 50, 100, 150, 200, 300, 500] {
        let mut child = begun(folder.path(), &arguments);
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
        let archive = folder.path().join("a.tar.zst");
        if archive.exists() {
            let checked = done(folder.path(), &["backup", "--check", "a.tar.zst"]);
            assert!(checked.status.success(), "after {wait} ms: {}", said(&checked));
            fs::remove_file(&archive).expect("removed");
        }
        assert_eq!(names(folder.path()), ["site"], "after {wait} ms");
    }
    let made = done(folder.path(), &arguments);
    assert!(made.status.success(), "{}", said(&made));
}

#[test]
fn a_restore_that_is_killed_leaves_the_old_site_or_the_new_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for name in ["one", "two"] {
        fill(&at(name).join("data/site.db"), 20);
        let connection = Connection::open(at(name).join("data/site.db")).expect("a database");
        connection.execute_batch(&format!("CREATE TABLE {name} (n)")).expect("made");
        fs::write(at(name).join("bandstand.toml"), format!("[site]\nname = \"{name}\"\n")).expect("written");
        fs::create_dir_all(at(name).join("static")).expect("made");
        fs::write(at(name).join("static").join(name), name).expect("written");
        let made = done(folder.path(), &["backup", &format!("{name}.tar.zst"), "--site", name]);
        assert!(made.status.success(), "{}", said(&made));
        fs::remove_dir_all(at(name)).expect("removed");
    }
    let restored = done(folder.path(), &["restore", "one.tar.zst", "--into", "site"]);
    assert!(restored.status.success(), "{}", said(&restored));
    let whole = |site: &Path| -> String {
        let config = fs::read_to_string(site.join("bandstand.toml")).expect("a configuration");
        let name = config.split('"').nth(1).expect("a name").to_owned();
        assert_eq!(fs::read_to_string(site.join("static").join(&name)).ok().as_ref(), Some(&name));
        let connection = Connection::open(site.join("data/site.db")).expect("a database");
        let sql = format!("SELECT count(*), (SELECT count(*) FROM filler) FROM {name}");
        assert_eq!(connection.query_row(&sql, [], |row| row.get::<_, i64>(1)), Ok(20), "{name}");
        name
    };
    let mut now = "one".to_owned();
    for wait in [0, 20, 50, 80, 110, 140, 170, 200, 250, 300, 400, 600] {
        let other = if now == "one" { "two" } else { "one" };
        let archive = format!("{other}.tar.zst");
        let mut child = begun(folder.path(), &["restore", &archive, "--into", "site", "--replace"]);
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
        now = whole(&at("site"));
        for kept in names(folder.path()).iter().filter(|name| name.starts_with("site.before-")) {
            whole(&at(kept));
            fs::remove_dir_all(at(kept)).expect("removed");
        }
    }
    let stopped = begun(folder.path(), &["restore", "two.tar.zst", "--into", "new"]);
    rustix::process::kill_process(Pid::from_child(&stopped), Signal::TERM).expect("it is ours");
    let stopped = stopped.wait_with_output().expect("it ends");
    assert!(said(&stopped).contains("stopped; everything is as it was before"), "{}", said(&stopped));
    assert_eq!(names(folder.path()), ["one.tar.zst", "site", "two.tar.zst"]);
    let restored = done(folder.path(), &["restore", "two.tar.zst", "--into", "site", "--replace"]);
    assert!(restored.status.success(), "{}", said(&restored));
    assert_eq!(whole(&at("site")), "two");
}

#[test]
fn an_archive_that_was_cut_is_told_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = folder.path().join("site");
    fill(&site.join("data/site.db"), 1);
    fs::write(site.join("bandstand.toml"), "").expect("written");
    let made = done(folder.path(), &["backup", "a.tar.zst", "--site", "site"]);
    assert!(made.status.success(), "{}", said(&made));
    let again = done(folder.path(), &["backup", "a.tar.zst", "--site", "site"]);
    assert!(said(&again).contains("never overwritten"), "{}", said(&again));
    let bytes = fs::read(folder.path().join("a.tar.zst")).expect("there");
    fs::write(folder.path().join("b.tar.zst"), &bytes[..bytes.len() - 1]).expect("written");
    for arguments in [&["backup", "--check", "b.tar.zst"][..], &["restore", "b.tar.zst", "--into", "site", "--replace"]]
    {
        let refused = done(folder.path(), arguments);
        assert_eq!(refused.status.code(), Some(1));
        assert!(said(&refused).contains("isn't a whole backup"), "{}", said(&refused));
    }
    assert_eq!(names(folder.path()), ["a.tar.zst", "b.tar.zst", "site"]);
    let checked = done(folder.path(), &["backup", "--check", "a.tar.zst"]);
    assert!(checked.status.success() && said(&checked).contains("it is whole"), "{}", said(&checked));
}
