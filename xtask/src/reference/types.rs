//! Types and signatures in a short form: what a reader wants to know of them, not what the compiler has to.

use std::collections::BTreeMap;

use quote::ToTokens;
use syn::{
    FnArg, GenericArgument, GenericParam, Generics, Pat, PathArguments, PathSegment, ReturnType, Type, TypeParamBound,
    WherePredicate,
};

use super::source::{Callable, Owner};

/// Types of which not all parameters say something, and which of them do.
const PARAMETERS: &[(&str, &[usize])] = &[
    ("Aggregate", &[1]),
    ("Annotated", &[1]),
    ("Assignment", &[]),
    ("Case", &[1]),
    ("Cases", &[]),
    ("Constraint", &[]),
    ("Expr", &[1]),
    ("Field", &[1]),
    ("Grouped", &[1]),
    ("Groups", &[1, 2]),
    ("Index", &[]),
    ("OnConflict", &[]),
    ("Order", &[]),
    ("Outer", &[1]),
    ("Q", &[]),
    ("QuerySet", &[]),
    ("Related", &[]),
    ("Reverse", &[]),
    ("Values", &[1]),
    ("Window", &[]),
    ("WindowFunction", &[1]),
];

/// Types that are about what stands in them.
const AROUND: &[&str] = &["Result", "Pending", "Total", "Makes", "Made", "Of", "Or"];

/// Traits of values: an argument is of the kind that stands behind, whatever it is written as.
const VALUES: &[&str] = &["Expression", "Operand", "Single", "KeyOf"];

/// The type in a short form.
pub(super) fn short(of: &Type) -> String {
    match of {
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return tokens(of) };
            // `<M::Key as Kind>::Base`: what it is the base of.
            if let Some(qself) = &path.qself
                && matches!(last.ident.to_string().as_str(), "Base" | "Kind")
            {
                return short(&qself.ty);
            }
            let before = path.path.segments.iter().rev().nth(1).map(|segment| segment.ident.to_string());
            segment(last, before.as_deref())
        }
        Type::Reference(reference) => {
            let inner = short(&reference.elem);
            if reference.mutability.is_some() { format!("&mut {inner}") } else { format!("&{inner}") }
        }
        Type::Slice(slice) => format!("[{}]", short(&slice.elem)),
        Type::Tuple(tuple) => {
            let parts: Vec<String> = tuple.elems.iter().map(short).collect();
            format!("({})", parts.join(", "))
        }
        Type::Paren(inner) => short(&inner.elem),
        Type::Group(inner) => short(&inner.elem),
        other => tokens(other),
    }
}

