//! Values in PostgreSQL's binary formats.
//!
//! A parameter is written as the type that the server settled for its place, which is what the statement said it takes
//! ([`crate::Statement::taking`]) or else the server's guess.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use rust_decimal::Decimal;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::calendar::DAY;
use crate::datum::{self, Datum};
use crate::error::StoreError;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's calendar begins.
const EPOCH: i64 = 10_957;

/// Stands for bytes that aren't a UUID, which no row can have. It has a version and variant that none is made with.
const NO_UUID: [u8; 16] = *b"\x00no such uuid!\x00\x00";

type Refused = Box<dyn Error + Sync + Send>;

/// The type that a place is declared with.
pub(super) fn declared(of: datum::Type) -> Type {
    match of {
        datum::Type::Boolean => Type::BOOL,
        datum::Type::Integer => Type::INT8,
        datum::Type::Real => Type::FLOAT8,
        datum::Type::Text => Type::TEXT,
        datum::Type::Blob => Type::BYTEA,
        datum::Type::Date => Type::DATE,
        datum::Type::Time => Type::TIME,
        datum::Type::DateTime => Type::TIMESTAMPTZ,
        datum::Type::Decimal => Type::NUMERIC,
        datum::Type::Uuid => Type::UUID,
        datum::Type::Json => Type::JSONB,
    }
}

/// A parameter.
#[derive(Debug)]
pub(super) struct Param<'a>(pub(super) Datum<'a>);

