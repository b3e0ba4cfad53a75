//! Links in the documentation lead somewhere.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::{File, Files};
use crate::run::root;

pub(super) fn check(files: &Files, problems: &mut Vec<String>) {
    for file in files.with_extension("md") {
        for (line, link) in links(&file.text) {
            if let Err(problem) = check_link(files, file, link) {
                problems.push(format!("{}:{line}: the link `{link}` {problem}", file.path));
            }
        }
    }
}

fn check_link(files: &Files, file: &File, link: &str) -> Result<(), String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return Ok(());
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() {
        file.path.clone()
    } else {
        let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
        let target = normal(&folder.join(path)).ok_or("leads out of the project")?;
        if !root().join(&target).exists() {
            return Err("leads to nothing".into());
        }
        target
    };
    if anchor.is_empty() || !target.ends_with(".md") {
        return Ok(());
    }
    let known = files.0.iter().find(|file| file.path == target).map(|file| anchors(&file.text)).unwrap_or_default();
    if known.contains(anchor) { Ok(()) } else { Err(format!("names no heading of {target}")) }
}

/// The path without `.` and `..`, or `None` where it climbs out.
fn normal(path: &Path) -> Option<String> {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name),
            Component::CurDir => {}
            Component::ParentDir if parts.pop() => {}
            _ => return None,
        }
    }
    Some(parts.to_string_lossy().into_owned())
}

/// Lines of a text that aren't in a block of code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        if line.trim_start().starts_with("```") {
            code = !code;
            return None;
        }
        (!code).then_some((at + 1, line))
    })
}

/// The targets of `[text](target)`, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // What stands between backticks is code: an odd piece of a line split at them.
        for piece in line.split('`').step_by(2) {
            for (at, _) in piece.match_indices("](") {
                let rest = &piece[at + 2..];
                if let Some(end) = rest.find(')') {
                    found.push((number, rest[..end].split(' ').next().unwrap_or_default()));
                }
            }
        }
    }
    found
}

/// The anchors that a page gets from its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    prose(text)
        .filter(|(_, line)| line.starts_with('#'))
        .map(|(_, line)| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            heading
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_of_code() {
        let text = "[a](b.md) and [c](d.md#e \"title\") and `[not](this)`\n```\n[nor](that)\n```\n[f](#g)";
        assert_eq!(links(text), [(1, "b.md"), (1, "d.md#e"), (5, "#g")]);
    }

    #[test]
    fn links_into_nothing_are_found() {
        let page = File { path: "docs/a.md".into(), text: "# One heading: `x`\n".into() };
        let files = Files(vec![page]);
        let check = |link| check_link(&files, &files.0[0], link);
        assert_eq!(check("#one-heading-x"), Ok(()));
        assert!(check("#another").is_err());
        assert!(check("no-such-page.md").is_err());
        assert!(check("../../x.md").is_err());
        assert_eq!(check("https://example.org/x"), Ok(()));
        assert_eq!(check("../Cargo.toml"), Ok(()));
    }
}
