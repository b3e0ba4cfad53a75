//! Doc comments, as the page shows them.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// A doc comment: its paragraphs, each on one line, without examples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Docs(Vec<String>);

impl Docs {
    pub(super) fn of(attributes: &[Attribute]) -> Self {
        let mut paragraphs = vec![String::new()];
        let mut code = false;
        for line in attributes.iter().filter_map(line) {
            let line = line.trim();
            if line.starts_with("```") {
                code = !code;
            } else if line.is_empty() || code {
                paragraphs.push(String::new());
            } else if let Some(last) = paragraphs.last_mut() {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(line);
            }
        }
        paragraphs.retain(|paragraph| !paragraph.is_empty());
        Self(paragraphs)
    }

    /// What it is: the first paragraph, without the errors that it may name. Empty where there is none.
    pub(super) fn summary(&self) -> String {
        let Some(first) = self.0.first() else { return String::new() };
        let text = errors_begin(first).map_or(first.as_str(), |at| &first[..at]).trim();
        let text = plain(text);
        // An example followed, which stays where it is.
        match text.strip_suffix(':') {
            Some(text) => format!("{text}."),
            None => text,
        }
    }

    /// `Errors: …`, wherever it stands.
    pub(super) fn errors(&self) -> Option<String> {
        self.0.iter().find_map(|paragraph| errors_begin(paragraph).map(|at| plain(&paragraph[at..])))
    }
}

/// Whether an item isn't there for people: `#[doc(hidden)]`.
pub(super) fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("doc") && list.tokens.to_string() == "hidden",
        _ => false,
    })
}

/// Whether an item is there for tests alone.
pub(super) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    })
}

fn line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

/// Where the sentence about errors begins.
fn errors_begin(text: &str) -> Option<usize> {
    ["Errors:", "Errors of ", "Errors, "]
        .iter()
        .filter_map(|word| text.find(word))
        .filter(|at| *at == 0 || text[..*at].ends_with(". ") || text[..*at].ends_with(".) "))
        .min()
}

/// Without the links, which lead to where rustdoc has its pages.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['`', '[']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let code = rest.starts_with('`');
        let end = if code { rest[1..].find('`').map(|end| end + 2) } else { link(rest) };
        let Some(end) = end else {
            out.push_str(&rest[..1]);
            rest = &rest[1..];
            continue;
        };
        if code {
            out.push_str(&rest[..end]);
        } else if let Some(close) = rest.find(']') {
            out.push_str(&rest[1..close]);
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// How long the link is that a text begins with: `[text](target)`, or a name of the code as in "[`Term`]".
fn link(text: &str) -> Option<usize> {
    let close = text.find(']')?;
    match text[close + 1..].strip_prefix('(') {
        Some(target) => target.find(')').map(|end| close + 1 + 1 + end + 1),
        None => text[1..].starts_with('`').then_some(close + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn docs(text: &str) -> Docs {
        let item: syn::ItemStruct = syn::parse_str(&format!("{text}\nstruct A;")).unwrap();
        Docs::of(&item.attrs)
    }

    #[test]
    fn the_first_paragraph_is_shown_and_errors_apart_from_it() {
        let docs = docs("/// One row. Errors:\n/// `gone`.\n///\n/// More of it.");
        assert_eq!(docs.summary(), "One row.");
        assert_eq!(docs.errors().as_deref(), Some("Errors: `gone`."));
    }

    #[test]
    fn errors_may_have_a_paragraph_of_their_own() {
        let docs = docs(
            "/// One by one:\n///\n/// ```ignore\n/// a();\n///\n/// b();\n/// ```\n///\n/// Peers. Errors: of [`all`](Self::all).",
        );
        assert_eq!(docs.summary(), "One by one.");
        assert_eq!(docs.errors().as_deref(), Some("Errors: of `all`."));
    }

    #[test]
    fn links_are_texts_and_code_stays_as_it_is() {
        assert_eq!(plain("[`Term`] and [`a`](B::a), [words](x)"), "`Term` and `a`, words");
        assert_eq!(plain("`Q::all([…])` and [] for [none"), "`Q::all([…])` and [] for [none");
        assert_eq!(docs("").summary(), "");
    }
}
