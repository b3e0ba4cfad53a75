//! `macro_rules!`, expanded as the compiler does: much of what the SDK offers is written by macros, and what they write has the signatures
//! and comments that readers want to see.
//!
//! What is left out: hygiene, which no signature sees, and fragments that no macro here uses.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Error, Result};

/// A macro as it is defined: its rules, each a pattern and what is written for it.
#[derive(Debug, Clone)]
pub(super) struct Rules(Vec<(Vec<Part>, Vec<Part>)>);

/// A piece of a pattern or of what is written.
#[derive(Debug, Clone)]
enum Part {
    Token(TokenTree),
    Group(Delimiter, Vec<Part>),
    /// `$name:kind` in a pattern, `$name` elsewhere.
    Name(Ident, String),
    /// `$( … ) separator *`
    Several {
        parts: Vec<Part>,
        separator: Option<char>,
        once: bool,
        needed: bool,
    },
}

/// What a name stands for.
#[derive(Debug, Clone)]
enum Bound {
    One(TokenStream),
    Several(Vec<Bound>),
}

type Names = BTreeMap<String, Bound>;

impl Rules {
    /// From what stands between the braces of `macro_rules! name { … }`.
    pub(super) fn read(body: TokenStream) -> Result<Self> {
        let mut tokens = body.into_iter();
        let mut rules = Vec::new();
        while let Some(token) = tokens.next() {
            let at = token.span();
            let TokenTree::Group(pattern) = token else { return Err(Error::new(at, "a rule begins with its pattern")) };
            for wanted in ['=', '>'] {
                match tokens.next() {
                    Some(TokenTree::Punct(punct)) if punct.as_char() == wanted => {}
                    _ => return Err(Error::new(at, "`=>` follows the pattern of a rule")),
                }
            }
            let Some(TokenTree::Group(written)) = tokens.next() else {
                return Err(Error::new(at, "a rule ends with what it writes"));
            };
            rules.push((parts(pattern.stream(), true)?, parts(written.stream(), false)?));
            // The `;` between rules.
            tokens.next();
        }
        Ok(Self(rules))
    }

    /// What the macro writes for a call; `at` is where the call is.
    pub(super) fn expand(&self, call: TokenStream, at: Span) -> Result<TokenStream> {
        let call: Vec<TokenTree> = call.into_iter().collect();
        for (pattern, written) in &self.0 {
            let mut names = Names::new();
            if let Some(rest) = matches(pattern, &call, &mut names)
                && rest.is_empty()
            {
                return write(written, &names);
            }
        }
        Err(Error::new(at, "no rule of the macro fits this call"))
    }
}

/// The items that a macro wrote.
pub(super) fn items_of<T: Parse>(written: TokenStream) -> Result<Vec<T>> {
    let parser = |input: ParseStream<'_>| {
        let mut items = Vec::new();
        while !input.is_empty() {
            items.push(input.parse()?);
        }
        Ok(items)
    };
    parser.parse2(written)
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

fn parts(tokens: TokenStream, pattern: bool) -> Result<Vec<Part>> {
    let mut found = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if !is_punct(&token, '$') {
            found.push(match token {
                TokenTree::Group(group) => Part::Group(group.delimiter(), parts(group.stream(), pattern)?),
                token => Part::Token(token),
            });
            continue;
        }
        match tokens.next() {
            Some(TokenTree::Group(group)) => {
                let inner = parts(group.stream(), pattern)?;
                let mut separator = None;
                let sign = loop {
                    match tokens.next() {
                        Some(TokenTree::Punct(punct)) if matches!(punct.as_char(), '*' | '+' | '?') => {
                            break punct.as_char();
                        }
                        Some(TokenTree::Punct(punct)) if separator.is_none() => separator = Some(punct.as_char()),
                        _ => return Err(Error::new(group.span(), "`*`, `+` or `?` follows what is repeated")),
                    }
                };
                found.push(Part::Several { parts: inner, separator, once: sign == '?', needed: sign == '+' });
            }
            // `$crate` is the crate whose files are read.
            Some(TokenTree::Ident(name)) if name == "crate" => found.push(Part::Token(TokenTree::Ident(name))),
            Some(TokenTree::Ident(name)) if pattern => {
                let (colon, kind) = (tokens.next(), tokens.next());
                match (colon, kind) {
                    (Some(colon), Some(TokenTree::Ident(kind))) if is_punct(&colon, ':') => {
                        found.push(Part::Name(name, kind.to_string()));
                    }
                    _ => return Err(Error::new(name.span(), "a name in a pattern has a kind, as in `$name:ident`")),
                }
            }
            Some(TokenTree::Ident(name)) => found.push(Part::Name(name, String::new())),
            _ => return Err(Error::new(token.span(), "`$` is followed by a name or by what is repeated")),
        }
    }
    Ok(found)
}

