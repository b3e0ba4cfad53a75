//! PostgreSQL: its catalogue, of the schema that the login finds first.

use std::collections::HashMap;

use host_store::StoreError;

use super::ask::{number, rows, text};
use super::literal::{Literal, fitting, literal, note};
use super::types::SqlType;
use super::{
    Column, Default, ForeignKey, Kind, MOST_COLUMNS, MOST_DIGITS, MOST_TABLES, Schema, Table, on_delete, places,
};
use crate::run::Run;
use crate::types::Value;

/// Tables and what looks like one: not the parts of a table that is spread over several.
const RELATIONS: &str = "SELECT c.relname::text, c.relkind::text FROM pg_catalog.pg_class c \
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition \
    ORDER BY c.relname COLLATE \"C\"";

const COLUMNS: &str = "SELECT c.relname::text, a.attname::text, a.attnum::bigint, format_type(a.atttypid, a.atttypmod), \
    (NOT a.attnotnull)::int::bigint, pg_get_expr(d.adbin, d.adrelid), (a.attidentity <> '')::int::bigint, \
    (a.attgenerated <> '')::int::bigint \
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped \
    ORDER BY c.relname, a.attnum";

const INDEXES: &str = "SELECT t.relname::text, n.relname::text, i.indisunique::int::bigint, i.indisprimary::int::bigint, \
    (i.indpred IS NOT NULL)::int::bigint, i.indkey::text, i.indoption::text, i.indnkeyatts::bigint \
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_class n ON n.oid = i.indexrelid \
    WHERE t.relnamespace = current_schema()::regnamespace AND t.relkind IN ('r', 'p') \
    ORDER BY t.relname, n.relname";

const FOREIGN_KEYS: &str = "SELECT t.relname::text, array_to_string(k.conkey, ' '), f.relname::text, \
    array_to_string(k.confkey, ' '), k.confdeltype::text \
    FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class t ON t.oid = k.conrelid JOIN pg_catalog.pg_class f ON f.oid = k.confrelid \
    WHERE k.contype = 'f' AND t.relnamespace = current_schema()::regnamespace AND k.conparentid = 0 ORDER BY t.relname, k.conname";

pub(super) async fn read(on: &mut impl Run) -> Result<Schema, StoreError> {
    let mut schema = Schema::default();
    for row in rows(on, RELATIONS.into(), 2, MOST_TABLES).await? {
        let name = text(&row, 0).to_owned();
        match text(&row, 1) {
            "v" => schema.left_out.push((name, "a view")),
            "m" => schema.left_out.push((name, "a materialized view")),
            "f" => schema.left_out.push((name, "a foreign table")),
            _ => schema.tables.push(Table { name, ..Table::default() }),
        }
    }
    let places = places(&schema.tables);
    // Columns are told apart by numbers, in which dropped ones leave gaps.
    let mut numbers: HashMap<(usize, i64), usize> = HashMap::new();
    for row in rows(on, COLUMNS.into(), 8, MOST_COLUMNS).await? {
        let Some(&at) = places.get(text(&row, 0)) else { continue };
        let table = &mut schema.tables[at];
        numbers.insert((at, number(&row, 2)), table.columns.len());
        table.columns.push(column(&row));
    }
    let columns = |table: usize, list: &str| -> Option<Vec<usize>> {
        list.split_whitespace().map(|number| numbers.get(&(table, number.parse().ok()?)).copied()).collect()
    };
    for row in rows(on, INDEXES.into(), 8, MOST_COLUMNS).await? {
        let Some(&at) = places.get(text(&row, 0)) else { continue };
        let (name, unique, primary) = (text(&row, 1), number(&row, 2) != 0, number(&row, 3) != 0);
        let keys = usize::try_from(number(&row, 7)).unwrap_or_default();
        let first = |list: &str| list.split_whitespace().take(keys).collect::<Vec<_>>().join(" ");
        let (found, table) = (columns(at, &first(text(&row, 5))), &mut schema.tables[at]);
        let kind = if unique { "unique index" } else { "index" };
        match found {
            // An expression has the number 0.
            None => table.notes.push(format!("the {kind} {name} is over an expression")),
            Some(_) if number(&row, 4) != 0 => table.notes.push(format!("the {kind} {name} is of some rows only")),
            Some(set) if primary => table.primary_key = set,
            Some(set) if unique => table.uniques.push(set),
            Some(set) => {
                let descends = text(&row, 6).split_whitespace().map(|option| option.parse().unwrap_or(0_i64) & 1 != 0);
                table.indexes.push(set.into_iter().zip(descends).collect());
            }
        }
    }
    for row in rows(on, FOREIGN_KEYS.into(), 5, MOST_COLUMNS).await? {
        let Some(&at) = places.get(text(&row, 0)) else { continue };
        let Some(own) = columns(at, text(&row, 1)) else { continue };
        let names = |to: usize| {
            let found = columns(to, text(&row, 3)).unwrap_or_default();
            found.into_iter().map(|column| schema.tables[to].columns[column].name.clone()).collect()
        };
        let to = places.get(text(&row, 2)).map(|to| names(*to)).unwrap_or_default();
        let action = match text(&row, 4) {
            "c" => "CASCADE",
            "n" => "SET NULL",
            "r" => "RESTRICT",
            _ => "NO ACTION",
        };
        let key = ForeignKey { columns: own, table: text(&row, 2).to_owned(), to, on_delete: on_delete(action) };
        schema.tables[at].foreign_keys.push(key);
    }
    schema.name_automatic_keys();
    Ok(schema)
}

