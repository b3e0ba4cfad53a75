//! Primary keys as values: what a delete collects.

use host_store::{Cells, Datum, StoreError};

use crate::kind::Kind;
use crate::types::Value;

/// The primary key of a row, whatever kind it is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// A number, a date or a moment.
    Integer(i64),
    Text(Box<str>),
    /// A UUID.
    Bytes(Box<[u8]>),
    /// One of each field.
    Several(Box<[Key]>),
}

impl Key {
    /// A single part; `None` for NULL, which is no key.
    pub(crate) fn of(datum: Datum<'_>) -> Result<Option<Self>, StoreError> {
        Ok(Some(match datum {
            Datum::Null => return Ok(None),
            Datum::Integer(number) | Datum::Date(number) | Datum::DateTime(number) => Key::Integer(number),
            Datum::Text(_) => Key::Text(datum.as_text().unwrap_or_default().into()),
            Datum::Blob(bytes) | Datum::Uuid(bytes) => Key::Bytes(bytes.into()),
            other => return Err(StoreError::Internal(format!("{other:?} as a primary key"))),
        }))
    }

    /// The key in the first `width` cells of a row.
    pub(crate) fn read(row: &Cells<'_>, width: usize) -> Result<Option<Self>, StoreError> {
        if width == 1 {
            return Key::of(row.get(0)?);
        }
        let parts = (0..width).map(|at| Key::of(row.get(at)?)).collect::<Result<Option<Vec<Key>>, StoreError>>()?;
        Ok(parts.map(|parts| Key::Several(parts.into())))
    }

    /// The key as the database takes it: a value for each of `kinds`.
    pub(crate) fn data<'k>(&'k self, kinds: &[Kind], into: &mut Vec<Datum<'k>>) {
        match self {
            Key::Several(parts) => parts.iter().zip(kinds).for_each(|(part, kind)| into.push(part.datum(*kind))),
            one => into.extend(kinds.first().map(|kind| one.datum(*kind))),
        }
    }

    fn datum(&self, kind: Kind) -> Datum<'_> {
        match (self, kind) {
            (Key::Integer(number), Kind::Date) => Datum::Date(*number),
            (Key::Integer(number), Kind::DateTime) => Datum::DateTime(*number),
            (Key::Integer(number), _) => Datum::Integer(*number),
            (Key::Text(text), _) => Datum::Text(text.as_bytes()),
            (Key::Bytes(bytes), Kind::Uuid) => Datum::Uuid(bytes),
            (Key::Bytes(bytes), _) => Datum::Blob(bytes),
            // A part has no parts.
            (Key::Several(_), _) => Datum::Null,
        }
    }
}

impl From<Key> for Value {
    fn from(key: Key) -> Self {
        match key {
            Key::Integer(number) => Value::Integer(number),
            Key::Text(text) => Value::Text(text.into()),
            Key::Bytes(bytes) => Value::Bytes(bytes.into()),
            // No foreign key holds several.
            Key::Several(_) => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sent_as_it_came() {
        let id = [7_u8; 16];
        for (datum, kind) in [
            (Datum::Integer(-3), Kind::Key),
            (Datum::Text(b"slug"), Kind::Slug(50)),
            (Datum::Uuid(&id), Kind::Uuid),
            (Datum::Date(20_000), Kind::Date),
            (Datum::DateTime(5), Kind::DateTime),
        ] {
            let key = Key::of(datum).unwrap().unwrap();
            let mut data = Vec::new();
            key.data(&[kind], &mut data);
            assert_eq!(data, [datum]);
        }
        assert_eq!(Key::of(Datum::Null), Ok(None));
        assert!(Key::of(Datum::Real(0.5)).is_err());
        let several = Key::Several([Key::Integer(1), Key::Text("a".into())].into());
        let mut data = Vec::new();
        several.data(&[Kind::Key, Kind::Text], &mut data);
        assert_eq!(data, [Datum::Integer(1), Datum::Text(b"a")]);
    }
}
