//! The SDK's database API, read from its source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::Parse;
use syn::{
    Attribute, Fields, Generics, ImplItem, Item, Macro, Signature, TraitItem, Type, UseTree, Variant, Visibility,
};

use super::docs::{Docs, is_for_tests, is_hidden};
use super::macros::{Rules, items_of};
use super::types::short;

/// Macros that come from elsewhere and write nothing that people call.
const FOREIGN: [&str; 1] = ["thread_local"];

/// How deep macros may call macros, so that one which calls itself ends.
const MAX_DEPTH: usize = 32;

/// All that was read.
#[derive(Debug, Default)]
pub(super) struct Library {
    pub(super) types: Vec<Named>,
    pub(super) callables: Vec<Callable>,
    /// The words that the manifest has for types: `i16` is a `small_integer`.
    pub(super) kinds: Vec<(String, String)>,
    /// What `mod.rs` hands on.
    exported: BTreeSet<String>,
    /// Macros that all files may call.
    shared: BTreeMap<String, Rules>,
}

/// A public type or trait.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) docs: Docs,
    pub(super) is_trait: bool,
    /// Whether an app can name it.
    pub(super) exported: bool,
    /// Of an enum: what it can be.
    pub(super) variants: Vec<(String, Docs)>,
    pub(super) place: String,
}

/// A public method or function.
#[derive(Debug)]
pub(super) struct Callable {
    /// The type or trait; a module for a function, or nothing.
    pub(super) owner: Owner,
    pub(super) signature: Signature,
    /// What `Self` is in the `impl` that it stands in, in a short form.
    pub(super) own_type: Option<String>,
    /// The parameters of that `impl`.
    pub(super) generics: Generics,
    pub(super) docs: Docs,
    /// The strings in its body, among which the shape's words are.
    pub(super) words: Vec<String>,
    /// `file:line`
    pub(super) place: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    Type(String),
    Trait(String),
    /// A function; with the module that it is called by.
    Nobody(Option<String>),
}

impl Callable {
    pub(super) fn name(&self) -> String {
        self.signature.ident.to_string()
    }

    pub(super) fn is_of(&self, owner: &str) -> bool {
        matches!(&self.owner, Owner::Type(name) | Owner::Trait(name) if name == owner)
    }
}

