//! The page, in Markdown.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};

use super::host::Tables;
use super::outline::{OUTLINE, Pick, SUBJECTS, Section, Subject};
use super::shape;
use super::source::{Callable, Library, Named, Owner};
use super::types::Signature;

const TITLE: &str = "# Queries: everything there is";

const INTRO: &str = "\
Generated from the code by `cargo xtask reference`: change the comments there, not this page.

What the crate `bandstand` has for queries, by what one looks for, and what of it crosses to the host. How to use it is in
[Models and queries](../how-to/query.md), Django's names for it in [Coming from Django](../explanation/coming-from-django.md), the document that is
sent in [The query shape](query-shape.md). Examples there and here speak of books and authors, or of questions and their choices.";

const HOW: &str = "\
## How to read it

- `.limit(rows: u64)` is a method of the set, field or type that the heading names. `.await?` stands where the database is asked: such a method gives a `Result`.
- `M`, which some comments call `R`, is the model and `M::Key` its key; where a key is taken, a reference to the row or a relation to it does as well.
- `T` is what the field or expression holds, without its `Option`. Where conditions and functions take a type, a field or an expression of it does as well.
- `O` is what is read of each row instead of the row: a value, or a tuple of up to eight. `K` is the same for what groups have in common.
- `[M::Key, …]` is anything that can be iterated over. `|…|` is a closure that gets what was computed, or the row.
- *Ordered* kinds are numbers, texts, UUIDs, dates, times, datetimes, durations and keys.
- What isn't in `bandstand::prelude::*` is in `bandstand::db`.";

/// The page of all that was read.
pub(super) fn write(library: &Library, tables: &Tables) -> Result<String> {
    let sections = sections(library, OUTLINE)?;
    let mut names: Vec<&str> = OUTLINE.iter().map(|section| section.title).collect();
    names.extend([NAMED, shape::TITLE]);
    let mut contents = String::new();
    for (section, name) in OUTLINE.iter().map(Some).chain([None, None]).zip(&names) {
        contents.push_str(&format!("- {}", anchor(name)));
        let subjects: Vec<String> = match section {
            Some(section) => section.subjects.iter().map(|subject| anchor(subject.title)).collect(),
            None if *name == shape::TITLE => shape::SUBJECTS.iter().map(|title| anchor(title)).collect(),
            None => Vec::new(),
        };
        if !subjects.is_empty() {
            contents.push_str(&format!(": {}", subjects.join(" · ")));
        }
        contents.push('\n');
    }
    let parts = [
        TITLE.to_owned(),
        INTRO.to_owned(),
        format!("## Contents\n\n{}", contents.trim_end()),
        HOW.to_owned(),
        sections,
        others(library)?,
        shape::write(library, tables)?,
    ];
    Ok(format!("{}\n", parts.join("\n\n")))
}

/// A link to a heading of the page.
fn anchor(title: &str) -> String {
    let title_in_lower_case = title.to_lowercase();
    let kept = title_in_lower_case.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    format!("[{title}](#{})", kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>())
}

/// All sections, each with the tables of its subjects.
fn sections(library: &Library, outline: &[Section]) -> Result<String> {
    let placed = placed(library, outline)?;
    let mut places = placed.iter();
    let mut out = Vec::new();
    for section in outline {
        out.push(format!("## {}", section.title));
        if !section.intro.is_empty() {
            out.push(section.intro.to_owned());
        }
        for subject in section.subjects {
            out.push(format!("### {}", subject.title));
            if !subject.intro.is_empty() {
                out.push(subject.intro.to_owned());
            }
            // Methods that were picked by name or kind are one table; each type has one of its own.
            let mut together: Vec<&Callable> = Vec::new();
            for (pick, rows) in subject.picks.iter().zip(places.next().into_iter().flatten()) {
                let Pick::Type(name) = pick else {
                    together.extend(rows);
                    continue;
                };
                if !together.is_empty() {
                    out.push(table(library, &std::mem::take(&mut together))?);
                }
                out.push(about(library.named(name).ok_or_else(|| gone(name))?)?);
                if !rows.is_empty() {
                    out.push(table(library, rows)?);
                }
            }
            if !together.is_empty() {
                out.push(table(library, &together)?);
            }
        }
    }
    Ok(out.join("\n\n"))
}

