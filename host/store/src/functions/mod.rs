//! The functions that an app's statements call on SQLite.
//!
//! SQLite's own are few, and some of them can't be stopped: `LIKE` and `GLOB` take time exponential in the number of
//! wildcards, `instr` and `replace` the product of two lengths, all within a single step that no deadline reaches. These
//! take time linear in their texts and make no result larger than a value may be. They give what PostgreSQL and MariaDB
//! give; where a function has no value (`sqrt(-1)`, a text that is no number), the result is NULL.

mod aggregate;
mod convert;
mod json;
mod like;
mod math;
mod text;
mod time;

use std::sync::Arc;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Error, Result};

use crate::control::{Control, STEPS};

/// SQLite's own functions that an app's statements may call, besides those of this module. Everything else is refused when
/// a statement is prepared.
const BUILT_IN: &[&str] = &[
    "abs",
    "avg",
    "coalesce",
    "count",
    "cume_dist",
    "dense_rank",
    "first_value",
    "json_group_array",
    "lag",
    "last_value",
    "lead",
    "length",
    "ltrim",
    "max",
    "min",
    "nth_value",
    "ntile",
    "nullif",
    "percent_rank",
    "random",
    "rank",
    "round",
    "row_number",
    "rtrim",
    "sum",
    "trim",
    "unicode",
    "unixepoch",
];

/// More of them, for statements that an app wrote itself: those that take time linear in their arguments and keep to the size
/// of a value. `like`, `glob`, `instr` and `replace` are this module's under SQLite's names.
const BUILT_IN_RAW: &[&str] = &[
    "char",
    "concat",
    "concat_ws",
    "date",
    "datetime",
    "format",
    "glob",
    "group_concat",
    "hex",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_error_position",
    "json_extract",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_patch",
    "json_pretty",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_type",
    "json_valid",
    "->",
    "->>",
    "julianday",
    "like",
    "likelihood",
    "likely",
    "lower",
    "octet_length",
    "printf",
    "quote",
    "randomblob",
    "regexp",
    "replace",
    "sign",
    "sqlite_version",
    "strftime",
    "string_agg",
    "substr",
    "substring",
    "time",
    "timediff",
    "total",
    "typeof",
    "unhex",
    "unlikely",
    "upper",
    "zeroblob",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "ceil",
    "ceiling",
    "cos",
    "cosh",
    "degrees",
    "exp",
    "floor",
    "ln",
    "log",
    "log10",
    "log2",
    "mod",
    "pi",
    "pow",
    "power",
    "radians",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
];

/// What the names of this module's functions begin with.
const OWN: &str = "bandstand_";

/// Whether an app's statements may call it.
pub(crate) fn allowed(name: &str) -> bool {
    name.starts_with(OWN) || BUILT_IN.contains(&name)
}

/// Whether a statement that an app wrote itself may call it, besides those that are [`allowed`].
pub(crate) fn allowed_raw(name: &str) -> bool {
    BUILT_IN_RAW.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Counts the steps of a function as SQLite counts those of a statement: a function that runs is a single one to SQLite.
pub(super) struct Watch<'c> {
    control: &'c Control,
    steps: i32,
}

impl<'c> Watch<'c> {
    pub(super) fn new(control: &'c Control) -> Self {
        Self { control, steps: 0 }
    }

    /// Errors: where the statement shall stop.
    pub(super) fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps < STEPS {
            return Ok(());
        }
        self.steps = 0;
        if self.control.look() { Err(interrupted()) } else { Ok(()) }
    }
}

/// What a function makes of its arguments.
pub(super) type Made = Result<Value>;

/// Registers all of them. No text that one makes is longer than `max_bytes`, and those that may run long look at `control`.
pub(crate) fn register(connection: &Connection, max_bytes: u32, control: &Arc<Control>) -> Result<()> {
    let registry = Registry { connection, max_bytes: max_bytes as usize, control };
    text::register(&registry)?;
    like::register(&registry)?;
    math::register(&registry)?;
    time::register(&registry)?;
    json::register(&registry)?;
    convert::register(&registry)?;
    aggregate::register(&registry)
}

pub(super) struct Registry<'c> {
    pub(super) connection: &'c Connection,
    pub(super) max_bytes: usize,
    pub(super) control: &'c Arc<Control>,
}

