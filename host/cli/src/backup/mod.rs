//! `bandstand backup` and `bandstand restore`: a site as one file.
//!
//! - [`contents`] says what belongs to a site.
//! - [`manifest`] is the list at the archive's beginning, [`archive`] writes and reads the whole.
//! - [`restore`] makes a site of it again.
//! - [`place`] lets new things appear whole or not at all, [`work`] shows how far it is and ends it at Ctrl-C.

mod archive;
mod contents;
mod dump;
mod manifest;
mod place;
pub(crate) mod restore;
#[cfg(test)]
mod tests;
mod work;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use host_core::text::one_line;
use host_store::StoreError;
use host_store::copy::{self, CopyError, Progress};
use jiff::Timestamp;

use crate::args::Backup;
use crate::config::{self, Override};
use crate::site::Folder;
use crate::terminal;
use archive::{Changed, Sources, copy_name};
use contents::Contents;
use manifest::{FORMAT, LeftOut, Manifest, Part, SITE};
use place::Scratch;
use work::{Hashing, Work};

/// How often the files are read anew where one of them changed meanwhile.
const ATTEMPTS: usize = 5;
/// How long to wait before that.
const PAUSE: Duration = Duration::from_millis(300);

/// `bandstand backup [FILE]`.
pub(crate) fn run(options: Backup, overrides: Vec<Override>) -> Result<()> {
    if options.check {
        let path = options.file.context("name the archive to check")?;
        return Work::run(options.plain, move |work| check(&path, work));
    }
    Work::run(options.plain, move |work| make(&options, &overrides, work))
}

/// `bandstand backup --check FILE`.
fn check(path: &Path, work: &Work) -> Result<()> {
    let begun = Instant::now();
    terminal::step("Checking", &path.display().to_string());
    let manifest = verify(path, work)?;
    terminal::step("Checked", &format!("{}: {}", path.display(), summary(&manifest)));
    for left_out in &manifest.left_out {
        tell(left_out);
    }
    terminal::step("Finished", &format!("it is whole, in {}", terminal::time(begun.elapsed())));
    Ok(())
}

/// Reads an archive from its beginning to its end.
fn verify(path: &Path, work: &Work) -> Result<Manifest> {
    let file = open(path)?;
    archive::read(&file, "Checking", work, None, |_, _, _| Ok(())).with_context(|| damaged(path))
}

/// Opens an archive.
#[allow(clippy::disallowed_methods, reason = "an operator's archive may lie anywhere")]
fn open(path: &Path) -> Result<File> {
    let file = File::open(path).with_context(|| format!("can't open {}", path.display()))?;
    // A pipe would be read twice.
    ensure!(file.metadata()?.is_file(), "{} is no file", path.display());
    Ok(file)
}

fn damaged(path: &Path) -> String {
    format!("{} isn't a whole backup", path.display())
}

/// What an archive holds, in a few words.
fn summary(manifest: &Manifest) -> String {
    let databases = manifest.databases.iter().filter(|database| database.part.is_some()).count();
    format!(
        "{} and {}, {}, of the site {} at {}",
        counted(manifest.parts.len() - databases, "file"),
        counted(databases, "database"),
        terminal::size(manifest.bytes()),
        one_line(&manifest.site, 100),
        manifest.made.strftime("%Y-%m-%d %H:%M:%S UTC"),
    )
}

fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Says what isn't in an archive.
fn tell(left_out: &LeftOut) {
    let (what, why) = (one_line(&left_out.what, 500), one_line(&left_out.why, 500));
    terminal::note(&format!("not in it: {what}: {why}"));
}

