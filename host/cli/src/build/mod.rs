//! `bandstand build`: from an app's folder to one `.wasm` file.

pub(crate) mod cargo;
pub(crate) mod files;
pub(crate) mod pack;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::config::{self, Config};
use crate::terminal;
use cargo::{CargoError, Profile};

/// A component with its files, in memory.
pub(crate) struct App {
    /// The linked component, without files.
    pub(crate) component: Vec<u8>,
    /// Where it came from.
    pub(crate) path: PathBuf,
}

/// Where the apps of a site are compiled, below the site's folder.
pub(crate) const SHARED: &str = ".bandstand/target";

/// Compiles the app in `dir`; see [`cargo::compile`].
pub(crate) fn compile(dir: &Path, profile: Profile, shared: Option<&Path>) -> Result<App, CargoError> {
    let path = cargo::compile(dir, profile, shared)?;
    let component = read(&path)?;
    Ok(App { component, path })
}

impl App {
    /// Packs the component with the templates and static files that lie in `dir` now.
    pub(crate) fn pack(&self, dir: &Path) -> Result<Vec<u8>> {
        let files = files::collect(&open_dir(dir)?, dir)?;
        pack::pack(&self.component, &files).with_context(|| self.path.display().to_string())
    }
}

/// `bandstand build [DIR] [--out FILE]`. `dir` is an app, or a site whose apps with a `source` are all built.
pub(crate) fn run(dir: &Path, out: Option<&Path>, profile: Profile, variables: &[config::Override]) -> Result<()> {
    let folder = open_dir(dir)?;
    if folder.exists("Cargo.toml") {
        let out = out.map_or_else(|| default_out(dir), |out| Ok(out.to_path_buf()))?;
        return build_one(dir, &out, profile, None);
    }
    if !folder.exists(config::FILE) {
        bail!(
            "{} holds neither a Cargo.toml (an app) nor a {} (a site); make one: `bandstand new app NAME`",
            dir.display(),
            config::FILE
        );
    }
    if out.is_some() {
        bail!("--out names the file of one app, and {} is a site: its apps go where `wasm` says", dir.display());
    }
    let site = Config::load(&folder, dir, variables)?;
    let mut built = 0;
    for (name, app) in &site.apps {
        if let Some(source) = &app.source {
            build_one(&below(dir, source), &below(dir, &app.wasm_path(name)), profile, Some(&dir.join(SHARED)))?;
            built += 1;
        }
    }
    if built == 0 {
        terminal::note(&format!("{} names no app with a `source`; there is nothing to build", config::FILE));
    }
    Ok(())
}

fn build_one(dir: &Path, out: &Path, profile: Profile, shared: Option<&Path>) -> Result<()> {
    let begun = Instant::now();
    terminal::step("Building", &dir.display().to_string());
    let app = compile(dir, profile, shared).map_err(|error| match error {
        // The compiler has said what is wrong already.
        CargoError::Failed { summary, .. } => anyhow::anyhow!(summary),
        CargoError::Other(error) => error,
    })?;
    let packed = app.pack(dir)?;
    write(out, &packed)?;
    let files = packed.len() - app.component.len();
    terminal::step(
        "Built",
        &format!(
            "{} ({}: code {}, templates and static files {}) in {:.1} s",
            out.display(),
            terminal::size(packed.len()),
            terminal::size(app.component.len()),
            terminal::size(files),
            begun.elapsed().as_secs_f64()
        ),
    );
    Ok(())
}

/// A path below a site's folder, for use and for people.
fn below(dir: &Path, path: &Path) -> PathBuf {
    if dir == Path::new(".") { path.to_path_buf() } else { dir.join(path) }
}

fn default_out(dir: &Path) -> Result<PathBuf> {
    #[derive(serde::Deserialize)]
    struct Manifest {
        package: Package,
    }
    #[derive(serde::Deserialize)]
    struct Package {
        name: String,
    }
    let path = dir.join("Cargo.toml");
    let text = open_dir(dir)?.read_to_string("Cargo.toml").with_context(|| format!("can't read {}", path.display()))?;
    let manifest: Manifest =
        toml::from_str(&text).with_context(|| format!("{} has no [package] with a name", path.display()))?;
    Ok(dir.join(format!("{}.wasm", manifest.package.name.replace('-', "_"))))
}

fn open_dir(dir: &Path) -> Result<Dir> {
    Dir::open_ambient_dir(dir, ambient_authority()).with_context(|| format!("can't open the folder {}", dir.display()))
}

/// A path's folder and name.
fn split(path: &Path) -> Result<(&Path, &Path)> {
    let name = path.file_name().with_context(|| format!("{} names no file", path.display()))?;
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    Ok((parent, Path::new(name)))
}

/// Reads a component that was built, if it isn't larger than what a site takes.
pub(crate) fn read_component(path: &Path) -> Result<Vec<u8>> {
    let (parent, name) = split(path)?;
    let file = open_dir(parent)?.open(name).with_context(|| format!("can't be opened ({})", path.display()))?;
    let mut bytes = Vec::new();
    file.take(pack::MAX_COMPONENT as u64 + 1).read_to_end(&mut bytes).context("can't be read")?;
    if bytes.len() > pack::MAX_COMPONENT {
        bail!("has more than {} MiB", pack::MAX_COMPONENT >> 20);
    }
    Ok(bytes)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let (parent, name) = split(path)?;
    open_dir(parent)?.read(name).with_context(|| format!("can't read {}", path.display()))
}

/// Writes beside the place and renames: whoever watches the folder sees the old file or the new one, never a half.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let (parent, name) = split(path)?;
    Dir::create_ambient_dir_all(parent, ambient_authority())
        .with_context(|| format!("can't make the folder {}", parent.display()))?;
    let dir = open_dir(parent)?;
    let new = format!(".{}.new", name.display());
    dir.write(&new, bytes)
        .and_then(|()| dir.rename(&new, &dir, name))
        .inspect_err(|_| drop(dir.remove_file(&new)))
        .with_context(|| format!("can't write {}", path.display()))
}
