//! From a site to an archive and back, and archives that no host made.

// The tests play the operator, and whoever sends them archives.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use host_store::StoreError;
use host_store::copy::CopyError;
use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::archive::read;
use super::work::Work;
use super::{Backup, restore::restore, verify};
use crate::args::Restore;
use crate::config::Override;

/// A folder for a site, its archive, and what else there is.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn put(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(&path, content).expect("written");
        path
    }

    fn database(&self, path: &str, row: &str) {
        fs::create_dir_all(self.at(path).parent().expect("a parent")).expect("made");
        let connection = Connection::open(self.at(path)).expect("opened");
        connection.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (s TEXT)").expect("made");
        connection.execute("INSERT INTO t VALUES (?)", [row]).expect("inserted");
    }

    fn row(&self, path: &str) -> String {
        let connection = Connection::open(self.at(path)).expect("opened");
        connection.query_row("SELECT s FROM t", [], |row| row.get(0)).expect("a row")
    }

    /// A small site with its archive `a.tar.zst`.
    fn with_archive() -> Self {
        let desk = Self::new();
        desk.put("site/bandstand.toml", "[site]\nname = \"it\"\n");
        desk.put("site/static/a.css", "a { color: red }");
        desk.database("site/data/site.db", "one");
        desk.backup(&[]).expect("a backup");
        desk
    }

    fn options(&self) -> Backup {
        Backup {
            file: Some(self.at("a.tar.zst")),
            site: self.at("site"),
            servers: false,
            check: false,
            no_verify: false,
            plain: true,
        }
    }

    fn backup(&self, overrides: &[Override]) -> Result<()> {
        super::make(&self.options(), overrides, &Work::unseen())
    }

    fn restore(&self, into: &str, replace: bool) -> Result<()> {
        self.restore_with(into, replace, &[])
    }

    fn restore_with(&self, into: &str, replace: bool, overrides: &[Override]) -> Result<()> {
        let options = Restore { file: self.at("a.tar.zst"), into: self.at(into), replace, plain: true };
        restore(&options, overrides, &Work::unseen())
    }

    /// The names in the desk's folder.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("there");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T>) -> String {
    format!("{:#}", result.expect_err("it must be refused"))
}

/// All files below a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(folder: &Path, at: &str, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).expect("there") {
            let entry = entry.expect("an entry");
            let name = format!("{at}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{name}/"), files);
            } else {
                files.insert(name, fs::read(entry.path()).expect("read"));
            }
        }
    }
    let mut files_below = BTreeMap::new();
    walk(folder, "", &mut files_below);
    files_below
}

