//! What is wrong with a site, in the form that people know from Django's checks: a stable id, the place, what is
//! wrong, and what to do about it.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// A stable id, such as `config.E002`; `docs/reference/cli.md` lists them.
    pub(crate) id: &'static str,
    /// Where: a file with its line, or an app.
    pub(crate) place: String,
    /// What is wrong, in one sentence without a full stop.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub(crate) fn new(id: &'static str, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { id, place: place.into(), message: message.into(), hint: None }
    }

    /// Whether it may be meant so.
    pub(crate) fn is_warning(&self) -> bool {
        self.id.contains(".W")
    }

    /// The same problem with a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ({}) {}", self.place, self.id, self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n    HINT: {hint}")?;
        }
        Ok(())
    }
}

/// All that is wrong, as one error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    /// What stands between marks and looks like an id.
    fn ids(text: &str, mark: char) -> BTreeSet<String> {
        let is_id = |word: &str| {
            word.split_once('.').is_some_and(|(kind, number)| {
                ["app", "config", "site"].contains(&kind)
                    && number.len() == 4
                    && number.starts_with(['E', 'W'])
                    && number[1..].bytes().all(|byte| byte.is_ascii_digit())
            })
        };
        text.split(mark).filter(|word| is_id(word)).map(str::to_owned).collect()
    }

    #[allow(clippy::disallowed_methods, reason = "it reads the sources that it is made of")]
    fn sources(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path, text);
            } else if path.extension().is_some_and(|end| end == "rs") {
                text.push_str(&std::fs::read_to_string(&path).expect("a source"));
            }
        }
    }

    #[test]
    fn every_id_is_in_the_reference() {
        let mut code = String::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut code);
        let reference = include_str!("../../../docs/reference/cli.md");
        let lines = reference.lines().filter(|line| line.starts_with("| `")).collect::<String>();
        assert_eq!(ids(&lines, '`'), ids(&code, '"'));
    }
}
