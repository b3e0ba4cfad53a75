//! What fields, expressions and aggregates can be made into; what they can be asked is in `per_row`.

use super::aggregate::Aggregate;
use super::expression::{Expr, Expression, Made};
use super::field::{Field, Ordered};
use super::kinds::{Kind, Like, Nullness, Store};
use super::meta::FieldKind;
use super::node::{Cast, Node};
use crate::extract::Json;
use crate::time::{Date, DateTime, Duration, Time};

/// The kind of a term without its `Option`.
pub type Base<T> = <<T as Term>::Kind as Kind>::Base;

/// What a function of a term is: an expression, or an aggregate of an aggregate; NULL where the term is.
pub type Makes<T, U> = <T as Made>::Made<Like<<T as Term>::Kind, U>>;

/// The same of a function that may be NULL by itself.
pub type MayMake<T, U> = <T as Made>::Made<Option<U>>;

/// Texts.
#[diagnostic::on_unimplemented(message = "`{Self}` is no text", note = "a `String` is, and what `to_text()` makes")]
pub trait Text {}
impl Text for String {}

/// Numbers that functions take.
#[diagnostic::on_unimplemented(message = "`{Self}` is no number", note = "whole numbers, f64 and Decimal are")]
pub trait Numeric {}

/// What has a day.
#[diagnostic::on_unimplemented(message = "`{Self}` has no day", note = "a `Date` and a `DateTime` have one")]
pub trait Dated {
    #[doc(hidden)]
    const YEARS: Years;
}

/// What has a time of day.
#[diagnostic::on_unimplemented(message = "`{Self}` has no time of day", note = "a `Time` and a `DateTime` have one")]
pub trait Timed {}

/// What can be cut off at a unit.
#[diagnostic::on_unimplemented(message = "`{Self}` can't be truncated", note = "a `Date` and a `DateTime` can")]
pub trait Truncated {}

/// JSON documents.
#[diagnostic::on_unimplemented(message = "`{Self}` is no JSON document")]
pub trait Document {}

macro_rules! mark {
    ($($trait:ident: $($type:ty),+;)+) => {
        $($(impl $trait for $type {})+)+
    };
}

mark! {
    Numeric: i16, i32, i64, u16, u32, u64, f64, rust_decimal::Decimal;
    Timed: Time, DateTime;
    Truncated: Date, DateTime;
}
impl Dated for Date {
    const YEARS: Years = Years::Days;
}
impl Dated for DateTime {
    const YEARS: Years = Years::Micros;
}
impl<T> Document for Json<T> {}

/// How the beginning of a year is stored.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub enum Years {
    Days,
    Micros,
}

impl Years {
    /// The beginning of the year as it is stored; none for one that no date has.
    pub(super) fn begin(self, year: i64) -> Option<i64> {
        let days = crate::time::days(Date::new(year.try_into().ok()?, 1, 1).ok()?);
        match self {
            Years::Days => Some(days),
            Years::Micros => days.checked_mul(86_400_000_000),
        }
    }
}

/// A part of a date or time to cut off at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Unit {
    Year,
    Quarter,
    Month,
    /// Weeks begin on Monday, as in ISO 8601.
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

impl Unit {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Unit::Year => "year",
            Unit::Quarter => "quarter",
            Unit::Month => "month",
            Unit::Week => "week",
            Unit::Day => "day",
            Unit::Hour => "hour",
            Unit::Minute => "minute",
            Unit::Second => "second",
        }
    }
}

/// A step into a JSON document: a member's name, or a place in a list.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no step into a JSON document",
    note = "a &'static str is, or a number"
)]
pub trait JsonStep {
    #[doc(hidden)]
    fn step(self) -> Node;
}

impl JsonStep for &'static str {
    fn step(self) -> Node {
        Node::Text(self)
    }
}

impl JsonStep for i32 {
    fn step(self) -> Node {
        Node::Number(self.into())
    }
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $kind:ty),*) $word:literal where $bound:ident -> $result:ty;)+) => {
        $($(#[$doc])*
        fn $name(self, $($arg: impl Expression<Self::Root, $kind>),*) -> $result
        where
            Base<Self>: $bound,
        {
            Self::made(Node::call($word, [self.into_term() $(, $arg.node())*]))
        })+
    };
}

macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident $word:literal where $bound:ident;)+) => {
        $($(#[$doc])*
        fn $name(self) -> Makes<Self, i32>
        where
            Base<Self>: $bound,
        {
            Self::made(Node::Part("extract", $word, Box::new(self.into_term())))
        })+
    };
}

/// A field, an expression or an aggregate: what functions take. What they make may be given to other functions, to conditions, to `set`,
/// `order_by`, `annotate` and `values`.
pub trait Term: Made + Sized {
    /// The model that it is of.
    type Root;
    /// What it is read as.
    type Kind: Kind;

    /// Without its types.
    #[doc(hidden)]
    fn into_term(self) -> Node;

    /// The value, or this one where it is NULL.
    fn coalesce<V: Expression<Self::Root, Base<Self>>>(
        self,
        otherwise: V,
    ) -> Self::Made<<V::Nullness as Nullness>::Of<Base<Self>>> {
        Self::made(self.into_term().append("coalesce", otherwise.node()))
    }

    /// NULL where it equals this.
    fn nullif(self, other: impl Expression<Self::Root, Base<Self>>) -> MayMake<Self, Base<Self>> {
        Self::made(Node::call("nullif", [self.into_term(), other.node()]))
    }

    /// The larger of the two; NULL is passed over.
    fn greatest(self, other: impl Expression<Self::Root, Base<Self>>) -> Makes<Self, Base<Self>>
    where
        Base<Self>: Ordered,
    {
        Self::made(self.into_term().append("greatest", other.node()))
    }

    /// The smaller of the two; NULL is passed over.
    fn least(self, other: impl Expression<Self::Root, Base<Self>>) -> Makes<Self, Base<Self>>
    where
        Base<Self>: Ordered,
    {
        Self::made(self.into_term().append("least", other.node()))
    }

    /// As a text.
    fn to_text(self) -> Makes<Self, String> {
        Self::made(Node::Cast(Box::new(self.into_term()), Cast::Word("text")))
    }

    /// Made into another kind: `cast::<i64>()`. NULL where it is no such value.
    fn cast<T: Kind<Base: Store>>(self) -> MayMake<Self, T> {
        let word = match T::KIND {
            FieldKind::Auto => "big_integer",
            FieldKind::AutoUuid => "uuid",
            kind => kind.word(),
        };
        Self::made(Node::Cast(Box::new(self.into_term()), Cast::Word(word)))
    }

    /// Made into a decimal of so many digits in all, and so many after the point. NULL where it is none.
    fn cast_decimal(self, max_digits: u32, decimal_places: u32) -> MayMake<Self, rust_decimal::Decimal> {
        Self::made(Node::Cast(Box::new(self.into_term()), Cast::Decimal(max_digits, decimal_places)))
    }

    /// Made into a text, cut off after so many characters.
    fn cast_char(self, max_length: u32) -> Makes<Self, String> {
        Self::made(Node::Cast(Box::new(self.into_term()), Cast::Char(max_length)))
    }

    /// As one that may be NULL.
    fn optional(self) -> MayMake<Self, Base<Self>> {
        Self::made(self.into_term())
    }

