//! Sizes and words.

use std::path::Path;

use super::{File, Files};

/// The most lines of a file: beyond that nobody finds anything.
const MAX_LINES: usize = 800;

/// Longer files, each with its reason.
const LONG: &[(&str, &str)] =
    &[("docs/reference/queries.md", "a program writes it, and people look for all that queries can say on one page")];

/// What text files are made by programs, or hold data.
const GENERATED: [&str; 6] = ["Cargo.lock", "package-lock.json", ".snap", ".stderr", ".json", ".tsv"];

/// Words that say "not finished", split so that this file doesn't hold them.
const UNFINISHED: [&str; 6] = [
    concat!("to", "do!("),
    concat!("unimplem", "ented!("),
    concat!("db", "g!("),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// Folders that exist on somebody's machine alone.
const MACHINES: [&str; 5] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!("C:", "\\\\Users"),
];

/// Names of modules that say nothing.
const EMPTY_NAMES: [&str; 5] = ["utils", "util", "helpers", "common", "misc"];

pub(super) fn check(files: &Files, problems: &mut Vec<String>) {
    for file in &files.0 {
        if GENERATED.iter().any(|ending| file.path.ends_with(ending)) {
            check_sources(file, problems);
            continue;
        }
        check_length(file, problems);
        check_words(file, problems);
        check_name(file, problems);
    }
}

fn check_length(file: &File, problems: &mut Vec<String>) {
    let lines = file.text.lines().count();
    let excused = LONG.iter().any(|(path, _)| *path == file.path);
    if lines > MAX_LINES && !excused {
        problems.push(format!(
            "{} has {lines} lines; the most is {MAX_LINES}: split it, or add it with a reason to `LONG` in xtask/src/tidy/files.rs",
            file.path
        ));
    }
}

fn check_words(file: &File, problems: &mut Vec<String>) {
    for (at, line) in file.text.lines().enumerate() {
        let place = format!("{}:{}", file.path, at + 1);
        if let Some(word) = UNFINISHED.iter().find(|word| holds_word(line, word)) {
            problems.push(format!(
                "{place}: `{word}` says that something isn't finished; finish it, or describe it in an issue"
            ));
        }
        // An address on the web may well have such a part.
        if let Some(path) = MACHINES.iter().find(|path| line.contains(*path) && !line.contains("://")) {
            problems.push(format!("{place}: `{path}` exists on one machine alone; use a relative path"));
        }
    }
}

/// Whether `word` stands in `line` on its own, not as a part of a longer one.
fn holds_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let before = line[..at].chars().next_back().is_some_and(part);
        let after = !word.ends_with('(') && line[at + word.len()..].chars().next().is_some_and(part);
        !before && !after
    })
}

fn check_name(file: &File, problems: &mut Vec<String>) {
    let path = Path::new(&file.path);
    let named = path.with_extension("");
    let empty = |part: std::path::Component<'_>| EMPTY_NAMES.iter().any(|name| part.as_os_str() == *name);
    if path.extension().is_some_and(|extension| extension == "rs") && named.components().any(empty) {
        problems.push(format!("{}: the name says nothing; call the module after what it does", file.path));
    }
}

/// Lock files must name the public registries, whatever mirror they were made with.
fn check_sources(file: &File, problems: &mut Vec<String>) {
    for (at, line) in file.text.lines().enumerate() {
        let line = line.trim();
        let foreign = if file.path.ends_with("Cargo.lock") {
            line.strip_prefix("source = ")
                .is_some_and(|source| source != "\"registry+https://github.com/rust-lang/crates.io-index\"")
        } else if file.path.ends_with("package-lock.json") {
            line.strip_prefix("\"resolved\": ")
                .is_some_and(|source| !source.starts_with("\"https://registry.npmjs.org/"))
        } else {
            false
        };
        if foreign {
            problems.push(format!("{}:{}: isn't from the public registry: {line}", file.path, at + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        check(&Files(vec![File { path: path.into(), text: text.into() }]), &mut problems);
        problems
    }

    #[test]
    fn words_are_found_on_their_own_alone() {
        let unfinished = UNFINISHED[3];
        assert_eq!(problems("a.rs", &format!("// {unfinished}: later\n")).len(), 1);
        assert_eq!(problems("a.rs", &format!("let {unfinished}S = 1;\n")).len(), 0);
        assert_eq!(problems("a.md", &format!("see {}x\n", MACHINES[0])).len(), 1);
        assert_eq!(problems("a.md", &format!("see https://example.org{}x\n", MACHINES[1])).len(), 0);
    }

    #[test]
    fn long_files_and_empty_names_are_found() {
        assert_eq!(problems("a.rs", &"x\n".repeat(MAX_LINES + 1)).len(), 1);
        assert_eq!(problems("src/utils.rs", "").len(), 1);
        assert_eq!(problems("src/misc/x.rs", "").len(), 1);
    }

    #[test]
    fn lock_files_name_public_registries() {
        assert_eq!(problems("Cargo.lock", "source = \"registry+https://mirror.example/index\"\n").len(), 1);
        assert_eq!(problems("x/package-lock.json", "  \"resolved\": \"https://mirror.example/a.tgz\",\n").len(), 1);
    }
}
