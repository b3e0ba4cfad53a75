//! MariaDB: its information schema, of the database that the login uses.

use host_store::StoreError;

use super::ask::{number, rows, text};
use super::literal::{Literal, fitting, literal, note};
use super::types::SqlType;
use super::{Column, ForeignKey, Kind, MOST_COLUMNS, MOST_DIGITS, MOST_TABLES, Schema, Table, on_delete, places};
use crate::run::Run;
use crate::types::Value;

const TABLES: &str = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = database() \
    ORDER BY BINARY table_name";

const COLUMNS: &str = "SELECT table_name, column_name, column_type, is_nullable = 'YES', column_default, \
    extra LIKE '%auto_increment%', is_generated <> 'NEVER', collation_name FROM information_schema.columns \
    WHERE table_schema = database() ORDER BY table_name, ordinal_position";

const INDEXES: &str = "SELECT table_name, index_name, non_unique = 0, column_name, collation = 'D', sub_part IS NOT NULL \
    FROM information_schema.statistics WHERE table_schema = database() ORDER BY table_name, index_name, seq_in_index";

const FOREIGN_KEYS: &str = "SELECT k.table_name, k.constraint_name, k.column_name, k.referenced_table_name, \
    k.referenced_column_name, r.delete_rule FROM information_schema.key_column_usage k \
    JOIN information_schema.referential_constraints r ON r.constraint_schema = k.constraint_schema \
        AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name \
    WHERE k.table_schema = database() AND k.referenced_table_schema = database() \
    ORDER BY k.table_name, k.constraint_name, k.ordinal_position";

pub(super) async fn read(on: &mut impl Run) -> Result<Schema, StoreError> {
    let mut schema = Schema::default();
    for row in rows(on, TABLES.into(), 2, MOST_TABLES).await? {
        let name = text(&row, 0).to_owned();
        match text(&row, 1) {
            "BASE TABLE" => schema.tables.push(Table { name, ..Table::default() }),
            "SEQUENCE" => schema.left_out.push((name, "a sequence")),
            _ => schema.left_out.push((name, "a view")),
        }
    }
    let places = places(&schema.tables);
    for row in rows(on, COLUMNS.into(), 8, MOST_COLUMNS).await? {
        if let Some(&at) = places.get(text(&row, 0)) {
            schema.tables[at].columns.push(column(&row));
        }
    }
    indexes(&mut schema, &rows(on, INDEXES.into(), 6, MOST_COLUMNS).await?);
    let mut last = (String::new(), String::new());
    for row in rows(on, FOREIGN_KEYS.into(), 6, MOST_COLUMNS).await? {
        let Some(&at) = places.get(text(&row, 0)) else { continue };
        let table = &mut schema.tables[at];
        let Some(own) = table.place(text(&row, 2)) else { continue };
        let this = (text(&row, 0).to_owned(), text(&row, 1).to_owned());
        if this != last {
            last = this;
            // It says RESTRICT where nothing was said, and both mean the same to it: it refuses by itself.
            let rule = text(&row, 5);
            let on_delete = on_delete(if rule == "RESTRICT" { "NO ACTION" } else { rule });
            table.foreign_keys.push(ForeignKey {
                columns: vec![],
                table: text(&row, 3).to_owned(),
                to: vec![],
                on_delete,
            });
        }
        if let Some(key) = table.foreign_keys.last_mut() {
            key.columns.push(own);
            key.to.push(text(&row, 4).to_owned());
        }
    }
    schema.name_automatic_keys();
    Ok(schema)
}

