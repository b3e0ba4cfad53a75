//! Kinds of fields: which values fit, and how they look in the database.

use host_core::manifest::FieldKind;
use host_store::{Datum, Type};

use crate::types::Value;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Auto,
    Integer,
    BigInteger,
    Float,
    Boolean,
    Char(u32),
    Text,
    Binary,
    Date,
    Time,
    DateTime,
    Duration,
    Uuid,
    Json,
    Key,
}

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

impl Kind {
    pub(crate) fn of(kind: &FieldKind) -> Self {
        match kind {
            FieldKind::Auto => Kind::Auto,
            FieldKind::Integer => Kind::Integer,
            FieldKind::BigInteger => Kind::BigInteger,
            FieldKind::Float => Kind::Float,
            FieldKind::Boolean => Kind::Boolean,
            FieldKind::Char { max_length } => Kind::Char(*max_length),
            FieldKind::Text => Kind::Text,
            FieldKind::Binary => Kind::Binary,
            FieldKind::Date => Kind::Date,
            FieldKind::Time => Kind::Time,
            FieldKind::DateTime => Kind::DateTime,
            FieldKind::Duration => Kind::Duration,
            FieldKind::Uuid => Kind::Uuid,
            FieldKind::Json => Kind::Json,
            FieldKind::ForeignKey { .. } => Kind::Key,
        }
    }

