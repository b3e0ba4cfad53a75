//! SQLite: what its pragmas say, and what the columns hold.
//!
//! SQLite takes any word for a type and, outside of strict tables, any value in any column. So what is declared is half of
//! the truth; where a kind depends on how values are stored (a date is a number of days, not a text), the first rows are
//! looked at.

use std::collections::HashMap;

use host_store::{Datum, Statement, StoreError};

use super::ask::{number, rows, rows_of, text};
use super::literal::{Literal, fitting, literal, note};
use super::types::SqlType;
use super::{Column, ForeignKey, Kind, MOST_COLUMNS, MOST_TABLES, Schema, Table, on_delete, places};
use crate::kind::SQLITE_DIGITS;
use crate::run::Run;
use crate::types::Value;

/// How many rows of a table are looked at, to see what its columns hold.
const LOOKED_AT: usize = 1_000;

/// The most digits that a decimal field has here.
const MOST_DIGITS: u32 = SQLITE_DIGITS as u32;

/// The tables of the file itself. Not SQLite's own, nor those in which virtual tables keep their data.
const TABLES: &str = "(SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow' \
    AND substr(name, 1, 7) <> 'sqlite_')";

pub(super) async fn read(on: &mut impl Run) -> Result<Schema, StoreError> {
    let mut schema = Schema::default();
    for row in rows(on, format!("SELECT name, type FROM {TABLES} ORDER BY name"), 2, MOST_TABLES).await? {
        match text(&row, 1) {
            "table" => schema.tables.push(Table { name: text(&row, 0).to_owned(), ..Table::default() }),
            "view" => schema.left_out.push((text(&row, 0).to_owned(), "a view")),
            _ => schema.left_out.push((text(&row, 0).to_owned(), "a virtual table")),
        }
    }
    let places = places(&schema.tables);
    columns(on, &mut schema.tables, &places).await?;
    indexes(on, &mut schema.tables, &places).await?;
    foreign_keys(on, &mut schema.tables, &places).await?;
    for table in &mut schema.tables {
        for at in 0..table.columns.len() {
            settle(on, table, at).await?;
        }
    }
    Ok(schema)
}

fn of_tables(pragma: &str, columns: &str, order: &str) -> String {
    format!(
        "SELECT t.name, {columns} FROM {TABLES} t, {pragma}(t.name) p WHERE t.type = 'table' ORDER BY t.name, {order}"
    )
}

async fn columns(on: &mut impl Run, tables: &mut [Table], places: &HashMap<String, usize>) -> Result<(), StoreError> {
    let ask = of_tables("pragma_table_xinfo", "p.name, p.type, p.\"notnull\", p.dflt_value, p.pk, p.hidden", "p.cid");
    let mut keys: Vec<Vec<(i64, usize)>> = vec![Vec::new(); tables.len()];
    for row in rows(on, ask, 7, MOST_COLUMNS).await? {
        let Some(at) = places.get(text(&row, 0)) else { continue };
        let table = &mut tables[*at];
        if number(&row, 5) > 0 {
            keys[*at].push((number(&row, 5), table.columns.len()));
        }
        let mut column = Column {
            name: text(&row, 1).to_owned(),
            declared: text(&row, 2).to_owned(),
            null: number(&row, 3) == 0 && number(&row, 5) == 0,
            ..Column::default()
        };
        // 2 and 3 are generated columns, virtual and stored.
        if number(&row, 6) >= 2 {
            column.note = Some("it is computed by the database".into());
            table.columns.push(column);
            continue;
        }
        column.kind = Some(Kind::Text);
        if let Value::Text(default) = &row[4] {
            match literal(default) {
                Literal::Null => {}
                Literal::Value(value) => column.default = Some(value),
                Literal::Expression => {
                    column.note = Some(note(default));
                }
            }
        }
        table.columns.push(column);
    }
    for (table, mut key) in tables.iter_mut().zip(keys) {
        key.sort_unstable();
        table.primary_key = key.into_iter().map(|(_, column)| column).collect();
    }
    Ok(())
}