fn indexes(schema: &mut Schema, rows: &[Vec<Value>]) {
    let same = |a: &Vec<Value>, b: &Vec<Value>| (text(a, 0), text(a, 1)) == (text(b, 0), text(b, 1));
    for parts in rows.chunk_by(same) {
        let (name, unique) = (text(&parts[0], 1), number(&parts[0], 2) != 0);
        let Some(table) = schema.tables.iter_mut().find(|table| table.name == text(&parts[0], 0)) else { continue };
        let columns: Option<Vec<(usize, bool)>> =
            parts.iter().map(|part| Some((table.place(text(part, 3))?, number(part, 4) != 0))).collect();
        let kind = if unique { "unique index" } else { "index" };
        match columns {
            None => table.notes.push(format!("the {kind} {name} is over an expression")),
            Some(_) if parts.iter().any(|part| number(part, 5) != 0) => {
                table.notes.push(format!("the {kind} {name} is over the beginnings of texts"));
            }
            Some(columns) if name == "PRIMARY" => {
                table.primary_key = columns.into_iter().map(|(column, _)| column).collect();
            }
            Some(columns) if unique => table.uniques.push(columns.into_iter().map(|(column, _)| column).collect()),
            Some(columns) => table.indexes.push(columns),
        }
    }
}

fn column(row: &[Value]) -> Column {
    let declared = text(row, 2).to_owned();
    let mut column = Column { name: text(row, 1).to_owned(), null: number(row, 3) != 0, ..Column::default() };
    let (kind, said) = match number(row, 6) != 0 {
        true => (None, Some("it is computed by the database".to_owned())),
        false => kind(&SqlType::parse(&declared)),
    };
    (column.kind, column.note) = (kind, said);
    column.counts_up = number(row, 5) != 0;
    if let (Some(kind), Value::Text(default), false) = (kind, &row[4], column.counts_up) {
        match literal(default) {
            Literal::Null => {}
            Literal::Value(value) => column.default = fitting(kind, value),
            Literal::Expression => {}
        }
        if column.default.is_none() && !default.eq_ignore_ascii_case("NULL") {
            column.note.get_or_insert_with(|| note(default));
        }
    }
    let collation = text(row, 7);
    if matches!(kind, Some(Kind::Char { .. } | Kind::Text)) && !collation.ends_with("_bin") {
        let note = format!(
            "its collation {collation} takes letters for equal that aren't; the host expects utf8mb4_nopad_bin"
        );
        column.note.get_or_insert(note);
    }
    column.declared = declared;
    column
}

fn kind(declared: &SqlType) -> (Option<Kind>, Option<String>) {
    let words = declared.words.trim_end_matches(" ZEROFILL");
    let (word, is_unsigned) = match words.strip_suffix(" UNSIGNED") {
        Some(word) => (word, true),
        None => (words, false),
    };
    let kind = match (word, is_unsigned) {
        ("TINYINT", false) if declared.length() == Some(1) => Kind::Boolean,
        ("TINYINT", _) | ("SMALLINT", false) => Kind::SmallInteger,
        ("SMALLINT", true) | ("MEDIUMINT", _) | ("INT", false) => Kind::Integer,
        ("INT", true) | ("BIGINT", false) => Kind::BigInteger,
        ("BIGINT", true) => {
            return (Some(Kind::BigInteger), Some("numbers beyond 2^63 can't be read".into()));
        }
        ("FLOAT" | "DOUBLE", _) => Kind::Float,
        ("DECIMAL", false) => match declared.digits(MOST_DIGITS) {
            Some((max_digits, decimal_places)) => Kind::Decimal { max_digits, decimal_places },
            None => return (None, Some(format!("a decimal field has at most {MOST_DIGITS} digits"))),
        },
        ("VARCHAR" | "CHAR", _) => match declared.length() {
            Some(length) if length > 0 => Kind::Char { max_length: length },
            _ => Kind::Text,
        },
        ("TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT", _) => Kind::Text,
        ("TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" | "VARBINARY", _) => Kind::Binary,
        ("BINARY", _) if declared.length() == Some(16) => {
            return (Some(Kind::Uuid), Some("right if its 16 bytes are a UUID".into()));
        }
        ("DATE", _) => Kind::Date,
        ("TIME", _) => Kind::Time,
        ("DATETIME" | "TIMESTAMP", _) => return (Some(Kind::DateTime), Some("right if it holds UTC".into())),
        (other, _) => return (None, Some(format!("no field has the type {}", other.to_ascii_lowercase()))),
    };
    (Some(kind), None)
}
