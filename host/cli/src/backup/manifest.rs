//! `backup.json`: what an archive says of itself, and what of that is believed.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use host_core::name::check_name;
use host_core::text::one_line;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The only format that there is. Whatever an older host couldn't restore gets a new number.
pub(crate) const FORMAT: u32 = 1;
/// The name of the archive's first file.
pub(crate) const NAME: &str = "backup.json";
/// The largest `backup.json` in bytes: room for [`MAX_PARTS`] with long names.
pub(crate) const MAX_BYTES: u64 = 128 << 20;
/// The most files in an archive. The list of them is the one thing that is held in memory.
pub(crate) const MAX_PARTS: usize = 500_000;
/// The most databases of a site: the whole list is gone through for each of them, and nobody has a tenth as many.
pub(crate) const MAX_DATABASES: usize = 1_000;
/// The longest path in bytes.
pub(crate) const MAX_PATH: usize = 1_024;
/// The longest name between two slashes in bytes, which is what file systems take.
const MAX_NAME: usize = 255;
/// Where the files of the site's folder lie in the archive.
pub(crate) const SITE: &str = "site/";
/// What the host makes for itself: compiled code and the like, which must never come from outside.
pub(crate) const PRIVATE: &str = ".bandstand";
/// The largest configuration in bytes, as `bandstand.toml` may be.
const MAX_CONFIG: u64 = 256 << 10;

/// The whole document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// [`FORMAT`].
    pub(crate) format: u32,
    /// The version of the host that made it.
    pub(crate) bandstand: String,
    /// When.
    pub(crate) made: Timestamp,
    /// The site's name for people.
    pub(crate) site: String,
    /// The site's databases, also those that aren't in the archive.
    pub(crate) databases: Vec<Database>,
    /// What a whole site would need besides.
    pub(crate) left_out: Vec<LeftOut>,
    /// The files, in the order of the archive.
    pub(crate) parts: Vec<Part>,
}

/// A database of the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    /// Its section of the configuration: `database` or `databases.NAME`.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: Kind,
    /// Where its file was: relative to the site's folder, or absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// The part that holds it, where it is in the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) part: Option<String>,
}

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A file.
    Sqlite,
    /// On a server.
    Postgresql,
    /// On a server.
    Mariadb,
    /// Gone whenever the host stops.
    Memory,
}

/// Something that the site needs and the archive doesn't hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeftOut {
    /// What.
    pub(crate) what: String,
    /// Why, and what to do about it.
    pub(crate) why: String,
}

/// A file in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// Where it lies in the archive.
    pub(crate) path: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its content's hash, in lower-case hexadecimal digits.
    pub(crate) sha256: String,
}

impl Part {
    /// Its path below the site's folder, for a file of it.
    pub(crate) fn of_site(&self) -> Option<&str> {
        self.path.strip_prefix(SITE)
    }
}

/// The part that holds the database of a section; none for one that can't be held.
pub(crate) fn part_of(name: &str, kind: Kind) -> Option<String> {
    let end = match kind {
        Kind::Sqlite => "db",
        Kind::Postgresql => "dump",
        Kind::Mariadb => "sql",
        Kind::Memory => return None,
    };
    Some(match name.strip_prefix("databases.") {
        Some(name) => format!("databases/{name}.{end}"),
        None => format!("{name}.{end}"),
    })
}

