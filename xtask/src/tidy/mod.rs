//! `cargo xtask tidy`: the rules of the house that no compiler knows, kept true by a check.

mod crates;
mod files;
mod links;
mod wit;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::reference;
use crate::run::{failure, root, step};

/// Folders that aren't ours, or aren't sources.
const SKIPPED: [&str; 9] =
    [".git", "target", "demo", "node_modules", "__pycache__", ".bandstand", ".venv", "corpus", "artifacts"];

pub(crate) fn run() -> Result<()> {
    let files = Files::collect(root())?;
    let mut problems = Vec::new();
    crates::check(&mut problems)?;
    wit::check(&mut problems)?;
    files::check(&files, &mut problems);
    links::check(&files, &mut problems);
    reference::check(&mut problems);
    if problems.is_empty() {
        step(&format!("Tidy: {} files", files.0.len()));
        return Ok(());
    }
    for problem in &problems {
        failure(problem);
    }
    bail!("tidy found {} problem{}", problems.len(), if problems.len() == 1 { "" } else { "s" })
}

/// One text file of the checkout.
struct File {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

/// All text files of the checkout, sorted by path.
struct Files(Vec<File>);

impl Files {
    fn collect(root: &Path) -> Result<Self> {
        let mut files = Vec::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            let path = root.join(&folder);
            for entry in fs::read_dir(&path).with_context(|| format!("can't list {}", path.display()))? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let relative = folder.join(&name);
                let kind = entry.file_type()?;
                if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
                    folders.push(relative);
                } else if kind.is_file()
                    // What isn't text (a picture, a component) has no lines to check.
                    && let Ok(text) = String::from_utf8(fs::read(entry.path())?)
                {
                    files.push(File { path: relative.to_string_lossy().into_owned(), text });
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self(files))
    }

    fn with_extension<'a>(&'a self, extension: &'a str) -> impl Iterator<Item = &'a File> {
        self.0.iter().filter(move |file| Path::new(&file.path).extension().is_some_and(|e| e == extension))
    }
}