    /// The manifest's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Auto => "auto",
            Kind::Integer => "integer",
            Kind::BigInteger => "big_integer",
            Kind::Float => "float",
            Kind::Boolean => "boolean",
            Kind::Char(_) => "char",
            Kind::Text => "text",
            Kind::Binary => "binary",
            Kind::Date => "date",
            Kind::Time => "time",
            Kind::DateTime => "datetime",
            Kind::Duration => "duration",
            Kind::Uuid => "uuid",
            Kind::Json => "json",
            Kind::Key => "foreign_key",
        }
    }

    /// The column's type in a strict table.
    pub(crate) fn sql_type(self) -> &'static str {
        match self {
            Kind::Float => "REAL",
            Kind::Char(_) | Kind::Text | Kind::Json => "TEXT",
            Kind::Binary | Kind::Uuid => "BLOB",
            _ => "INTEGER",
        }
    }

    /// The check on the column, with `"` around the name already. Arithmetic can leave a kind's range, so the database
    /// has to look as well; lengths of texts can't change inside the database, so they are checked on the way in alone.
    pub(crate) fn sql_check(self, column: &str) -> Option<String> {
        match self {
            Kind::Integer => Some(format!("{column} BETWEEN {} AND {}", i32::MIN, i32::MAX)),
            Kind::Boolean => Some(format!("{column} IN (0, 1)")),
            Kind::Time => Some(format!("{column} BETWEEN 0 AND {}", DAY - 1)),
            Kind::Uuid => Some(format!("length({column}) = 16")),
            _ => None,
        }
    }

    pub(crate) fn is_text(self) -> bool {
        matches!(self, Kind::Char(_) | Kind::Text)
    }

    /// Whether `gt` and its like make sense.
    pub(crate) fn is_ordered(self) -> bool {
        !matches!(self, Kind::Boolean | Kind::Binary | Kind::Uuid | Kind::Json)
    }

    /// Whether one can reckon with it.
    pub(crate) fn is_number(self) -> bool {
        matches!(
            self,
            Kind::Integer | Kind::BigInteger | Kind::Float | Kind::Date | Kind::Time | Kind::DateTime | Kind::Duration
        )
    }

    /// Whether values of the two can be compared with one another.
    pub(crate) fn compares_with(self, other: Kind) -> bool {
        let class = |kind: Kind| match kind {
            Kind::Auto | Kind::Key | Kind::Integer | Kind::BigInteger | Kind::Float => 0,
            Kind::Boolean => 1,
            Kind::Char(_) | Kind::Text => 2,
            Kind::Binary => 3,
            Kind::Date => 4,
            Kind::Time => 5,
            Kind::DateTime => 6,
            Kind::Duration => 7,
            Kind::Uuid => 8,
            Kind::Json => 9,
        };
        class(self) == class(other)
    }

    /// Checks a value to compare with: its case must be right; one that no row can have matches none.
    pub(crate) fn check_compared(self, value: &Value) -> Result<(), String> {
        sound(value)?;
        let fits = match (self, value) {
            (_, Value::Null) => true,
            (Kind::Boolean, Value::Boolean(_)) => true,
            (Kind::Float, Value::Float(_) | Value::Integer(_)) => true,
            (Kind::Char(_) | Kind::Text | Kind::Json, Value::Text(_)) => true,
            (Kind::Binary | Kind::Uuid, Value::Bytes(_)) => true,
            (Kind::Boolean | Kind::Float | Kind::Char(_) | Kind::Text | Kind::Json | Kind::Binary | Kind::Uuid, _) => {
                false
            }
            (_, Value::Integer(_)) => true,
            _ => false,
        };
        if fits { Ok(()) } else { Err(format!("takes {}, not {}", self.takes(), value.case())) }
    }

    /// Checks a value to store. NULL is a matter of the field, not of the kind.
    pub(crate) fn check_stored(self, value: &Value) -> Result<(), String> {
        self.check_compared(value)?;
        match (self, value) {
            (Kind::Integer, Value::Integer(number)) if i32::try_from(*number).is_err() => {
                Err(format!("takes 32-bit integers; {number} is beyond"))
            }
            (Kind::Time, Value::Integer(micros)) if !(0..DAY).contains(micros) => {
                Err(format!("takes 0 to {} microseconds since midnight; {micros} is beyond", DAY - 1))
            }
            (Kind::Char(most), Value::Text(text))
                if text.len() > most as usize && text.chars().count() > most as usize =>
            {
                Err(format!("takes at most {most} characters; these are {}", text.chars().count()))
            }
            (Kind::Uuid, Value::Bytes(bytes)) if bytes.len() != 16 => {
                Err(format!("takes 16 bytes; these are {}", bytes.len()))
            }
            (Kind::Json, Value::Text(text)) => {
                let mut reader = serde_json::Deserializer::from_str(text);
                let checked = <serde::de::IgnoredAny as serde::Deserialize>::deserialize(&mut reader);
                checked.and_then(|_| reader.end()).map_err(|error| format!("takes a JSON document: {error}"))
            }
            _ => Ok(()),
        }
    }

    fn takes(self) -> &'static str {
        match self {
            Kind::Float => "a float",
            Kind::Boolean => "a boolean",
            Kind::Char(_) | Kind::Text | Kind::Json => "text",
            Kind::Binary | Kind::Uuid => "bytes",
            _ => "an integer",
        }
    }

    /// The value as the database takes it; it was checked.
    pub(crate) fn to_sql(self, value: &Value) -> Datum<'_> {
        match (self, value) {
            (_, Value::Null) => Datum::Null,
            (_, Value::Boolean(truth)) => Datum::Boolean(*truth),
            // Beyond 2^53 the nearest float is what the field can hold.
            #[allow(clippy::cast_precision_loss)]
            (Kind::Float, Value::Integer(number)) => Datum::Real(*number as f64),
            (Kind::Date, Value::Integer(days)) => Datum::Date(*days),
            (Kind::Time, Value::Integer(micros)) => Datum::Time(*micros),
            (Kind::DateTime, Value::Integer(micros)) => Datum::DateTime(*micros),
            (_, Value::Integer(number)) => Datum::Integer(*number),
            (_, Value::Float(number)) => Datum::Real(*number),
            (Kind::Json, Value::Text(text)) => Datum::Json(text.as_bytes()),
            (_, Value::Text(text)) => Datum::Text(text.as_bytes()),
            (Kind::Uuid, Value::Bytes(bytes)) => Datum::Uuid(bytes),
            (_, Value::Bytes(bytes)) => Datum::Blob(bytes),
        }
    }

    /// What [`Kind::to_sql`] makes of values that aren't null.
    pub(crate) fn sql_datum(self) -> Type {
        match self {
            Kind::Float => Type::Real,
            Kind::Boolean => Type::Boolean,
            Kind::Char(_) | Kind::Text => Type::Text,
            Kind::Binary => Type::Blob,
            Kind::Date => Type::Date,
            Kind::Time => Type::Time,
            Kind::DateTime => Type::DateTime,
            Kind::Uuid => Type::Uuid,
            Kind::Json => Type::Json,
            Kind::Auto | Kind::Integer | Kind::BigInteger | Kind::Duration | Kind::Key => Type::Integer,
        }
    }

    /// A value from a manifest, in its storage form as JSON: numbers, booleans and texts as they are, bytes as
    /// hexadecimal digits (hyphens are skipped).
    pub(crate) fn value_of_json(self, json: &serde_json::Value) -> Result<Value, String> {
        let value = match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(truth) => Value::Boolean(*truth),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) if self != Kind::Float => Value::Integer(whole),
                (_, Some(float)) => Value::Float(float),
                _ => return Err(format!("{number} is no number that a field can hold")),
            },
            serde_json::Value::String(text) if matches!(self, Kind::Uuid | Kind::Binary) => {
                let digits: String = text.chars().filter(|c| *c != '-').collect();
                Value::Bytes(hex::decode(digits).map_err(|e| format!("takes hexadecimal digits: {e}"))?)
            }
            serde_json::Value::String(text) => Value::Text(text.clone()),
            other => return Err(format!("{other} is no single value")),
        };
        self.check_stored(&value)?;
        Ok(value)
    }
}

/// What no field takes, because databases disagree about it.
fn sound(value: &Value) -> Result<(), String> {
    match value {
        Value::Float(number) if number.is_nan() => Err("takes no NaN: databases disagree about it".into()),
        Value::Text(text) if text.contains('\0') => Err("takes no U+0000: PostgreSQL can't store it".into()),
        _ => Ok(()),
    }
}