fn segment(segment: &PathSegment, before: Option<&str>) -> String {
    let name = segment.ident.to_string();
    let arguments: Vec<&Type> = match &segment.arguments {
        PathArguments::AngleBracketed(angle) => angle
            .args
            .iter()
            .filter_map(|argument| match argument {
                GenericArgument::Type(of) => Some(of),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    match (name.as_str(), arguments.last()) {
        // What a term is without its `Option`.
        ("Base", Some(_)) => return "T".into(),
        ("MayMake", Some(of)) => return format!("Option<{}>", short(of)),
        (around, Some(of)) if AROUND.contains(&around) => return short(of),
        ("Kind", None) => return "T".into(),
        ("Base", None) => return before.filter(|before| *before != "Self").unwrap_or("T").into(),
        // What columns are read as.
        ("Output", None) => return "O".into(),
        ("Key", None) => return "M::Key".into(),
        ("Root", None) => return "R".into(),
        _ => {}
    }
    let shown = PARAMETERS.iter().find(|(known, _)| *known == name).map(|(_, shown)| *shown);
    let shown: Vec<String> = arguments
        .iter()
        .enumerate()
        .filter(|(at, _)| shown.is_none_or(|shown| shown.contains(at)))
        .map(|(_, of)| short(of))
        .collect();
    if shown.is_empty() { name } else { format!("{name}<{}>", shown.join(", ")) }
}

fn tokens(of: impl ToTokens) -> String {
    of.to_token_stream().to_string()
}

/// A method or function as the page shows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signature {
    /// `filter(condition: Q)`, with `.await?` where it asks the database.
    pub(super) call: String,
    /// What it gives; nothing where that is nothing.
    pub(super) gives: Option<String>,
    /// Arguments that a trait describes.
    pub(super) described: Vec<Described>,
    /// The trait that its subject must have: `Text` for `lower`.
    pub(super) of: Option<String>,
}

/// An argument that a trait describes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) argument: String,
    pub(super) by: String,
    /// Whether there are many of them.
    pub(super) many: bool,
}

impl Signature {
    pub(super) fn of(callable: &Callable) -> Self {
        let signature = &callable.signature;
        let own = match &callable.owner {
            Owner::Type(name) | Owner::Trait(name) if name == "Model" => "M",
            Owner::Type(name) | Owner::Trait(name) => name,
            Owner::Nobody(_) => "",
        };
        let of_itself = callable.own_type.as_deref().unwrap_or(own);
        let mut reading =
            Arguments { bounds: bounds(&[&callable.generics, &signature.generics]), of_itself, described: Vec::new() };
        let (mut arguments, mut mentioned) = (Vec::new(), tokens(&signature.generics));
        mentioned.push_str(&tokens(&signature.generics.where_clause));
        let mut receives = false;
        for input in &signature.inputs {
            match input {
                FnArg::Receiver(_) => receives = true,
                FnArg::Typed(typed) => {
                    let name = match &*typed.pat {
                        Pat::Ident(pat) => pat.ident.to_string(),
                        other => tokens(other),
                    };
                    mentioned.push_str(&format!(" {} ", tokens(&typed.ty)));
                    arguments.push(reading.argument(&name, &typed.ty));
                }
            }
        }
        let (asks, gives) = match &signature.output {
            ReturnType::Default => (signature.asyncness.is_some(), None),
            ReturnType::Type(_, of) => (signature.asyncness.is_some() || is_asked(of), Some(given(of))),
        };
        let gives = gives.map(|gives| if gives == "Self" { of_itself.to_owned() } else { gives });
        let gives = gives.filter(|gives| gives != "()");
        // A parameter that nothing else mentions is said by who calls; that of a function is known from where it stands.
        let mentions =
            |name: &str| mentioned.split(|c: char| !c.is_alphanumeric()).filter(|word| *word == name).count() > 1;
        let chosen: Vec<String> = match callable.owner {
            Owner::Nobody(_) => Vec::new(),
            _ => {
                let names = signature.generics.type_params().map(|param| param.ident.to_string());
                names.filter(|name| name != "R" && !mentions(name)).collect()
            }
        };
        let turbofish = if chosen.is_empty() { String::new() } else { format!("::<{}>", chosen.join(", ")) };
        let front = match (&callable.owner, receives) {
            (Owner::Nobody(Some(module)), _) => format!("{module}::"),
            (Owner::Nobody(None), _) => String::new(),
            (_, true) => ".".into(),
            (_, false) => format!("{own}::"),
        };
        let call = format!(
            "{front}{}{turbofish}({}){}",
            signature.ident,
            arguments.join(", "),
            if asks { ".await?" } else { "" }
        );
        Self { call, gives, described: reading.described, of: subject(&signature.generics) }
    }
}

/// What is known while a signature's arguments are read.
struct Arguments<'a> {
    bounds: BTreeMap<String, Vec<TypeParamBound>>,
    of_itself: &'a str,
    described: Vec<Described>,
}