#[test]
fn a_site_comes_back_as_it_was() {
    let desk = Desk::new();
    let long = format!("site/static/{}/{}.txt", "ä".repeat(100), "b".repeat(200));
    let config = "[site]\nname = \"it\"\n[databases.second]\nurl = \"sqlite:more/second.db\"\n[apps.polls]\nsource = \"polls\"\n";
    let kept = [
        desk.put("site/bandstand.toml", config),
        desk.put("site/templates/base.html", "<p>"),
        desk.put("site/static/.well-known/security.txt", "Contact:"),
        desk.put(&long, "long"),
        desk.put("site/static/empty", ""),
        desk.put("site/plugins/x.wasm", vec![0; 300_000]),
        desk.put("site/apps/polls.wasm", b"\0asm"),
        desk.put("site/media/1/photo", "jpeg"),
    ];
    for (path, mode) in [(&kept[0], 0o640), (&kept[5], 0o755), (&kept[7], 0o666)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
    }
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::options().write(true).open(&kept[1]).and_then(|file| file.set_modified(time)).expect("ours");
    desk.database("site/data/site.db", "first");
    desk.database("site/more/second.db", "second");
    // What isn't part of a backup.
    desk.put("site/.bandstand/cache/code", "machine code");
    desk.put("site/polls/src/lib.rs", "// sources are kept where sources are kept");
    desk.put("site/README.md", "readme");
    desk.backup(&[]).expect("a backup");
    assert_eq!(desk.at("a.tar.zst").metadata().expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(desk.names(), ["a.tar.zst", "site"], "nothing else stays behind");

    desk.restore("back/into/here", false).expect("restored");
    let mut expected: BTreeMap<String, Vec<u8>> = kept
        .iter()
        .map(|path| {
            let below = path.strip_prefix(desk.at("site")).expect("below").display().to_string();
            (below, fs::read(path).expect("read"))
        })
        .collect();
    let found = files(&desk.at("back/into/here"));
    assert_eq!(desk.row("back/into/here/data/site.db"), "first");
    assert_eq!(desk.row("back/into/here/more/second.db"), "second");
    expected.insert("data/site.db".into(), found["data/site.db"].clone());
    expected.insert("more/second.db".into(), found["more/second.db"].clone());
    assert!(found == expected, "{:?} and {:?}", found.keys(), expected.keys());
    let look = |path: &str| desk.at("back/into/here").join(path).metadata().expect("there");
    for (path, mode) in [
        ("bandstand.toml", 0o640),
        ("plugins/x.wasm", 0o755),
        ("media/1/photo", 0o664),
        ("data", 0o700),
        ("data/site.db", 0o600),
    ] {
        assert_eq!(look(path).permissions().mode() & 0o777, mode, "{path}");
    }
    assert_eq!(look("templates/base.html").modified().expect("a time"), time);
}

#[test]
fn what_is_left_out_is_told() {
    let desk = Desk::new();
    desk.put("site/bandstand.toml", "[static]\ndir = \"../shared\"\n[database]\nurl = \"sqlite:static/site.db\"\n");
    desk.put("shared/a.css", "a");
    desk.put("site/templates/a.html", "a");
    desk.put("site/templates/bad\nname", "a");
    symlink("/etc/passwd", desk.at("site/templates/link")).expect("made");
    let _socket = std::os::unix::net::UnixListener::bind(desk.at("site/templates/socket")).expect("made");
    let more = "[databases.remote]\nurl = \"postgres://u:secret@db.example.org/x\"\n[databases.gone]\nurl = \"sqlite:gone.db\"\n\
                [databases.memory]\nurl = \"sqlite::memory:\"\n[databases.locked]\nurl = \"mariadb://u@localhost/x\"\npassword_file = \"secret\"\n";
    let text = fs::read_to_string(desk.at("site/bandstand.toml")).expect("there") + more;
    desk.put("site/bandstand.toml", text);
    desk.put("site/secret", "word");
    desk.database("site/static/site.db", "one");
    let set = Override { name: "BANDSTAND__SITE__NAME".into(), value: Some("by the environment".into()) };
    desk.backup(&[set]).expect("a backup");
    let manifest = verify(&desk.at("a.tar.zst"), &Work::unseen()).expect("whole");
    let parts: Vec<&str> = manifest.parts.iter().map(|part| part.path.as_str()).collect();
    assert_eq!(parts, ["database.db", "site/bandstand.toml", "site/templates/a.html"]);
    let told: Vec<String> = manifest.left_out.iter().map(|left| format!("{}: {}", left.what, left.why)).collect();
    let told = told.join("\n");
    for words in [
        "[static]: ../shared lies outside",
        "templates/link: a symbolic link",
        "templates/socket: neither a file nor a folder",
        "templates/bad\\nname: has a control character",
        "PostgreSQL at db.example.org:5432, database x, user u; make its backup with pg_dump",
        "mariadb-dump",
        "[databases.gone]: there is no",
        "[databases.memory]: it lives in memory",
        "the password file of [databases.locked]",
        "BANDSTAND__SITE__NAME",
    ] {
        assert!(told.contains(words), "`{words}` isn't in\n{told}");
    }
    assert!(!told.contains("secret@") && !told.contains("by the environment"), "{told}");
}

#[test]
fn of_many_files_that_are_left_out_the_number_is_told() {
    let desk = Desk::with_archive();
    for link in 0..53 {
        symlink("/etc/passwd", desk.at(&format!("site/static/{link}"))).expect("made");
    }
    fs::remove_file(desk.at("a.tar.zst")).expect("removed");
    desk.backup(&[]).expect("a backup");
    let left_out = verify(&desk.at("a.tar.zst"), &Work::unseen()).expect("whole").left_out;
    let what: Vec<&str> = left_out.iter().map(|left| left.what.as_str()).collect();
    assert_eq!((what.len(), what.last()), (51, Some(&"3 more files")), "{what:?}");
}

#[test]
fn a_site_larger_than_any_gives_no_backup() {
    let desk = Desk::new();
    let memory = |most: usize| -> String {
        (0..most).map(|at| format!("[databases.d{at}]\nurl = \"sqlite::memory:\"\n")).collect()
    };
    // With `[database]` as many as there may be.
    desk.put("site/bandstand.toml", memory(999));
    desk.put(&format!("site/static/{}a.css", "d/".repeat(99)), "a");
    desk.backup(&[]).expect("a backup");
    fs::remove_file(desk.at("a.tar.zst")).expect("removed");
    desk.put("site/bandstand.toml", memory(1_000));
    let said = refused(desk.backup(&[]));
    assert!(said.contains("more than 1000 databases") && said.contains("several sites"), "{said}");
    desk.put("site/bandstand.toml", "");
    desk.put(&format!("site/static/{}a.css", "d/".repeat(100)), "a");
    let said = refused(desk.backup(&[]));
    assert!(said.contains("deeper than 100 folders"), "{said}");
    assert_eq!(desk.names(), ["site"]);
}

#[test]
fn an_archive_goes_where_nothing_is_and_nobody_can_fetch_it() {
    let desk = Desk::with_archive();
    let bytes = fs::read(desk.at("a.tar.zst")).expect("there");
    assert!(refused(desk.backup(&[])).contains("never overwritten"));
    assert_eq!(fs::read(desk.at("a.tar.zst")).expect("there"), bytes);
    let to = |file: PathBuf| {
        let options = Backup { file: Some(file), ..desk.options() };
        super::make(&options, &[], &Work::unseen())
    };
    assert!(refused(to(desk.at("site"))).contains("backup --site"));
    assert!(refused(to(desk.at("site/static/deep.tar.zst"))).contains("all the world"));
    assert!(refused(to(desk.at("missing/a.tar.zst"))).contains("can't write to"));
    assert!(refused(to(desk.at("missing/"))).contains("there is no folder"));
    fs::create_dir(desk.at("backups")).expect("made");
    to(desk.at("backups")).expect("a backup");
    let name = files(&desk.at("backups")).into_keys().next().expect("an archive");
    assert!(name.starts_with("site-2") && name.ends_with(".tar.zst"), "{name}");
}

#[test]
fn a_disk_without_room_is_told_by_the_place_where_the_room_is_missing() {
    let (file, to) = (Path::new("data/site.db"), Path::new("/backups"));
    let said = super::why_not("database", file, to, CopyError::Store(StoreError::Full)).to_string();
    assert!(said.contains("[database] can't be copied to /backups: the disk is full"), "{said}");
    assert!(said.contains("make room there") && !said.contains("site.db"), "{said}");
    let said = refused(super::room(Path::new("/"), u64::MAX, "to copy the databases"));
    assert!(said.contains("/ is too full to copy the databases: that takes"), "{said}");
}

#[test]
fn a_damaged_database_gives_no_backup() {
    let desk = Desk::new();
    desk.put("site/bandstand.toml", "");
    desk.put("site/data/site.db", "not a database, but more than a hundred bytes of something else. ".repeat(20));
    let said = refused(desk.backup(&[]));
    assert!(said.contains("[database] is damaged") && said.contains(".recover"), "{said}");
    assert_eq!(desk.names(), ["site"]);
}

#[test]
fn a_database_that_cant_be_looked_at_isnt_taken_for_one_that_isnt_there() {
    let desk = Desk::new();
    desk.put("site/bandstand.toml", "[database]\nurl = \"sqlite:bandstand.toml/site.db\"\n");
    let said = refused(desk.backup(&[]));
    assert!(said.contains("[database] can't be looked at") && said.contains("as the user who"), "{said}");
}

#[test]
fn a_database_outside_of_the_folder_is_put_aside_with_what_to_do() {
    let desk = Desk::new();
    desk.put("site/bandstand.toml", format!("[database]\nurl = \"sqlite:{}\"\n", desk.at("lib/site.db").display()));
    desk.database("lib/site.db", "one");
    desk.backup(&[]).expect("a backup");
    desk.database("lib/other.db", "other");
    desk.restore("new", false).expect("restored");
    assert_eq!(desk.row("new/restored/database.db"), "one");
    assert_eq!(desk.row("lib/site.db"), "one");
    // The configuration where it is restored decides.
    let set = Override { name: "BANDSTAND__DATABASE__URL".into(), value: Some("sqlite:inside/site.db".into()) };
    desk.restore_with("newer", false, &[set]).expect("restored");
    assert_eq!(desk.row("newer/inside/site.db"), "one");
    // One that would overwrite another file of the archive doesn't.
    let set = Override { name: "BANDSTAND__DATABASE__URL".into(), value: Some("sqlite:bandstand.toml".into()) };
    desk.restore_with("newest", false, &[set]).expect("restored");
    assert_eq!(desk.row("newest/restored/database.db"), "one");
    // Nor one that would find a log beside it.
    let forged = Forged::right().file("site/data/site.db-wal", b"a log").file("database.db", b"a database");
    let bytes = forged.database("database").bytes();
    let good = fs::read(desk.at("a.tar.zst")).expect("there");
    fs::write(desk.at("a.tar.zst"), bytes).expect("written");
    desk.restore("beside", false).expect("restored");
    assert!(desk.at("beside/restored/database.db").exists() && !desk.at("beside/data/site.db").exists());
    fs::write(desk.at("a.tar.zst"), good).expect("written");
    let set = Override { name: "BANDSTAND__DATABASE__URL".into(), value: Some("sqlite:.bandstand/cache/x".into()) };
    desk.restore_with("private", false, &[set]).expect("restored");
    assert!(!desk.at("private/.bandstand").exists());
}

#[test]
fn a_site_takes_the_place_of_another_one_only_when_asked_and_keeps_it() {
    let desk = Desk::with_archive();
    desk.put("other/bandstand.toml", "[site]\nname = \"other\"\n");
    desk.put("other/notes.txt", "mine");
    desk.database("other/data/site.db", "other");
    let before = files(&desk.at("other"));
    assert!(refused(desk.restore("other", false)).contains("--replace"));
    desk.put("folder/no-site.txt", "letters");
    for replace in [false, true] {
        let said = refused(desk.restore("folder", replace));
        assert!(said.contains("no site's folder") && said.contains("another folder with --into"), "{said}");
        assert!(!said.contains("--replace"), "it would be refused as well: {said}");
    }
    assert!(refused(desk.restore("folder/no-site.txt", true)).contains("can't open the folder"));
    desk.restore("other", true).expect("restored");
    assert_eq!(desk.row("other/data/site.db"), "one");
    assert!(!desk.at("other/notes.txt").exists());
    let kept = desk.names().into_iter().find(|name| name.starts_with("other.before-")).expect("the old one");
    let mut after = files(&desk.at(&kept));
    after.remove(".bandstand/host.lock");
    assert!(after == before, "{:?} and {:?}", after.keys(), before.keys());
    assert_eq!(desk.names(), ["a.tar.zst".into(), "folder".into(), "other".to_owned(), kept, "site".into()]);
    // Into a folder that is there and empty, which stays the same one.
    fs::create_dir(desk.at("empty")).expect("made");
    fs::set_permissions(desk.at("empty"), fs::Permissions::from_mode(0o750)).expect("ours");
    desk.restore("empty", false).expect("restored");
    assert_eq!(desk.at("empty").metadata().expect("there").permissions().mode() & 0o777, 0o750);
    assert_eq!(files(&desk.at("empty")).len(), 3);
}

#[test]
fn ctrl_c_leaves_everything_as_it_was_or_comes_too_late() {
    let desk = Desk::with_archive();
    let restore = |work: &Work| {
        let options = Restore { file: desk.at("a.tar.zst"), into: desk.at("new"), replace: false, plain: true };
        restore(&options, &[], work)
    };
    let backup = |work: &Work| super::make(&Backup { file: Some(desk.at("b.tar.zst")), ..desk.options() }, &[], work);
    for act in [&restore as &dyn Fn(&Work) -> Result<()>, &backup] {
        let stopped = Work::unseen();
        stopped.stop().store(true, Ordering::Relaxed);
        let said = refused(stopped.told(act(&stopped)));
        assert!(said.contains("everything is as it was before"), "{said}");
        assert_eq!(desk.names(), ["a.tar.zst", "site"]);
    }
    for act in [&restore as &dyn Fn(&Work) -> Result<()>, &backup] {
        let late = Work::unseen();
        act(&late).expect("nobody stopped it");
        late.stop().store(true, Ordering::Relaxed);
        assert_eq!(refused(late.told::<()>(Err(anyhow::anyhow!("the disk is full")))), "the disk is full");
    }
}

#[test]
fn a_configuration_of_another_time_is_restored_all_the_same() {
    let desk = Desk::new();
    desk.put("site/bandstand.toml", "");
    desk.database("site/data/site.db", "one");
    let set = |name: &str, value: &str| Override { name: name.into(), value: Some(value.into()) };
    desk.backup(&[set("BANDSTAND__DATABASE__URL", "sqlite:data/site.db")]).expect("a backup");
    desk.restore_with("new", false, &[set("BANDSTAND__UNHEARD__OF", "1")]).expect("restored");
    assert_eq!(desk.row("new/data/site.db"), "one");
    // Machine code never comes from an archive, wherever the cache is.
    let set = set("BANDSTAND__SITE__CACHE", "static");
    let desk = Desk::with_archive();
    let said = refused(desk.restore_with("new", false, &[set]));
    assert!(said.contains("compiled code") && !desk.at("new").exists(), "{said}");
}

#[test]
fn a_file_that_changes_meanwhile_isnt_taken_for_what_it_was() {
    use cap_std::{ambient_authority, fs::Dir};
    let desk = Desk::with_archive();
    let manifest = verify(&desk.at("a.tar.zst"), &Work::unseen()).expect("whole");
    let open = |path: &str| Dir::open_ambient_dir(desk.at(path), ambient_authority()).expect("a folder");
    fs::create_dir(desk.at("copies")).expect("made");
    let file = fs::File::open(desk.at("a.tar.zst")).expect("there");
    let take = |part: &super::Part, _, content: &mut dyn std::io::Read| {
        if part.path == "database.db" {
            std::io::copy(content, &mut fs::File::create(desk.at("copies/database.db"))?)?;
        }
        Ok(())
    };
    read(&file, "Reading", &Work::unseen(), None, take).expect("whole");
    let (site, databases) = (open("site"), open("copies"));
    let sources = super::archive::Sources { site: &site, databases: &databases };
    let write = |name: &str| {
        let out = super::create(&desk.at(name)).expect("made");
        super::archive::write(&out, &manifest, &sources, &Work::unseen())
    };
    for (round, change) in ["a { color: blue}", "shorter"].into_iter().enumerate() {
        desk.put("site/static/a.css", change);
        let error = write(&format!("{round}")).expect_err("it changed");
        assert!(error.is::<super::Changed>() && error.to_string().contains("static/a.css"), "{error:#}");
    }
    // What is added to a file's end after it was listed isn't part of it.
    desk.put("site/static/a.css", "a { color: red } b { color: blue }");
    write("longer").expect("written");
    assert_eq!(verify(&desk.at("longer"), &Work::unseen()).expect("whole"), manifest);
}

#[test]
fn a_file_that_is_being_written_is_waited_for() {
    let desk = Desk::new();
    desk.put("site/bandstand.toml", "");
    let (css, next) = (desk.put("site/static/a.css", "first"), desk.at("next.css"));
    let writer = std::thread::spawn(move || {
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(200) {
            fs::write(&next, format!("{begun:?}{:?}", begun.elapsed())).expect("written");
            fs::rename(&next, &css).expect("renamed");
        }
        fs::write(&next, "last").expect("written");
        fs::rename(&next, &css).expect("renamed");
    });
    desk.backup(&[]).expect("a backup, in the end");
    writer.join().expect("it wrote");
    desk.restore("new", false).expect("restored");
    // Whichever of them was there at one moment.
    assert!(!fs::read(desk.at("new/static/a.css")).expect("there").is_empty());
}

#[test]
fn cut_and_changed_archives_are_refused() {
    let desk = Desk::with_archive();
    let (path, good) = (desk.at("a.tar.zst"), fs::read(desk.at("a.tar.zst")).expect("there"));
    let manifest = verify(&path, &Work::unseen()).expect("whole");
    for length in (0..good.len()).step_by(7).chain([good.len() - 1]) {
        fs::write(&path, &good[..length]).expect("written");
        let said = refused(verify(&path, &Work::unseen()));
        assert!(said.contains("isn't a whole backup"), "{length}: {said}");
        // Of one that is shorter, nobody knows what it was.
        assert!(length < 4 || said.contains("cut off") && said.contains("take another one"), "{length}: {said}");
    }
    let mut harmless = 0;
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, &flipped).expect("written");
        // Some bits say how much memory to use, or from which of many zeros to copy the next: then all that is in it is right.
        match verify(&path, &Work::unseen()) {
            Ok(read) => {
                assert_eq!(read, manifest, "byte {at}");
                harmless += 1;
            }
            Err(error) => assert!(format!("{error:#}").contains("isn't a whole backup"), "{error:#}"),
        }
    }
    assert!(harmless < good.len() / 20, "{harmless} of {} flips went unseen", good.len());
    for tail in [&b"x"[..], &good, &[0; 100]] {
        fs::write(&path, [&good[..], tail].concat()).expect("written");
        assert!(refused(desk.restore("new", false)).contains("follows its end"));
    }
    for wrong in [&b"no archive at all"[..], b""] {
        fs::write(&path, wrong).expect("written");
        let said = refused(desk.restore("new", false));
        assert!(said.contains("nothing that bandstand made"), "{said}");
    }
    assert_eq!(desk.names(), ["a.tar.zst", "site"], "nothing was unpacked");
}

