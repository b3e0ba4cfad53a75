//! `cargo xtask reference`: the page of everything that queries can say, written from the code.
//!
//! Two sources: the SDK's database API (`sdk/sdk/src/db`) and the host's tables of what a query shape can say (`host/db/src`). Both are
//! read as text, so that nothing of them has to be built.

mod docs;
mod host;
mod macros;
mod outline;
mod page;
mod shape;
mod source;
mod types;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::run::{root, step};

/// Where the page is.
const PAGE: &str = "docs/reference/queries.md";

/// Where the SDK's database API is.
const API: &str = "sdk/sdk/src/db";

pub(crate) fn run() -> Result<()> {
    let text = written(root())?;
    fs::write(root().join(PAGE), &text).with_context(|| format!("can't write {PAGE}"))?;
    step(&format!("{PAGE}: {} lines", text.lines().count()));
    Ok(())
}

/// A problem where the page isn't what the code gives, or can't be made of it.
pub(crate) fn check(problems: &mut Vec<String>) {
    match written(root()) {
        Ok(text) => problems.extend(difference(&text, fs::read_to_string(root().join(PAGE)).ok().as_deref())),
        Err(error) => problems.push(format!("{PAGE} can't be made of the code: {error:#}")),
    }
}

fn written(root: &Path) -> Result<String> {
    let library = source::Library::read(root, API)?;
    let tables = host::Tables::read(root)?;
    page::write(&library, &tables)
}

fn difference(wanted: &str, found: Option<&str>) -> Option<String> {
    let Some(found) = found else { return Some(format!("{PAGE} isn't there; run `cargo xtask reference`")) };
    if wanted == found {
        return None;
    }
    let same = wanted.lines().zip(found.lines()).take_while(|(wanted, found)| wanted == found).count();
    Some(format!("{PAGE}:{}: isn't what the code gives; run `cargo xtask reference`", same + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_out_of_date_is_told_with_its_line_and_what_to_do() {
        assert_eq!(difference("a\nb\n", Some("a\nb\n")), None);
        let told = |found| difference("a\nb\n", found).unwrap_or_default();
        assert!(told(Some("a\nc\n")).starts_with("docs/reference/queries.md:2: "));
        assert!(told(Some("a\n")).contains("run `cargo xtask reference`"));
        assert!(told(None).contains("run `cargo xtask reference`"));
    }
}