async fn indexes(on: &mut impl Run, tables: &mut [Table], places: &HashMap<String, usize>) -> Result<(), StoreError> {
    // In the order in which they were made, which SQLite tells backwards.
    let ask = of_tables("pragma_index_list", "p.name, p.\"unique\", p.origin, p.partial", "p.seq DESC");
    for row in rows(on, ask, 5, MOST_COLUMNS).await? {
        let Some(at) = places.get(text(&row, 0)) else { continue };
        let table = &mut tables[*at];
        let (name, unique, origin) = (text(&row, 1), number(&row, 2) != 0, text(&row, 3));
        if origin == "pk" {
            continue;
        }
        let ask = Statement::of_host("SELECT cid, \"desc\" FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno");
        let parts = rows_of(on, &ask, &[Datum::Text(name.as_bytes())], 2, MOST_COLUMNS).await?;
        let parts: Option<Vec<(usize, bool)>> =
            parts.iter().map(|part| Some((usize::try_from(number(part, 0)).ok()?, number(part, 1) != 0))).collect();
        let kind = if unique { "unique index" } else { "index" };
        match parts {
            None => table.notes.push(format!("the {kind} {name} is over an expression")),
            Some(_) if number(&row, 4) != 0 => table.notes.push(format!("the {kind} {name} is of some rows only")),
            Some(parts) if unique => {
                let set: Vec<usize> = parts.into_iter().map(|(column, _)| column).collect();
                if !table.is_unique(&set) {
                    table.uniques.push(set);
                }
            }
            Some(parts) => table.indexes.push(parts),
        }
    }
    Ok(())
}

async fn foreign_keys(
    on: &mut impl Run,
    tables: &mut [Table],
    places: &HashMap<String, usize>,
) -> Result<(), StoreError> {
    let ask = of_tables(
        "pragma_foreign_key_list",
        "p.id, p.\"table\", p.\"from\", p.\"to\", p.on_delete",
        "p.id DESC, p.seq",
    );
    let (mut of, mut number_of_last) = (usize::MAX, -1);
    for row in rows(on, ask, 6, MOST_COLUMNS).await? {
        let Some(at) = places.get(text(&row, 0)) else { continue };
        let table = &mut tables[*at];
        let Some(column) = table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(text(&row, 3)))
        else {
            continue;
        };
        if (of, number_of_last) != (*at, number(&row, 1)) {
            (of, number_of_last) = (*at, number(&row, 1));
            table.foreign_keys.push(ForeignKey {
                columns: Vec::new(),
                table: text(&row, 2).to_owned(),
                to: Vec::new(),
                on_delete: on_delete(text(&row, 5)),
            });
        }
        if let Some(key) = table.foreign_keys.last_mut() {
            key.columns.push(column);
            if let Value::Text(to) = &row[4] {
                key.to.push(to.clone());
            }
        }
    }
    // SQLite finds tables and columns whatever the case; from here on names are what the tables call themselves.
    let names: HashMap<String, (String, Vec<String>)> = tables
        .iter()
        .map(|table| {
            let columns = table.columns.iter().map(|column| column.name.clone()).collect();
            (table.name.to_ascii_lowercase(), (table.name.clone(), columns))
        })
        .collect();
    for key in tables.iter_mut().flat_map(|table| &mut table.foreign_keys) {
        let Some((table, columns)) = names.get(&key.table.to_ascii_lowercase()) else { continue };
        key.table.clone_from(table);
        for to in &mut key.to {
            if let Some(name) = columns.iter().find(|name| name.eq_ignore_ascii_case(to)) {
                to.clone_from(name);
            }
        }
    }
    Ok(())
}

/// How the values of a column are stored, in the rows that were looked at: how many of each sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stored {
    integers: i64,
    reals: i64,
    texts: i64,
    blobs: i64,
    /// Integers that are 0 or 1.
    bits: i64,
    /// Blobs of 16 bytes.
    sixteens: i64,
    /// Integers that a time of day can be, in microseconds.
    times: i64,
}

impl Stored {
    fn all(self) -> i64 {
        self.integers + self.reals + self.texts + self.blobs
    }