/// An archive that no host made.
struct Forged {
    manifest: Value,
    entries: Vec<(Header, String, Vec<u8>)>,
}

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o6777);
    header.set_mtime(u64::MAX >> 1);
    header
}

fn hash(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

impl Forged {
    /// A right one, with a configuration and nothing else.
    fn right() -> Self {
        let manifest = json!({
            "format": 1, "bandstand": "0.1.0", "made": "2026-01-31T04:00:00Z", "site": "forged",
            "databases": [], "left_out": [], "parts": [],
        });
        Self { manifest, entries: Vec::new() }.file("site/bandstand.toml", b"")
    }

    /// Lists a file and puts it in.
    fn file(self, path: &str, content: &[u8]) -> Self {
        self.lists(path, content.len() as u64, &hash(content)).holds(EntryType::Regular, path, content)
    }

    fn lists(mut self, path: &str, bytes: u64, sha256: &str) -> Self {
        let parts = self.manifest["parts"].as_array_mut().expect("a list");
        parts.push(json!({"path": path, "bytes": bytes, "sha256": sha256}));
        self
    }

    fn holds(mut self, kind: EntryType, path: &str, content: &[u8]) -> Self {
        self.entries.push((header(kind, content.len() as u64), path.into(), content.into()));
        self
    }

    /// Says that the database of a section is the part of its name.
    fn database(mut self, name: &str) -> Self {
        let databases = self.manifest["databases"].as_array_mut().expect("a list");
        databases.push(json!({"name": name, "kind": "sqlite", "part": format!("{name}.db")}));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        let json = self.manifest.to_string().into_bytes();
        let first = (header(EntryType::Regular, json.len() as u64), "backup.json".to_owned(), json);
        for (header, path, content) in std::iter::once(&first).chain(&self.entries) {
            let mut header = header.clone();
            // As `set_path` wouldn't write it.
            let name = &mut header.as_old_mut().name;
            name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            builder.append(&header, &content[..]).expect("appended");
        }
        zstd::encode_all(&builder.into_inner().expect("written")[..], 1).expect("compressed")
    }
}

#[test]
fn archives_that_no_host_made_are_refused_before_anything_is_written() {
    let right = Forged::right;
    let evil = b"evil";
    let link = |kind| {
        let mut forged = right().lists("site/a", 0, &hash(b"")).holds(kind, "site/a", b"");
        forged.entries[1].0.set_link_name("/etc/passwd").expect("set");
        forged
    };
    let second = |mut forged: Forged, at: usize| {
        let again = forged.entries[at].clone();
        forged.entries.push(again);
        forged
    };
    let mut unordered = right().file("site/a", evil);
    unordered.entries.swap(0, 1);
    let mut newer = right();
    newer.manifest["format"] = 2.into();
    let mut huge = right().lists("site/a", 4, &hash(evil)).holds(EntryType::Regular, "site/a", evil);
    huge.entries[1].0.set_size(1 << 40);
    for (forged, why) in [
        (right().file("../evil", evil), "`..`"),
        (right().file("site/../../evil", evil), "`..`"),
        (right().file("/tmp/evil", evil), "absolute path"),
        (right().file("site/a\u{1b}[2J", evil), "control character"),
        (right().file("site/.bandstand/cache/evil", evil), "machine code"),
        (right().file("site/bandstand.toml", b""), "twice"),
        (right().file("site/bandstand.toml/a", b""), "a file and a folder"),
        (second(right(), 0), "which its backup.json doesn't know"),
        (right().holds(EntryType::Regular, "site/extra", evil), "which its backup.json doesn't know"),
        (right().lists("site/missing", 4, &hash(evil)), "is missing from it"),
        (unordered, "where `site/bandstand.toml` should come"),
        (right().lists("site/a", 5, &hash(evil)).holds(EntryType::Regular, "site/a", evil), "4 bytes instead of 5"),
        (right().lists("site/a", 4, &hash(b"else")).holds(EntryType::Regular, "site/a", evil), "SHA-256"),
        (link(EntryType::Symlink), "a link"),
        (link(EntryType::Link), "a link"),
        (link(EntryType::Char), "a device"),
        (link(EntryType::Block), "a device"),
        (link(EntryType::Fifo), "a device"),
        (link(EntryType::Directory), "a folder"),
        (link(EntryType::GNUSparse), "plain files alone"),
        (link(EntryType::XHeader), "plain files alone"),
        (link(EntryType::GNULongLink), "plain files alone"),
        (right().holds(EntryType::GNULongName, "x", &vec![b'a'; 1 << 20]), "a path of more than"),
        (right().holds(EntryType::GNULongName, "x", b"site/b"), "ends too early"),
        (newer, "format 2"),
        (huge, "instead of 4"),
    ] {
        let desk = Desk::new();
        desk.put("a.tar.zst", forged.bytes());
        let said = refused(desk.restore("new", false));
        assert!(said.contains(why), "`{why}` isn't in: {said}");
        assert!(!said.contains(['\u{1b}', '\r']), "{said:?}");
        assert_eq!(desk.names(), ["a.tar.zst"], "{why}");
    }
    let desk = Desk::new();
    desk.put("a.tar.zst", right().file("site/a", b"good").bytes());
    desk.restore("new", false).expect("one that is right");
    assert_eq!(desk.at("new/a").metadata().expect("there").permissions().mode() & 0o7777, 0o775, "of 6777");
}

#[test]
fn bombs_end_where_the_manifest_says() {
    // A tebibyte that is promised and isn't there, or doesn't fit on the disk.
    let desk = Desk::new();
    let zeros = hash(b"");
    desk.put("a.tar.zst", Forged::right().lists("site/a", 1 << 60, &zeros).bytes());
    assert!(refused(desk.restore("new", false)).contains("missing"));
    // A manifest that is too large to be one: refused by its declared size.
    let mut builder = Builder::new(zstd::Encoder::new(Vec::new(), 1).expect("an encoder"));
    let size = super::manifest::MAX_BYTES + 1;
    let mut large = header(EntryType::Regular, size);
    builder.append_data(&mut large, "backup.json", std::io::Read::take(std::io::repeat(b' '), size)).expect("appended");
    desk.put("a.tar.zst", builder.into_inner().expect("written").finish().expect("compressed"));
    assert!(refused(desk.restore("new", false)).contains("has more than"));
    // More lines than any site has files.
    let mut many = Forged::right();
    let part = json!({"path": "a", "bytes": 0, "sha256": ""});
    many.manifest["parts"] = vec![part; super::manifest::MAX_PARTS + 1].into();
    desk.put("a.tar.zst", many.bytes());
    assert!(refused(desk.restore("new", false)).contains("more than 500000 files"));
    // And than any has databases.
    let mut many = Forged::right();
    let database = json!({"name": "database", "kind": "memory"});
    many.manifest["databases"] = vec![database; super::manifest::MAX_DATABASES + 1].into();
    desk.put("a.tar.zst", many.bytes());
    assert!(refused(desk.restore("new", false)).contains("more than 1000 databases"));
    // Zeros without an end behind the end.
    let good = Forged::right();
    let plain = zstd::decode_all(&good.bytes()[..]).expect("decompressed");
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    encoder.write_all(&plain).expect("written");
    encoder.write_all(&vec![0; 2 << 20]).expect("written");
    desk.put("a.tar.zst", encoder.finish().expect("compressed"));
    assert!(refused(desk.restore("new", false)).contains("follows its end"));
    assert_eq!(desk.names(), ["a.tar.zst"]);
}

#[test]
fn a_part_is_read_no_further_than_it_is_long() {
    let desk = Desk::with_archive();
    let file = fs::File::open(desk.at("a.tar.zst")).expect("there");
    let mut sizes = Vec::new();
    let manifest = read(&file, "Reading", &Work::unseen(), None, |part, _, content| {
        sizes.push((part.bytes, std::io::copy(content, &mut std::io::sink())?));
        Ok(())
    })
    .expect("whole");
    assert_eq!(sizes.len(), manifest.parts.len());
    assert!(sizes.iter().all(|(said, read)| said == read), "{sizes:?}");
}
