//! What a query shape can say: the host's own tables, read from its source. The host itself isn't asked: whoever builds this task would
//! have to build the sandbox, too.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Expr, ImplItem, Item, Lit};

use super::macros::{Rules, items_of};
use super::source::{at, strings};

const FUNCTIONS: &str = "host/db/src/dialect/functions.rs";
const WORDS: &str = "host/db/src/shape/words.rs";
/// Words that mean more than one enum can say.
const LOOKUPS: &str = "host/db/src/shape/expression.rs";
/// Lists that stand where shapes are parsed, with the names that they have here.
const PARSED: [(&str, &str, &str); 3] = [
    ("host/db/src/shape/parse/condition.rs", "WORDS", "CONDITION_WORDS"),
    ("host/db/src/shape/parse/expression.rs", "WORDS", "EXPRESSION_WORDS"),
    ("host/db/src/shape/parse/expression.rs", "WINDOW_WORDS", "WINDOW_WORDS"),
];
const SCHEMA: &str = "wit/db/query-shape.schema.json";

/// The three databases, in the order of the templates.
pub(super) const DATABASES: [&str; 3] = ["SQLite", "PostgreSQL", "MariaDB"];

/// What the tables say of arguments.
const TAKES: [(&str, &str); 4] =
    [("Text", "text"), ("Whole", "whole number"), ("Float", "number"), ("Number", "number")];

/// What they say of results.
const GIVES: [(&str, &str); 6] = [
    ("Text", "text"),
    ("Whole", "whole number"),
    ("Float", "float"),
    ("Uuid", "UUID"),
    ("DateTime", "datetime"),
    ("Like", "as what it takes"),
];

/// All that was read.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) functions: Vec<Function>,
    /// By the name of the enum or constant: the words, in their order.
    words: BTreeMap<String, Vec<String>>,
    /// What `cast` can name.
    pub(super) kinds: Vec<String>,
}

/// A row of the host's table of functions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) word: String,
    pub(super) takes: Vec<&'static str>,
    /// How many of the arguments may be left out.
    pub(super) optional: usize,
    pub(super) gives: &'static str,
    /// Whether it can be NULL where no argument is.
    pub(super) null: bool,
    /// The templates of the databases, for the most arguments.
    pub(super) sql: [String; 3],
}

impl Tables {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let text = |path: &str| fs::read_to_string(root.join(path)).with_context(|| format!("can't read {path}"));
        let mut all = words(WORDS, &text(WORDS)?)?;
        all.extend(words(LOOKUPS, &text(LOOKUPS)?)?);
        for (path, list, name) in PARSED {
            let found = words(path, &text(path)?)?.remove(list);
            let found = found.ok_or_else(|| anyhow!("{path}: there is no list of words `{list}`"))?;
            all.insert(name.to_owned(), found);
        }
        Ok(Self {
            functions: functions(FUNCTIONS, &text(FUNCTIONS)?)?,
            words: all,
            kinds: kinds(SCHEMA, &text(SCHEMA)?)?,
        })
    }

    /// The words of a list.
    pub(super) fn words(&self, list: &str) -> Result<&[String]> {
        self.words.get(list).map(Vec::as_slice).ok_or_else(|| anyhow!("{WORDS}: there is no list of words `{list}`"))
    }

    /// Whether a shape can say the word.
    pub(super) fn knows(&self, word: &str) -> bool {
        self.functions.iter().any(|function| function.word == word)
            || self.words.values().flatten().any(|known| known == word)
    }
}

/// The rows of `static ALL: &[Function] = &[row(…), …]`.
fn functions(path: &str, text: &str) -> Result<Vec<Function>> {
    let file = syn::parse_file(text).map_err(|error| at(path, &error))?;
    let all = file.items.iter().find_map(|item| match item {
        Item::Static(item) if item.ident == "ALL" => Some(&*item.expr),
        _ => None,
    });
    let all = all.ok_or_else(|| anyhow!("{path}: there is no table `ALL` of the functions"))?;
    let rows = list(all).ok_or_else(|| wrong(path, all, "the table isn't a list"))?;
    rows.into_iter().map(|row| function(path, row)).collect()
}