    /// What most people would call it.
    fn word(self) -> &'static str {
        match self {
            Stored { integers, .. } if integers == self.all() => "whole numbers",
            Stored { reals, integers, .. } if reals + integers == self.all() => "floats",
            Stored { texts, .. } if texts == self.all() => "texts",
            Stored { blobs, .. } if blobs == self.all() => "bytes",
            _ => "values of several types",
        }
    }
}

/// Decides on the kind of a column.
async fn settle(on: &mut impl Run, table: &mut Table, at: usize) -> Result<(), StoreError> {
    if table.columns[at].kind.is_none() {
        return Ok(());
    }
    let stored = stored(on, &table.name, &table.columns[at].name).await?;
    let is_row_number = table.primary_key == [at]
        && table.columns[at].declared.eq_ignore_ascii_case("INTEGER")
        && !has_key_index(on, &table.name).await?;
    let column = &mut table.columns[at];
    let (kind, said) = match is_row_number {
        true => (Kind::Auto, None),
        false => kind(&SqlType::parse(&column.declared), stored),
    };
    column.kind = Some(kind);
    if let Some(said) = said {
        column.note = Some(match column.note.take() {
            Some(before) => format!("{said}; {before}"),
            None => said,
        });
    }
    if let Some(default) = column.default.take() {
        column.default = fitting(kind, default);
        if column.default.is_none() {
            column.note.get_or_insert_with(|| "its default isn't a value of its kind".into());
        }
    }
    Ok(())
}

/// Whether the primary key has an index of its own, so that it isn't the row's number.
async fn has_key_index(on: &mut impl Run, table: &str) -> Result<bool, StoreError> {
    let ask = Statement::of_host("SELECT 1 FROM pragma_index_list(?) WHERE origin = 'pk'");
    Ok(!rows_of(on, &ask, &[Datum::Text(table.as_bytes())], 1, 2).await?.is_empty())
}

async fn stored(on: &mut impl Run, table: &str, column: &str) -> Result<Option<Stored>, StoreError> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    // A name with U+0000 would end the statement there.
    if table.contains('\0') || column.contains('\0') {
        return Ok(None);
    }
    let ask = format!(
        "SELECT total(t = 'integer'), total(t = 'real'), total(t = 'text'), total(t = 'blob'), \
         total(t = 'integer' AND c IN (0, 1)), total(t = 'blob' AND length(c) = 16), \
         total(t = 'integer' AND c BETWEEN 0 AND 86399999999) \
         FROM (SELECT {0} AS c, typeof({0}) AS t FROM {1} LIMIT {LOOKED_AT})",
        quoted(column),
        quoted(table)
    );
    let found = match rows(on, ask, 7, 1).await {
        Ok(found) => found,
        Err(error @ (StoreError::Timeout | StoreError::Busy(_))) => return Err(error),
        // A generated column may compute anything; a broken page may be anywhere. What is declared has to do.
        Err(_) => return Ok(None),
    };
    let Some(row) = found.first() else { return Ok(None) };
    #[allow(clippy::cast_possible_truncation, reason = "a count of at most LOOKED_AT rows")]
    let count = |at: usize| match row[at] {
        Value::Float(number) => number as i64,
        _ => 0,
    };
    let stored = Stored {
        integers: count(0),
        reals: count(1),
        texts: count(2),
        blobs: count(3),
        bits: count(4),
        sixteens: count(5),
        times: count(6),
    };
    Ok((stored.all() > 0).then_some(stored))
}

