// The tests play the operator, who works on the folder from outside.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};

use super::*;

/// A loader that takes `app NAME` for a component and remembers what happened.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    log: Vec<String>,
    running: BTreeMap<String, String>,
}

impl Loader for Fake {
    async fn load(&self, plugin: Plugin) -> Result<AppId, String> {
        let mut state = self.0.lock().expect("no panic");
        let text = String::from_utf8_lossy(&plugin.bytes).into_owned();
        let Some(name) = text.strip_prefix("app ").and_then(|rest| rest.split(' ').next()) else {
            state.log.push(format!("refuse {}", plugin.origin));
            return Err(format!("{} isn't a component", plugin.origin));
        };
        if state.running.get(name).is_some_and(|origin| *origin != plugin.origin) {
            state.log.push(format!("clash {}", plugin.origin));
            return Err(format!("{} is called {name}, and so is another", plugin.origin));
        }
        state.running.insert(name.into(), plugin.origin.clone());
        state.log.push(format!("load {text}"));
        Ok(AppId::new(name).expect("a name"))
    }

    async fn remove(&self, app: &AppId) {
        let mut state = self.0.lock().expect("no panic");
        state.running.remove(app.as_str());
        state.log.push(format!("remove {app}"));
    }
}

struct Folder {
    folder: tempfile::TempDir,
    fake: Fake,
    plugins: Plugins<Fake>,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let fake = Fake::default();
        let plugins = Plugins::new(folder.path().to_path_buf(), "plugins".into(), fake.clone());
        Self { folder, fake, plugins }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("written");
    }

    /// Looks once at a time when every file has been quiet for long.
    async fn later(&mut self) -> Vec<String> {
        self.plugins.scan(Instant::now()).await;
        self.plugins.scan(Instant::now() + QUIET).await;
        std::mem::take(&mut self.fake.0.lock().expect("no panic").log)
    }
}

#[tokio::test]
async fn files_are_loaded_changed_and_removed() {
    let mut folder = Folder::new();
    folder.write("b.wasm", "app beta");
    folder.write("a.wasm", "app alpha");
    folder.write("notes.txt", "app notes");
    folder.write(".a.wasm", "app hidden");
    assert_eq!(folder.later().await, ["load app alpha", "load app beta"]);
    assert_eq!(folder.later().await, [""; 0], "nothing changed");
    folder.write("a.wasm", "app alpha two");
    assert_eq!(folder.later().await, ["load app alpha two"]);
    fs::remove_file(folder.folder.path().join("a.wasm")).expect("removed");
    assert_eq!(folder.later().await, ["remove alpha"]);
}

#[tokio::test]
async fn a_file_is_read_when_it_is_quiet() {
    let mut folder = Folder::new();
    folder.write("a.wasm", "app al");
    let now = Instant::now();
    assert_eq!(folder.plugins.scan(now).await, SETTLING, "written this moment");
    folder.write("a.wasm", "app alpha");
    assert_eq!(folder.plugins.scan(now + QUIET).await, SETTLING, "it changed in between");
    assert_eq!(folder.plugins.scan(now + QUIET + QUIET).await, POLL);
    assert_eq!(folder.fake.0.lock().expect("no panic").log, ["load app alpha"]);
}

#[tokio::test]
async fn a_refused_file_is_left_alone_until_it_changes() {
    let mut folder = Folder::new();
    folder.write("a.wasm", "app alpha");
    folder.write("b.wasm", "rubbish");
    assert_eq!(
        folder.later().await,
        ["load app alpha", "refuse plugins/b.wasm"],
        "one bad file doesn't stop the others"
    );
    assert_eq!(folder.later().await, [""; 0]);
    folder.write("b.wasm", "app beta");
    assert_eq!(folder.later().await, ["load app beta"]);
    folder.write("b.wasm", "rubbish again");
    assert_eq!(folder.later().await, ["refuse plugins/b.wasm"]);
    assert!(folder.fake.0.lock().expect("no panic").running.contains_key("beta"), "the older version keeps running");
    fs::remove_file(folder.folder.path().join("b.wasm")).expect("removed");
    assert_eq!(folder.later().await, ["remove beta"]);
}

#[tokio::test]
async fn the_second_file_with_a_name_waits_for_the_first_to_go() {
    let mut folder = Folder::new();
    folder.write("a.wasm", "app same");
    folder.write("b.wasm", "app same");
    assert_eq!(folder.later().await, ["load app same", "clash plugins/b.wasm"]);
    fs::remove_file(folder.folder.path().join("a.wasm")).expect("removed");
    assert_eq!(folder.later().await, ["remove same", "load app same"]);
}

#[tokio::test]
async fn a_file_that_becomes_another_app_leaves_nothing_behind() {
    let mut folder = Folder::new();
    folder.write("a.wasm", "app alpha");
    folder.later().await;
    folder.write("a.wasm", "app omega");
    assert_eq!(folder.later().await, ["load app omega", "remove alpha"]);
}

#[tokio::test]
async fn links_pipes_folders_and_giants_are_refused_without_being_read() {
    let mut folder = Folder::new();
    let path = folder.folder.path().to_path_buf();
    folder.write("real", "app real");
    std::os::unix::fs::symlink("real", path.join("a-link.wasm")).expect("linked");
    fs::create_dir(path.join("b-folder.wasm")).expect("made");
    rustix::fs::mknodat(CWD, path.join("c-pipe.wasm"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("made");
    fs::File::create(path.join("d-giant.wasm")).expect("made").set_len(1 << 40).expect("sparse");
    assert_eq!(folder.later().await, [""; 0], "none of them reaches the loader");
    assert!(folder.plugins.known.values().all(|known| known.done == Some(Outcome::Refused)));
}

#[tokio::test]
async fn a_folder_may_come_and_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = Fake::default();
    let path = folder.path().join("plugins");
    let mut plugins = Plugins::new(path.clone(), "plugins".into(), fake.clone());
    assert_eq!(plugins.scan(Instant::now()).await, POLL);
    fs::create_dir(&path).expect("made");
    fs::write(path.join("a.wasm"), "app alpha").expect("written");
    plugins.scan(Instant::now()).await;
    plugins.scan(Instant::now() + QUIET).await;
    fs::remove_dir_all(&path).expect("removed");
    plugins.scan(Instant::now()).await;
    assert_eq!(fake.0.lock().expect("no panic").log, ["load app alpha", "remove alpha"]);
}
