//! What belongs to a site: the files that go into its backup, its databases, and what has to be kept elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use host_core::text::one_line;
use host_store::{ServerKind, Target};

use super::manifest::{self, Database, Kind, LeftOut, MAX_DATABASES, MAX_PARTS, PRIVATE, SITE};
use super::place::{SCRATCH, inside};
use crate::config::{self, DatabaseSection, DatabaseUrl, Override};
use crate::site::Folder;

/// The folder for what a site's visitors hand in.
const MEDIA: &str = "media";
/// The deepest folder.
const MAX_DEPTH: usize = 100;
/// Names of single files that are told as left out. Beyond that their number says enough.
const MAX_TOLD: usize = 50;
/// A SQLite file and those that may lie beside it and belong to it.
pub(crate) fn beside(path: &Path) -> [PathBuf; 4] {
    ["", "-wal", "-shm", "-journal"].map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    })
}

/// All of a site.
#[derive(Debug)]
pub(crate) struct Contents {
    /// Paths below the site's folder, in order.
    pub(crate) files: BTreeSet<String>,
    /// Its databases, as the manifest has them.
    pub(crate) databases: Vec<Database>,
    /// The files of those that go in, by name.
    pub(crate) sqlite: BTreeMap<String, PathBuf>,
    /// Those on servers that go in, by name.
    pub(crate) servers: BTreeMap<String, Target>,
    /// What doesn't go in.
    pub(crate) left_out: Vec<LeftOut>,
}

/// Looks what there is. With `servers`, databases on servers go in.
pub(crate) fn collect(folder: &Folder, overrides: &[Override], servers: bool) -> Result<Contents> {
    let root = std::fs::canonicalize(&folder.path)
        .with_context(|| format!("can't open the site's folder {}", folder.path.display()))?;
    let dir = Dir::open_ambient_dir(&root, ambient_authority())
        .with_context(|| format!("can't open the site's folder {}", folder.path.display()))?;
    let mut contents = Contents {
        files: BTreeSet::from([config::FILE.to_owned()]),
        databases: Vec::new(),
        sqlite: BTreeMap::new(),
        servers: BTreeMap::new(),
        left_out: Vec::new(),
    };
    contents.databases(folder, &root, servers)?;
    let mut apart: BTreeSet<PathBuf> = BTreeSet::from([PathBuf::from(PRIVATE)]);
    apart.extend(inside(&root, &folder.config.site.cache));
    for path in contents.sqlite.values() {
        apart.extend(inside(&root, path).iter().flat_map(|path| beside(path)));
    }
    let mut walk = Walk { root: &root, dir: &dir, apart, told: 0, contents };
    let config = &folder.config;
    for (name, path) in [
        ("[templates]", config.templates.dir.as_path()),
        ("[static]", &config.static_files.dir),
        ("[plugins]", &config.plugins.dir),
        ("media", Path::new(MEDIA)),
    ] {
        walk.configured(&format!("the folder of {name}"), path)?;
    }
    for (name, section) in config.apps.iter().filter(|(_, section)| section.is_app()) {
        walk.configured(&format!("the component of [apps.{name}]"), &section.wasm_path(name))?;
    }
    let mut contents = walk.end();
    let names: Vec<&str> = overrides.iter().map(|variable| variable.name.as_str()).collect();
    if !names.is_empty() {
        contents.leave_out(
            &format!("settings in environment variables: {}", one_line(&names.join(", "), 2_000)),
            "they aren't in bandstand.toml; keep a copy of where you set them",
        );
    }
    Ok(contents)
}

impl Contents {
    fn leave_out(&mut self, what: &str, why: &str) {
        self.left_out.push(LeftOut { what: what.to_owned(), why: why.to_owned() });
    }

    fn databases(&mut self, folder: &Folder, root: &Path, servers: bool) -> Result<()> {
        ensure!(
            folder.config.databases.len() < MAX_DATABASES,
            "the site has more than {MAX_DATABASES} databases, which no backup holds: divide it into several sites"
        );
        let named = folder.config.databases.iter().map(|(name, section)| (format!("databases.{name}"), section));
        for (name, section) in std::iter::once(("database".to_owned(), &folder.config.database)).chain(named) {
            self.database(name, section, folder, root, servers)?;
        }
        Ok(())
    }

