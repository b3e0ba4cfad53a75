//! `cargo xtask guests`: the example apps and the tests' components, each into `target/guests/NAME.wasm`.
//!
//! - `examples/NAME/Cargo.toml`: an app, built by `bandstand build`
//! - `benches/app`: the app that is measured, called `bench`
//! - `benches/neighbours`: two apps, of which one is measured beside the other
//! - `tests/guests/NAME/Cargo.toml`: a member of that folder's own workspace that is a `cdylib`
//! - `tests/guests/NAME/build.sh OUT.wasm`: a component in another language
//! - `tests/guests/NAME.wat`: a component as text

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::run::{cargo, ensure_wasm_target, program, root, step, target_dir};

/// How a guest is built.
enum Kind {
    Example(PathBuf),
    Rust,
    Script(PathBuf),
    Text(PathBuf),
}

/// Builds the guests with these names, or all.
pub(crate) fn run(names: &[String]) -> Result<()> {
    let known = discover()?;
    if let Some(unknown) = names.iter().find(|name| !known.contains_key(*name)) {
        let all: Vec<&str> = known.keys().map(String::as_str).collect();
        bail!("there is no guest `{unknown}`; there are: {}", all.join(", "));
    }
    let wanted = known.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
    ensure_wasm_target()?;
    let target = target_dir()?;
    let folder = target.join("guests");
    fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;

    let mut rust = Vec::new();
    for (name, kind) in wanted {
        let out = folder.join(format!("{name}.wasm"));
        match kind {
            Kind::Rust => rust.push(name.as_str()),
            Kind::Example(source) => {
                step(&format!("Building the app {name}"));
                bandstand(&target)?
                    .args(["build".as_ref(), source.as_os_str(), "--out".as_ref(), out.as_os_str()])
                    .run()?;
            }
            Kind::Script(source)
                if is_newer(&out, &[source, &root().join("wit"), &root().join("tests/guests/tools.sh")])? => {}
            Kind::Script(source) => {
                step(&format!("Building the guest {name}"));
                program(source.join("build.sh")).args([&out]).env("CARGO_TARGET_DIR", &target).run()?;
            }
            Kind::Text(source) => {
                let bytes = wat::parse_file(source).with_context(|| source.display().to_string())?;
                fs::write(&out, bytes).with_context(|| format!("can't write {}", out.display()))?;
            }
        }
    }
    if !rust.is_empty() {
        step(&format!("Building the guests {}", rust.join(", ")));
        build_rust(&rust, &target, &folder)?;
    }
    step(&format!("Guests are in {}", folder.display()));
    Ok(())
}

/// Packages that are apps: their real home is the wasm target.
pub(crate) const APPS: [&str; 6] = ["hello", "polls", "chinook", "bench", "modest", "greedy"];

/// Whether the host's command has been built in this run of a task.
static BUILT: AtomicBool = AtomicBool::new(false);

/// Builds everything as the tests want it, the host's command among it. Building the command alone gives its
/// dependencies other features, and the largest of them would be compiled twice. Apps are left out: what they export
/// has names that only the linker for wasm takes.
pub(crate) fn build_all() -> Result<()> {
    let apart = APPS.iter().flat_map(|app| ["--exclude", app]);
    cargo(["build", "--workspace", "--all-targets"]).args(apart).run()?;
    BUILT.store(true, Ordering::Relaxed);
    Ok(())
}

/// The host's command, built once for each run of a task.
pub(crate) fn bandstand(target: &Path) -> Result<crate::run::Program> {
    if !BUILT.swap(true, Ordering::Relaxed) {
        cargo(["build", "--package", "bandstand-cli"]).run()?;
    }
    Ok(program(target.join("debug/bandstand")))
}

fn discover() -> Result<BTreeMap<String, Kind>> {
    let mut known = BTreeMap::new();
    for path in entries(&root().join("examples"))? {
        if path.join("Cargo.toml").is_file() {
            known.insert(name_of(&path), Kind::Example(path));
        }
    }
    known.insert("bench".into(), Kind::Example(root().join("benches/app")));
    for name in ["modest", "greedy"] {
        known.insert(name.into(), Kind::Example(root().join("benches/neighbours").join(name)));
    }
    for path in entries(&root().join("tests/guests"))? {
        let name = name_of(&path);
        if path.join("build.sh").is_file() {
            known.insert(name, Kind::Script(path));
        } else if path.join("Cargo.toml").is_file() {
            if fs::read_to_string(path.join("Cargo.toml"))?.contains("cdylib") {
                known.insert(name, Kind::Rust);
            }
        } else if path.extension().is_some_and(|extension| extension == "wat") {
            known.insert(name, Kind::Text(path));
        }
    }
    Ok(known)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = fs::read_dir(folder).with_context(|| format!("can't list {}", folder.display()))?;
    let mut paths = list.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn build_rust(names: &[&str], target: &Path, folder: &Path) -> Result<()> {
    #[derive(Deserialize)]
    struct Line {
        reason: String,
        target: Option<Target>,
        #[serde(default)]
        filenames: Vec<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
        crate_types: Vec<String>,
    }
    let manifest = root().join("tests/guests/Cargo.toml");
    let packages = names.iter().flat_map(|name| ["--package", name]);
    let json =
        cargo(["build", "--release", "--target", "wasm32-wasip2", "--message-format", "json-render-diagnostics"])
            .args(["--manifest-path".as_ref(), manifest.as_os_str()])
            .args(packages)
            .env("CARGO_TARGET_DIR", target.join("guests-build"))
            .stdout()?;
    for line in json.lines() {
        let Ok(line) = serde_json::from_str::<Line>(line) else { continue };
        let Some(artifact) = line.target.filter(|_| line.reason == "compiler-artifact") else { continue };
        let wasm = line.filenames.iter().find(|path| path.extension().is_some_and(|extension| extension == "wasm"));
        if let (true, Some(wasm)) = (artifact.crate_types.iter().any(|kind| kind == "cdylib"), wasm) {
            let out = folder.join(format!("{}.wasm", artifact.name.replace('_', "-")));
            fs::copy(wasm, &out).with_context(|| format!("can't write {}", out.display()))?;
        }
    }
    Ok(())
}

/// Whether `out` was written after everything in `sources` was.
fn is_newer(out: &Path, sources: &[&Path]) -> Result<bool> {
    let Ok(written) = fs::metadata(out).and_then(|metadata| metadata.modified()) else { return Ok(false) };
    let mut newest = SystemTime::UNIX_EPOCH;
    for source in sources {
        newest = newest.max(newest_in(source)?);
    }
    Ok(written > newest)
}

fn newest_in(path: &Path) -> Result<SystemTime> {
    let metadata = fs::metadata(path).with_context(|| format!("can't look at {}", path.display()))?;
    if !metadata.is_dir() {
        return Ok(metadata.modified()?);
    }
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in entries(path)? {
        if !entry.ends_with("__pycache__") && !entry.ends_with("node_modules") {
            newest = newest.max(newest_in(&entry)?);
        }
    }
    Ok(newest)
}