fn function(path: &str, row: &Expr) -> Result<Function> {
    let wrong = |what: &str| wrong(path, row, what);
    let Expr::Call(call) = row else { return Err(wrong("an entry of the table isn't `row(…)`")) };
    let arguments: Vec<&Expr> = call.args.iter().collect();
    let [word, takes, gives, null, sql] = arguments[..] else {
        return Err(wrong("`row` has other arguments than a word, kinds, a kind, whether it is NULL, and SQL"));
    };
    let word = text(word).ok_or_else(|| wrong("the word isn't a text"))?;
    let takes = list(takes)
        .ok_or_else(|| wrong("the arguments aren't a list"))?
        .into_iter()
        .map(|kind| {
            known(&TAKES, kind).ok_or_else(|| wrong("an argument is of a kind that the reference has no word for"))
        })
        .collect::<Result<Vec<_>>>()?;
    let gives =
        known(&GIVES, gives).ok_or_else(|| wrong("the result is of a kind that the reference has no word for"))?;
    let null = match last(null).as_deref() {
        Some("NULL") => true,
        Some("NEVER") => false,
        _ => return Err(wrong("whether it can be NULL is neither `NULL` nor `NEVER`")),
    };
    let rows = list(sql).ok_or_else(|| wrong("the SQL isn't a list"))?;
    let optional = rows.len().saturating_sub(1);
    let templates = rows.last().and_then(|row| list(row)).unwrap_or_default();
    let templates: Vec<String> = templates.into_iter().filter_map(text).collect();
    let sql = <[String; 3]>::try_from(templates).map_err(|_| wrong("the SQL isn't that of three databases"))?;
    Ok(Function { word, takes, optional, gives, null, sql })
}

fn wrong(path: &str, of: &Expr, what: &str) -> anyhow::Error {
    anyhow!("{path}:{}: {what}", of.span().start().line)
}

/// The entries of `[…]` or `&[…]`.
fn list(of: &Expr) -> Option<Vec<&Expr>> {
    match of {
        Expr::Reference(reference) => list(&reference.expr),
        Expr::Array(array) => Some(array.elems.iter().collect()),
        _ => None,
    }
}