/// What is left of the tokens behind those that fit the pattern.
fn matches<'t>(pattern: &[Part], mut tokens: &'t [TokenTree], names: &mut Names) -> Option<&'t [TokenTree]> {
    for part in pattern {
        match part {
            Part::Token(wanted) => {
                let (token, rest) = tokens.split_first()?;
                if token.to_string() != wanted.to_string() {
                    return None;
                }
                tokens = rest;
            }
            Part::Group(delimiter, inner) => {
                let (TokenTree::Group(group), rest) = tokens.split_first()? else { return None };
                let content: Vec<TokenTree> = group.stream().into_iter().collect();
                if group.delimiter() != *delimiter || !matches(inner, &content, names)?.is_empty() {
                    return None;
                }
                tokens = rest;
            }
            Part::Name(name, kind) => {
                let taken = fragment(kind, tokens)?;
                let (fragment, rest) = tokens.split_at(taken);
                names.insert(name.to_string(), Bound::One(fragment.iter().cloned().collect()));
                tokens = rest;
            }
            Part::Several { parts, separator, once, needed } => {
                let mut rounds: Vec<Names> = Vec::new();
                loop {
                    let mut from = tokens;
                    if let (Some(separator), false) = (separator, rounds.is_empty()) {
                        match from.split_first() {
                            Some((token, rest)) if is_punct(token, *separator) => from = rest,
                            _ => break,
                        }
                    }
                    let mut round = Names::new();
                    match matches(parts, from, &mut round) {
                        // What takes nothing would be taken for ever.
                        Some(rest) if rest.len() < tokens.len() => tokens = rest,
                        _ => break,
                    }
                    rounds.push(round);
                    if *once {
                        break;
                    }
                }
                if *needed && rounds.is_empty() {
                    return None;
                }
                for name in declared(parts) {
                    let bound = rounds.iter().filter_map(|round| round.get(&name).cloned()).collect();
                    names.insert(name, Bound::Several(bound));
                }
            }
        }
    }
    Some(tokens)
}

/// All names that a pattern declares.
fn declared(parts: &[Part]) -> Vec<String> {
    parts
        .iter()
        .flat_map(|part| match part {
            Part::Token(_) => Vec::new(),
            Part::Name(name, _) => vec![name.to_string()],
            Part::Group(_, parts) | Part::Several { parts, .. } => declared(parts),
        })
        .collect()
}

/// How many tokens a fragment of this kind takes.
fn fragment(kind: &str, tokens: &[TokenTree]) -> Option<usize> {
    /// The tokens that a parser leaves.
    fn left<T>(tokens: &[TokenTree], parse: fn(ParseStream<'_>) -> Result<T>) -> Option<usize> {
        let parser = |input: ParseStream<'_>| {
            parse(input)?;
            Ok(input.parse::<TokenStream>()?.into_iter().count())
        };
        parser.parse2(tokens.iter().cloned().collect()).ok()
    }
    let first = tokens.first()?;
    let left = match kind {
        "tt" => return Some(1),
        "ident" => return matches!(first, TokenTree::Ident(_)).then_some(1),
        "literal" => left(tokens, |input| input.parse::<syn::Lit>().map(drop)),
        "ty" => left(tokens, |input| input.parse::<syn::Type>().map(drop)),
        "expr" => left(tokens, |input| input.parse::<syn::Expr>().map(drop)),
        "pat" => left(tokens, |input| syn::Pat::parse_multi(input).map(drop)),
        "path" => left(tokens, |input| input.parse::<syn::Path>().map(drop)),
        "meta" => left(tokens, |input| input.parse::<syn::Meta>().map(drop)),
        _ => None,
    }?;
    Some(tokens.len() - left)
}