impl Registry<'_> {
    /// A function of so many arguments (-1 for any number), which gives the same for the same arguments.
    pub(super) fn add(
        &self,
        name: &str,
        arguments: i32,
        function: impl Fn(&Context<'_>) -> Made + Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe + 'static,
    ) -> Result<()> {
        self.with(name, arguments, FunctionFlags::SQLITE_DETERMINISTIC, function)
    }

    /// One that gives something else each time.
    pub(super) fn add_volatile(
        &self,
        name: &str,
        arguments: i32,
        function: impl Fn(&Context<'_>) -> Made + Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe + 'static,
    ) -> Result<()> {
        self.with(name, arguments, FunctionFlags::empty(), function)
    }

    fn with(
        &self,
        name: &str,
        arguments: i32,
        more: FunctionFlags,
        function: impl Fn(&Context<'_>) -> Made + Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe + 'static,
    ) -> Result<()> {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS | more;
        self.connection.create_scalar_function(format!("{OWN}{name}").as_str(), arguments, flags, move |context| {
            function(context).map(ToSqlOutput::Owned)
        })
    }

    /// One in place of SQLite's own of that name.
    pub(super) fn replace(
        &self,
        name: &str,
        arguments: i32,
        function: impl Fn(&Context<'_>) -> Made + Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe + 'static,
    ) -> Result<()> {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS | FunctionFlags::SQLITE_DETERMINISTIC;
        self.connection
            .create_scalar_function(name, arguments, flags, move |context| function(context).map(ToSqlOutput::Owned))
    }
}

/// The text at `at`; `None` where it is NULL.
pub(super) fn text<'a>(context: &'a Context<'_>, at: usize) -> Option<&'a str> {
    match context.get_raw(at) {
        // It was UTF-8 when it came in; a file that was tampered with has no text here.
        ValueRef::Text(text) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

pub(super) fn whole(context: &Context<'_>, at: usize) -> Option<i64> {
    match context.get_raw(at) {
        ValueRef::Integer(number) => Some(number),
        _ => None,
    }
}

pub(super) fn float(context: &Context<'_>, at: usize) -> Option<f64> {
    match context.get_raw(at) {
        ValueRef::Real(number) => Some(number),
        // Beyond 2^53 the nearest float is what a float can hold.
        #[allow(clippy::cast_precision_loss)]
        ValueRef::Integer(number) => Some(number as f64),
        _ => None,
    }
}

/// NULL where there is nothing.
pub(super) fn or_null(value: Option<impl Into<Value>>) -> Made {
    Ok(value.map_or(Value::Null, Into::into))
}

/// What the session reports as why the statement was stopped.
fn interrupted() -> Error {
    Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT), None)
}

/// What the session reports as a value that is too large.
pub(super) fn too_big() -> Error {
    Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_TOOBIG), None)
}

/// What an error says of a text that is longer than its field.
pub(crate) const TOO_LONG: &str = "a text is longer than its field";

/// What the session reports as a check that failed.
pub(super) fn too_long() -> Error {
    Error::UserFunctionError(TOO_LONG.into())
}

/// What the session reports as a number past 64 bits.
pub(super) fn overflow() -> Error {
    Error::UserFunctionError("integer overflow".into())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rusqlite::Connection;
    use rusqlite::types::Value;

    use crate::control::Until;

    /// The only cell of a query with all functions there.
    pub(super) fn ask(sql: &str) -> Value {
        try_ask(sql).expect(sql)
    }

    pub(super) fn try_ask(sql: &str) -> rusqlite::Result<Value> {
        ask_for(sql, Duration::from_secs(60))
    }

    /// The same with so much time.
    pub(super) fn ask_for(sql: &str, time: Duration) -> rusqlite::Result<Value> {
        let connection = Connection::open_in_memory()?;
        let control = crate::control::new();
        control.arm(Until::deadline(Instant::now() + time));
        super::register(&connection, 1 << 20, &control)?;
        connection.query_row(&format!("SELECT {sql}"), [], |row| row.get(0))
    }

    /// Each expression and what it gives, as SQLite writes it.
    pub(super) fn check(cases: &[(&str, &str)]) {
        for (sql, expected) in cases {
            let same = ask(&format!("({sql}) IS ({expected})"));
            assert_eq!(same, Value::Integer(1), "{sql} is {:?}, not {expected}", ask(sql));
        }
    }
}