    functions! {
        /// In lower case.
        lower() "lower" where Text -> Makes<Self, String>;
        /// In upper case.
        upper() "upper" where Text -> Makes<Self, String>;
        /// How many characters.
        length() "length" where Text -> Makes<Self, i32>;
        /// Without spaces on both sides.
        trim() "trim" where Text -> Makes<Self, String>;
        /// Without spaces before it.
        ltrim() "ltrim" where Text -> Makes<Self, String>;
        /// Without spaces after it.
        rtrim() "rtrim" where Text -> Makes<Self, String>;
        /// With each `from` replaced; NULL where that would be too long.
        replace(from: String, to: String) "replace" where Text -> MayMake<Self, String>;
        /// So many characters from a place on, which counts from 1.
        substr(from: i32, length: i32) "substr" where Text -> Makes<Self, String>;
        /// The first characters.
        left(length: i32) "left" where Text -> Makes<Self, String>;
        /// The last characters.
        right(length: i32) "right" where Text -> Makes<Self, String>;
        /// Filled up on the left to so many characters; NULL past 65,536.
        lpad(length: i32, with: String) "lpad" where Text -> MayMake<Self, String>;
        /// Filled up on the right to so many characters; NULL past 65,536.
        rpad(length: i32, with: String) "rpad" where Text -> MayMake<Self, String>;
        /// So many times; NULL past a million characters.
        repeat(times: i32) "repeat" where Text -> MayMake<Self, String>;
        /// With its characters in the opposite order.
        reversed() "reverse" where Text -> Makes<Self, String>;
        /// Where the text occurs first, counted from 1; 0 where it doesn't.
        strindex(part: String) "strindex" where Text -> Makes<Self, i32>;
        /// The code point of the first character; NULL of an empty text.
        ord() "ord" where Text -> MayMake<Self, i32>;
        /// The MD5 sum in hexadecimal digits. Not for secrets.
        md5() "md5" where Text -> Makes<Self, String>;
        /// The SHA-256 sum in hexadecimal digits.
        sha256() "sha256" where Text -> Makes<Self, String>;

        /// The distance from zero.
        abs() "abs" where Numeric -> Makes<Self, Base<Self>>;
        /// The next whole number that isn't smaller.
        ceil() "ceil" where Numeric -> Makes<Self, f64>;
        /// The next whole number that isn't larger.
        floor() "floor" where Numeric -> Makes<Self, f64>;
        /// -1, 0 or 1.
        sign() "sign" where Numeric -> Makes<Self, i32>;
        /// The square root; NULL below zero.
        sqrt() "sqrt" where Numeric -> MayMake<Self, f64>;
        /// To the power of this; NULL where that is no number.
        power(exponent: f64) "power" where Numeric -> MayMake<Self, f64>;
        /// e to the power of it; NULL where that is no float.
        exp() "exp" where Numeric -> MayMake<Self, f64>;
        /// The natural logarithm; NULL of zero and below.
        ln() "ln" where Numeric -> MayMake<Self, f64>;
        /// The sine, of radians; NULL of a number too large to tell.
        sin() "sin" where Numeric -> MayMake<Self, f64>;
        /// The cosine, of radians; as `sin`.
        cos() "cos" where Numeric -> MayMake<Self, f64>;
        /// The tangent, of radians; as `sin`.
        tan() "tan" where Numeric -> MayMake<Self, f64>;
        /// The arc sine in radians; NULL outside of -1 to 1.
        asin() "asin" where Numeric -> MayMake<Self, f64>;
        /// The arc cosine in radians; NULL outside of -1 to 1.
        acos() "acos" where Numeric -> MayMake<Self, f64>;
        /// The arc tangent in radians.
        atan() "atan" where Numeric -> Makes<Self, f64>;
        /// The angle of the point (x, this) in radians.
        atan2(x: f64) "atan2" where Numeric -> Makes<Self, f64>;
        /// Radians as degrees.
        degrees() "degrees" where Numeric -> MayMake<Self, f64>;
        /// Degrees as radians.
        radians() "radians" where Numeric -> Makes<Self, f64>;
    }

    /// The character with this code point; NULL where there is none.
    fn chr(self) -> MayMake<Self, String>
    where
        Base<Self>: Numeric,
    {
        Self::made(Node::call("chr", [self.into_term()]))
    }

    /// Rounded to so many places after the point; 0 for a whole number.
    fn round(self, places: i32) -> Makes<Self, Base<Self>>
    where
        Base<Self>: Numeric,
    {
        Self::made(Node::call("round", [self.into_term(), Node::Number(places.into())]))
    }

    /// The logarithm to this base.
    fn log(self, base: impl Expression<Self::Root, f64>) -> MayMake<Self, f64>
    where
        Base<Self>: Numeric,
    {
        Self::made(Node::call("log", [base.node(), self.into_term()]))
    }

    /// Both texts, one after the other; NULL counts as empty.
    fn concat(self, more: impl Expression<Self::Root, String>) -> Self::Made<String>
    where
        Base<Self>: Text,
    {
        Self::made(self.into_term().append("concat", more.node()))
    }

    /// The year. A comparison with a number is sent as a range, so that an index is of use.
    fn year(self) -> Makes<Self, i32>
    where
        Base<Self>: Dated,
    {
        Self::made(Node::Year(<Base<Self> as Dated>::YEARS, Box::new(self.into_term())))
    }