/// What a type is, and what it can be.
fn about(named: &Named) -> Result<String> {
    let summary = required(&named.docs.summary(), &named.name, &named.place)?;
    let mut text = format!("**`{}`**: {summary}", named.name);
    if named.variants.is_empty() {
        return Ok(text);
    }
    if named.variants.iter().any(|(_, docs)| docs.summary().is_empty()) {
        let one = |(name, docs): &(String, super::docs::Docs)| match docs.summary() {
            note if note.is_empty() => format!("`{}::{name}`", named.name),
            note => format!("`{}::{name}` ({})", named.name, note.trim_end_matches('.')),
        };
        let all: Vec<String> = named.variants.iter().map(one).collect();
        text.push_str(&format!("\n\n{}.", all.join(", ")));
        return Ok(text);
    }
    text.push_str("\n\n| value | is |\n|---|---|");
    for (name, docs) in &named.variants {
        text.push_str(&format!("\n| `{}::{name}` | {} |", named.name, cell(&docs.summary())));
    }
    Ok(text)
}

fn gone(name: &str) -> anyhow::Error {
    anyhow!("the outline of the reference (xtask/src/reference/outline.rs) names `{name}`, which isn't there")
}

/// What each pick of each subject lists. An error where something public has no place.
fn placed<'l>(library: &'l Library, outline: &[Section]) -> Result<Vec<Vec<Vec<&'l Callable>>>> {
    let subjects: Vec<&Subject> = outline.iter().flat_map(|section| section.subjects).collect();
    let public: Vec<&Callable> =
        library.callables.iter().filter(|callable| is_public(library, outline, callable)).collect();
    let mut homes: Vec<Vec<Vec<&Callable>>> =
        subjects.iter().map(|subject| vec![Vec::new(); subject.picks.len()]).collect();
    let mut taken = BTreeSet::new();
    // What is named takes its part before what is left.
    for exactness in 0..4 {
        for (subject, home) in subjects.iter().zip(&mut homes) {
            for (pick, rows) in subject.picks.iter().zip(home).filter(|(pick, _)| rank(pick) == exactness) {
                let picked = picked(pick, &public)?;
                rows.extend(picked.into_iter().filter(|(at, _)| taken.insert(*at)).map(|(_, callable)| callable));
            }
        }
    }
    if let Some(lost) = public.iter().enumerate().find(|(at, _)| !taken.contains(at)).map(|(_, lost)| lost) {
        let owner = match &lost.owner {
            Owner::Type(name) | Owner::Trait(name) => format!("{name}::"),
            Owner::Nobody(_) => String::new(),
        };
        return Err(anyhow!(
            "{}: `{owner}{}` has no place in the reference; give it one in xtask/src/reference/outline.rs",
            lost.place,
            lost.name()
        ));
    }
    Ok(homes)
}

fn is_public(library: &Library, outline: &[Section], callable: &Callable) -> bool {
    match &callable.owner {
        Owner::Type(name) | Owner::Trait(name) => {
            library.named(name).is_some_and(|named| named.exported)
            // What an app gives to others and never calls: listed by its name alone.
            && !others_of(library, outline).any(|other| other.name == *name)
        }
        Owner::Nobody(_) => true,
    }
}

fn rank(pick: &Pick) -> usize {
    match pick {
        Pick::Methods(..) | Pick::Functions(_) => 0,
        Pick::Giving(..) | Pick::Of(..) => 1,
        Pick::Asking(..) => 2,
        Pick::Type(_) => 3,
    }
}

fn picked<'l>(pick: &Pick, public: &[&'l Callable]) -> Result<Vec<(usize, &'l Callable)>> {
    let all = |test: &dyn Fn(&Callable) -> bool| {
        public.iter().enumerate().filter(|(_, callable)| test(callable)).map(|(at, one)| (at, *one)).collect()
    };
    let by_name = |names: &[&str], of: &dyn Fn(&Callable) -> bool, whose: &str| {
        let mut found = Vec::new();
        for name in names {
            let all: Vec<_> = public.iter().enumerate().filter(|(_, one)| of(one) && one.name() == *name).collect();
            if all.is_empty() {
                return Err(gone(&format!("{whose}{name}")));
            }
            found.extend(all.into_iter().map(|(at, one)| (at, *one)));
        }
        Ok(found)
    };
    match pick {
        Pick::Methods(owner, names) => by_name(names, &|one| one.is_of(owner), &format!("{owner}::")),
        Pick::Functions(names) => by_name(names, &|one| matches!(one.owner, Owner::Nobody(_)), ""),
        Pick::Giving(owner, what) => Ok(all(&|one| {
            let gives = Signature::of(one).gives.unwrap_or_default();
            one.is_of(owner) && (gives == *what || gives.starts_with(&format!("{what}<")))
        })),
        Pick::Of(owner, subjects) => {
            Ok(all(&|one| one.is_of(owner) && Signature::of(one).of.is_some_and(|of| subjects.contains(&of.as_str()))))
        }
        Pick::Asking(owner, asks) => {
            Ok(all(&|one| one.is_of(owner) && Signature::of(one).call.ends_with(".await?") == *asks))
        }
        Pick::Type(owner) => Ok(all(&|one| one.is_of(owner))),
    }
}

