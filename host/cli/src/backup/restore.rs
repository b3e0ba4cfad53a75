//! `bandstand restore`: from an archive to a site. Nothing is written before the whole archive was read and found right, and
//! what there was stays whole until the new site is whole and on the disk.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt, Permissions, PermissionsExt};
use host_core::text::one_line;
use host_store::copy::is_open_elsewhere;
use jiff::Timestamp;

use super::archive;
use super::contents::beside;
use super::manifest::{Kind, Manifest, SITE};
use super::place::{self, SCRATCH, Scratch, inside};
use super::work::Work;
use super::{damaged, open, room, summary, tell};
use crate::args::Restore;
use crate::config::{self, Config, DatabaseUrl, Override};
use crate::lock::{self, SiteLock};
use crate::site::Folder;
use crate::terminal;

/// Where databases go whose place isn't in the site's folder.
const ELSEWHERE: &str = "restored";

/// `bandstand restore FILE`.
pub(crate) fn run(options: Restore, overrides: Vec<Override>) -> Result<()> {
    Work::run(options.plain, move |work| restore(&options, &overrides, work))
}

/// What is where the site goes.
#[derive(Debug)]
enum Target {
    /// Nothing.
    New,
    /// An empty folder.
    Empty,
    /// A site, which nobody serves.
    Site(#[allow(dead_code, reason = "held, not read")] SiteLock),
}

/// What was decided before anything is written.
struct Plan {
    manifest: Manifest,
    /// For each database in the archive, its part and its path in the new folder.
    databases: Vec<(String, PathBuf)>,
    /// What the operator has to do.
    notes: Vec<String>,
}

pub(super) fn restore(options: &Restore, overrides: &[Override], work: &Work) -> Result<()> {
    let begun = Instant::now();
    // A mistyped name is told before all else.
    drop(open(&options.file)?);
    let into = absolute(&options.into)?;
    let target = look(&into, &options.into, options.replace, overrides)?;
    terminal::step("Restoring", &format!("{} from {}", options.into.display(), options.file.display()));
    let plan = plan(&options.file, &into, overrides, work)?;
    let parent = match target {
        Target::Empty => into.clone(),
        _ => into.parent().context("the root of a file system can't be replaced")?.to_path_buf(),
    };
    std::fs::create_dir_all(&parent).with_context(|| format!("can't make {}", parent.display()))?;
    room(&parent, plan.manifest.bytes(), "to unpack the site")?;
    let scratch = Scratch::make(&parent)?;
    let new = scratch.at("new");
    unpack(&options.file, &plan, &new, work)?;
    work.last_look()?;
    let kept =
        swap(&new, &into, &target).with_context(|| format!("can't put the site to {}", options.into.display()))?;
    drop(target);
    let shown = options.into.display();
    terminal::step("Unpacked", &summary(&plan.manifest));
    for left_out in &plan.manifest.left_out {
        tell(left_out);
    }
    for note in &plan.notes {
        terminal::note(note);
    }
    if let Some(kept) = &kept {
        terminal::step("Kept", &format!("the old site in {}", kept.display()));
        let missing = missing(kept, &into);
        if !missing.is_empty() {
            terminal::note(&format!("only the old site has {}", one_line(&missing.join(", "), 1_000)));
        }
        if std::env::current_dir().is_ok_and(|here| here.starts_with(kept)) {
            terminal::note("this shell stands in the old site now: `cd \"$PWD\"` leads to the new one");
        }
    }
    terminal::step(
        "Finished",
        &format!("{shown} is restored, in {}; `bandstand check {shown}` looks at it", terminal::time(begun.elapsed())),
    );
    Ok(())
}

/// The folder's real path; of one that isn't there, as far as there is something.
fn absolute(path: &Path) -> Result<PathBuf> {
    let place = || format!("can't look at {}", path.display());
    match std::fs::canonicalize(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            ensure!(path.symlink_metadata().is_err(), "{} is a link that leads nowhere", path.display());
            let full = std::path::absolute(path).with_context(place)?;
            let (Some(parent), Some(name)) = (full.parent(), full.file_name()) else {
                bail!("{} can't be a site's folder", path.display());
            };
            Ok(std::fs::canonicalize(parent).unwrap_or_else(|_| parent.to_path_buf()).join(name))
        }
        found => found.with_context(place),
    }
}