    parts! {
        /// The month, 1 to 12.
        month "month" where Dated;
        /// The day of the month.
        day "day" where Dated;
        /// The quarter, 1 to 4.
        quarter "quarter" where Dated;
        /// The week of ISO 8601.
        week "week" where Dated;
        /// The day of the week: Sunday is 1.
        week_day "week_day" where Dated;
        /// The day of the week by ISO 8601: Monday is 1.
        iso_week_day "iso_week_day" where Dated;
        /// The year that the week of ISO 8601 belongs to.
        iso_year "iso_year" where Dated;
        /// The hour.
        hour "hour" where Timed;
        /// The minute.
        minute "minute" where Timed;
        /// The second.
        second "second" where Timed;
        /// The microseconds past the second.
        microsecond "microsecond" where Timed;
    }

    /// The beginning of the year, month, hour … that it is in.
    fn trunc(self, unit: Unit) -> Makes<Self, Base<Self>>
    where
        Base<Self>: Truncated,
    {
        Self::made(Node::Part("trunc", unit.word(), Box::new(self.into_term())))
    }

    /// The day of a moment, in UTC or in the zone of [`in_zone`](Self::in_zone).
    fn date(self) -> Makes<Self, Date>
    where
        Self::Kind: Kind<Base = DateTime>,
    {
        Self::made(Node::Part("date", "", Box::new(self.into_term())))
    }

    /// The time of day of a moment, in UTC or in the zone of [`in_zone`](Self::in_zone).
    fn time(self) -> Makes<Self, Time>
    where
        Self::Kind: Kind<Base = DateTime>,
    {
        Self::made(Node::Part("time", "", Box::new(self.into_term())))
    }

    /// A moment as it is seen in a time zone, such as `Europe/Berlin`: for the parts, `trunc`, `date` and `time` that come after it.
    fn in_zone(self, zone: &'static str) -> Self::Made<Self::Kind>
    where
        Self::Kind: Kind<Base = DateTime>,
    {
        Self::made(Node::Zoned(Box::new(self.into_term()), zone))
    }

    /// How long after that moment it is; negative where it is before.
    #[expect(clippy::type_complexity, reason = "the types are the proof of what fits")]
    fn since<V: Expression<Self::Root, DateTime>>(
        self,
        earlier: V,
    ) -> Self::Made<<<<Self::Kind as Kind>::Nullness as Nullness>::Or<V::Nullness> as Nullness>::Of<Duration>>
    where
        Self::Kind: Kind<Base = DateTime>,
    {
        Self::made(Node::call("sub", [self.into_term(), earlier.node()]))
    }

    /// How many days after that day it is; negative where it is before.
    #[expect(clippy::type_complexity, reason = "the types are the proof of what fits")]
    fn days_since<V: Expression<Self::Root, Date>>(
        self,
        earlier: V,
    ) -> Self::Made<<<<Self::Kind as Kind>::Nullness as Nullness>::Or<V::Nullness> as Nullness>::Of<i64>>
    where
        Self::Kind: Kind<Base = Date>,
    {
        Self::made(Node::call("sub", [self.into_term(), earlier.node()]))
    }

    /// The value at a step into the document; NULL where there is none. Steps follow each other: `DATA.json("tags").json(0)`.
    fn json(self, step: impl JsonStep) -> MayMake<Self, Json<serde_json::Value>>
    where
        Base<Self>: Document,
    {
        Self::made(self.into_term().append("json", step.step()))
    }

    /// The value at a step into the document as a text; NULL where there is none.
    fn json_text(self, step: impl JsonStep) -> MayMake<Self, String>
    where
        Base<Self>: Document,
    {
        let node = match self.into_term() {
            Node::Call("json", of) => Node::Call("json_text", of),
            node => Node::call("json_text", [node]),
        };
        Self::made(node.append("json_text", step.step()))
    }

    /// How many entries a list in the document has.
    fn json_length(self) -> MayMake<Self, i32>
    where
        Base<Self>: Document,
    {
        Self::made(Node::call("json_length", [self.into_term()]))
    }
}

impl<R, T: Kind> Term for Field<R, T> {
    type Root = R;
    type Kind = T;

    fn into_term(self) -> Node {
        self.into_node()
    }
}

impl<R, T: Kind> Term for Expr<R, T> {
    type Root = R;
    type Kind = T;

    fn into_term(self) -> Node {
        self.into_node()
    }
}

impl<R, T: Kind> Term for Aggregate<R, T> {
    type Root = R;
    type Kind = T;

    fn into_term(self) -> Node {
        self.into_node()
    }
}