fn text(of: &Expr) -> Option<String> {
    match of {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

/// The last name of a path.
fn last(of: &Expr) -> Option<String> {
    match of {
        Expr::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

fn known(names: &[(&str, &'static str)], of: &Expr) -> Option<&'static str> {
    let name = last(of)?;
    names.iter().find(|(known, _)| *known == name).map(|(_, word)| *word)
}

/// The words of each `impl List { const ALL: … = [("word", …), …]; }` and of each constant that is a list of texts.
fn words(path: &str, content: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let file = syn::parse_file(content).map_err(|error| at(path, &error))?;
    let mut macros: BTreeMap<String, Rules> = BTreeMap::new();
    let mut found = BTreeMap::new();
    let mut items = file.items;
    items.reverse();
    while let Some(item) = items.pop() {
        match item {
            Item::Macro(item) => match &item.ident {
                Some(name) => {
                    let rules = Rules::read(item.mac.tokens).map_err(|error| at(path, &error))?;
                    macros.insert(name.to_string(), rules);
                }
                None => {
                    let name = item.mac.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
                    let span = item.mac.path.span();
                    let Some(rules) = macros.get(&name) else { continue };
                    let written = rules.expand(item.mac.tokens, span).and_then(items_of::<Item>);
                    items.extend(written.map_err(|error| at(path, &error))?.into_iter().rev());
                }
            },
            Item::Const(item) => {
                if let Some(entries) = list(&item.expr) {
                    let texts = entries.into_iter().filter_map(text).collect();
                    found.insert(item.ident.to_string(), texts);
                }
            }
            Item::Impl(item) if item.trait_.is_none() => {
                for inner in item.items {
                    if let ImplItem::Const(inner) = inner
                        && inner.ident == "ALL"
                    {
                        let mut texts = Vec::new();
                        strings(inner.expr.to_token_stream(), &mut texts);
                        found.insert(item.self_ty.to_token_stream().to_string(), texts);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The kinds that the schema lists.
fn kinds(path: &str, text: &str) -> Result<Vec<String>> {
    let schema: serde_json::Value = serde_json::from_str(text).with_context(|| path.to_owned())?;
    let choices = schema.pointer("/$defs/kind/oneOf").and_then(|list| list.as_array());
    let choices = choices.ok_or_else(|| anyhow!("{path}: `$defs.kind.oneOf` isn't a list"))?;
    let mut kinds = Vec::new();
    for choice in choices {
        let one = choice.pointer("/properties/kind").unwrap_or(choice);
        let words = one.get("enum").and_then(|list| list.as_array()).into_iter().flatten().chain(one.get("const"));
        for word in words.filter_map(|word| word.as_str()) {
            if !kinds.iter().any(|known| known == word) {
                kinds.push(word.to_owned());
            }
        }
    }
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str =
        r#"row("lpad", &[Text, Whole, Text], Give::Text, NULL, &[["a", "b", "c"], ["bandstand_lpad({0})", "d", "e"]])"#;

    #[test]
    fn a_row_of_the_table_is_read() {
        let functions = functions("f.rs", &format!("pub static ALL: &[Function] = &[{ROW}];")).unwrap();
        let expected = Function {
            word: "lpad".into(),
            takes: vec!["text", "whole number", "text"],
            optional: 1,
            gives: "text",
            null: true,
            sql: ["bandstand_lpad({0})".into(), "d".into(), "e".into()],
        };
        assert_eq!(functions, [expected]);
    }

    #[test]
    fn a_row_that_cant_be_read_is_an_error_with_its_line() {
        let error = |row: &str| functions("f.rs", &format!("static ALL: &[F] = &[\n{row}];")).unwrap_err().to_string();
        assert!(error(&ROW.replace("Give::Text", "Give::Colour")).starts_with("f.rs:2: the result is of a kind"));
        assert!(error(&ROW.replace("NULL", "true")).starts_with("f.rs:2: whether"));
        assert!(error(&ROW.replace(r#", "e""#, "")).starts_with("f.rs:2: the SQL"));
        assert!(error("other").starts_with("f.rs:2: an entry"));
        assert!(functions("f.rs", "").unwrap_err().to_string().starts_with("f.rs: there is no table"));
    }

    #[test]
    fn lists_of_words_are_read_also_where_a_macro_writes_them() {
        let words = words(
            "w.rs",
            r#"macro_rules! words { ($name:ident { $($variant:ident = $word:literal,)* }) => {
                impl $name { const ALL: &'static [(&'static str, $name)] = &[$(($word, $name::$variant),)*]; } }; }
            words! { Part { Year = "year", Day = "day", } }
            impl Lookup { const ALL: [(&'static str, Lookup); 1] = [("exact", Lookup::Exact)]; }
            const WINDOWS: [&str; 2] = ["rank", "lag"];"#,
        )
        .unwrap();
        assert_eq!(words["Part"], ["year", "day"]);
        assert_eq!(words["Lookup"], ["exact"]);
        assert_eq!(words["WINDOWS"], ["rank", "lag"]);
    }

    #[test]
    fn kinds_come_from_the_schema() {
        let schema = r#"{"$defs":{"kind":{"oneOf":[{"enum":["text","slug"]},{"properties":{"kind":{"const":"decimal"}}},
            {"properties":{"kind":{"enum":["char","slug"]}}}]}}}"#;
        assert_eq!(kinds("s.json", schema).unwrap(), ["text", "slug", "decimal", "char"]);
        assert!(kinds("s.json", "{}").is_err());
    }
}