/// The table of some methods or functions, and below it what their arguments can be.
fn table(library: &Library, rows: &[&Callable]) -> Result<String> {
    let signatures: Vec<Signature> = rows.iter().map(|one| Signature::of(one)).collect();
    // Where all are for the same, the heading says so.
    let with_subject = signatures.iter().any(|signature| signature.of != signatures[0].of);
    let mut text = if with_subject {
        "| write | on | gives | what it is |\n|---|---|---|---|".to_owned()
    } else {
        "| write | gives | what it is |\n|---|---|---|".to_owned()
    };
    let mut arguments: Vec<String> = Vec::new();
    for (callable, signature) in rows.iter().zip(&signatures) {
        let name = callable.name();
        let mut what = required(&callable.docs.summary(), &name, &callable.place)?;
        if let Some(errors) = callable.docs.errors() {
            what.push_str(&format!(" *{}", errors.replacen(':', ":*", 1)));
        }
        text.push_str(&format!("\n| {} ", code(&signature.call)));
        if with_subject {
            let of = match &signature.of {
                None => "anything",
                Some(of) => SUBJECTS.iter().find(|(known, _)| known == of).map(|(_, word)| *word).ok_or_else(|| {
                    anyhow!(
                        "{}: `{name}` is for `{of}`, which has no word in `SUBJECTS` of xtask/src/reference/outline.rs",
                        callable.place
                    )
                })?,
            };
            text.push_str(&format!("| {of} "));
        }
        let gives = signature.gives.as_deref().map_or("nothing".to_owned(), code);
        text.push_str(&format!("| {gives} | {} |", cell(&what)));
        for described in &signature.described {
            if let Some(named) = library.named(&described.by) {
                let what = meaning(&required(&named.docs.summary(), &named.name, &named.place)?);
                let many = if described.many { "many, each " } else { "" };
                let entry = format!("`{}`: {many}{what}", described.argument);
                if !arguments.contains(&entry) {
                    arguments.push(entry);
                }
            }
        }
    }
    if !arguments.is_empty() {
        text.push_str(&format!("\n\n{}", arguments.join(" ")));
    }
    Ok(text)
}

/// What an argument can be, by its trait's comment: "What `order_by` takes: an order" is "an order".
fn meaning(summary: &str) -> String {
    let text = match summary.split_once(": ") {
        Some((before, text)) if before.starts_with("What ") => text,
        _ => summary,
    };
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => format!("{}{}", first.to_lowercase(), letters.as_str()),
        None => String::new(),
    }
}

/// A comment that must be there: a row without one helps nobody.
fn required(text: &str, name: &str, place: &str) -> Result<String> {
    if text.is_empty() {
        return Err(anyhow!("{place}: `{name}` has no comment that the reference could show"));
    }
    Ok(text.to_owned())
}

/// Code in a cell.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

/// A text in a cell.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const NAMED: &str = "What else the compiler names";

/// Types and traits that have no subject: they say what fits where, and errors name them.
fn others_of<'l>(library: &'l Library, outline: &[Section]) -> impl Iterator<Item = &'l Named> {
    let subjects = move || outline.iter().flat_map(|section| section.subjects).flat_map(|subject| subject.picks);
    let has_place = move |name: &str| {
        subjects().any(|pick| match pick {
            Pick::Methods(owner, _) | Pick::Giving(owner, _) | Pick::Of(owner, _) | Pick::Asking(owner, _) => {
                *owner == name
            }
            Pick::Type(owner) => *owner == name,
            Pick::Functions(_) => false,
        })
    };
    library.types.iter().filter(move |named| named.exported && !has_place(&named.name))
}

