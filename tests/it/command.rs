//! The command as an operator and a developer use it: in a terminal, on folders, with signals.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use rustix::process::{Pid, Signal};

use crate::client::{Answer, send};
use crate::forge::{MANIFEST, component};
use crate::site::{guest, target};

/// How long anything may take: compiling an app and all that it uses, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// The command, as `cargo xtask guests` builds it before the tests.
pub(crate) fn bandstand(folder: &Path, arguments: &[&str]) -> Command {
    let program = target().join("debug/bandstand");
    assert!(program.exists(), "{} isn't built; build it first: cargo xtask guests", program.display());
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments).stdin(Stdio::null()).env_remove("CARGO_TARGET_DIR");
    command
}

/// Runs it to its end.
pub(crate) fn done(folder: &Path, arguments: &[&str]) -> Output {
    bandstand(folder, arguments).output().expect("it starts")
}

/// All that it wrote.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A host that runs in the background.
pub(crate) struct Host {
    child: Child,
    said: Arc<Mutex<String>>,
    pub(crate) address: SocketAddr,
}

impl Host {
    /// Starts it on a free port and waits until it says where it is.
    pub(crate) async fn start(folder: &Path, command: &str) -> Self {
        let mut child = bandstand(folder, &[command, "--bind", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let said = Arc::new(Mutex::new(String::new()));
        let (lines, heard) = (BufReader::new(child.stderr.take().expect("a pipe")).lines(), said.clone());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut said = heard.lock().unwrap_or_else(PoisonError::into_inner);
                said.push_str(&line);
                said.push('\n');
            }
        });
        Self { child, said, address: SocketAddr::from(([127, 0, 0, 1], 0)) }.moved().await
    }

    /// Waits until it says where it is, and forgets what it said before.
    async fn moved(mut self) -> Self {
        let line = self.hears("http://127.0.0.1:").await;
        let address = line.trim().trim_start_matches("http://").trim_end_matches('/');
        self.address = address.parse().expect("an address");
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self
    }

    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a line with these words.
    pub(crate) async fn hears(&mut self, words: &str) -> String {
        let begun = Instant::now();
        loop {
            if let Some(line) = self.said().lines().find(|line| line.contains(words)) {
                return line.to_owned();
            }
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                panic!("it ended with {status} before it said `{words}`:\n{}", self.said());
            }
            assert!(begun.elapsed() < PATIENCE, "it never said `{words}`, but:\n{}", self.said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.address, Method::GET, path, Bytes::new()).await
    }

    /// Asks until the answer is as it should be.
    pub(crate) async fn shows(&self, path: &str, status: u16, words: &str) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.get(path).await;
            if answer.status == status && answer.text().contains(words) {
                return answer;
            }
            let wrong = || format!("{path} is {}:\n{}\nthe host said:\n{}", answer.status, answer.text(), self.said());
            assert!(begun.elapsed() < PATIENCE, "no {status} with `{words}`; {}", wrong());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn end(mut self, signal: Signal) -> ExitStatus {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).expect("it is ours");
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it doesn't end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Where a test fails, no host stays behind; one that has ended already doesn't mind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Puts a file into its place at once, as `mv` does.
pub(crate) fn put(path: &Path, bytes: impl AsRef<[u8]>) {
    let new = path.with_extension("new");
    fs::write(&new, bytes).expect("written");
    fs::rename(&new, path).expect("renamed");
}

pub(crate) fn site(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("bandstand.toml"), config).expect("written");
    fs::create_dir_all(folder.path().join("apps")).expect("made");
    fs::create_dir_all(folder.path().join("plugins")).expect("made");
    folder
}