impl Manifest {
    /// Reads the document and believes nothing of it that can be checked.
    pub(crate) fn read(json: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
            #[serde(default)]
            bandstand: String,
        }
        let version: Version = serde_json::from_slice(json).with_context(|| format!("{NAME} can't be read"))?;
        let (maker, format) = (one_line(&version.bandstand, 50), version.format);
        ensure!(
            format <= FORMAT,
            "it was made by bandstand {maker} in format {format}, and this version, {}, reads up to {FORMAT}: use that \
             version or a later one",
            env!("CARGO_PKG_VERSION")
        );
        ensure!(format == FORMAT, "{NAME} names the format {format}, which there never was");
        let manifest: Self = serde_json::from_slice(json).with_context(|| format!("{NAME} can't be read"))?;
        manifest.check().with_context(|| format!("{NAME} is wrong"))?;
        Ok(manifest)
    }

    /// The bytes of all files together.
    pub(crate) fn bytes(&self) -> u64 {
        // `check` has added them up.
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// What types can't say.
    fn check(&self) -> Result<()> {
        ensure!(self.parts.len() <= MAX_PARTS, "it lists more than {MAX_PARTS} files");
        ensure!(self.databases.len() <= MAX_DATABASES, "it lists more than {MAX_DATABASES} databases");
        let total = self.parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.bytes));
        ensure!(total.is_some_and(|total| total <= i64::MAX as u64), "the sizes of its files are no sizes");
        let mut seen = BTreeSet::new();
        for part in &self.parts {
            let shown = one_line(&part.path, 300);
            check_path(&part.path).with_context(|| format!("`{shown}`"))?;
            ensure!(seen.insert(part.path.as_str()), "`{shown}` stands there twice");
            let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            ensure!(part.sha256.len() == 64 && part.sha256.bytes().all(digit), "`{shown}` has no SHA-256");
        }
        for path in &seen {
            let above = path.match_indices('/').map(|(at, _)| &path[..at]).find(|above| seen.contains(above));
            if let Some(above) = above {
                bail!("`{}` is a file and a folder", one_line(above, 300));
            }
        }
        let config = self.parts.iter().find(|part| part.path == "site/bandstand.toml");
        let config = config.context("it has no site/bandstand.toml, so it is no backup of a site")?;
        ensure!(config.bytes <= MAX_CONFIG, "site/bandstand.toml has more than {MAX_CONFIG} bytes");
        let mut names = BTreeSet::new();
        for database in &self.databases {
            let shown = one_line(&database.name, 100);
            match database.name.strip_prefix("databases.") {
                Some(name) => check_name(name).with_context(|| format!("the database `{shown}`"))?,
                None => ensure!(database.name == "database", "there is no section [{shown}] for a database"),
            }
            ensure!(names.insert(database.name.as_str()), "the database `{shown}` stands there twice");
            if let Some(part) = &database.part {
                let right = part_of(&database.name, database.kind);
                ensure!(
                    right.as_ref() == Some(part) && seen.contains(part.as_str()),
                    "the database `{shown}` lies in no file of its own"
                );
            }
        }
        let unclaimed = self.parts.iter().find(|part| {
            part.of_site().is_none()
                && !self.databases.iter().any(|database| database.part.as_ref() == Some(&part.path))
        });
        if let Some(part) = unclaimed {
            bail!("`{}` is no file of a site and no database", one_line(&part.path, 300));
        }
        Ok(())
    }
}