impl Arguments<'_> {
    /// What an argument looks like; where a trait says what it can be, its name alone.
    fn argument(&mut self, name: &str, of: &Type) -> String {
        let borrows = matches!(of, Type::Reference(reference) if reference.mutability.is_none());
        let of = match of {
            Type::Reference(reference) if borrows => &*reference.elem,
            of => of,
        };
        let traits: Vec<TypeParamBound> = match of {
            Type::ImplTrait(of) => of.bounds.iter().cloned().collect(),
            Type::Path(path) => match path.path.get_ident().and_then(|ident| self.bounds.get(&ident.to_string())) {
                Some(bounds) => bounds.clone(),
                None if path.path.is_ident("Self") => return named(name, self.of_itself),
                None => return named(name, &borrowed(&short(of), borrows)),
            },
            _ => return named(name, &borrowed(&short(of), borrows)),
        };
        let last = traits.iter().find_map(|bound| match bound {
            TypeParamBound::Trait(bound) => bound.path.segments.last(),
            _ => None,
        });
        let Some(last) = last else { return name.to_owned() };
        let word = last.ident.to_string();
        let parameters: Vec<&GenericArgument> = match &last.arguments {
            PathArguments::Parenthesized(function) => return self.closure(&word, &function.output),
            PathArguments::AngleBracketed(angle) => angle.args.iter().collect(),
            PathArguments::None => Vec::new(),
        };
        let behind = parameters.iter().rev().find_map(|parameter| match parameter {
            GenericArgument::Type(of) => Some(of),
            _ => None,
        });
        let assigned = parameters.iter().find_map(|parameter| match parameter {
            GenericArgument::AssocType(each) => Some(&each.ty),
            _ => None,
        });
        match (word.as_str(), behind) {
            ("Model", _) => named(name, &borrowed(&short(of), borrows)),
            ("IntoIterator", _) => self.many(name, assigned),
            ("PerRow" | "Term", _) => match parameters.iter().find_map(|parameter| base(parameter)) {
                Some(base) => named(name, &base),
                None => name.to_owned(),
            },
            ("Into", Some(kind)) => named(name, &borrowed(&short(kind), false)),
            (_, Some(kind)) if VALUES.contains(&word.as_str()) => {
                let kind = short(kind);
                // Whatever the caller says is no kind to name.
                if kind != "T" && self.bounds.contains_key(&kind) {
                    return name.to_owned();
                }
                named(name, &borrowed(&kind, false))
            }
            _ => {
                self.described.push(Described { argument: name.to_owned(), by: word, many: false });
                name.to_owned()
            }
        }
    }

    fn many(&mut self, name: &str, each: Option<&Type>) -> String {
        let known = self.described.len();
        let shown = each.map(|each| self.argument("", each)).unwrap_or_default();
        if let Some(described) = self.described.get_mut(known) {
            name.clone_into(&mut described.argument);
            described.many = true;
        }
        match shown.strip_prefix(": ") {
            Some(each) => format!("{name}: [{each}, …]"),
            None => format!("{name}: […]"),
        }
    }

    fn closure(&self, word: &str, output: &ReturnType) -> String {
        match word {
            "AsyncFn" => return "async || …".into(),
            "AsyncFnOnce" => return "async move || …".into(),
            _ => {}
        }
        let ReturnType::Type(_, of) = output else { return "|…| …".into() };
        let shown = short(of);
        // What can become a set is as good as one.
        let becomes = self.bounds.get(&shown).map(|bounds| {
            bounds.iter().find_map(|bound| match bound {
                TypeParamBound::Trait(bound) => bound.path.segments.last().map(|last| segment(last, None)),
                _ => None,
            })
        });
        match becomes {
            None => format!("|…| {shown}"),
            Some(Some(into)) if into.starts_with("Into<") => {
                format!("|…| {}", into.trim_start_matches("Into<").trim_end_matches('>'))
            }
            Some(_) => "|…| …".into(),
        }
    }
}

/// `name: kind`; a list's entry has no name.
fn named(name: &str, of: &str) -> String {
    format!("{name}: {of}")
}

/// `Date` of `Kind: Kind<Base = Date>`.
fn base(parameter: &GenericArgument) -> Option<String> {
    let GenericArgument::Constraint(constraint) = parameter else { return None };
    constraint.bounds.iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let PathArguments::AngleBracketed(angle) = &bound.path.segments.last()?.arguments else { return None };
        angle.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(base) => Some(short(&base.ty)),
            _ => None,
        })
    })
}

/// A text is written as one that is borrowed, whatever takes it.
fn borrowed(of: &str, borrows: bool) -> String {
    match of {
        "String" | "str" => "&str".into(),
        of if borrows => format!("&{of}"),
        of => of.to_owned(),
    }
}

/// What each parameter must be.
fn bounds(of: &[&Generics]) -> BTreeMap<String, Vec<TypeParamBound>> {
    let mut bounds = BTreeMap::new();
    for generics in of {
        for param in &generics.params {
            if let GenericParam::Type(param) = param {
                bounds.insert(param.ident.to_string(), param.bounds.iter().cloned().collect::<Vec<_>>());
            }
        }
        for predicate in generics.where_clause.iter().flat_map(|clause| &clause.predicates) {
            if let WherePredicate::Type(predicate) = predicate
                && let Type::Path(path) = &predicate.bounded_ty
                && let Some(name) = path.path.get_ident()
                && let Some(known) = bounds.get_mut(&name.to_string())
            {
                known.extend(predicate.bounds.iter().cloned());
            }
        }
    }
    bounds
}

/// What `where Base<Self>: Text` and `where Self::Kind: Kind<Base = bool>` want.
fn subject(generics: &Generics) -> Option<String> {
    let clause = generics.where_clause.as_ref()?;
    clause.predicates.iter().find_map(|predicate| {
        let WherePredicate::Type(predicate) = predicate else { return None };
        let of = tokens(&predicate.bounded_ty).replace(' ', "");
        if !matches!(of.as_str(), "Base<Self>" | "Self::Kind") {
            return None;
        }
        let TypeParamBound::Trait(bound) = predicate.bounds.first()? else { return None };
        let last = bound.path.segments.last()?;
        match &last.arguments {
            PathArguments::AngleBracketed(angle) => angle.args.iter().find_map(|argument| match argument {
                GenericArgument::AssocType(base) => Some(short(&base.ty)),
                _ => None,
            }),
            _ => Some(last.ident.to_string()),
        }
    })
}

