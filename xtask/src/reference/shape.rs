//! The part of the page about the query shape: each word that the host reads, what the SDK calls it, and where a database differs.

use anyhow::{Result, anyhow};

use super::host::{DATABASES, Function, Tables};
use super::outline::SUBJECTS as SUBJECTS_OF;
use super::page::cell;
use super::source::{Callable, Library, Owner};
use super::types::Signature;

pub(super) const TITLE: &str = "In the query shape";

pub(super) const SUBJECTS: [&str; 9] = [
    "Lookups and conditions",
    "Functions",
    "Arithmetic, choices, queries",
    "Parts and units of dates and times",
    "Values in documents",
    "Aggregate functions",
    "Window functions",
    "Casts",
    "Where a database differs",
];

const INTRO: &str = "\
The words of [the query shape](query-shape.md), which says what each means, and what the SDK calls them. A word stands first in a list: `Book::TITLE.lower()` is
`[\"lower\",{\"f\":\"title\"}]`. Where the SDK has no method for a word, another language may still send it.";

/// Operators and what else has no method with the word in it: what the SDK writes, what it is for, what it gives.
const BY_HAND: &[(&str, [&str; 3])] = &[
    ("add", ["`a + b`", "numbers, dates, datetimes, durations", "`T`"]),
    (
        "sub",
        [
            "`a - b`, `since`, `days_since`",
            "numbers, dates, datetimes, durations",
            "`T`; a `Duration` or days of two moments or dates",
        ],
    ),
    ("mul", ["`a * b`", "numbers", "`T`"]),
    ("div", ["`a / b`", "numbers", "`Option<T>`, of decimals `Option<f64>`"]),
    ("mod", ["`a % b`", "numbers", "`Option<T>`"]),
    ("and", ["`a & b`, `Q::all`", "conditions", "`Q`"]),
    ("or", ["`a | b`, `Q::any`", "conditions", "`Q`"]),
    ("xor", ["`a ^ b`", "conditions", "`Q`"]),
    ("not", ["`!a`", "conditions", "`Q`"]),
    ("true", ["`is_true`", "booleans", "`Q`"]),
    ("in", ["`is_in`", "anything", "`Q`"]),
    ("isnull", ["`is_null`, `is_not_null`", "anything", "`Q`"]),
];

/// What isn't the same everywhere, though the host does what it can.
const NOTES: &[(&[&str], &str)] = &[
    (&["upper"], "`ß` in upper case is `SS`, on MariaDB `ß`"),
    (
        &["lower", "iexact", "icontains", "istartswith", "iendswith"],
        "the sigma at a word's end, the dotted `İ` and some rare letters have other lower cases on MariaDB",
    ),
    (&["regex", "iregex"], "MariaDB's `$` also matches before the last end of a line"),
    (&["json_contains"], "MariaDB finds `[2]` also in `[1,[2]]`; elsewhere elements count at their own level alone"),
    (
        &["in"],
        "documents are compared by their text on SQLite; a shape with a `limit` that reads the row outside is `unsupported` on MariaDB",
    ),
    (
        &["replace"],
        "a text that becomes too large is an error on SQLite (past 16 MiB), NULL on PostgreSQL (past 64 Mi characters) and MariaDB (past `max_allowed_packet`)",
    ),
    (
        &["add", "sub", "mul", "div", "sum"],
        "a float past its range is infinite on SQLite and an error (`invalid-value` or `check`) on PostgreSQL and MariaDB",
    ),
    (&["stddev", "variance"], "with `distinct` they are `unsupported` on MariaDB"),
    (
        &["extract", "trunc", "date", "time"],
        "a zone other than UTC is `unsupported` on MariaDB until its tables of zones are filled",
    ),
    (&["cast"], "a very large or very small float as a text is `1e+20`, on MariaDB `1e20`"),
    (&["json"], "PostgreSQL orders the members of a document and drops blanks; the others give it as it was written"),
];

