//! Values as MariaDB's binary protocol has them.

use mysql_async::consts::ColumnType;
use mysql_async::{Column, Value};
use rust_decimal::Decimal;

use crate::calendar::{self, DAY, FIRST_DAY, LAST_DAY};
use crate::datum::Datum;
use crate::error::StoreError;

/// The character set of columns that hold bytes.
const BINARY: u16 = 63;

/// A parameter.
pub(super) fn param(datum: Datum<'_>) -> Value {
    match datum {
        Datum::Null => Value::NULL,
        Datum::Boolean(truth) => Value::Int(i64::from(truth)),
        Datum::Integer(number) => Value::Int(number),
        Datum::Real(number) => Value::Double(number),
        Datum::Text(bytes) | Datum::Json(bytes) | Datum::Blob(bytes) | Datum::Uuid(bytes) => {
            Value::Bytes(bytes.to_vec())
        }
        // A day beyond the calendar is compared as the last moment of it, or as one before its beginning: no day is that.
        Datum::Date(day) if day > LAST_DAY => Value::Date(9999, 12, 31, 23, 59, 59, 999_999),
        Datum::Date(day) if day < FIRST_DAY => Value::Date(0, 1, 1, 0, 0, 0, 0),
        Datum::DateTime(micros) if micros < FIRST_DAY * DAY => Value::Date(0, 1, 1, 0, 0, 0, 0),
        Datum::Date(day) => {
            let (year, month, of_month) = calendar::civil(day);
            Value::Date(u16::try_from(year).unwrap_or_default(), month, of_month, 0, 0, 0, 0)
        }
        // Its times of the day reach beyond the day, on both sides.
        Datum::Time(micros) => {
            let (hours, minutes, seconds, rest) = clock(micros.unsigned_abs().min(34 * DAY.unsigned_abs()));
            let (days, hours) = (hours / 24, hours % 24);
            let small = |number: u64| u8::try_from(number).unwrap_or_default();
            Value::Time(micros < 0, u32::try_from(days).unwrap_or_default(), small(hours), minutes, seconds, rest)
        }
        Datum::DateTime(micros) => {
            let micros = micros.min(LAST_DAY * DAY + DAY - 1);
            let (year, month, day) = calendar::civil(micros.div_euclid(DAY));
            let (hours, minutes, seconds, micros) = clock(micros.rem_euclid(DAY).unsigned_abs());
            let hours = u8::try_from(hours).unwrap_or_default();
            Value::Date(u16::try_from(year).unwrap_or_default(), month, day, hours, minutes, seconds, micros)
        }
        Datum::Decimal(number) => Value::Bytes(number.to_string().into_bytes()),
    }
}

/// Hours, minutes, seconds, microseconds.
fn clock(micros: u64) -> (u64, u8, u8, u32) {
    let small = |number: u64| u8::try_from(number).unwrap_or_default();
    let seconds = micros / 1_000_000;
    let rest = u32::try_from(micros % 1_000_000).unwrap_or_default();
    (seconds / 3600, small(seconds / 60 % 60), small(seconds % 60), rest)
}

/// A cell.
pub(crate) fn cell<'v>(value: &'v Value, column: &Column) -> Result<Datum<'v>, StoreError> {
    Ok(match value {
        Value::NULL => Datum::Null,
        Value::Int(number) => Datum::Integer(*number),
        Value::UInt(number) => Datum::Integer(i64::try_from(*number).map_err(|_| StoreError::Overflow)?),
        Value::Float(number) => Datum::Real((*number).into()),
        Value::Double(number) => Datum::Real(*number),
        Value::Bytes(bytes) => match column.column_type() {
            ColumnType::MYSQL_TYPE_NEWDECIMAL | ColumnType::MYSQL_TYPE_DECIMAL => {
                let text = std::str::from_utf8(bytes).unwrap_or_default();
                let number = Decimal::from_str_exact(text).or_else(|_| text.parse());
                Datum::Decimal(number.map_err(|_| StoreError::Overflow)?)
            }
            _ if column.character_set() == BINARY => Datum::Blob(bytes),
            _ => Datum::Text(bytes),
        },
        Value::Date(year, month, day, hours, minutes, seconds, micros) => {
            let day = calendar::days((*year).into(), (*month).max(1), (*day).max(1));
            match column.column_type() {
                ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE => Datum::Date(day),
                _ => Datum::DateTime(day * DAY + of_day(*hours, *minutes, *seconds, *micros)),
            }
        }
        Value::Time(negative, days, hours, minutes, seconds, micros) => {
            let time = i64::from(*days) * DAY + of_day(*hours, *minutes, *seconds, *micros);
            Datum::Time(if *negative { -time } else { time })
        }
    })
}

fn of_day(hours: u8, minutes: u8, seconds: u8, micros: u32) -> i64 {
    ((i64::from(hours) * 60 + i64::from(minutes)) * 60 + i64::from(seconds)) * 1_000_000 + i64::from(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_come_back_as_they_went() {
        let column = |of| Column::new(of);
        for (datum, of) in [
            (Datum::Date(FIRST_DAY), ColumnType::MYSQL_TYPE_DATE),
            (Datum::Date(-1), ColumnType::MYSQL_TYPE_DATE),
            (Datum::DateTime(-1), ColumnType::MYSQL_TYPE_DATETIME),
            (Datum::DateTime(LAST_DAY * DAY + DAY - 1), ColumnType::MYSQL_TYPE_DATETIME),
            (Datum::Time(DAY - 1), ColumnType::MYSQL_TYPE_TIME),
            (Datum::Time(-1), ColumnType::MYSQL_TYPE_TIME),
            (Datum::Time(2 * DAY + 1), ColumnType::MYSQL_TYPE_TIME),
            (Datum::Decimal(Decimal::new(-5, 2)), ColumnType::MYSQL_TYPE_NEWDECIMAL),
        ] {
            assert_eq!(cell(&param(datum), &column(of)), Ok(datum));
        }
        assert_eq!(cell(&Value::UInt(u64::MAX), &column(ColumnType::MYSQL_TYPE_LONGLONG)), Err(StoreError::Overflow));
    }
}