impl Library {
    /// Reads all files of the folder itself; those of folders inside are tests.
    pub(super) fn read(root: &Path, folder: &str) -> Result<Self> {
        let path = root.join(folder);
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).with_context(|| format!("can't list {folder}"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".rs") {
                names.push(name);
            }
        }
        names.sort();
        let mut files = Vec::new();
        for name in names {
            let file = format!("{folder}/{name}");
            let text = fs::read_to_string(root.join(&file)).with_context(|| format!("can't read {file}"))?;
            files.push((file, text));
        }
        Self::of(&files)
    }

    /// From files with their texts.
    pub(super) fn of(files: &[(String, String)]) -> Result<Self> {
        let mut library = Self::default();
        let mut parsed = Vec::new();
        for (path, text) in files {
            let file = syn::parse_file(text).map_err(|error| at(path, &error))?;
            parsed.push((path, file.items));
        }
        for (path, items) in &parsed {
            for item in items {
                library.exports(path, item)?;
            }
        }
        for (path, items) in parsed {
            File { path, library: &mut library, macros: BTreeMap::new() }.items(items, 0)?;
        }
        Ok(library)
    }

    /// The type or trait of this name.
    pub(super) fn named(&self, name: &str) -> Option<&Named> {
        self.types.iter().find(|named| named.name == name)
    }

    fn exports(&mut self, path: &str, item: &Item) -> Result<()> {
        match item {
            Item::Use(item) if path.ends_with("/mod.rs") && is_public(&item.vis) && !is_hidden(&item.attrs) => {
                self.export(&item.tree);
            }
            Item::Mod(item) if path.ends_with("/mod.rs") && is_public(&item.vis) => {
                self.exported.insert(format!("{}::*", item.ident));
            }
            Item::Macro(item) if item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export")) => {
                if let Some(name) = &item.ident {
                    let rules = Rules::read(item.mac.tokens.clone()).map_err(|error| at(path, &error))?;
                    self.shared.insert(name.to_string(), rules);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn export(&mut self, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => self.export(&path.tree),
            UseTree::Name(name) => {
                self.exported.insert(name.ident.to_string());
            }
            UseTree::Rename(name) => {
                self.exported.insert(name.rename.to_string());
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.export(tree)),
            UseTree::Glob(_) => {}
        }
    }
}

/// An error with its file and line.
pub(super) fn at(path: &str, error: &syn::Error) -> anyhow::Error {
    anyhow!("{path}:{}: {error}", error.span().start().line)
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The file that is being read.
struct File<'l> {
    path: &'l str,
    library: &'l mut Library,
    macros: BTreeMap<String, Rules>,
}

impl File<'_> {
    fn place(&self, span: Span) -> String {
        format!("{}:{}", self.path, span.start().line)
    }

    fn items(&mut self, items: Vec<Item>, depth: usize) -> Result<()> {
        for item in items {
            match item {
                Item::Macro(item) if is_for_tests(&item.attrs) => {}
                Item::Macro(item) => match &item.ident {
                    Some(name) => {
                        let rules = Rules::read(item.mac.tokens).map_err(|error| at(self.path, &error))?;
                        self.macros.insert(name.to_string(), rules);
                    }
                    None => {
                        let items = self.expand::<Item>(&item.mac, depth)?;
                        self.items(items, depth + 1)?;
                    }
                },
                Item::Struct(item) if is_public(&item.vis) => {
                    self.named(item.ident.to_string(), &item.attrs, false, Vec::new(), item.ident.span());
                }
                Item::Enum(item) if is_public(&item.vis) => {
                    let shown = item.variants.iter().filter(|variant| !is_hidden(&variant.attrs));
                    let variants = shown.map(|variant| (with_fields(variant), Docs::of(&variant.attrs))).collect();
                    self.named(item.ident.to_string(), &item.attrs, false, variants, item.ident.span());
                }
                Item::Trait(item) if is_public(&item.vis) => {
                    let name = item.ident.to_string();
                    self.named(name.clone(), &item.attrs, true, Vec::new(), item.ident.span());
                    if !is_hidden(&item.attrs) {
                        self.methods_of_trait(&Owner::Trait(name), item.items, depth)?;
                    }
                }
                Item::Impl(item) if is_for_tests(&item.attrs) => {}
                Item::Impl(item) => match &item.trait_ {
                    None => {
                        let Some(name) = last_name(&item.self_ty) else { continue };
                        let within = (short(&item.self_ty), item.generics);
                        self.methods(&Owner::Type(name), &within, item.items, depth)?;
                    }
                    Some((path, _)) if path.is_ident("Store") => self.kind(&item.self_ty, &item.items),
                    Some(_) => {}
                },
                Item::Fn(item) if is_public(&item.vis) => {
                    let words = item.block.to_token_stream();
                    let owner = Owner::Nobody(None);
                    self.callable(owner, item.sig, None, &item.attrs, words);
                }
                Item::Mod(item) if !is_for_tests(&item.attrs) => {
                    if let Some((_, items)) = item.content {
                        self.items(items, depth + 1)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn named(
        &mut self,
        name: String,
        attributes: &[Attribute],
        is_trait: bool,
        variants: Vec<(String, Docs)>,
        at: Span,
    ) {
        if is_hidden(attributes) || is_for_tests(attributes) {
            return;
        }
        let named = Named {
            exported: self.is_exported(&name),
            docs: Docs::of(attributes),
            is_trait,
            variants,
            place: self.place(at),
            name,
        };
        self.library.types.push(named);
    }

    /// The public module that the file is.
    fn module(&self) -> Option<String> {
        let name = self.path.rsplit('/').next()?.strip_suffix(".rs")?;
        self.library.exported.contains(&format!("{name}::*")).then(|| name.to_owned())
    }

    fn is_exported(&self, name: &str) -> bool {
        self.module().is_some() || self.library.exported.contains(name)
    }

    fn methods(
        &mut self,
        owner: &Owner,
        within: &(String, Generics),
        items: Vec<ImplItem>,
        depth: usize,
    ) -> Result<()> {
        for item in items {
            match item {
                ImplItem::Fn(item) if is_public(&item.vis) => {
                    let words = item.block.to_token_stream();
                    self.callable(owner.clone(), item.sig, Some(within), &item.attrs, words);
                }
                ImplItem::Macro(item) => {
                    let items = self.expand(&item.mac, depth)?;
                    self.methods(owner, within, items, depth + 1)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn methods_of_trait(&mut self, owner: &Owner, items: Vec<TraitItem>, depth: usize) -> Result<()> {
        for item in items {
            match item {
                TraitItem::Fn(item) => {
                    let words = item.default.to_token_stream();
                    self.callable(owner.clone(), item.sig, None, &item.attrs, words);
                }
                TraitItem::Macro(item) => {
                    let items = self.expand(&item.mac, depth)?;
                    self.methods_of_trait(owner, items, depth + 1)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn callable(
        &mut self,
        mut owner: Owner,
        signature: Signature,
        within: Option<&(String, Generics)>,
        attributes: &[Attribute],
        body: TokenStream,
    ) {
        if is_hidden(attributes) || is_for_tests(attributes) {
            return;
        }
        if let Owner::Nobody(module) = &mut owner {
            let name = signature.ident.to_string();
            if !self.is_exported(&name) {
                return;
            }
            *module = self.module().filter(|_| !self.library.exported.contains(&name));
        }
        let mut words = Vec::new();
        strings(body, &mut words);
        let place = self.place(signature.ident.span());
        self.library.callables.push(Callable {
            owner,
            signature,
            own_type: within.map(|(own, _)| own.clone()),
            generics: within.map(|(_, generics)| generics.clone()).unwrap_or_default(),
            docs: Docs::of(attributes),
            words,
            place,
        });
    }

    /// The word of a kind that is stored: `const WORD: &'static str = "integer";`
    fn kind(&mut self, of: &Type, items: &[ImplItem]) {
        for item in items {
            if let ImplItem::Const(item) = item
                && item.ident == "WORD"
            {
                let mut words = Vec::new();
                strings(item.expr.to_token_stream(), &mut words);
                let name = short(of);
                self.library.kinds.extend(words.into_iter().map(|word| (name.clone(), word)));
            }
        }
    }

    fn expand<T: Parse>(&self, call: &Macro, depth: usize) -> Result<Vec<T>> {
        let Some(segment) = call.path.segments.last() else { return Ok(Vec::new()) };
        let (name, span) = (segment.ident.to_string(), segment.ident.span());
        if FOREIGN.contains(&name.as_str()) {
            return Ok(Vec::new());
        }
        let Some(rules) = self.macros.get(&name).or_else(|| self.library.shared.get(&name)) else {
            return Err(anyhow!(
                "{}: the macro `{name}!` isn't defined before it is called, so the reference can't tell what it writes",
                self.place(span)
            ));
        };
        if depth > MAX_DEPTH {
            return Err(anyhow!("{}: the macro `{name}!` calls itself without an end", self.place(span)));
        }
        let written = rules.expand(call.tokens.clone(), span).map_err(|error| at(self.path, &error))?;
        items_of(written)
            .map_err(|error| at(self.path, &error))
            .with_context(|| format!("{}: what the macro `{name}!` writes can't be read", self.place(span)))
    }
}

/// `Preceding(u32)`
fn with_fields(variant: &Variant) -> String {
    let types: Vec<String> = match &variant.fields {
        Fields::Unnamed(fields) => fields.unnamed.iter().map(|field| short(&field.ty)).collect(),
        _ => Vec::new(),
    };
    if types.is_empty() { variant.ident.to_string() } else { format!("{}({})", variant.ident, types.join(", ")) }
}

/// The name of a type without its path and its parameters.
fn last_name(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

/// All strings in a piece of code.
pub(super) fn strings(tokens: TokenStream, found: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => strings(group.stream(), found),
            TokenTree::Literal(literal) => {
                if let syn::Lit::Str(text) = syn::Lit::new(literal) {
                    found.push(text.value());
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(text: &str) -> Result<Library> {
        let exports = "pub mod free; pub use a::{Set, Ask, count}; #[doc(hidden)] pub use a::Gone;";
        Library::of(&[("db/mod.rs".into(), exports.into()), ("db/a.rs".into(), text.into())])
    }

    fn names(library: &Library) -> Vec<String> {
        library.callables.iter().map(Callable::name).collect()
    }

    #[test]
    fn public_methods_are_found_and_hidden_ones_are_not() {
        let library = library(
            "pub struct Set<M>(M);\n#[doc(hidden)] pub struct Gone;\npub struct Inner;
             impl<M> Set<M> { /// Seen.\n pub fn all(self) {} fn own(self) {} pub(crate) fn near(self) {}
             #[doc(hidden)] pub fn hidden(self) {} #[cfg(test)] pub fn tested(self) {} }
             impl<M> Clone for Set<M> { fn clone(&self) {} }
             pub fn count() {} pub fn unknown() {}",
        )
        .unwrap();
        assert_eq!(names(&library), ["all", "count"]);
        assert_eq!(library.callables[0].place, "db/a.rs:5");
        let exported: Vec<_> = library.types.iter().map(|named| (named.name.as_str(), named.exported)).collect();
        assert_eq!(exported, [("Set", true), ("Inner", false)]);
    }

    #[test]
    fn what_macros_write_is_found_with_its_comments() {
        let library = library(
            "macro_rules! words { ($($(#[$doc:meta])* $name:ident $word:literal;)+) => { $($(#[$doc])* fn $name(self) { call($word) })+ }; }
             pub trait Ask { words! { /// In lower case.\n lower \"lower\"; /// Backwards.\n reversed \"reverse\"; } }",
        )
        .unwrap();
        assert_eq!(names(&library), ["lower", "reversed"]);
        assert_eq!(library.callables[1].docs.summary(), "Backwards.");
        assert_eq!(library.callables[1].words, ["reverse"]);
    }

    #[test]
    fn what_cant_be_read_is_an_error_with_file_and_line() {
        let error = |text: &str| format!("{:#}", library(text).unwrap_err());
        assert!(error("pub struct Set;\n\nfn broken( {").starts_with("db/a.rs:3: "));
        assert!(error("\nunknown! { a b }").starts_with("db/a.rs:2: the macro `unknown!` isn't defined"));
        let rules = "macro_rules! one { ($a:ident) => { $a }; }\n";
        assert!(error(&format!("{rules}one! {{ 1 }}")).starts_with("db/a.rs:2: no rule"));
        assert!(error(&format!("{rules}one! {{ a }}")).starts_with("db/a.rs:2: what the macro `one!` writes"));
        assert!(error("macro_rules! again { () => { again!(); }; } again!();").contains("without an end"));
    }
}