pub(super) fn write(library: &Library, tables: &Tables) -> Result<String> {
    let words = Words { library, tables };
    let spoken = NOTES.iter().flat_map(|(words, _)| *words).chain(BY_HAND.iter().map(|(word, _)| word));
    if let Some(word) = spoken.into_iter().find(|word| !tables.knows(word)) {
        return Err(anyhow!("xtask/src/reference/shape.rs speaks of `{word}`, which no shape can say"));
    }
    let [lookups, functions, choices, parts, documents, aggregates, windows, casts, differences] = SUBJECTS;
    let out = [
        format!("## {TITLE}\n\n{INTRO}"),
        format!("### {lookups}\n\n{}", words.tables(&["Lookup", "CONDITION_WORDS"], Some("PerRow"))?),
        format!("### {functions}\n\n{}", words.functions()),
        format!("### {choices}\n\n{}", words.tables(&["Arithmetic", "Choice", "EXPRESSION_WORDS"], None)?),
        format!(
            "### {parts}\n\n`[\"extract\", part, e]` is a whole number; `[\"trunc\", unit, e]` is the beginning of the unit; `[\"date\", e]` and `[\"time\", e]` are parts of a \
             datetime. All take `{{\"tz\":zone}}` behind, and on MariaDB [differ](#{DIFFERENCES}) in that.\n\n{}",
            words.parts()?
        ),
        format!("### {documents}\n\n{}", words.table("JsonResult", None)?),
        format!("### {aggregates}\n\n{}", words.table("AggregateFunction", None)?),
        format!(
            "### {windows}\n\n`[\"window\", function, {{…}}]`, with `over` in the SDK. Aggregates are window functions, too.\n\n{}",
            words.tables(&["Ranked", "WINDOW_WORDS"], None)?
        ),
        format!("### {casts}\n\n{}", words.casts()),
        format!("### {differences}\n\n{}", words.notes()),
    ];
    Ok(out.join("\n\n"))
}

/// Words of expressions that have a table of their own.
const ELSEWHERE: [&str; 5] = ["cast", "extract", "trunc", "window", "json"];

struct Words<'a> {
    library: &'a Library,
    tables: &'a Tables,
}