impl ToSql for Param<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Refused> {
        match self.0 {
            Datum::Null => return Ok(IsNull::Yes),
            Datum::Boolean(truth) => integer(i64::from(truth), ty, out)?,
            Datum::Integer(number) => integer(number, ty, out)?,
            Datum::Real(number) => match *ty {
                Type::FLOAT4 => out.put_f32(number as f32),
                Type::FLOAT8 => out.put_f64(number),
                Type::NUMERIC => return Decimal::try_from(number)?.to_sql(ty, out),
                _ => return Err(misfit("a float", ty)),
            },
            Datum::Text(text) | Datum::Json(text) => match *ty {
                Type::JSONB => {
                    out.put_u8(1);
                    out.put_slice(text);
                }
                Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::JSON => {
                    out.put_slice(text);
                }
                _ => return Err(misfit("a text", ty)),
            },
            Datum::Blob(bytes) | Datum::Uuid(bytes) => match *ty {
                Type::BYTEA => out.put_slice(bytes),
                Type::UUID if bytes.len() == 16 => out.put_slice(bytes),
                // What is stored was looked at before; what is compared and isn't a UUID at all is one that nobody has.
                Type::UUID => out.put_slice(&NO_UUID),
                _ => return Err(misfit("bytes", ty)),
            },
            Datum::Date(day) => match *ty {
                // What lies beyond the calendar is the end of it, which no row has.
                Type::DATE => out.put_i32(i32::try_from(day.saturating_sub(EPOCH)).unwrap_or(if day < 0 {
                    i32::MIN
                } else {
                    i32::MAX
                })),
                _ => integer(day, ty, out)?,
            },
            Datum::Time(micros) => match *ty {
                Type::TIME => out.put_i64(micros.clamp(0, DAY)),
                _ => integer(micros, ty, out)?,
            },
            Datum::DateTime(micros) => match *ty {
                Type::TIMESTAMPTZ | Type::TIMESTAMP => out.put_i64(micros.saturating_sub(EPOCH * DAY)),
                _ => integer(micros, ty, out)?,
            },
            Datum::Decimal(number) => match *ty {
                Type::FLOAT8 => out.put_f64(number.try_into()?),
                _ => return number.to_sql(ty, out),
            },
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn integer(number: i64, ty: &Type, out: &mut BytesMut) -> Result<(), Refused> {
    match *ty {
        Type::BOOL => out.put_u8(u8::from(number != 0)),
        Type::INT2 => out.put_i16(number.try_into()?),
        Type::INT4 => out.put_i32(number.try_into()?),
        Type::INT8 => out.put_i64(number),
        #[allow(clippy::cast_precision_loss)]
        Type::FLOAT8 => out.put_f64(number as f64),
        Type::NUMERIC => {
            Decimal::from(number).to_sql(ty, out)?;
        }
        Type::DATE | Type::TIME | Type::TIMESTAMPTZ | Type::TIMESTAMP => {
            return Err(misfit("a plain number", ty));
        }
        _ => return Err(misfit("a number", ty)),
    }
    Ok(())
}

fn misfit(what: &str, ty: &Type) -> Refused {
    format!("{what} where PostgreSQL expects {ty}").into()
}

/// A cell.
pub(crate) struct Cell<'a>(pub(crate) Datum<'a>);

impl<'a> FromSql<'a> for Cell<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Refused> {
        Ok(Cell(match *ty {
            Type::BOOL => Datum::Boolean(bool::from_sql(ty, raw)?),
            Type::INT2 => Datum::Integer(i16::from_sql(ty, raw)?.into()),
            Type::INT4 => Datum::Integer(i32::from_sql(ty, raw)?.into()),
            Type::INT8 => Datum::Integer(i64::from_sql(ty, raw)?),
            Type::OID => Datum::Integer(u32::from_sql(ty, raw)?.into()),
            Type::FLOAT4 => Datum::Real(f32::from_sql(ty, raw)?.into()),
            Type::FLOAT8 => Datum::Real(f64::from_sql(ty, raw)?),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => Datum::Text(raw),
            Type::BYTEA => Datum::Blob(raw),
            Type::UUID => Datum::Uuid(raw),
            // NaN, the infinities and what has more than 28 digits are no decimals here.
            Type::NUMERIC => Datum::Decimal(Decimal::from_sql(ty, raw).map_err(|_| StoreError::Overflow)?),
            Type::JSON => Datum::Json(raw),
            Type::JSONB => Datum::Json(raw.get(1..).unwrap_or_default()),
            Type::DATE => Datum::Date(i64::from(i32::from_be_bytes(raw.try_into()?)) + EPOCH),
            Type::TIME => Datum::Time(i64::from_sql(&Type::INT8, raw)?),
            Type::TIMESTAMPTZ | Type::TIMESTAMP => {
                Datum::DateTime(i64::from_sql(&Type::INT8, raw)?.saturating_add(EPOCH * DAY))
            }
            // A difference of two moments: microseconds, days, months.
            Type::INTERVAL if raw.len() == 16 => {
                let micros = i64::from_be_bytes(raw[..8].try_into()?);
                let days = i64::from(i32::from_be_bytes(raw[8..12].try_into()?));
                let months = i64::from(i32::from_be_bytes(raw[12..].try_into()?));
                Datum::Integer(micros.saturating_add((days + 30 * months).saturating_mul(DAY)))
            }
            _ => return Err(format!("a cell of the type {ty}, which this host doesn't read").into()),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Refused> {
        Ok(Cell(Datum::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(datum: Datum<'_>, ty: &Type) {
        let mut out = BytesMut::new();
        assert!(matches!(Param(datum).to_sql(ty, &mut out), Ok(IsNull::No)), "{datum:?}");
        let back = Cell::from_sql(ty, &out).expect("what was written").0;
        assert_eq!(back, datum);
    }

    #[test]
    fn values_come_back_as_they_went() {
        there_and_back(Datum::Boolean(true), &Type::BOOL);
        for number in [i64::MIN, -1, 0, i64::MAX] {
            there_and_back(Datum::Integer(number), &Type::INT8);
        }
        there_and_back(Datum::Integer(-7), &Type::INT2);
        there_and_back(Datum::Real(-0.5), &Type::FLOAT8);
        there_and_back(Datum::Text("hé".as_bytes()), &Type::TEXT);
        there_and_back(Datum::Json(b"{}"), &Type::JSONB);
        there_and_back(Datum::Uuid(&[7; 16]), &Type::UUID);
        there_and_back(Datum::Blob(&[0, 255]), &Type::BYTEA);
        for day in [crate::calendar::FIRST_DAY, -1, 0, crate::calendar::LAST_DAY] {
            there_and_back(Datum::Date(day), &Type::DATE);
            there_and_back(Datum::DateTime(day * DAY + 1), &Type::TIMESTAMPTZ);
        }
        there_and_back(Datum::Time(DAY - 1), &Type::TIME);
        there_and_back(Datum::Decimal(Decimal::new(-12_345, 2)), &Type::NUMERIC);
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_never_a_wrong_value() {
        for (datum, ty) in
            [(Datum::Integer(1 << 40), Type::INT4), (Datum::Text(b"x"), Type::INT8), (Datum::Integer(1), Type::DATE)]
        {
            assert!(Param(datum).to_sql(&ty, &mut BytesMut::new()).is_err(), "{datum:?}");
        }
        for day in [i64::MIN, i64::MAX] {
            let mut out = BytesMut::new();
            Param(Datum::Date(day)).to_sql(&Type::DATE, &mut out).expect("the end of the calendar");
            assert_eq!(&out[..], if day < 0 { i32::MIN } else { i32::MAX }.to_be_bytes());
        }
        let mut out = BytesMut::new();
        Param(Datum::Uuid(&[1; 15])).to_sql(&Type::UUID, &mut out).expect("nobody's");
        assert_eq!(&out[..], NO_UUID);
        assert!(Cell::from_sql(&Type::POINT, &[]).is_err());
        assert!(Cell::from_sql(&Type::DATE, &[1]).is_err());
    }
}