fn write(parts: &[Part], names: &Names) -> Result<TokenStream> {
    let mut written = TokenStream::new();
    for part in parts {
        match part {
            Part::Token(token) => written.extend([token.clone()]),
            Part::Group(delimiter, inner) => {
                Group::new(*delimiter, write(inner, names)?).to_tokens(&mut written);
            }
            Part::Name(name, _) => match names.get(&name.to_string()) {
                Some(Bound::One(tokens)) => written.extend(tokens.clone()),
                Some(Bound::Several(_)) => {
                    return Err(Error::new(name.span(), format!("`${name}` stands for several and isn't repeated")));
                }
                None => return Err(Error::new(name.span(), format!("`${name}` isn't in the pattern"))),
            },
            Part::Several { parts, separator, .. } => {
                let used = declared(parts);
                let repeated = used.iter().filter_map(|name| match names.get(name) {
                    Some(Bound::Several(several)) => Some(several.len()),
                    _ => None,
                });
                for round in 0..repeated.max().unwrap_or(0) {
                    if let (Some(separator), true) = (separator, round > 0) {
                        Punct::new(*separator, Spacing::Alone).to_tokens(&mut written);
                    }
                    let mut inner = names.clone();
                    for name in &used {
                        if let Some(Bound::Several(several)) = names.get(name)
                            && let Some(one) = several.get(round)
                        {
                            inner.insert(name.clone(), one.clone());
                        }
                    }
                    written.extend(write(parts, &inner)?);
                }
            }
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(rules: &str, call: &str) -> Result<String> {
        let rules = Rules::read(rules.parse::<TokenStream>()?)?;
        rules.expand(call.parse::<TokenStream>()?, Span::call_site()).map(|tokens| plain(&tokens.to_string()))
    }

    /// Without the blanks, which say nothing.
    fn plain(text: &str) -> String {
        text.split_whitespace().collect()
    }

    #[test]
    fn what_is_repeated_is_written_as_often() {
        let rules = "($($(#[$doc:meta])* $name:ident $word:literal -> $type:ty;)+) => { $($(#[$doc])* fn $name() -> $type;)+ };";
        let written = expanded(rules, r#"#[a] #[b] one "1" -> Option<<A as B>::C>; two "2" -> u8;"#).unwrap();
        assert_eq!(written, plain("#[a] #[b] fn one() -> Option<<A as B>::C>; fn two() -> u8;"));
    }

    #[test]
    fn what_may_be_there_and_separators_are_understood() {
        let rules = "($($type:ty: $step:ty $(, $more:ty)?);+ $(;)?) => { $(($type $step) $([$more])?),+ };";
        assert_eq!(expanded(rules, "A: B, C; D: E;").unwrap(), "(AB)[C],(DE)");
    }

    #[test]
    fn the_first_rule_that_fits_is_taken() {
        let rules = "(@ Add $name:ident) => { add $name }; (@ $other:ident $name:ident) => { $other! { $name } };";
        assert_eq!(expanded(rules, "@ Add x").unwrap(), "addx");
        assert_eq!(expanded(rules, "@ Sub x").unwrap(), "Sub!{x}");
    }

    #[test]
    fn what_fits_no_rule_is_an_error() {
        assert!(expanded("($a:ident) => { $a };", "1").unwrap_err().to_string().contains("no rule"));
        assert!(expanded("($a:ident) => { $b };", "x").unwrap_err().to_string().contains("$b"));
        assert!(expanded("($a) => {};", "x").is_err());
        assert!(expanded("() {}", "").is_err());
    }
}