impl Words<'_> {
    /// The SDK's methods and functions that write a word; `only` is the trait that they are sought in, if not in all.
    fn written_by(&self, word: &str, only: Option<&str>) -> Vec<&Callable> {
        let candidates: Vec<&Callable> = self
            .library
            .callables
            .iter()
            .filter(|one| match (&one.owner, only) {
                (Owner::Trait(name), Some(only)) => name == only,
                (Owner::Trait(name), None) => name == "Term" || name == "PerRow",
                (Owner::Nobody(_), _) => only != Some("Term"),
                _ => false,
            })
            .collect();
        let same: Vec<&Callable> = candidates.iter().copied().filter(|one| one.name() == word).collect();
        if same.is_empty() {
            let holds = |one: &&Callable| one.words.iter().any(|known| known == word);
            return candidates.into_iter().filter(holds).collect();
        }
        same
    }

    /// What the SDK calls a word, what it is for and what it gives.
    fn in_sdk(&self, word: &str, only: Option<&str>) -> [String; 3] {
        if let Some((_, shown)) = BY_HAND.iter().find(|(known, _)| *known == word) {
            return shown.map(str::to_owned);
        }
        let found = self.written_by(word, only);
        let Some(first) = found.first() else { return ["none", "", ""].map(str::to_owned) };
        let mut names: Vec<String> = found
            .iter()
            .map(|one| match &one.owner {
                Owner::Nobody(Some(module)) => format!("`{module}::{}`", one.name()),
                _ => format!("`{}`", one.name()),
            })
            .collect();
        names.dedup();
        // A method says more than a function of the same name.
        let first = found.iter().find(|one| matches!(one.owner, Owner::Trait(_))).unwrap_or(first);
        let signature = Signature::of(first);
        let on = match (&first.owner, &signature.of) {
            (Owner::Nobody(_), _) => "no field",
            (_, None) => "anything",
            (_, Some(of)) => SUBJECTS_OF.iter().find(|(known, _)| known == of).map_or("anything", |(_, word)| *word),
        };
        let gives = signature.gives.unwrap_or_default();
        [names.join(", "), on.to_owned(), format!("`{gives}`")]
    }

    /// The words of a list of the host.
    fn table(&self, list: &str, only: Option<&str>) -> Result<String> {
        Ok(self.rows(self.tables.words(list)?, only))
    }

    fn tables(&self, lists: &[&str], only: Option<&str>) -> Result<String> {
        let mut words = Vec::new();
        for list in lists {
            words.extend(self.tables.words(list)?.iter().filter(|word| !ELSEWHERE.contains(&word.as_str())).cloned());
        }
        Ok(self.rows(&words, only))
    }

    fn rows(&self, words: &[String], only: Option<&str>) -> String {
        let mut text = "| word | in the SDK | on | gives | databases |\n|---|---|---|---|---|".to_owned();
        for word in words {
            let [name, on, gives] = self.in_sdk(word, only);
            text.push_str(&format!("\n| `{word}` | {} | {on} | {} | {} |", cell(&name), cell(&gives), alike(word)));
        }
        text
    }

    fn functions(&self) -> String {
        let mut text = "\
*own* is the database's function, *guarded* the same with a condition around it, so that it answers like the others, *host* a function that the host gives to SQLite. \
An argument in brackets may be left out.\n\n\
| word | in the SDK | takes | gives | SQLite | PostgreSQL | MariaDB |\n|---|---|---|---|---|---|---|"
            .to_owned();
        for function in &self.tables.functions {
            let [sqlite, postgres, mariadb] = function.sql.each_ref().map(|sql| mark(sql));
            let word = &function.word;
            let mark = if noted(word) { format!(" ([differs](#{DIFFERENCES}))") } else { String::new() };
            let [name, ..] = self.in_sdk(word, None);
            text.push_str(&format!(
                "\n| `{word}`{mark} | {} | {} | {} | {sqlite} | {postgres} | {mariadb} |",
                cell(&name),
                takes(function),
                gives(function),
            ));
        }
        let mut sql = String::new();
        for function in &self.tables.functions {
            let [sqlite, rest @ ..] = &function.sql;
            let line = if rest.iter().all(|other| other == sqlite) {
                format!("all `{sqlite}`")
            } else {
                let each = DATABASES.iter().zip(&function.sql);
                each.map(|(database, sql)| format!("{database} `{}`", one_line(sql))).collect::<Vec<_>>().join(" · ")
            };
            sql.push_str(&format!("- **{}**: {line}\n", function.word));
        }
        format!(
            "{text}\n\n<details>\n<summary>As SQL, with all arguments: <code>{{0}}</code> is the first</summary>\n\n{sql}\n</details>"
        )
    }

    fn parts(&self) -> Result<String> {
        let (parts, units) = (self.tables.words("Part")?, self.tables.words("Unit")?);
        let rest = units.iter().filter(|unit| !parts.contains(unit));
        let mut text = "| word | part, in the SDK | unit, in the SDK |\n|---|---|---|".to_owned();
        for word in parts.iter().chain(rest) {
            let [part, ..] = match parts.contains(word) {
                true => self.in_sdk(word, Some("Term")),
                false => ["none", "", ""].map(str::to_owned),
            };
            let unit = if units.contains(word) { format!("`Unit::{}`", capital(word)) } else { "none".into() };
            text.push_str(&format!("\n| `{word}` | {part} | {unit} |"));
        }
        Ok(text)
    }

    fn casts(&self) -> String {
        let mut text = "\
`[\"cast\", e, kind]`. What doesn't fit is NULL; which kinds can become which is in [the query shape](query-shape.md#one-value-of-several).\n\n\
| kind | in the SDK |\n|---|---|"
            .to_owned();
        for kind in &self.tables.kinds {
            let by_kind = self.library.kinds.iter().find(|(_, word)| word == kind);
            let shown = match (kind.as_str(), by_kind) {
                ("decimal", _) => "`cast_decimal(max_digits, decimal_places)`".into(),
                ("char", _) => "`cast_char(max_length)`".into(),
                ("text", _) => "`to_text()`, `cast::<String>()`".into(),
                (_, Some((of, _))) => format!("`cast::<{of}>()`"),
                (_, None) => "none".into(),
            };
            text.push_str(&format!("\n| `{kind}` | {shown} |"));
        }
        text
    }

    fn notes(&self) -> String {
        let mut text = "The same shape gives the same rows on all three, but for this; more of it is in \
                        [the query shape](query-shape.md#where-databases-differ) and in [the database](db.md#differences-between-the-databases).\n\n| word | differs |\n|---|---|"
            .to_owned();
        for (words, note) in NOTES {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            text.push_str(&format!("\n| {} | {} |", words.join(", "), cell(note)));
        }
        text
    }
}

