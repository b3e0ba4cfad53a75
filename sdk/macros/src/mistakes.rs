//! Mistakes, collected: whoever made three reads of three at once, and what is sound is built all the same.

use proc_macro2::TokenStream;
use syn::Ident;
use syn::parse::ParseStream;

use crate::names;

/// The mistakes found so far in one item.
#[derive(Default)]
pub(crate) struct Mistakes(Vec<syn::Error>);

impl Mistakes {
    pub(crate) fn add(&mut self, mistake: syn::Error) {
        self.0.push(mistake);
    }

    /// What was made, or none and the mistake noted.
    pub(crate) fn note<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|mistake| self.add(mistake)).ok()
    }

    /// Runs a parser that notes mistakes itself. Its own complaint, that something was left unread, counts where it noted none.
    pub(crate) fn reading(&mut self, parse: impl FnOnce(&mut Self) -> syn::Result<()>) {
        let before = self.count();
        let result = parse(self);
        if self.count() == before {
            self.note(result);
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn none(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, as statements or items that tell them. In a constant's value they also keep the compiler from judging what
    /// is made of that constant, which would only tell the same mistakes again in other words.
    pub(crate) fn told(&self) -> TokenStream {
        self.0.iter().map(syn::Error::to_compile_error).collect()
    }
}

/// Reads a list of entries that begin with one of the words `known`, with commas between them, and calls `read` after each word. A
/// mistake in one entry doesn't hide the others; a misspelt word is read as the one that was likely meant.
pub(crate) fn entries(
    input: ParseStream<'_>,
    what: &str,
    known: &[&'static str],
    mistakes: &mut Mistakes,
    mut read: impl FnMut(&'static str, &Ident, ParseStream<'_>) -> syn::Result<()>,
) {
    let mut entry = |mistakes: &mut Mistakes| -> syn::Result<()> {
        let key: Ident = input.parse()?;
        let word = key.to_string();
        let settled = match known.iter().find(|known| **known == word) {
            Some(word) => Some(*word),
            None => {
                mistakes.add(names::unknown(what, &word, key.span(), known));
                names::nearest(&word, known)
            }
        };
        match settled {
            Some(meant) if meant == word => read(meant, &key, input)?,
            // Its name was told; what is wrong besides may only be wrong under the guessed one.
            Some(meant) => read(meant, &key, input).unwrap_or_else(|_| skip_entry(input)),
            None => skip_entry(input),
        }
        if input.is_empty() || input.peek(syn::Token![,]) { Ok(()) } else { Err(input.error("expected `,`")) }
    };
    while !input.is_empty() {
        if let Err(mistake) = entry(mistakes) {
            mistakes.add(mistake);
            skip_entry(input);
        }
        // What stands here is a comma or nothing.
        mistakes.note(input.parse::<Option<syn::Token![,]>>());
    }
}

/// To the next comma.
pub(crate) fn skip_entry(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(syn::Token![,]) && input.parse::<proc_macro2::TokenTree>().is_ok() {}
}