fn make(options: &Backup, overrides: &[Override], work: &Work) -> Result<()> {
    let begun = Instant::now();
    let folder = Folder::read(&options.site, overrides)?;
    let made = Timestamp::from_second(Timestamp::now().as_second()).context("the clock is wrong")?;
    let target = target(options.file.as_deref(), &folder, made)?;
    let contents = contents::collect(&folder, overrides, options.servers)?;
    let parent = parent(&target);
    let scratch = Scratch::make(parent)?;
    let name = one_line(&folder.config.site.name, 100);
    terminal::step("Backing up", &format!("the site {name} to {}", target.display()));
    let copies = copy_databases(&contents, &scratch, parent, work)?;
    let site = Dir::open_ambient_dir(&folder.path, ambient_authority())
        .with_context(|| format!("can't open the site's folder {}", folder.path.display()))?;
    let sources = Sources { site: &site, databases: &copies };
    let path = scratch.at("archive");
    let mut attempt = 1;
    let manifest = loop {
        let packed = list(&folder, &contents, made, &sources, work).and_then(|manifest| {
            let out = create(&path)?;
            archive::write(&out, &manifest, &sources, work)
                .with_context(|| format!("can't write {}", target.display()))?;
            out.sync_all().with_context(|| format!("can't write {}", target.display()))?;
            Ok(manifest)
        });
        match packed {
            Ok(manifest) => break manifest,
            Err(error) if error.is::<Changed>() && attempt < ATTEMPTS => {
                attempt += 1;
                // Whoever writes the file may be done by then.
                std::thread::sleep(PAUSE);
            }
            Err(error) if error.is::<Changed>() => {
                return Err(error).context("tried several times; make the backup when nobody writes to that file");
            }
            Err(error) => return Err(error),
        }
    };
    if options.verify() {
        let read = verify(&path, work).context("what was written isn't what is read: is the disk in order?")?;
        ensure!(read == manifest, "what was written isn't what is read: is the disk in order?");
    }
    let bytes = path.metadata()?.len();
    work.last_look()?;
    place::rename_new(&path, &target).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => anyhow::anyhow!(there(&target)),
        _ => anyhow::anyhow!("can't write {}: {error}", target.display()),
    })?;
    place::sync_folder(parent).with_context(|| format!("can't write {}", target.display()))?;
    let size = terminal::size(bytes);
    terminal::step("Packed", &summary(&manifest));
    for left_out in &manifest.left_out {
        tell(left_out);
    }
    let checked = if options.verify() { ", read back and compared" } else { "" };
    terminal::step(
        "Finished",
        &format!("{}: {size}{checked}, in {}", target.display(), terminal::time(begun.elapsed())),
    );
    Ok(())
}

impl Backup {
    /// Whether what was written is read back.
    fn verify(&self) -> bool {
        !self.no_verify
    }
}

fn there(target: &Path) -> String {
    format!("{} is there already, and a backup is never overwritten: name another file", target.display())
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// Where the archive will lie.
fn target(file: Option<&Path>, folder: &Folder, made: Timestamp) -> Result<PathBuf> {
    let root = std::fs::canonicalize(&folder.path)
        .with_context(|| format!("can't open the site's folder {}", folder.path.display()))?;
    let own = || {
        let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let plain = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
        let name: String = name.trim_start_matches('.').chars().map(plain).take(60).collect();
        let name = if name.is_empty() { "site" } else { &name };
        format!("{name}-{}.tar.zst", made.strftime("%Y-%m-%d-%H%M%S"))
    };
    let target = match file {
        None => PathBuf::from(own()),
        Some(path) if path.join(config::FILE).exists() => bail!(
            "{} is a site's folder, and what stands here is where the archive goes: write `bandstand backup --site {}`",
            path.display(),
            path.display()
        ),
        Some(path) if path.is_dir() => path.join(own()),
        Some(path) if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
            bail!("there is no folder {}", path.display())
        }
        Some(path) => path.to_path_buf(),
    };
    ensure!(target.symlink_metadata().is_err(), there(&target));
    let parent = parent(&target);
    let parent = std::fs::canonicalize(parent).with_context(|| format!("can't write to {}", parent.display()))?;
    // Everybody can fetch what lies there, and the configuration may hold passwords.
    let served = std::fs::canonicalize(folder.at(&folder.config.static_files.dir));
    if served.is_ok_and(|served| parent.starts_with(served)) {
        bail!(
            "{} would lie among the site's static files, where all the world can fetch it: name another place",
            target.display()
        );
    }
    Ok(target)
}

