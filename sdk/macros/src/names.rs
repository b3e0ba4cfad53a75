//! Names: what the host will accept, said at compile time.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};

/// The longest name of an app, a model, a field or a route: PostgreSQL cuts identifiers at 63 bytes, and a table is called `app__model`.
const MAX_NAME: usize = 30;

/// The most words that are listed beside the one that was likely meant.
const MAX_LISTED: usize = 12;

/// Checks a name as the host will.
pub(crate) fn check(name: &str, span: Span, what: &str) -> syn::Result<()> {
    let valid = (1..=MAX_NAME).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !name.contains("__")
        && !name.ends_with('_');
    if valid {
        return Ok(());
    }
    Err(syn::Error::new(
        span,
        format!(
            "`{name}` can't be the name of {what}: use 1 to {MAX_NAME} characters from a-z, 0-9 and single underscores between them, beginning with a letter"
        ),
    ))
}

/// A name that was checked, as an identifier: raw where Rust has a word like it.
pub(crate) fn ident(name: &str, span: Span) -> syn::Result<Ident> {
    let mut ident: Ident = syn::parse_str(name).or_else(|_| syn::parse_str(&format!("r#{name}"))).map_err(|_| {
        syn::Error::new(span, format!("Rust has a meaning of its own for `{name}`; choose another name"))
    })?;
    ident.set_span(span);
    Ok(ident)
}

/// `BlogPost` becomes `blog_post`, `HTTPLog` becomes `http_log`.
pub(crate) fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (at, c) in chars.iter().enumerate() {
        if c.is_uppercase() {
            let after_lower = at > 0 && !chars[at - 1].is_uppercase() && chars[at - 1] != '_';
            let before_lower =
                at > 0 && chars[at - 1] != '_' && chars.get(at + 1).is_some_and(|next| next.is_lowercase());
            if after_lower || before_lower {
                out.push('_');
            }
            out.extend(c.to_lowercase());
        } else {
            out.push(*c);
        }
    }
    out
}

/// The word among `known` that was likely meant by `word`.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // Case is the least of differences: `CASCADE` means `Cascade`.
    let word = word.to_lowercase();
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), *candidate))
        .filter(|(distance, candidate)| *distance <= (word.len().max(candidate.len()) / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

/// An error for a word that isn't one of `known`, with the nearest one.
pub(crate) fn unknown(what: &str, word: &str, span: Span, known: &[&str]) -> syn::Error {
    let problem = match nearest(word, known) {
        // Of a long list, only the nearest is of use.
        Some(nearest) if known.len() > MAX_LISTED => format!("; did you mean `{nearest}`?"),
        Some(nearest) => format!("; did you mean `{nearest}`?\nknown are: {}", known.join(", ")),
        None => format!("\nknown are: {}", known.join(", ")),
    };
    syn::Error::new(span, format!("unknown {what} `{word}`{problem}"))
}

/// The tokens with words replaced, for places where these would mean something else.
pub(crate) fn replaced(tokens: TokenStream, replace: &dyn Fn(&Ident) -> Option<TokenStream>) -> TokenStream {
    let one = |token| match token {
        TokenTree::Ident(ident) => replace(&ident).unwrap_or_else(|| TokenTree::Ident(ident).into()),
        TokenTree::Group(group) => {
            let mut inside = Group::new(group.delimiter(), replaced(group.stream(), replace));
            inside.set_span(group.span());
            TokenTree::Group(inside).into()
        }
        token => TokenStream::from(token),
    };
    tokens.into_iter().map(one).collect()
}

/// The tokens as if they stood at `span`.
pub(crate) fn at(tokens: &TokenStream, span: Span) -> TokenStream {
    let one = |mut token: TokenTree| {
        token.set_span(span);
        token
    };
    tokens.clone().into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_names_are_those_of_tables() {
        for (name, expected) in
            [("Question", "question"), ("BlogPost", "blog_post"), ("HTTPLog", "http_log"), ("A1B", "a1_b"), ("X", "x")]
        {
            assert_eq!(snake_case(name), expected);
            assert!(check(expected, Span::call_site(), "a model").is_ok());
        }
    }

    #[test]
    fn names_that_the_host_refuses_are_refused() {
        for bad in ["", "A", "1a", "_a", "a_", "a__b", "a-b", "ä", &"a".repeat(31)] {
            assert!(check(bad, Span::call_site(), "a field").is_err(), "{bad}");
        }
    }
}
