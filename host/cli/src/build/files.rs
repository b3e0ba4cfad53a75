//! An app's templates and static files, as they lie beside its `Cargo.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cap_std::fs::Dir;

/// The folders that travel in a component.
pub(crate) const FOLDERS: [&str; 2] = ["templates", "static"];
/// The largest file in bytes: a video doesn't belong into a program.
const MAX_FILE: u64 = 8 << 20;
/// The most that all files of an app weigh together, in bytes: half of the largest component that a site takes.
const MAX_TOTAL: u64 = 32 << 20;
/// The most files of an app.
const MAX_FILES: usize = 5_000;
/// The longest path in bytes.
pub(crate) const MAX_PATH: usize = 240;
/// The deepest folder.
const MAX_DEPTH: usize = 16;

/// Paths such as `templates/polls/index.html` with their contents, in the order of the paths' bytes.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Collects the files of the app in `dir`, which the author wrote as `shown`.
///
/// Links are refused: what they point to may lie outside, and would be another file on another machine. Files whose
/// name begins with a dot are left out: they are an editor's or the system's.
pub(crate) fn collect(dir: &Dir, shown: &Path) -> Result<Files> {
    let mut walk = Walk { files: Files::new(), total: 0, shown };
    for folder in FOLDERS {
        let metadata = match dir.symlink_metadata(folder) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("can't look at {}", shown.join(folder).display())),
        };
        walk.entry(dir, folder, folder.to_owned(), &metadata, 0)?;
    }
    Ok(walk.files)
}

struct Walk<'a> {
    files: Files,
    total: u64,
    shown: &'a Path,
}

impl Walk<'_> {
    fn entry(
        &mut self,
        parent: &Dir,
        name: &str,
        path: String,
        metadata: &cap_std::fs::Metadata,
        depth: usize,
    ) -> Result<()> {
        let shown: PathBuf = self.shown.join(&path);
        let shown = shown.display();
        if metadata.is_symlink() {
            bail!("{shown} is a symbolic link; put the file itself there");
        }
        if metadata.is_dir() {
            if depth == MAX_DEPTH {
                bail!("{shown} lies deeper than {MAX_DEPTH} folders");
            }
            let dir = parent.open_dir(name).with_context(|| format!("can't open {shown}"))?;
            for entry in dir.entries().with_context(|| format!("can't list {shown}"))? {
                let entry = entry.with_context(|| format!("can't list {shown}"))?;
                let name = entry
                    .file_name()
                    .into_string()
                    .map_err(|name| anyhow::anyhow!("{shown} holds {name:?}, a name that isn't UTF-8; rename it"))?;
                if name.starts_with('.') {
                    continue;
                }
                let metadata = dir.symlink_metadata(&name).with_context(|| format!("can't look at {shown}/{name}"))?;
                self.entry(&dir, &name, format!("{path}/{name}"), &metadata, depth + 1)?;
            }
            return Ok(());
        }
        if !metadata.is_file() {
            bail!("{shown} is neither a file nor a folder; remove it");
        }
        check_path(&path).map_err(|problem| anyhow::anyhow!("{shown} {problem}; rename it"))?;
        if metadata.len() > MAX_FILE {
            bail!(
                "{shown} has {} bytes; the most is {MAX_FILE}: serve large files from the site's static folder",
                metadata.len()
            );
        }
        let bytes = parent.read(name).with_context(|| format!("can't read {shown}"))?;
        // The file may have grown since it was looked at.
        self.total += bytes.len() as u64;
        if self.total > MAX_TOTAL {
            bail!(
                "the app's templates and static files weigh more than {MAX_TOTAL} bytes; {shown} is the first too many"
            );
        }
        self.files.insert(path, bytes);
        if self.files.len() > MAX_FILES {
            bail!("the app has more than {MAX_FILES} templates and static files; {shown} is the first too many");
        }
        Ok(())
    }
}

/// Checks a path as the format of app files wants it: `templates/…` or `static/…`, `/` between the parts, no part
/// empty, `.` or `..`. The error continues a sentence that begins with the path.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    if path.len() > MAX_PATH {
        return Err(format!("has a path of more than {MAX_PATH} bytes"));
    }
    if let Some(c) =
        path.chars().find(|c| c.is_control() || matches!(c, '\\' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    {
        return Err(format!("has `{}` in its name", c.escape_default()));
    }
    let mut parts = path.split('/');
    if !parts.next().is_some_and(|first| FOLDERS.contains(&first)) {
        return Err("lies neither in templates/ nor in static/".into());
    }
    let rest: Vec<&str> = parts.collect();
    if rest.iter().any(|part| part.is_empty() || *part == "." || *part == "..") {
        return Err("has an empty, `.` or `..` part in its path".into());
    }
    if rest.len() < 2 {
        return Err("must lie in a folder called like the app, such as templates/polls/index.html".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    fn app(files: &[(&str, &str)]) -> (tempfile::TempDir, Dir) {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).expect("opens");
        for (path, text) in files {
            dir.create_dir_all(Path::new(path).parent().expect("a parent")).expect("made");
            dir.write(path, text).expect("written");
        }
        (folder, dir)
    }

    fn refusal(dir: &Dir) -> String {
        format!("{:#}", collect(dir, Path::new("polls")).expect_err("a refusal"))
    }

    #[test]
    fn files_come_in_one_order_and_hidden_ones_stay_out() {
        let (_folder, dir) = app(&[
            ("static/polls/b.css", "b"),
            ("templates/polls/z.html", "z"),
            ("templates/polls/a/ä.html", "a"),
            ("templates/polls/.swp", ""),
            ("src/lib.rs", ""),
            ("templates/.git/config", ""),
        ]);
        let files = collect(&dir, Path::new("polls")).expect("files");
        let paths: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(paths, ["static/polls/b.css", "templates/polls/a/ä.html", "templates/polls/z.html"]);
    }

    #[test]
    fn links_are_refused_wherever_they_stand() {
        let (_folder, dir) = app(&[("templates/polls/a.html", "a"), ("secret/x", "x")]);
        dir.symlink("a.html", "templates/polls/b.html").expect("linked");
        assert!(refusal(&dir).contains("polls/templates/polls/b.html is a symbolic link"));
        let (_folder, dir) = app(&[("elsewhere/polls/a.html", "a")]);
        dir.symlink("elsewhere", "templates").expect("linked");
        assert!(refusal(&dir).contains("symbolic link"));
    }

    #[test]
    fn files_outside_a_folder_of_the_app_and_hostile_names_are_refused() {
        let (_folder, dir) = app(&[("templates/index.html", "")]);
        assert!(refusal(&dir).contains("must lie in a folder called like the app"));
        let (_folder, dir) = app(&[("templates/polls/a\nb.html", "")]);
        assert!(refusal(&dir).contains("has `\\n` in its name"));
        for path in [
            "",
            "/",
            "templates",
            "templates/",
            "templates//x/y",
            "templates/./x/y",
            "templates/polls/../../x",
            "src/a/b",
            "/templates/a/b",
            "templates/a\\b/c",
            "templates/a/\u{0}",
            "templates/a/\u{202e}gpj.exe",
            "templates/a/b/",
        ] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
        assert!(check_path(&format!("static/a/{}", "x".repeat(300))).is_err());
    }

    #[test]
    fn huge_files_are_refused_before_they_are_read() {
        let (_folder, dir) = app(&[("static/polls/a", "")]);
        let file = dir.create("static/polls/film.mp4").expect("made");
        file.set_len(1 << 40).expect("sparse");
        assert!(refusal(&dir).contains("the most is"));
    }
}
