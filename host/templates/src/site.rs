//! The site's own templates: read from its folder at start, and again when it is asked to.

use cap_std::fs::Dir;
use host_templates_sandbox::{Failure, Kind};

use crate::error::{TemplateError, TemplateErrors};
use crate::names::is_name;

/// Most templates of a site, or of an app.
pub(crate) const MAX_FILES: usize = 2_000;
/// The largest template, in bytes: generated ones have some 100 KiB.
pub(crate) const MAX_FILE: usize = 512 << 10;
/// All templates of a site, or of an app, in bytes.
pub(crate) const MAX_TOTAL: usize = 8 << 20;
/// The deepest folder.
const MAX_DEPTH: usize = 10;

/// The host's own templates.
pub(crate) const BUILTIN: [(&str, &str); 2] =
    [("base.html", include_str!("../builtin/base.html")), ("error.html", include_str!("../builtin/error.html"))];

/// Reads all templates below `dir`. Hidden files, what editors leave behind and symbolic links are left out.
pub(crate) fn read(dir: &Dir) -> Result<Vec<(String, String)>, TemplateErrors> {
    let mut reader = Reader { files: Vec::new(), errors: Vec::new(), total: 0 };
    reader.folder(dir, "", 0);
    if reader.errors.is_empty() {
        reader.files.sort();
        Ok(reader.files)
    } else {
        Err(TemplateErrors(reader.errors))
    }
}

struct Reader {
    files: Vec<(String, String)>,
    errors: Vec<TemplateError>,
    total: usize,
}

impl Reader {
    fn error(&mut self, name: &str, problem: impl std::fmt::Display) {
        let failure = Failure::new(Kind::Syntax, format!("templates/{name}: {problem}"));
        self.errors.push(TemplateError { app: None, failure });
    }

    fn folder(&mut self, dir: &Dir, path: &str, depth: usize) {
        if depth > MAX_DEPTH {
            return self.error(path, format_args!("lies more than {MAX_DEPTH} folders deep"));
        }
        let entries = match dir.entries() {
            Ok(entries) => entries,
            Err(error) => return self.error(path, error),
        };
        for entry in entries {
            if self.files.len() > MAX_FILES {
                return self.error(path, format_args!("there are more than {MAX_FILES} templates"));
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.error(path, error),
            };
            let Ok(file_name) = entry.file_name().into_string() else {
                self.error(path, "has a file whose name is not UTF-8");
                continue;
            };
            if file_name.starts_with('.') || file_name.ends_with('~') {
                continue;
            }
            let name = if path.is_empty() { file_name } else { format!("{path}/{file_name}") };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => match entry.open_dir() {
                    Ok(below) => self.folder(&below, &name, depth + 1),
                    Err(error) => self.error(&name, error),
                },
                Ok(kind) if kind.is_file() => self.file(&entry, name),
                Ok(_) => {}
                Err(error) => self.error(&name, error),
            }
        }
    }

    fn file(&mut self, entry: &cap_std::fs::DirEntry, name: String) {
        use std::io::Read as _;
        if !is_name(&name) {
            return self.error(&crate::names::shown(&name), "the name can't be a template's");
        }
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_FILE).unwrap_or(u64::MAX) + 1;
        if let Err(error) = entry.open().and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
            return self.error(&name, error);
        }
        self.total += bytes.len();
        if bytes.len() > MAX_FILE || self.total > MAX_TOTAL {
            return self.error(
                &name,
                format_args!("is too large: a template has at most {MAX_FILE} bytes, all of them {MAX_TOTAL}"),
            );
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.files.push((name, text)),
            Err(_) => self.error(&name, "is not UTF-8"),
        }
    }
}