/// Looks where the site goes. Where there is one, nobody serves it from now on.
fn look(into: &Path, shown: &Path, replace: bool, overrides: &[Override]) -> Result<Target> {
    let dir = match Dir::open_ambient_dir(into, ambient_authority()) {
        Ok(dir) => dir,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Target::New),
        Err(error) => return Err(error).with_context(|| format!("can't open the folder {}", shown.display())),
    };
    let mut entries = dir.entries().with_context(|| format!("can't list {}", shown.display()))?;
    // What a killed restore left in an empty folder is swept later.
    let is_left_over = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.starts_with(SCRATCH));
    if entries.all(|entry| entry.is_ok_and(|entry| is_left_over(&entry.file_name()))) {
        return Ok(Target::Empty);
    }
    let shown = shown.display();
    // Also with --replace, so that nobody is told to try what won't do.
    ensure!(
        dir.exists(config::FILE),
        "{shown} isn't empty and no site's folder (it has no {}), so it isn't replaced: name another folder with --into",
        config::FILE
    );
    ensure!(
        replace,
        "{shown} isn't empty: name another folder with --into, or give --replace, which keeps what is there beside it"
    );
    // One whose configuration is broken may be what has to be replaced.
    let config = Config::load(&dir, into, overrides).ok();
    let folder = Folder { path: into.to_path_buf(), config: config.clone().unwrap_or_default().into() };
    let lock = lock::alone(&folder)?;
    for section in config.iter().flat_map(|config| config.databases.values().chain([&config.database])) {
        // A host of another version, or another program.
        if let Ok(DatabaseUrl::Sqlite(path)) = section.parse()
            && inside(into, &path).is_some()
            && folder.at(&path).exists()
            && is_open_elsewhere(&folder.at(&path)).unwrap_or_default()
        {
            bail!("another program has {} open: stop it first", folder.at(&path).display());
        }
    }
    Ok(Target::Site(lock))
}