/// A folder that stays from run to run, so that cargo finds in it what it has compiled before.
fn workshop() -> PathBuf {
    let folder = target().join("it-command");
    fs::create_dir_all(&folder).expect("made");
    let site = folder.join("mysite");
    for entry in fs::read_dir(&folder).expect("there").chain(fs::read_dir(&site).into_iter().flatten()) {
        let path = entry.expect("an entry").path();
        if path != site && path != site.join("target") {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.expect("removed");
        }
    }
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_nothing_to_an_app_that_follows_its_sources() {
    let folder = workshop();
    // What cargo has compiled is kept elsewhere for a moment: a new site wants an empty folder.
    let kept = folder.join("kept");
    let site = folder.join("mysite");
    if site.join("target").exists() {
        fs::rename(site.join("target"), &kept).expect("moved");
        fs::remove_dir(&site).expect("it is empty");
    }
    let made = done(&folder, &["new", "site", "mysite"]);
    assert!(made.status.success() && said(&made).contains("bandstand new app notes"), "{}", said(&made));
    let made = done(&site, &["new", "app", "notes"]);
    assert!(made.status.success() && said(&made).contains("Added"), "{}", said(&made));
    if kept.exists() {
        fs::rename(&kept, site.join("target")).expect("moved");
    }
    let unbuilt = done(&site, &["check"]);
    assert_eq!(unbuilt.status.code(), Some(1), "{}", said(&unbuilt));
    assert!(said(&unbuilt).contains("run `bandstand build`"), "{}", said(&unbuilt));

    let host = Host::start(&site, "dev").await;
    host.shows("/notes/", 200, "Nothing here yet").await;
    let sent = send(host.address, Method::POST, "/notes/", "text=A+first+note").await;
    assert_eq!(sent.status, 303, "{}", sent.text());
    host.shows("/notes/", 200, "A first note").await;

    let template = site.join("notes/templates/notes/index.html");
    let text = fs::read_to_string(&template).expect("there");
    put(&template, text.replace("<h1>", "<h1>All of the "));
    host.shows("/notes/", 200, "All of the ").await;
    put(&template, text.replace("{% endfor %}", ""));
    let mut host = host;
    host.hears("index.html").await;
    host.shows("/notes/", 200, "All of the ").await;
    put(&template, &text);
    host.shows("/notes/", 200, "<h1>Notes").await;

    let code = site.join("notes/src/lib.rs");
    let text = fs::read_to_string(&code).expect("there");
    put(&code, text.replace(".limit(50)", ".limit(\"fifty\")"));
    host.hears("mismatched types").await;
    host.shows("/notes/", 200, "A first note").await;
    put(&code, text.replace("\"notes/index.html\"", "\"notes/missing.html\""));
    host.shows("/notes/", 500, "notes/missing.html").await;
    // The author reads what failed; a visitor of `serve` doesn't.
    let failing = |with: &str| text.replace("render(req, \"notes/index.html\", context! { notes })", with);
    put(&code, failing("let _ = notes; Err(Error::internal(\"the moon is full\"))"));
    host.shows("/notes/", 500, "the moon is full").await;
    put(&code, failing("let _ = (req, notes); panic!(\"at the disco\")"));
    let panicked = host.shows("/notes/", 500, "at the disco").await;
    assert!(panicked.text().contains("src/lib.rs"), "{}", panicked.text());
    put(&code, &text);
    host.shows("/notes/", 200, "A first note").await;

    let config = site.join("bandstand.toml");
    let text = fs::read_to_string(&config).expect("there");
    put(&config, text.replace("mount =", "mont ="));
    host.hears("the configuration before stays in force").await;
    host.shows("/notes/", 200, "A first note").await;
    put(&config, text.replace("mount = \"/notes/\"", "mount = \"/moved/\""));
    let host = host.moved().await;
    host.shows("/moved/", 200, "A first note").await;
    assert_eq!(host.get("/notes/").await.status, 404);
    put(&config, &text);
    let host = host.moved().await;
    host.shows("/notes/", 200, "A first note").await;
    assert!(host.end(Signal::INT).success());

    let built = done(&site, &["build"]);
    assert!(built.status.success(), "{}", said(&built));
    let checked = done(&site, &["check"]);
    assert!(checked.status.success(), "{}", said(&checked));
    let routes = said(&done(&site, &["routes"]));
    assert!(routes.contains("/notes/") && routes.contains("notes:index"), "{routes}");
    let host = Host::start(&site, "serve").await;
    host.shows("/notes/", 200, "A first note").await;
    assert!(host.end(Signal::TERM).success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_site_follows_its_plugins_and_its_apps() {
    let site = site("[site]\nname = \"it\"\n\n[apps.forged]\nwasm = \"apps/forged.wasm\"\n");
    let (app, plugin) = (site.path().join("apps/forged.wasm"), site.path().join("plugins/good.wasm"));
    put(&app, component("", MANIFEST).expect("a component"));
    let mut host = Host::start(site.path(), "serve").await;
    assert_eq!(host.get("/forged/").await.text(), "hello\n");
    assert_eq!(host.get("/good/").await.status, 404);

    // What it needs isn't granted; a section of its own would do it, and so does [plugins].
    put(&plugin, guest("good"));
    host.hears("asks for what it wasn't granted").await;
    let checked = done(site.path(), &["check"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(said(&checked).contains("grants = [\"db\"]"), "{}", said(&checked));
    fs::remove_file(&plugin).expect("removed");

    let plugin = site.path().join("plugins/hello.wasm");
    put(&plugin, guest("hello"));
    host.shows("/hello/", 200, "").await;
    put(&plugin, &guest("hello")[..2_000]);
    host.hears("the older version of hello keeps running").await;
    assert_eq!(host.get("/hello/").await.status, 200);
    fs::remove_file(&plugin).expect("removed");
    host.shows("/hello/", 404, "").await;

    put(&app, component("(data (i32.const 64) \"HELLO\\n\")", MANIFEST).expect("a component"));
    host.shows("/forged/", 200, "HELLO").await;
    put(&app, "no component");
    host.hears("the older version keeps running").await;
    fs::remove_file(&app).expect("removed");
    assert_eq!(host.get("/forged/").await.text(), "HELLO\n");
    put(&app, component("", MANIFEST).expect("a component"));
    host.shows("/forged/", 200, "hello").await;
    assert!(host.end(Signal::INT).success());
}

#[test]
fn what_may_be_meant_so_is_a_warning() {
    let text = "[site]\nname = \"it\"\n\n[plugins]\ngrants = [\"db\"]\n\n\
                [apps.queries]\ngrants = [\"db\", \"db-raw\"]\n";
    let site = site(text);
    // The one that uses the other's models comes first.
    put(&site.path().join("plugins/branch.wasm"), guest("branch"));
    put(&site.path().join("plugins/queries.wasm"), guest("queries"));
    let config = |more: &str| put(&site.path().join("bandstand.toml"), format!("{text}\n{more}"));
    let checked = |warnings: usize, words: &[&str]| {
        let output = done(site.path(), &["check"]);
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        assert_eq!(said.matches(".W0").count(), warnings, "{said}");
        words.iter().for_each(|words| assert!(said.contains(words), "{words}: {said}"));
        said
    };
    let said = checked(
        2,
        &["`queries.author` of another app, and no grant covers it", "`queries.book` of another app, and no grant"],
    );
    // What it says can be taken as it stands.
    let lines: Vec<&str> =
        said.lines().filter_map(|line| line.split_once(" in bandstand.toml: ")).map(|(_, line)| line).collect();
    assert_eq!(lines.len(), 2, "{said}");
    config(&format!("[apps.branch]\n{}\n", lines.join("\n")));
    checked(0, &[]);
    let author = "[apps.branch.models.\"queries.author\"]\nactions = [\"view\"]\n";
    let book = "[apps.branch.models.\"queries.book\"]\nactions = [\"view\", \"change\"]\n";
    config(&format!("{author}{book}"));
    checked(0, &[]);
    config(&format!("{author}{book}fields = [\"id\", \"titel\"]\n"));
    checked(1, &["(app.W001)", "`titel`", "did you mean `title`?"]);
    config(&format!("{author}{book}rows = {{ copes = 1 }}\n"));
    checked(1, &["copes"]);
    config(&format!("{author}{book}[apps.brnch.quota]\nstorage_bytes = 1000000\n"));
    checked(1, &["(config.W001) [apps.brnch] is about no app of the site", "did you mean [apps.branch]?"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_who_changes_the_configuration_is_told_to_restart() {
    let text = "[site]\nname = \"it\"\n";
    let site = site(text);
    let mut host = Host::start(site.path(), "serve").await;
    put(&site.path().join("bandstand.toml"), format!("{text}\n[plugins]\ngrants = [\"db\"]\n"));
    host.hears("restart the host for what it says now").await;
    // As when its terminal is closed.
    assert!(host.end(Signal::HUP).success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_is_told_with_what_to_do() {
    let site = site("[site]\nname = \"it\"\n\n[server]\nbnd = [\"127.0.0.1:8000\"]\n");
    for command in ["serve", "check", "routes", "dev"] {
        let output = done(site.path(), &[command]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        assert!(said.contains("bnd") && said.contains("`bind`"), "{command}: {said}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    fs::write(site.path().join("bandstand.toml"), "[site]\nname = \"it\"\n").expect("written");
    let output = done(site.path(), &["serve", "--bind", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("choose another address with --bind"), "{}", said(&output));
}