const DIFFERENCES: &str = "where-a-database-differs";

fn noted(word: &str) -> bool {
    NOTES.iter().any(|(known, _)| known.contains(&word))
}

fn alike(word: &str) -> String {
    if noted(word) { format!("[differ](#{DIFFERENCES})") } else { "alike".into() }
}

/// How a database does it.
fn mark(sql: &str) -> &'static str {
    if sql.contains("bandstand_") {
        "host"
    } else if sql.contains("CASE") {
        "guarded"
    } else {
        "own"
    }
}

fn one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn takes(function: &Function) -> String {
    if function.takes.is_empty() {
        return "nothing".into();
    }
    let needed = function.takes.len() - function.optional;
    let each = function.takes.iter().enumerate();
    let shown = each.map(|(at, kind)| if at < needed { (*kind).to_owned() } else { format!("[{kind}]") });
    shown.collect::<Vec<_>>().join(", ")
}

fn gives(function: &Function) -> String {
    if function.null { format!("{} or NULL", function.gives) } else { function.gives.to_owned() }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDK: &str = r#"
        pub trait Term {
            fn lower(self) -> Makes<Self, String> where Base<Self>: Text { call("lower") }
            fn reversed(self) -> Makes<Self, String> where Base<Self>: Text { call("reverse") }
        }
        pub fn rank() -> WindowFunction<R, i64> { call("rank") }"#;

    #[test]
    fn a_word_is_found_by_its_name_and_by_what_writes_it() {
        let files = [("db/mod.rs", "pub use a::{Term, rank};"), ("db/a.rs", SDK)];
        let library = Library::of(&files.map(|(path, text)| (path.to_owned(), text.to_owned()))).unwrap();
        let tables = Tables::default();
        let words = Words { library: &library, tables: &tables };
        assert_eq!(words.in_sdk("lower", None), ["`lower`", "texts", "`String`"]);
        assert_eq!(words.in_sdk("reverse", None)[0], "`reversed`");
        assert_eq!(words.in_sdk("rank", None), ["`rank`", "no field", "`WindowFunction<i64>`"]);
        assert_eq!(words.in_sdk("mod", None)[0], "`a % b`");
        assert_eq!(words.in_sdk("unknown", None)[0], "none");
        let shown = words.rows(&["lower".to_owned()], None);
        assert!(shown.ends_with("| `lower` | `lower` | texts | `String` | [differ](#where-a-database-differs) |"));
        assert!(write(&library, &tables).unwrap_err().to_string().contains("which no shape can say"));
    }

    #[test]
    fn each_database_has_a_mark() {
        assert_eq!(
            ["bandstand_ln({0})", "CASE WHEN {0} > 0 THEN ln({0}) END", "ln({0})"].map(mark),
            ["host", "guarded", "own"]
        );
    }
}