/// Whether a result must be awaited: a query under way, or a future.
fn is_asked(of: &Type) -> bool {
    match of {
        Type::Path(path) => {
            path.path.segments.last().is_some_and(|last| last.ident == "Pending" || last.ident == "Total")
        }
        Type::ImplTrait(_) => future(of).is_some(),
        _ => false,
    }
}

fn future(of: &Type) -> Option<&Type> {
    let Type::ImplTrait(of) = of else { return None };
    of.bounds.iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else { return None };
        let last = bound.path.segments.last().filter(|last| last.ident == "Future")?;
        let PathArguments::AngleBracketed(angle) = &last.arguments else { return None };
        angle.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(output) => Some(&output.ty),
            _ => None,
        })
    })
}

fn given(of: &Type) -> String {
    short(future(of).unwrap_or(of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::source::Library;

    fn shown(method: &str) -> (String, String) {
        let text = format!("pub struct QuerySet<M>(M); impl<M: Model> QuerySet<M> {{ {method} {{}} }}");
        let exports = "pub use a::QuerySet;";
        let library = Library::of(&[("mod.rs".into(), exports.into()), ("a.rs".into(), text)]).unwrap();
        let signature = Signature::of(&library.callables[0]);
        (signature.call, signature.gives.unwrap_or_default())
    }

    #[test]
    fn types_are_short() {
        let short = |text: &str| short(&syn::parse_str(text).unwrap());
        assert_eq!(short("Values<M, C::Output, C::Named>"), "Values<O>");
        assert_eq!(short("Makes<Self, super::Text>"), "Text");
        assert_eq!(short("MayMake<Self, Base<Self>>"), "Option<T>");
        assert_eq!(short("Self::Made<<V::Nullness as Nullness>::Of<Base<Self>>>"), "T");
        assert_eq!(short("Option<<Base<Self> as Summed>::Sum>"), "Option<Sum>");
        assert_eq!(short("BTreeMap<M::Key, Vec<(M, &'static str)>>"), "BTreeMap<M::Key, Vec<(M, &str)>>");
        assert_eq!(short("Aggregate<Self::Root, Option<<Base<Self> as Summed>::Sum>>"), "Aggregate<Option<Sum>>");
    }

    #[test]
    fn signatures_say_what_is_given_and_whether_it_is_awaited() {
        let of = |method: &str| shown(method);
        let pair = |call: &str, gives: &str| (call.to_owned(), gives.to_owned());
        assert_eq!(of("pub fn filter(mut self, condition: Q<M>) -> Self"), pair(".filter(condition: Q)", "QuerySet"));
        assert_eq!(of("pub async fn all(self) -> Result<Vec<M>>"), pair(".all().await?", "Vec<M>"));
        assert_eq!(
            of("pub fn get(self, key: impl KeyOf<M::Key>) -> Pending<M>"),
            pair(".get(key: M::Key).await?", "M")
        );
        assert_eq!(of("pub fn save(&self) -> impl Future<Output = Result<()>>"), pair(".save().await?", ""));
        assert_eq!(
            of("pub fn having(self, condition: impl FnOnce(N) -> Q<M>) -> Self"),
            pair(".having(|…| Q)", "QuerySet")
        );
        assert_eq!(of("pub fn cast<T: Kind>(self) -> MayMake<Self, T>"), pair(".cast::<T>()", "Option<T>"));
        assert_eq!(of("pub fn named(name: &'static str) -> Self"), pair("QuerySet::named(name: &str)", "QuerySet"));
        assert_eq!(
            of("pub fn in_bulk<K: KeyOf<M::Key>>(self, keys: impl IntoIterator<Item = K>) -> Pending<u64>"),
            pair(".in_bulk(keys: [M::Key, …]).await?", "u64")
        );
        assert_eq!(
            of("pub async fn with<N, S: Into<QuerySet<N>>>(self, f: impl Fn(&M) -> S, row: &M) -> Result<Vec<N>>"),
            pair(".with(|…| QuerySet, row: &M).await?", "Vec<N>")
        );
        assert_eq!(
            of("pub fn dates<T>(self, of: T) -> Self where T: PerRow<Root = M, Kind: Kind<Base = Date>>"),
            pair(".dates(of: Date)", "QuerySet")
        );
    }
}