fn others(library: &Library) -> Result<String> {
    let mut others: Vec<&Named> = others_of(library, OUTLINE).collect();
    others.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = format!(
        "## {NAMED}\n\nTraits and types that say what fits where. An app rarely writes them; errors of the compiler name them.\n\n\
         | name | is |\n|---|---|"
    );
    for named in others {
        let kind = if named.is_trait { "trait" } else { "type" };
        let summary = required(&named.docs.summary(), &named.name, &named.place)?;
        text.push_str(&format!("\n| `{}` ({kind}) | {} |", named.name, cell(&summary)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(text: &str) -> Library {
        let files = [("db/mod.rs", "pub use a::{QuerySet, Ask, Q, free};"), ("db/a.rs", text)];
        Library::of(&files.map(|(path, text)| (path.to_owned(), text.to_owned()))).unwrap()
    }

    const SETS: &str = "
        /// Some rows.
        pub struct QuerySet<M>(M);
        /// What `order_by` takes: an order, or several.
        pub trait IntoOrder<R> {}
        impl<M> QuerySet<M> {
            /// In this order: `a | b`.
            pub fn order_by(mut self, order: impl IntoOrder<M>) -> Self { self }
            /// All rows. Errors: too many.
            pub async fn all(self) -> Result<Vec<M>> { vec![] }
        }";

    static SUBJECT: &[Subject] = &[Subject { title: "Sets", intro: "Of sets.", picks: &[Pick::Type("QuerySet")] }];
    static SMALL: &[Section] = &[Section { title: "All", intro: "", subjects: SUBJECT }];

    #[test]
    fn a_source_becomes_a_table() {
        let expected = "## All\n\n### Sets\n\nOf sets.\n\n**`QuerySet`**: Some rows.\n\n\
            | write | gives | what it is |\n|---|---|---|\n\
            | `.order_by(order)` | `QuerySet` | In this order: `a \\| b`. |\n\
            | `.all().await?` | `Vec<M>` | All rows. *Errors:* too many. |\n\n\
            `order`: an order, or several.";
        assert_eq!(sections(&library(SETS), SMALL).unwrap(), expected);
    }

    #[test]
    fn what_has_no_place_or_no_comment_is_an_error_with_its_line() {
        let error = |text: &str| sections(&library(text), SMALL).unwrap_err().to_string();
        let lost = format!("{SETS}\n/// More.\npub fn free() {{}}");
        assert!(error(&lost).starts_with("db/a.rs:13: `free` has no place"));
        let silent = SETS.replace("/// All rows. Errors: too many.", "");
        assert!(error(&silent).starts_with("db/a.rs:10: `all` has no comment"));
        assert!(error("").contains("names `QuerySet`, which isn't there"));
    }

    #[test]
    fn methods_find_their_place_by_what_they_say() {
        static ASK: &[Subject] = &[
            Subject { title: "Rest", intro: "", picks: &[Pick::Type("Ask")] },
            Subject { title: "Conditions", intro: "", picks: &[Pick::Giving("Ask", "Q")] },
            Subject { title: "Texts", intro: "", picks: &[Pick::Of("Ask", &["Text"])] },
            Subject { title: "First", intro: "", picks: &[Pick::Methods("Ask", &["eq"])] },
        ];
        static OF_ASK: &[Section] = &[Section { title: "All", intro: "", subjects: ASK }];
        let library = library(
            "/// .\npub trait Ask { fn lower(self) -> T where Base<Self>: Text; fn eq(self) -> Q<R>; fn ne(self) -> Q<R>; fn count(self) -> u64; }",
        );
        let names: Vec<Vec<String>> = placed(&library, OF_ASK)
            .unwrap()
            .into_iter()
            .map(|home| home.into_iter().flatten().map(Callable::name).collect())
            .collect();
        assert_eq!(names, [vec!["count"], vec!["ne"], vec!["lower"], vec!["eq"]]);
    }

    #[test]
    fn headings_are_linked_as_they_are_anchored_each_once() {
        assert_eq!(anchor("Units of `trunc`"), "[Units of `trunc`](#units-of-trunc)");
        let mut titles: Vec<String> = vec![anchor(NAMED), anchor(shape::TITLE), anchor("Contents")];
        titles.extend(OUTLINE.iter().map(|section| anchor(section.title)));
        titles.extend(OUTLINE.iter().flat_map(|section| section.subjects).map(|subject| anchor(subject.title)));
        titles.extend(shape::SUBJECTS.iter().map(|title| anchor(title)));
        let unique: BTreeSet<&String> = titles.iter().collect();
        assert_eq!(unique.len(), titles.len());
    }
}