/// Whether a path stays where it is unpacked, and means the same everywhere. The error continues a sentence that begins with
/// the path.
pub(crate) fn check_path(path: &str) -> Result<()> {
    ensure!(path.len() <= MAX_PATH, "is longer than {MAX_PATH} bytes");
    ensure!(!path.starts_with('/'), "is an absolute path");
    for name in path.split('/') {
        ensure!(!matches!(name, "" | "." | ".."), "has a part that is empty, `.` or `..`");
        ensure!(name.len() <= MAX_NAME, "has a name of more than {MAX_NAME} bytes");
        ensure!(!name.chars().any(char::is_control), "has a control character in its name");
    }
    if let Some(path) = path.strip_prefix(SITE) {
        let first = path.split('/').next().unwrap_or_default();
        ensure!(
            !first.eq_ignore_ascii_case(PRIVATE),
            "lies in {PRIVATE}, where the host keeps machine code: that is never restored"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(parts: &[&str], databases: &[(&str, Option<&str>)]) -> Manifest {
        let part = |path: &&str| Part { path: (*path).into(), bytes: 1, sha256: "0".repeat(64) };
        let database = |(name, part): &(&str, Option<&str>)| Database {
            name: (*name).into(),
            kind: Kind::Sqlite,
            path: None,
            part: part.map(str::to_owned),
        };
        Manifest {
            format: FORMAT,
            bandstand: "0.1.0".into(),
            made: Timestamp::UNIX_EPOCH,
            site: "it".into(),
            databases: databases.iter().map(database).collect(),
            left_out: Vec::new(),
            parts: parts.iter().map(part).collect(),
        }
    }

    fn refusal(manifest: &Manifest) -> String {
        let json = serde_json::to_vec(manifest).expect("it is JSON");
        format!("{:#}", Manifest::read(&json).expect_err("it is wrong"))
    }

    #[test]
    fn what_is_written_is_read() {
        let good = manifest(
            &["site/bandstand.toml", "site/static/.well-known/ä b", "database.db", "databases/shared.db"],
            &[("database", Some("database.db")), ("databases.shared", Some("databases/shared.db"))],
        );
        let json = serde_json::to_vec(&good).expect("it is JSON");
        assert_eq!(Manifest::read(&json).expect("it is right"), good);
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for (path, why) in [
            ("/etc/passwd", "absolute"),
            ("site/../../etc/passwd", "`..`"),
            ("..", "`..`"),
            ("site/./a", "`.`"),
            ("site//a", "empty"),
            ("site/", "empty"),
            ("", "empty"),
            ("site/a\u{0}b", "control"),
            ("site/a\nb", "control"),
            ("site/\u{1b}[2J", "control"),
            ("site/.bandstand/cache/code", "machine code"),
            ("site/.Bandstand/cache/code", "machine code"),
            ("elsewhere/a", "no file of a site"),
            ("site", "file and a folder"),
            ("site/bandstand.toml/a", "file and a folder"),
            ("site/bandstand.toml", "twice"),
            (&format!("site/{}", "a".repeat(256)), "255"),
            (&format!("site/{}", "a/".repeat(600)), "1024"),
        ] {
            let said = refusal(&manifest(&["site/bandstand.toml", path], &[]));
            assert!(said.contains(why), "{path:?}: {said}");
            assert!(!said.contains(['\n', '\u{1b}']), "{said:?}");
        }
    }

    #[test]
    fn what_doesnt_fit_together_is_refused() {
        let config = "site/bandstand.toml";
        let said = refusal(&manifest(&["site/a"], &[]));
        assert!(said.contains("no backup of a site"), "{said}");
        for (parts, databases, why) in [
            (&[config, "database.db"][..], &[][..], "no file of a site and no database"),
            (&[config], &[("database", Some("database.db"))], "no file of its own"),
            (&[config, "site/a"], &[("database", Some("site/a"))], "no file of its own"),
            (&[config], &[("elsewhere", None)], "no section"),
            (&[config], &[("databases.A;drop", None)], "databases.A;drop"),
            (&[config], &[("database", None), ("database", None)], "twice"),
        ] {
            let said = refusal(&manifest(parts, databases));
            assert!(said.contains(why), "{parts:?} {databases:?}: {said}");
        }
        let mut sizes = manifest(&[config, "site/a", "site/b"], &[]);
        sizes.parts[1].bytes = u64::MAX;
        assert!(refusal(&sizes).contains("no sizes"));
        sizes.parts[1].bytes = i64::MAX as u64;
        assert!(refusal(&sizes).contains("no sizes"));
        let mut large = manifest(&[config], &[]);
        large.parts[0].bytes = MAX_CONFIG + 1;
        assert!(refusal(&large).contains("has more than"));
        large.parts[0] = Part { path: config.into(), bytes: 1, sha256: "G".repeat(64) };
        assert!(refusal(&large).contains("SHA-256"));
    }

    #[test]
    fn another_format_says_whose_it_is() {
        let mut newer = serde_json::to_value(manifest(&["site/bandstand.toml"], &[])).expect("it is JSON");
        newer["format"] = 2.into();
        newer["bandstand"] = "9.1.0".into();
        newer["unheard_of"] = true.into();
        let said = Manifest::read(newer.to_string().as_bytes()).expect_err("it is newer").to_string();
        assert!(said.contains("bandstand 9.1.0 in format 2") && said.contains("a later one"), "{said}");
        newer["format"] = 1.into();
        let said = format!("{:#}", Manifest::read(newer.to_string().as_bytes()).expect_err("a key too many"));
        assert!(said.contains("unheard_of"), "{said}");
        newer["format"] = 0.into();
        assert!(Manifest::read(newer.to_string().as_bytes()).is_err());
        assert!(Manifest::read(b"[".repeat(100_000).as_slice()).is_err());
    }
}
