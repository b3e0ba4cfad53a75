//! Kinds of fields: which values fit, and how they look in the database.

mod decimal;
mod text;
pub(crate) mod validator;
pub(crate) mod words;

use host_core::manifest::{FieldKind, Protocol};
use host_store::{Datum, Decimal, Type, calendar};

pub(crate) use self::text::has_zero;
use crate::types::Value;

/// What a column holds, or what an expression makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Auto,
    SmallInteger,
    Integer,
    BigInteger,
    PositiveSmallInteger,
    PositiveInteger,
    PositiveBigInteger,
    Float,
    /// So many digits in all, and so many of them after the point.
    Decimal {
        digits: u8,
        places: u8,
    },
    Boolean,
    Char(u32),
    Text,
    Slug(u32),
    Email(u32),
    Url(u32),
    Ip(Protocol),
    File(u32),
    Image(u32),
    Binary,
    Date,
    Time,
    DateTime,
    Duration,
    Uuid,
    Json,
    /// A foreign key to a row whose key is counted up.
    Key,
    /// A row whose key has several fields: whether there is one is all that can be asked of it.
    Row,
}

/// Microseconds of a day.
pub(crate) const DAY: i64 = 86_400_000_000;

/// Most digits of a decimal: what 96 bits hold.
pub(crate) const MAX_DIGITS: u8 = 28;

/// Most digits of a decimal on SQLite, which keeps it as a whole number of 64 bits.
pub(crate) const SQLITE_DIGITS: u8 = 18;

impl Kind {
    /// The kind of a field's values. A foreign key's are those of the key that it leads to, which the catalog knows.
    pub(crate) fn of(kind: &FieldKind) -> Self {
        match kind {
            FieldKind::Auto => Kind::Auto,
            FieldKind::SmallInteger => Kind::SmallInteger,
            FieldKind::Integer => Kind::Integer,
            FieldKind::BigInteger => Kind::BigInteger,
            FieldKind::PositiveSmallInteger => Kind::PositiveSmallInteger,
            FieldKind::PositiveInteger => Kind::PositiveInteger,
            FieldKind::PositiveBigInteger => Kind::PositiveBigInteger,
            FieldKind::Float => Kind::Float,
            FieldKind::Decimal { max_digits, decimal_places } => {
                Kind::Decimal { digits: *max_digits, places: *decimal_places }
            }
            FieldKind::Boolean => Kind::Boolean,
            FieldKind::Char { max_length } => Kind::Char(*max_length),
            FieldKind::Text => Kind::Text,
            FieldKind::Slug { max_length } => Kind::Slug(*max_length),
            FieldKind::Email { max_length } => Kind::Email(*max_length),
            FieldKind::Url { max_length } => Kind::Url(*max_length),
            FieldKind::Ip { protocol } => Kind::Ip(*protocol),
            FieldKind::File { max_length, .. } => Kind::File(*max_length),
            FieldKind::Image { max_length, .. } => Kind::Image(*max_length),
            FieldKind::Binary => Kind::Binary,
            FieldKind::Date => Kind::Date,
            FieldKind::Time => Kind::Time,
            FieldKind::DateTime => Kind::DateTime,
            FieldKind::Duration => Kind::Duration,
            FieldKind::AutoUuid | FieldKind::Uuid => Kind::Uuid,
            FieldKind::Json => Kind::Json,
            FieldKind::ForeignKey { .. } | FieldKind::OneToOne { .. } => Kind::Key,
            FieldKind::ManyToMany { .. } => Kind::Row,
        }
    }

