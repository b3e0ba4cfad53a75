//! Values that are written into SQL, which happens in tables' definitions alone: nothing can be bound there.

use host_store::{Datum, calendar};

use super::Dialect;
use crate::kind::Kind;
use crate::types::Value;

/// A checked value of a kind as it stands in a definition. It means the same whatever the connection is set to.
pub(crate) fn write(dialect: Dialect, kind: Kind, value: &Value) -> String {
    use Dialect::{Mariadb, Postgres, Sqlite};
    let typed =
        |text: String, word: &str| if dialect == Postgres { format!("'{text}'::{word}") } else { format!("'{text}'") };
    match (dialect, kind, value) {
        (_, _, Value::Null) => "NULL".into(),
        (_, Kind::Decimal { .. }, value) => match (dialect, kind.to_sql(value)) {
            // As SQLite keeps it: without its point.
            (Sqlite, Datum::Decimal(number)) => format!("({})", number.mantissa()),
            (_, Datum::Decimal(number)) => format!("({number})"),
            _ => "NULL".into(),
        },
        (Postgres, _, Value::Boolean(truth)) => if *truth { "TRUE" } else { "FALSE" }.into(),
        (_, _, Value::Boolean(truth)) => u8::from(*truth).to_string(),
        (Postgres | Mariadb, Kind::Date, Value::Integer(day)) => typed(calendar::date_text(*day), "date"),
        (Postgres | Mariadb, Kind::Time, Value::Integer(micros)) => typed(calendar::time_text(*micros), "time"),
        (Postgres, Kind::DateTime, Value::Integer(micros)) => {
            typed(format!("{}+00", calendar::datetime_text(*micros)), "timestamptz")
        }
        (Mariadb, Kind::DateTime, Value::Integer(micros)) => typed(calendar::datetime_text(*micros), "timestamp"),
        (_, Kind::Float, Value::Integer(number)) => format!("({number}.0e0)"),
        // Whole numbers are of 64 bits in every expression.
        (Postgres, _, Value::Integer(number)) => format!("({number})::bigint"),
        (_, _, Value::Integer(number)) => format!("({number})"),
        (Postgres, _, Value::Float(number)) if number.is_infinite() => {
            if *number > 0.0 { "'Infinity'::float8" } else { "'-Infinity'::float8" }.into()
        }
        (_, _, Value::Float(number)) if number.is_infinite() => if *number > 0.0 { "9e999" } else { "(-9e999)" }.into(),
        (Postgres, _, Value::Float(number)) => format!("({number:e})::float8"),
        (_, _, Value::Float(number)) => format!("({number:e})"),
        (Postgres, Kind::Json, Value::Text(document)) => format!("{}::jsonb", text(dialect, document)),
        (_, _, Value::Text(given)) => text(dialect, given),
        (Postgres, Kind::Uuid, Value::Bytes(bytes)) => format!("'{}'::uuid", hex::encode(bytes)),
        (Postgres, _, Value::Bytes(bytes)) => format!("decode('{}', 'hex')", hex::encode(bytes)),
        (Sqlite | Mariadb, _, Value::Bytes(bytes)) => format!("X'{}'", hex::encode(bytes)),
    }
}

/// A text. Whether a backslash means something between quotes is up to a setting on two of the three, so it stands between
/// quotes that say so themselves, or in no quotes at all. MariaDB keeps definitions as text of its own, in which it writes a
/// quote with a backslash, whatever the setting, and can't read it again.
fn text(dialect: Dialect, text: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match dialect {
        Dialect::Sqlite => quoted(text),
        Dialect::Postgres if text.contains('\\') => format!("E{}::text", quoted(&text.replace('\\', "\\\\"))),
        Dialect::Postgres => format!("{}::text", quoted(text)),
        Dialect::Mariadb if text.chars().all(|c| (' '..='~').contains(&c) && c != '\'' && c != '\\') => quoted(text),
        Dialect::Mariadb => format!("(convert(X'{}' using utf8mb4) collate utf8mb4_nopad_bin)", hex::encode(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Dialect; 3] = [Dialect::Sqlite, Dialect::Postgres, Dialect::Mariadb];

    fn texts(given: &str) -> [String; 3] {
        ALL.map(|dialect| write(dialect, Kind::Text, &Value::Text(given.into())))
    }

    #[test]
    fn texts_cannot_leave_their_quotes() {
        let drop = "'; DROP TABLE x; --";
        let [sqlite, postgres, mariadb] = texts(drop);
        assert_eq!(sqlite, "'''; DROP TABLE x; --'");
        assert_eq!(postgres, "'''; DROP TABLE x; --'::text");
        let hex = hex::encode(drop);
        assert_eq!(mariadb, format!("(convert(X'{hex}' using utf8mb4) collate utf8mb4_nopad_bin)"));
        let [sqlite, postgres, _] = texts("\\' OR 1=1 --");
        assert_eq!(sqlite, "'\\'' OR 1=1 --'");
        assert_eq!(postgres, "E'\\\\'' OR 1=1 --'::text");
        assert_eq!(texts("a b"), ["'a b'", "'a b'::text", "'a b'"]);
    }

    #[test]
    fn quotes_are_opened_and_closed_by_us_alone() {
        for hostile in ["'", "''", "\\", "\\\\'", "'\\'", "/*", "*/", "--\n", "\u{2019}", "$$", "?\u{1}", "ÿ\u{feff}"]
        {
            for text in texts(hostile) {
                // Outside of quotes nothing of the text is left.
                let (mut inside, mut rest, mut chars) = (false, String::new(), text.chars().peekable());
                let escapes = text.starts_with('E');
                while let Some(c) = chars.next() {
                    match c {
                        '\'' if inside && chars.peek() == Some(&'\'') => drop(chars.next()),
                        '\\' if inside && escapes => drop(chars.next()),
                        '\'' => inside = !inside,
                        c if !inside => rest.push(c),
                        _ => {}
                    }
                }
                let ours =
                    ["", "E::text", "::text", "(convert(X using utf8mb4) collate utf8mb4_nopad_bin)"].contains(&&*rest);
                assert!(!inside && ours, "{text}");
            }
        }
        let huge = "'".repeat(1 << 20);
        assert_eq!(texts(&huge)[0].len(), (2 << 20) + 2);
    }

    #[test]
    fn each_kind_is_written_as_its_database_reads_it() {
        let price = Kind::Decimal { digits: 10, places: 2 };
        for (kind, value, expected) in [
            (price, Value::Text("-1.5".into()), ["(-150)", "(-1.50)", "(-1.50)"]),
            (Kind::Integer, Value::Integer(-7), ["(-7)", "(-7)::bigint", "(-7)"]),
            (Kind::Boolean, Value::Boolean(true), ["1", "TRUE", "1"]),
            (Kind::Date, Value::Integer(0), ["(0)", "'1970-01-01'::date", "'1970-01-01'"]),
            (
                Kind::DateTime,
                Value::Integer(-1),
                ["(-1)", "'1969-12-31 23:59:59.999999+00'::timestamptz", "'1969-12-31 23:59:59.999999'"],
            ),
            (Kind::Binary, Value::Bytes(vec![0, 255]), ["X'00ff'", "decode('00ff', 'hex')", "X'00ff'"]),
            (Kind::Float, Value::Float(0.5), ["(5e-1)", "(5e-1)::float8", "(5e-1)"]),
            (Kind::Text, Value::Null, ["NULL"; 3]),
        ] {
            assert_eq!(ALL.map(|dialect| write(dialect, kind, &value)), expected);
        }
    }
}