/// Reads the whole archive, and decides where everything goes.
fn plan(path: &Path, into: &Path, overrides: &[Override], work: &Work) -> Result<Plan> {
    let file = open(path)?;
    let mut text = Vec::new();
    let checked = archive::read(&file, "Checking", work, None, |part, _, content| {
        if part.of_site() == Some(config::FILE) {
            // The manifest's check has bounded its size.
            content.read_to_end(&mut text)?;
        }
        Ok(())
    });
    let manifest = checked.with_context(|| damaged(path))?;
    let text = String::from_utf8(text).context("its bandstand.toml isn't UTF-8").with_context(|| damaged(path))?;
    let mut notes = Vec::new();
    let config = match Config::parse(config::FILE, &text, overrides) {
        Ok(config) => Some(config),
        Err(problems) => {
            notes.push(format!(
                "the site's {} isn't right for this version, so databases go where they were:\n{problems}",
                config::FILE
            ));
            None
        }
    };
    // What lies in the cache is run as machine code.
    let cache = config.as_ref().and_then(|config| inside(into, &config.site.cache));
    for part in manifest.parts.iter().filter_map(|part| part.of_site()) {
        let cached = cache.as_ref().is_some_and(|cache| Path::new(part).starts_with(cache));
        ensure!(!cached, "`{}` lies in the folder for compiled code, and that is never restored", one_line(part, 300));
    }
    let mut taken: BTreeSet<PathBuf> =
        manifest.parts.iter().filter_map(|part| part.of_site()).map(PathBuf::from).collect();
    let mut databases = Vec::new();
    for database in &manifest.databases {
        let Some(part) = database.part.clone() else { continue };
        if database.kind != Kind::Sqlite {
            let path = aside(&part, &mut taken)?;
            let here = into.join(&path);
            let load = match database.kind {
                Kind::Postgresql => {
                    format!(
                        "pg_restore --exit-on-error --no-owner --no-privileges --dbname=DATABASE {}",
                        here.display()
                    )
                }
                _ => format!("mariadb DATABASE < {}", here.display()),
            };
            notes.push(format!(
                "[{}] is on a server: load it into an empty database there, as the host's login, before you serve the site: `{load}`",
                database.name
            ));
            databases.push((part, path));
            continue;
        }
        let wanted = match &config {
            None => database.path.as_ref().map(PathBuf::from),
            Some(config) => match database.name.strip_prefix("databases.") {
                None => Some(&config.database),
                Some(name) => config.databases.get(name),
            }
            .and_then(|section| match section.parse() {
                Ok(DatabaseUrl::Sqlite(path)) => Some(path),
                _ => None,
            }),
        };
        let below = wanted.as_ref().and_then(|path| inside(into, path));
        // SQLite would take what lies beside it for its log.
        let is_clear = |path: &PathBuf| beside(path).iter().all(|path| is_free(path, &taken));
        if let Some(path) = below.clone().filter(is_clear) {
            taken.extend(beside(&path));
            databases.push((part, path));
            continue;
        }
        let path = aside(&part, &mut taken)?;
        let (name, here) = (&database.name, into.join(&path).display().to_string());
        let wanted = wanted.map(|path| one_line(&path.display().to_string(), 1_000));
        notes.push(match (wanted, below) {
            (Some(wanted), None) => format!(
                "[{name}] belongs to {wanted}, outside of the site's folder: move {here} there before you serve the site, and \
                 the old file away with those beside it that end with -wal and -shm"
            ),
            (Some(wanted), Some(_)) => {
                format!("[{name}] can't go to {wanted}, where something else of the archive lies; it is in {here}")
            }
            (None, _) => format!("[{name}] is no SQLite file in this configuration; what was in it is in {here}"),
        });
        databases.push((part, path));
    }
    Ok(Plan { manifest, databases, notes })
}

/// Where a database goes that has no place of its own in the site's folder.
fn aside(part: &str, taken: &mut BTreeSet<PathBuf>) -> Result<PathBuf> {
    let path = Path::new(ELSEWHERE).join(archive::copy_name(part));
    ensure!(is_free(&path, taken), "it has a file at {}, where a database must go", path.display());
    taken.insert(path.clone());
    Ok(path)
}

/// Whether a file can be put there.
fn is_free(path: &Path, taken: &BTreeSet<PathBuf>) -> bool {
    let private = path.starts_with(super::manifest::PRIVATE);
    // None that is taken lies below another one, and what lies below a path comes right after it in the set: so these two are
    // the only ones that could be in the way.
    let above = taken.range(..path.to_path_buf()).next_back().is_some_and(|above| path.starts_with(above));
    let below = taken.range(path.to_path_buf()..).next().is_some_and(|below| below.starts_with(path));
    !private && !above && !below
}

/// Unpacks the archive into the new folder `new`, and waits until it is on the disk.
fn unpack(path: &Path, plan: &Plan, new: &Path, work: &Work) -> Result<()> {
    let place = || format!("can't write to {}", new.display());
    std::fs::create_dir(new).with_context(place)?;
    let dir = Dir::open_ambient_dir(new, ambient_authority()).with_context(place)?;
    let file = open(path)?;
    let read =
        archive::read(&file, "Unpacking", work, Some(&plan.manifest), |part, look, content: &mut dyn Read| match part
            .path
            .strip_prefix(SITE)
        {
            Some(below) => archive::unpack(&dir, Path::new(below), look, false, content),
            None => {
                let found = plan.databases.iter().find(|(name, _)| *name == part.path);
                let (_, path) = found.context("it has no place")?;
                archive::unpack(&dir, path, look, true, content)
            }
        });
    read.with_context(|| format!("can't unpack {}", path.display()))?;
    place::sync_files(new).with_context(place)
}

