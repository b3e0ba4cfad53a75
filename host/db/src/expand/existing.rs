//! Columns that somebody else made: whether a field can live in them.
//!
//! A table that the host manages has exactly the types that the host gives. Another's has whatever its maker found right, and
//! what matters is what the column can hold.

use super::ddl;
use crate::dialect::Dialect;
use crate::kind::Kind;

/// Whether a column whose type is `known`, in the database's words, holds the values of the kind and gives them back as they
/// were. How long a text or how large a number may be is the column's own affair: the database refuses what is too much.
pub(super) fn fits(dialect: Dialect, kind: Kind, known: &str) -> bool {
    ddl::column_type(dialect, kind) == known
        || match dialect {
            Dialect::Sqlite => fits_sqlite(kind, known),
            Dialect::Postgres => fits_postgres(kind, known),
            Dialect::Mariadb => fits_mariadb(kind, known),
        }
}

/// SQLite takes any word for a type and reads an affinity out of it (<https://sqlite.org/datatype3.html>, section 3.1).
fn fits_sqlite(kind: Kind, known: &str) -> bool {
    let known = known.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| known.contains(word));
    let texts = kind.is_text() || kind == Kind::Json;
    let numbers = !texts && !matches!(kind, Kind::Binary | Kind::Uuid);
    if has(&["INT"]) {
        numbers
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        texts
    } else if known.is_empty() || has(&["BLOB"]) {
        // No affinity: what comes in stays as it is.
        true
    } else if has(&["REAL", "FLOA", "DOUB"]) {
        kind == Kind::Float
    } else {
        // Numbers and bytes stay what they are, but a text of digits would become a number.
        !texts
    }
}

/// As `format_type` writes types.
fn fits_postgres(kind: Kind, known: &str) -> bool {
    let word = known.split('(').next().unwrap_or(known);
    match kind {
        Kind::Float => matches!(word, "double precision" | "real"),
        Kind::Decimal { .. } => word == "numeric",
        Kind::Json => matches!(word, "jsonb" | "json"),
        Kind::Boolean | Kind::Binary | Kind::Date | Kind::Time | Kind::DateTime | Kind::Uuid => false,
        // `character(n)` fills up with spaces.
        kind if kind.is_text() => matches!(word, "text" | "character varying"),
        _ => matches!(word, "smallint" | "integer" | "bigint"),
    }
}

/// As `information_schema` writes types, a number's width taken away.
fn fits_mariadb(kind: Kind, known: &str) -> bool {
    let word = known.split('(').next().unwrap_or(known);
    let texts = ["char", "varchar", "tinytext", "text", "mediumtext", "longtext"];
    match kind {
        Kind::Float => matches!(word, "double" | "float"),
        Kind::Decimal { .. } => word == "decimal" && !known.contains("unsigned"),
        Kind::Binary => matches!(word, "blob" | "tinyblob" | "mediumblob" | "longblob" | "varbinary"),
        Kind::Time => word == "time",
        Kind::DateTime => matches!(word, "datetime" | "timestamp"),
        Kind::Date | Kind::Uuid | Kind::Boolean => false,
        kind if kind.is_text() || kind == Kind::Json => texts.contains(&word),
        // A number beyond 63 bits is an error when it is read, and can't be written.
        _ => matches!(word.trim_end_matches(" unsigned"), "tinyint" | "smallint" | "mediumint" | "int" | "bigint"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_fits_by_what_it_holds() {
        let decimal = Kind::Decimal { digits: 10, places: 2 };
        for (kind, fit, unfit) in [
            (
                Kind::BigInteger,
                vec!["INTEGER", "int", "NUMERIC", "", "BLOB", "BOOLEAN"],
                vec!["TEXT", "REAL", "VARCHAR(3)"],
            ),
            (
                Kind::Char(20),
                vec!["NVARCHAR(160)", "text", "", "character varying(20)"],
                vec!["NUMERIC", "INT", "DATETIME", "REAL"],
            ),
            (Kind::DateTime, vec!["DATETIME", "INTEGER", "timestamp"], vec!["TEXT", "REAL"]),
            (decimal, vec!["NUMERIC(10,2)", "DECIMAL", "INTEGER"], vec!["TEXT", "DOUBLE"]),
            (Kind::Float, vec!["REAL", "DOUBLE PRECISION", "FLOAT", "NUMERIC"], vec!["TEXT"]),
            (Kind::Uuid, vec!["BLOB", "", "UUID"], vec!["TEXT", "INTEGER"]),
        ] {
            assert!(fit.iter().all(|known| fits(Dialect::Sqlite, kind, known)), "{kind:?} fits into {fit:?}");
            assert!(
                !unfit.iter().any(|known| fits(Dialect::Sqlite, kind, known)),
                "{kind:?} doesn't fit into {unfit:?}"
            );
        }
        let postgres = |kind, known| fits(Dialect::Postgres, kind, known);
        assert!(postgres(Kind::BigInteger, "integer") && postgres(Kind::Char(3), "character varying(9)"));
        assert!(!postgres(Kind::DateTime, "timestamp without time zone") && !postgres(Kind::Char(3), "character(3)"));
        let mariadb = |kind, known| fits(Dialect::Mariadb, kind, known);
        assert!(mariadb(Kind::Auto, "int") && mariadb(Kind::DateTime, "datetime") && mariadb(decimal, "decimal(12,2)"));
        assert!(
            mariadb(Kind::Auto, "int(10) unsigned") && !mariadb(Kind::Text, "blob") && !mariadb(Kind::Auto, "double")
        );
    }
}
