//! The text functions that lookups use.
//!
//! SQLite's own `LIKE` and `GLOB` take time exponential in the number of wildcards, and `instr` takes the product of
//! both lengths, all within a single step that no deadline can stop. These take time linear in the text.

use memchr::memmem::Finder;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

/// Functions that an app's statements may call. Everything else is refused when a statement is prepared.
pub(crate) const ALLOWED: &[&str] = &[
    "avg",
    "coalesce",
    "count",
    "max",
    "min",
    "sum",
    "bandstand_contains",
    "bandstand_icontains",
    "bandstand_startswith",
    "bandstand_istartswith",
    "bandstand_endswith",
    "bandstand_iendswith",
    "bandstand_iexact",
];

type Test = fn(&[u8], &Needle) -> bool;

/// What is looked for, prepared once for a statement's run.
struct Needle {
    text: Vec<u8>,
    finder: Finder<'static>,
    folded: Finder<'static>,
}

impl Needle {
    fn new(text: &[u8]) -> Self {
        let folded = text.to_ascii_lowercase();
        Self { text: text.to_vec(), finder: Finder::new(text).into_owned(), folded: Finder::new(&folded).into_owned() }
    }
}

pub(crate) fn register(connection: &Connection) -> Result<()> {
    let tests: [(&str, Test); 7] = [
        ("bandstand_contains", |text, needle| needle.finder.find(text).is_some()),
        ("bandstand_icontains", |text, needle| {
            needle.text.len() <= text.len() && needle.folded.find(&text.to_ascii_lowercase()).is_some()
        }),
        ("bandstand_startswith", |text, needle| text.starts_with(&needle.text)),
        ("bandstand_istartswith", |text, needle| {
            text.get(..needle.text.len()).is_some_and(|start| start.eq_ignore_ascii_case(&needle.text))
        }),
        ("bandstand_endswith", |text, needle| text.ends_with(&needle.text)),
        ("bandstand_iendswith", |text, needle| {
            text.len().checked_sub(needle.text.len()).is_some_and(|at| text[at..].eq_ignore_ascii_case(&needle.text))
        }),
        ("bandstand_iexact", |text, needle| text.eq_ignore_ascii_case(&needle.text)),
    ];
    for (name, test) in tests {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
        connection.create_scalar_function(name, 2, flags, move |context| call(context, test))?;
    }
    Ok(())
}

/// NULL where either side is NULL, as any comparison in SQL.
fn call(context: &Context<'_>, test: Test) -> Result<Option<bool>> {
    let ValueRef::Text(text) = context.get_raw(0) else { return Ok(None) };
    if !matches!(context.get_raw(1), ValueRef::Text(_)) {
        return Ok(None);
    }
    // SQLite keeps it for the statement's run where the argument is constant and forgets it otherwise.
    let needle = context.get_or_create_aux(1, |value| -> Result<Needle, rusqlite::types::FromSqlError> {
        Ok(Needle::new(value.as_bytes()?))
    })?;
    Ok(Some(test(text, &needle)))
}