fn column(row: &[Value]) -> Column {
    let declared = text(row, 3).to_owned();
    let mut column =
        Column { name: text(row, 1).to_owned(), null: number(row, 4) != 0, ..std::default::Default::default() };
    let (kind, said) = match number(row, 7) != 0 {
        true => (None, Some("it is computed by the database".to_owned())),
        false => kind(&SqlType::parse(&declared)),
    };
    (column.kind, column.note) = (kind, said);
    let default = text(row, 5);
    column.counts_up = number(row, 6) != 0 || default.starts_with("nextval(");
    if let (Some(kind), false) = (kind, default.is_empty() || column.counts_up) {
        // A text is shown with its type: 'x'::character varying.
        let plain = match default.rsplit_once("'::") {
            Some((before, ty)) if !ty.contains('\'') => format!("{before}'"),
            _ => default.to_owned(),
        };
        // A negative number is shown as a text of that type: '-3'::integer.
        let read = match literal(&plain) {
            Literal::Value(Default::Text(text)) if !matches!(kind, Kind::Char { .. } | Kind::Text) => literal(&text),
            read => read,
        };
        match read {
            Literal::Null => {}
            Literal::Value(value) => column.default = fitting(kind, value),
            Literal::Expression => {}
        }
        if column.default.is_none() && !default.eq_ignore_ascii_case("NULL") {
            column.note.get_or_insert_with(|| note(default));
        }
    }
    column.declared = declared;
    column
}

fn kind(declared: &SqlType) -> (Option<Kind>, Option<String>) {
    let kind = match declared.words.as_str() {
        "SMALLINT" => Kind::SmallInteger,
        "INTEGER" => Kind::Integer,
        "BIGINT" => Kind::BigInteger,
        "REAL" | "DOUBLE PRECISION" => Kind::Float,
        "NUMERIC" => match declared.digits(MOST_DIGITS) {
            Some((max_digits, decimal_places)) => Kind::Decimal { max_digits, decimal_places },
            None => {
                let note = "a decimal of any size; make the digits those that its values have";
                return (Some(Kind::Decimal { max_digits: MOST_DIGITS, decimal_places: 10 }), Some(note.into()));
            }
        },
        "BOOLEAN" => Kind::Boolean,
        "CHARACTER VARYING" => match declared.length() {
            Some(length) if length <= 1_000_000 => Kind::Char { max_length: length },
            _ => Kind::Text,
        },
        "TEXT" => Kind::Text,
        "BYTEA" => Kind::Binary,
        "DATE" => Kind::Date,
        "TIME WITHOUT TIME ZONE" => Kind::Time,
        "TIMESTAMP WITH TIME ZONE" => Kind::DateTime,
        "UUID" => Kind::Uuid,
        "JSON" | "JSONB" => Kind::Json,
        "TIMESTAMP WITHOUT TIME ZONE" => {
            return (None, Some("a moment without a time zone: make it a timestamp with time zone".into()));
        }
        "CHARACTER" => return (None, Some("it fills up with spaces: make it a character varying".into())),
        other => return (None, Some(format!("no field has the type {}", other.to_ascii_lowercase()))),
    };
    (Some(kind), None)
}