    /// The manifest's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Auto => "auto",
            Kind::SmallInteger => "small_integer",
            Kind::Integer => "integer",
            Kind::BigInteger => "big_integer",
            Kind::PositiveSmallInteger => "positive_small_integer",
            Kind::PositiveInteger => "positive_integer",
            Kind::PositiveBigInteger => "positive_big_integer",
            Kind::Float => "float",
            Kind::Decimal { .. } => "decimal",
            Kind::Boolean => "boolean",
            Kind::Char(_) => "char",
            Kind::Text => "text",
            Kind::Slug(_) => "slug",
            Kind::Email(_) => "email",
            Kind::Url(_) => "url",
            Kind::Ip(_) => "ip",
            Kind::File(_) => "file",
            Kind::Image(_) => "image",
            Kind::Binary => "binary",
            Kind::Date => "date",
            Kind::Time => "time",
            Kind::DateTime => "datetime",
            Kind::Duration => "duration",
            Kind::Uuid => "uuid",
            Kind::Json => "json",
            Kind::Key => "foreign_key",
            Kind::Row => "row",
        }
    }

    /// The least and the greatest whole number that a column of the kind holds, where that is less than 64 bits hold.
    pub(crate) fn range(self) -> Option<(i64, i64)> {
        match self {
            Kind::SmallInteger => Some((i16::MIN.into(), i16::MAX.into())),
            Kind::Integer => Some((i32::MIN.into(), i32::MAX.into())),
            Kind::PositiveSmallInteger => Some((0, i16::MAX.into())),
            Kind::PositiveInteger => Some((0, i32::MAX.into())),
            Kind::PositiveBigInteger => Some((0, i64::MAX)),
            Kind::Time => Some((0, DAY - 1)),
            _ => None,
        }
    }

    /// The most characters of a text, where it has a limit.
    pub(crate) fn max_length(self) -> Option<u32> {
        match self {
            Kind::Char(most)
            | Kind::Slug(most)
            | Kind::Email(most)
            | Kind::Url(most)
            | Kind::File(most)
            | Kind::Image(most) => Some(most),
            // An address of version 6 with one of version 4 at its end.
            Kind::Ip(_) => Some(45),
            _ => None,
        }
    }

    pub(crate) fn is_text(self) -> bool {
        self == Kind::Text || self.max_length().is_some()
    }

    /// Whether `gt` and its like make sense.
    pub(crate) fn is_ordered(self) -> bool {
        !matches!(self, Kind::Boolean | Kind::Binary | Kind::Uuid | Kind::Json | Kind::Row)
    }

    /// Whether its values are whole numbers that stand for numbers, keys among them.
    pub(crate) fn is_whole(self) -> bool {
        matches!(
            self,
            Kind::Auto
                | Kind::Key
                | Kind::SmallInteger
                | Kind::Integer
                | Kind::BigInteger
                | Kind::PositiveSmallInteger
                | Kind::PositiveInteger
                | Kind::PositiveBigInteger
        )
    }

    /// The places after the point of a decimal.
    pub(crate) fn places(self) -> Option<u8> {
        match self {
            Kind::Decimal { places, .. } => Some(places),
            _ => None,
        }
    }

    /// Whether its values are numbers, keys among them.
    pub(crate) fn is_number(self) -> bool {
        self == Kind::Float || self.is_whole() || self.places().is_some()
    }

    /// Whether its values are kept as numbers that stand for a moment or a time.
    pub(crate) fn is_time(self) -> bool {
        matches!(self, Kind::Date | Kind::Time | Kind::DateTime | Kind::Duration)
    }

    /// Whether one value takes as much room as another one.
    pub(crate) fn is_of_one_size(self) -> bool {
        self.is_number() || self.is_time() || matches!(self, Kind::Boolean | Kind::Uuid)
    }

    /// The kind that holds values of both, where there is one: numbers become the wider, texts lose their limits.
    pub(crate) fn common(self, other: Kind) -> Option<Kind> {
        let plain = |kind: Kind| if kind.is_whole() { Kind::BigInteger } else { kind };
        if self == other {
            return Some(plain(self)).filter(|kind| *kind != Kind::Row);
        }
        if !self.compares_with(other) {
            return None;
        }
        Some(match (self, other) {
            (left, right) if left.is_text() && right.is_text() => Kind::Text,
            (left, right) if left.is_whole() && right.is_whole() => Kind::BigInteger,
            (Kind::Float, _) | (_, Kind::Float) => Kind::Float,
            (Kind::Decimal { digits, places }, Kind::Decimal { digits: others, places: their }) => {
                let before = (digits - places).max(others - their);
                let places = places.max(their);
                Kind::Decimal { digits: (before + places).min(MAX_DIGITS), places }
            }
            (Kind::Decimal { places, .. }, _) | (_, Kind::Decimal { places, .. }) => {
                Kind::Decimal { digits: MAX_DIGITS, places }
            }
            (kind, _) => kind,
        })
    }

    /// Whether values of the two can be compared with one another.
    pub(crate) fn compares_with(self, other: Kind) -> bool {
        let class = |kind: Kind| match kind {
            kind if kind.is_number() => 0,
            Kind::Boolean => 1,
            kind if kind.is_text() => 2,
            Kind::Binary => 3,
            Kind::Date => 4,
            Kind::Time => 5,
            Kind::DateTime => 6,
            Kind::Duration => 7,
            Kind::Uuid => 8,
            Kind::Json => 9,
            _ => 10,
        };
        class(self) == class(other) && self != Kind::Row
    }

    /// Checks a value to compare with: its case must be right; one that no row can have matches none.
    pub(crate) fn check_compared(self, value: &Value) -> Result<(), String> {
        sound(value)?;
        let fits = match (self, value) {
            (Kind::Row, _) => {
                return Err("has a key of several fields, so `isnull` alone can be asked; compare those fields".into());
            }
            (_, Value::Null) => true,
            (Kind::Boolean, Value::Boolean(_)) => true,
            (Kind::Float, Value::Float(_) | Value::Integer(_)) => true,
            (Kind::Decimal { places, .. }, value) => return decimal::read(value, places).map(|_| ()),
            (Kind::Json, Value::Text(_)) => true,
            // Not every database can be asked for another one at all.
            (Kind::Uuid, Value::Bytes(bytes)) if bytes.len() != 16 => {
                return Err(format!("takes 16 bytes; these are {}", bytes.len()));
            }
            (Kind::Binary | Kind::Uuid, Value::Bytes(_)) => true,
            (Kind::Boolean | Kind::Float | Kind::Json | Kind::Binary | Kind::Uuid, _) => false,
            (kind, value) if kind.is_text() => matches!(value, Value::Text(_)),
            (_, value) => matches!(value, Value::Integer(_)),
        };
        if fits { Ok(()) } else { Err(format!("takes {}, not {}", self.takes(), value.case())) }
    }

    /// Checks a value to store. NULL is a matter of the field, not of the kind.
    pub(crate) fn check_stored(self, value: &Value) -> Result<(), String> {
        self.check_compared(value)?;
        if let (Some((least, most)), Value::Integer(number)) = (self.range(), value)
            && !(least..=most).contains(number)
        {
            return Err(match self {
                Kind::Time => format!("takes 0 to {most} microseconds since midnight; {number} is beyond"),
                Kind::Integer => format!("takes 32-bit integers; {number} is beyond"),
                _ => format!("takes {least} to {most}; {number} is beyond"),
            });
        }
        if let (Some(most), Value::Text(text)) = (self.max_length(), value)
            && text.len() > most as usize
            && text.chars().count() > most as usize
        {
            return Err(format!("takes at most {most} characters; these are {}", text.chars().count()));
        }
        self.check_calendar(value)?;
        match (self, value) {
            (Kind::Decimal { digits, places }, value) => decimal::check(value, digits, places),
            (Kind::Json, Value::Text(text)) => {
                let mut reader = serde_json::Deserializer::from_str(text);
                let checked = <serde::de::IgnoredAny as serde::Deserialize>::deserialize(&mut reader);
                checked.and_then(|_| reader.end()).map_err(|error| format!("takes a JSON document: {error}"))
            }
            (kind, Value::Text(text)) => text::check(kind, text),
            _ => Ok(()),
        }
    }

    /// Checks that a date or a datetime lies in the calendar that all databases have.
    pub(crate) fn check_calendar(self, value: &Value) -> Result<(), String> {
        let Value::Integer(number) = value else { return Ok(()) };
        let day = match self {
            Kind::Date => *number,
            Kind::DateTime => number.div_euclid(DAY),
            _ => return Ok(()),
        };
        if (calendar::FIRST_DAY..=calendar::LAST_DAY).contains(&day) {
            return Ok(());
        }
        Err(format!("takes what lies in the years 1 to 9999; {number} is beyond"))
    }

    fn takes(self) -> &'static str {
        match self {
            Kind::Float => "a float",
            Kind::Boolean => "a boolean",
            Kind::Json => "text",
            Kind::Binary | Kind::Uuid => "bytes",
            kind if kind.is_text() => "text",
            _ => "an integer",
        }
    }

    /// The form in which the value is stored and compared, where that is another one than the value's own.
    pub(crate) fn canonical(self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Kind::Ip(_), Value::Text(text)) => text::canonical_ip(text).filter(|ip| ip != text).map(Value::Text),
            _ => None,
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
            (Kind::Decimal { places, .. }, value) => {
                Datum::Decimal(decimal::read(value, places).unwrap_or(Decimal::ZERO))
            }
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
            Kind::Decimal { .. } => Type::Decimal,
            Kind::Boolean => Type::Boolean,
            Kind::Binary => Type::Blob,
            Kind::Date => Type::Date,
            Kind::Time => Type::Time,
            Kind::DateTime => Type::DateTime,
            Kind::Uuid => Type::Uuid,
            Kind::Json => Type::Json,
            kind if kind.is_text() => Type::Text,
            _ => Type::Integer,
        }
    }

    /// A value from a manifest, in its storage form as JSON: numbers, booleans and texts as they are, bytes as
    /// hexadecimal digits (hyphens are skipped).
    pub(crate) fn value_of_json(self, json: &serde_json::Value) -> Result<Value, String> {
        let value = match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(truth) => Value::Boolean(*truth),
            serde_json::Value::Number(number) if matches!(self, Kind::Decimal { .. }) => {
                Value::Text(number.to_string())
            }
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) if self != Kind::Float => Value::Integer(whole),
                (_, Some(float)) => Value::Float(float),
                _ => return Err(format!("{number} is no number that a field can hold")),
            },
            serde_json::Value::String(text) if matches!(self, Kind::Uuid | Kind::Binary) => {
                Value::Bytes(bytes_of_digits(text)?)
            }
            serde_json::Value::String(text) => Value::Text(text.clone()),
            other => return Err(format!("{other} is no single value")),
        };
        self.check_stored(&value)?;
        Ok(self.canonical(&value).unwrap_or(value))
    }
}

/// Bytes as they stand in a document: hexadecimal digits, in which hyphens are skipped.
pub(crate) fn bytes_of_digits(text: &str) -> Result<Vec<u8>, String> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    hex::decode(digits).map_err(|error| format!("takes hexadecimal digits: {error}"))
}

/// What no field takes, because databases disagree about it.
fn sound(value: &Value) -> Result<(), String> {
    match value {
        Value::Float(number) if number.is_nan() => Err("takes no NaN: databases disagree about it".into()),
        Value::Text(text) if has_zero(text) => Err("takes no U+0000: PostgreSQL can't store it".into()),
        _ => Ok(()),
    }
}