/// The kind for a declared type and what the column holds, and what was guessed.
fn kind(declared: &SqlType, stored: Option<Stored>) -> (Kind, Option<String>) {
    let words = declared.words.as_str();
    let char = match declared.length() {
        Some(length) if (1..=1_000_000).contains(&length) => Kind::Char { max_length: length },
        _ => Kind::Text,
    };
    // What the column holds is the first choice; the second is told apart by the values, or by its absence.
    let as_declared = |kind: Kind, fits: fn(Stored) -> bool, form: &str| match stored {
        None => (kind, Some(format!("no value is there to tell whether it holds {form}"))),
        Some(stored) if fits(stored) => (kind, None),
        Some(stored) => {
            let (kind, _) = by_values(stored, char);
            let holds = stored.word();
            (kind, Some(format!("declared {words}, but it holds {holds}, not {form}")))
        }
    };
    let integers = |stored: Stored| stored.integers == stored.all();
    match words {
        "INTEGER" | "INT" | "BIGINT" | "SMALLINT" | "TINYINT" | "MEDIUMINT" | "INT2" | "INT4" | "INT8"
        | "UNSIGNED BIG INT" => match stored {
            Some(stored) if !integers(stored) => as_declared(Kind::BigInteger, integers, "whole numbers"),
            _ => (Kind::BigInteger, None),
        },
        "REAL" | "DOUBLE" | "DOUBLE PRECISION" | "FLOAT" => match stored {
            Some(stored) if stored.reals + stored.integers != stored.all() => {
                as_declared(Kind::Float, |_| false, "floats")
            }
            _ => (Kind::Float, None),
        },
        "BOOLEAN" | "BOOL" => as_declared(Kind::Boolean, |stored| stored.bits == stored.all(), "0 and 1"),
        "DATE" => as_declared(Kind::Date, integers, "days since 1970-01-01 as whole numbers"),
        "DATETIME" | "TIMESTAMP" => {
            as_declared(Kind::DateTime, integers, "microseconds since 1970-01-01T00:00:00Z as whole numbers")
        }
        "TIME" => as_declared(Kind::Time, |stored| stored.times == stored.all(), "microseconds since midnight"),
        "UUID" => as_declared(Kind::Uuid, |stored| stored.sixteens == stored.all(), "16 bytes"),
        "JSON" => as_declared(Kind::Json, |stored| stored.texts == stored.all(), "texts"),
        "DECIMAL" | "NUMERIC" => match declared.digits(MOST_DIGITS) {
            Some((max_digits, decimal_places)) => {
                let form = format!("whole numbers of which the last {decimal_places} digits are decimal places");
                let (kind, note) = as_declared(Kind::Decimal { max_digits, decimal_places }, integers, &form);
                // Whole numbers may as well be meant as they are.
                let sure = decimal_places == 0 && note.is_none();
                (kind, note.or_else(|| (!sure).then(|| format!("right if it holds {form}"))))
            }
            None => {
                by_values_or(stored, Kind::Float, &format!("{words} without digits, or of more than {MOST_DIGITS},"))
            }
        },
        "TEXT" | "CLOB" => match stored {
            Some(stored) if stored.texts != stored.all() => as_declared(Kind::Text, |_| false, "texts"),
            _ => (Kind::Text, None),
        },
        "BLOB" => match stored {
            Some(stored) if stored.blobs != stored.all() => as_declared(Kind::Binary, |_| false, "bytes"),
            _ => (Kind::Binary, None),
        },
        "CHAR"
        | "VARCHAR"
        | "NCHAR"
        | "NVARCHAR"
        | "CHARACTER"
        | "CHARACTER VARYING"
        | "VARYING CHARACTER"
        | "NATIVE CHARACTER"
        | "NATIONAL CHARACTER"
        | "NATIONAL CHARACTER VARYING" => match stored {
            Some(stored) if stored.texts != stored.all() => as_declared(char, |_| false, "texts"),
            _ => (char, None),
        },
        _ => by_values_or(stored, Kind::Text, words),
    }
}

/// For a type that says nothing: what the values say.
fn by_values_or(stored: Option<Stored>, otherwise: Kind, words: &str) -> (Kind, Option<String>) {
    let declared = if words.is_empty() { "it has no type".to_owned() } else { format!("the type {words} has no kind") };
    match stored {
        None => (otherwise, Some(format!("{declared}, and there is no value to tell"))),
        Some(stored) => {
            let (kind, sure) = by_values(stored, Kind::Text);
            let holds = if sure { "chosen by the values" } else { "and it holds values of several types" };
            (kind, Some(format!("{declared}; {holds}")))
        }
    }
}

/// The kind that can read the values, and whether it can read all of them.
fn by_values(stored: Stored, text: Kind) -> (Kind, bool) {
    if stored.integers == stored.all() {
        (Kind::BigInteger, true)
    } else if stored.integers + stored.reals == stored.all() {
        (Kind::Float, true)
    } else if stored.blobs == stored.all() {
        (Kind::Binary, true)
    } else {
        (text, stored.texts == stored.all())
    }
}