    fn database(
        &mut self,
        name: String,
        section: &DatabaseSection,
        folder: &Folder,
        root: &Path,
        servers: bool,
    ) -> Result<()> {
        let mut database = Database { name, kind: Kind::Sqlite, path: None, part: None };
        let what = format!("[{}]", database.name);
        match section.parse().map_err(anyhow::Error::msg).with_context(|| what.clone())? {
            DatabaseUrl::Memory => {
                database.kind = Kind::Memory;
                self.leave_out(&what, "it lives in memory and is gone whenever the host stops");
            }
            DatabaseUrl::Server(target) => {
                database.kind = match target.kind() {
                    ServerKind::Postgres => Kind::Postgresql,
                    ServerKind::Mariadb => Kind::Mariadb,
                };
                if servers {
                    let store = section.on_server(target, &folder.path).map_err(anyhow::Error::msg);
                    let server = store.with_context(|| what.clone())?.server.context("it is on a server")?;
                    database.part = manifest::part_of(&database.name, database.kind);
                    self.servers.insert(database.name.clone(), server.target);
                } else {
                    let tool = target.dump().program;
                    let why = format!("it is on a server, {target}; make its backup with {tool}, or give --servers");
                    self.leave_out(&what, &why);
                }
            }
            DatabaseUrl::Sqlite(path) => {
                let shown = inside(root, &path).unwrap_or_else(|| path.clone());
                database.path = shown.to_str().map(str::to_owned);
                // Absolute: it's compared with other paths.
                match std::fs::canonicalize(folder.at(&path)) {
                    Ok(file) => {
                        database.part = manifest::part_of(&database.name, Kind::Sqlite);
                        self.sqlite.insert(database.name.clone(), file);
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        self.leave_out(&what, &format!("there is no {} yet", folder.shown(&path).display()));
                    }
                    // Above all where the folder is closed to this user: a backup without the data would be none.
                    Err(error) => bail!(
                        "{what} can't be looked at: {}: {error}; make backups as the user who runs the host",
                        folder.shown(&path).display()
                    ),
                }
            }
        }
        if let Some(file) = section.password_file() {
            let why = format!("a secret stays where it is: keep a copy of {} elsewhere", file.display());
            self.leave_out(&format!("the password file of {what}"), &why);
        }
        self.databases.push(database);
        Ok(())
    }
}

struct Walk<'a> {
    root: &'a Path,
    dir: &'a Dir,
    /// Paths that aren't looked into.
    apart: BTreeSet<PathBuf>,
    /// Single files that were told as left out.
    told: usize,
    contents: Contents,
}

impl Walk<'_> {
    fn end(mut self) -> Contents {
        if let Some(more) = self.told.checked_sub(MAX_TOLD).filter(|more| *more > 0) {
            self.contents.leave_out(&format!("{more} more files"), "as those before");
        }
        self.contents
    }

    /// A file or a folder that the configuration names as `path`. It need not exist.
    fn configured(&mut self, what: &str, path: &Path) -> Result<()> {
        let Some(below) = inside(self.root, path) else {
            if self.root.join(path).exists() {
                let why = format!("{} lies outside of the site's folder", path.display());
                self.contents.leave_out(what, &why);
            }
            return Ok(());
        };
        let mut so_far = PathBuf::new();
        for name in &below {
            so_far.push(name);
            match self.dir.symlink_metadata(&so_far) {
                Ok(metadata) if metadata.is_symlink() => {
                    let why = format!("{} is a symbolic link; put what it leads to there", so_far.display());
                    self.contents.leave_out(what, &why);
                    return Ok(());
                }
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error).with_context(|| format!("can't look at {}", so_far.display())),
            }
        }
        let Some(path) = below.to_str() else {
            self.contents.leave_out(what, "its name isn't UTF-8; rename it");
            return Ok(());
        };
        self.entry(path, 0)
    }

    /// What lies at `path`, a path below the site's folder.
    fn entry(&mut self, path: &str, depth: usize) -> Result<()> {
        if self.apart.contains(Path::new(path)) {
            return Ok(());
        }
        let place = || format!("can't look at {}", one_line(path, 300));
        let metadata = match self.dir.symlink_metadata(path) {
            Ok(metadata) => metadata,
            // It went away since the folder was listed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(place),
        };
        if let Err(why) = manifest::check_path(&format!("{SITE}{path}")) {
            self.tell(path, &format!("{why}; rename it"));
            return Ok(());
        }
        if metadata.is_symlink() {
            self.tell(path, "a symbolic link; put the file itself there");
        } else if metadata.is_dir() {
            ensure!(depth < MAX_DEPTH, "{} lies deeper than {MAX_DEPTH} folders", one_line(path, 300));
            for entry in self.dir.read_dir(path).with_context(place)? {
                let name = entry.with_context(place)?.file_name();
                let Some(name) = name.to_str() else {
                    self.tell(&format!("{path}/{}", name.to_string_lossy()), "its name isn't UTF-8; rename it");
                    continue;
                };
                if !name.starts_with(SCRATCH) {
                    self.entry(&format!("{path}/{name}"), depth + 1)?;
                }
            }
        } else if metadata.is_file() {
            self.contents.files.insert(path.to_owned());
            let most = MAX_PARTS - self.contents.databases.len() - 1;
            ensure!(self.contents.files.len() <= most, "the site has more than {most} files");
        } else {
            self.tell(path, "neither a file nor a folder");
        }
        Ok(())
    }

    /// Leaves out a single file.
    fn tell(&mut self, path: &str, why: &str) {
        self.told += 1;
        if self.told <= MAX_TOLD {
            self.contents.leave_out(&one_line(path, 300), why);
        }
    }
}