/// Copies the databases into a folder in `scratch`.
fn copy_databases(contents: &Contents, scratch: &Scratch, parent: &Path, work: &Work) -> Result<Dir> {
    let path = scratch.at("databases");
    Dir::create_ambient_dir_all(&path, ambient_authority())
        .with_context(|| format!("can't write to {}", parent.display()))?;
    let part = |name: &str| contents.databases.iter().find(|database| database.name == name)?.part.clone();
    let mut found = Vec::new();
    for (name, file) in &contents.sqlite {
        let Some(part) = part(name) else { continue };
        let bytes = copy::size(file).map_err(|error| why_not(name, file, parent, error))?;
        found.push((name, file, part, bytes));
    }
    room(parent, found.iter().map(|(.., bytes)| bytes).sum(), "to copy the databases")?;
    for (name, file, part, bytes) in found {
        let begun = Instant::now();
        let bar = work.bar("Copying", bytes);
        let to = path.join(copy_name(&part));
        let copied = copy::copy(file, &to, work.stop(), &mut |progress| match progress {
            Progress::Copying { done, total } => bar.set(done, total),
            Progress::Examining => bar.wait("Examining"),
        });
        drop(bar);
        let copied = copied.map_err(|error| why_not(name, file, parent, error))?;
        let size = terminal::size(copied.bytes);
        let time = terminal::time(begun.elapsed());
        terminal::step("Copied", &format!("[{name}]: {size}, examined, in {time}"));
        for note in &copied.notes {
            terminal::note(&format!("[{name}] {}", one_line(note, 1_000)));
        }
    }
    for (name, target) in &contents.servers {
        if let Some(part) = part(name) {
            dump::dump(name, target, &path.join(copy_name(&part)), &scratch.at("words"), work)?;
        }
    }
    Dir::open_ambient_dir(&path, ambient_authority()).with_context(|| format!("can't write to {}", parent.display()))
}

/// Says why the database in `file` has no copy in the folder `to`.
fn why_not(name: &str, file: &Path, to: &Path, error: CopyError) -> anyhow::Error {
    let file = file.display();
    match error {
        CopyError::Held => anyhow::anyhow!(
            "[{name}] can't be copied: another program holds {file} alone. Where `exclusive = true` stands in [{name}], a backup \
             has to wait until the site is stopped: stop it, or set that to false"
        ),
        CopyError::Damaged(words) => anyhow::anyhow!(
            "[{name}] is damaged, so no backup was made: {}. Keep {file} as it is, and the backups that you have; `sqlite3 \
             {file} .recover` prints what can be saved",
            one_line(&words, 1_000)
        ),
        CopyError::Store(error @ StoreError::ReadOnly(_)) => {
            anyhow::anyhow!("[{name}] can't be copied: {file}: {error}; make backups as the user who runs the host")
        }
        // What is copied is only read.
        CopyError::Store(StoreError::Full) => {
            let to = to.display();
            anyhow::anyhow!(
                "[{name}] can't be copied to {to}: the disk is full; make room there, or name a file on another disk"
            )
        }
        error => anyhow::anyhow!("[{name}] can't be copied: {file}: {error}"),
    }
}

/// Fails where there isn't room for so many bytes in the file system of `folder`.
fn room(folder: &Path, bytes: u64, what: &str) -> Result<()> {
    if let Some(free) = place::free(folder).filter(|free| *free < bytes) {
        let (needed, free) = (terminal::size(bytes), terminal::size(free));
        bail!("{} is too full {what}: that takes {needed}, and {free} are free", folder.display());
    }
    Ok(())
}

/// Lists everything with sizes and hashes.
fn list(folder: &Folder, contents: &Contents, made: Timestamp, sources: &Sources<'_>, work: &Work) -> Result<Manifest> {
    let databases = contents.databases.iter().filter_map(|database| database.part.clone());
    let files = contents.files.iter().map(|path| format!("{SITE}{path}"));
    let paths: Vec<String> = databases.chain(files).collect();
    let bar = work.bar("Reading", 0);
    let mut parts = Vec::with_capacity(paths.len());
    let mut total = 0;
    for path in paths {
        let file = match sources.open(&path) {
            // What is gone by now isn't part of the site any more.
            Err(error) if error.is::<Changed>() && path != "site/bandstand.toml" => continue,
            opened => opened?,
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            continue;
        }
        total += metadata.len();
        bar.set(total - metadata.len(), total);
        let content = Hashing::new(file, &bar);
        let shown = || format!("can't read {}", one_line(path.strip_prefix(SITE).unwrap_or(&path), 300));
        let (bytes, sha256) = content.drained().with_context(shown)?;
        parts.push(Part { path, bytes, sha256 });
    }
    Ok(Manifest {
        format: FORMAT,
        bandstand: env!("CARGO_PKG_VERSION").into(),
        made,
        site: folder.config.site.name.clone(),
        databases: contents.databases.clone(),
        left_out: contents.left_out.clone(),
        parts,
    })
}

/// A file that only its owner can read.
fn create(path: &Path) -> Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).with_context(|| format!("can't write to {}", parent(path).display()))
}