/// Gives the new folder its name. Returns where the old one lies.
fn swap(new: &Path, into: &Path, target: &Target) -> Result<Option<PathBuf>> {
    let parent = into.parent().unwrap_or(into);
    match target {
        Target::New => {
            place::rename_new(new, into)?;
            place::sync_folder(parent)?;
            Ok(None)
        }
        Target::Empty => {
            // The folder stays the same: it may be a mount, or where a shell stands.
            tell_owner(into)?;
            let dir = Dir::open_ambient_dir(new, ambient_authority())?;
            let mut names = dir.entries()?.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>>>()?;
            // Without its configuration, half a site isn't taken for one.
            names.sort_by_key(|name| name == config::FILE);
            for name in names {
                place::rename_new(&new.join(&name), &into.join(&name))?;
            }
            place::sync_folder(into)?;
            Ok(None)
        }
        Target::Site(_) => {
            let old = tell_owner(into)?;
            let dir = Dir::open_ambient_dir(new, ambient_authority())?;
            dir.set_permissions(".", Permissions::from_mode(old.mode() & 0o777))?;
            let name = into.file_name().context("it has no name")?.to_string_lossy().into_owned();
            let kept = parent.join(format!("{name}.before-{}", Timestamp::now().strftime("%Y-%m-%d-%H%M%S")));
            place::replace(new, into, &kept).map_err(|error| match error.kind() {
                std::io::ErrorKind::ResourceBusy | std::io::ErrorKind::CrossesDevices => anyhow::anyhow!(
                    "a folder that is a mount can't be replaced ({error}): move what is in it away, and restore into the empty folder"
                ),
                _ => anyhow::anyhow!(error),
            })?;
            place::sync_folder(parent)?;
            Ok(Some(kept))
        }
    }
}

/// Says so where the folder belonged to somebody else than the one who restores it.
fn tell_owner(into: &Path) -> Result<cap_std::fs::Metadata> {
    let old = Dir::open_ambient_dir(into, ambient_authority())?.dir_metadata()?;
    let (user, group, me) = (old.uid(), old.gid(), rustix::process::geteuid().as_raw());
    if user != me {
        terminal::note(&format!(
            "the folder belonged to user {user}, what is restored belongs to {me}: `chown -R {user}:{group} {}`",
            into.display()
        ));
    }
    Ok(old)
}

/// The names that the old site's folder has and the new one doesn't: what no backup holds, such as sources.
fn missing(old: &Path, new: &Path) -> Vec<String> {
    let names = |path: &Path| -> BTreeSet<String> {
        let Ok(dir) = Dir::open_ambient_dir(path, ambient_authority()) else { return BTreeSet::new() };
        let Ok(entries) = dir.entries() else { return BTreeSet::new() };
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let new = names(new);
    let private = super::manifest::PRIVATE;
    names(old).into_iter().filter(|name| !new.contains(name) && name != private).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_free_where_nothing_lies_above_or_below_it() {
        let taken: BTreeSet<PathBuf> = ["a/b/c", "a/b-c", "d"].into_iter().map(PathBuf::from).collect();
        for (path, free) in [
            ("a", false),
            ("a/b", false),
            ("a/b/c", false),
            ("a/b/c/d", false),
            ("a/b-c/d", false),
            ("d", false),
            ("d/e/f", false),
            (".bandstand/a", false),
            ("a/b/d", true),
            ("a/b/c-wal", true),
            ("a/c", true),
            ("a-b", true),
            ("d-wal", true),
            ("e", true),
        ] {
            assert_eq!(is_free(Path::new(path), &taken), free, "{path}");
        }
    }
}
