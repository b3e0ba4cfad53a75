//! What fields and expressions can be asked (`PerRow`) and made into (`Term`).

use super::Value;
use super::aggregate::{Aggregate, Averaged, Summed};
use super::condition::Q;
use super::expression::{Expr, Expression, Made, Operand, Single};
use super::field::{Field, Order, Ordered, test};
use super::kinds::{Kind, Like, Nullness, Store};
use super::meta::FieldKind;
use super::node::{Cast, Lookup, Node, Tree};
use super::values::Members;
use super::window::WindowFunction;
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be truncated",
    note = "a `Date`, a `Time` and a `DateTime` can"
)]
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
    Truncated: Date, Time, DateTime;
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
    fn begin(self, year: i64) -> Option<i64> {
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

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident $word:literal),+ $(,)?) => {
        $($(#[$doc])*
        fn $name(self, value: impl Operand<Self::Root, Base<Self>>) -> Q<Self::Root>
        where
            Self: EachRow,
            Base<Self>: Ordered,
        {
            compare($word, self.into_term(), value.node())
        })+
    };
}

macro_rules! text_lookups {
    ($($(#[$doc:meta])* $name:ident $word:literal),+ $(,)?) => {
        $($(#[$doc])*
        fn $name(self, text: impl Operand<Self::Root, String>) -> Q<Self::Root>
        where
            Self: EachRow,
            Base<Self>: Text,
        {
            test(Lookup::One($word, text.node()), self.into_term())
        })+
    };
}

macro_rules! aggregates {
    ($($(#[$doc:meta])* $name:ident $word:literal where $bound:ident -> $result:ty;)+) => {
        $($(#[$doc])*
        fn $name(self) -> Aggregate<Self::Root, $result>
        where
            Self: EachRow,
            Base<Self>: $bound,
        {
            Aggregate::new($word, Some(self.into_term()))
        })+
    };
}

/// A field or an expression of each row: conditions on it, orders by it, aggregates and window functions of it.
#[expect(clippy::wrong_self_convention, reason = "a field is copied into its condition")]
pub trait PerRow: Term {
    /// Equal. Takes a value, a field or an expression. NULL equals nothing; an `Option` that is `None` asks for NULL.
    fn eq(self, value: impl Operand<Self::Root, Base<Self>>) -> Q<Self::Root>
    where
        Self: EachRow,
    {
        compare("exact", self.into_term(), value.node())
    }

    /// Not equal, or NULL.
    fn ne(self, value: impl Operand<Self::Root, Base<Self>>) -> Q<Self::Root>
    where
        Self: EachRow,
    {
        !compare("exact", self.into_term(), value.node())
    }

    /// One of these values, at most 1,000, none of none; or one of what a query finds: `is_in(Choice::objects().values(Choice::QUESTION))`.
    fn is_in(self, values: impl Members<Self::Root, Base<Self>>) -> Q<Self::Root>
    where
        Self: EachRow,
    {
        test(values.lookup(), self.into_term())
    }

    /// NULL. What is reached over a relation is NULL too where the relation leads nowhere.
    fn is_null(self) -> Q<Self::Root>
    where
        Self: EachRow,
    {
        test(Lookup::IsNull(true), self.into_term())
    }

    /// Not NULL.
    fn is_not_null(self) -> Q<Self::Root>
    where
        Self: EachRow,
    {
        test(Lookup::IsNull(false), self.into_term())
    }

    /// True.
    fn is_true(self) -> Q<Self::Root>
    where
        Self: EachRow,
        Self::Kind: Kind<Base = bool>,
    {
        match self.into_term() {
            Node::Field(path) => test(Lookup::One("exact", Node::Boolean(true)), Node::Field(path)),
            node => Q::of(Tree::True(node)),
        }
    }

    comparisons! {
        /// Greater.
        gt "gt",
        /// Greater or equal.
        ge "gte",
        /// Less.
        lt "lt",
        /// Less or equal.
        le "lte",
    }

    /// Between two, both included.
    fn range(
        self,
        from: impl Operand<Self::Root, Base<Self>>,
        to: impl Operand<Self::Root, Base<Self>>,
    ) -> Q<Self::Root>
    where
        Self: EachRow,
        Base<Self>: Ordered,
    {
        test(Lookup::Range(from.node(), to.node()), self.into_term())
    }

    text_lookups! {
        /// Equal, ignoring case.
        iexact "iexact",
        /// The text occurs in it; case matters. `%` and `_` are ordinary characters, here and in the others.
        contains "contains",
        /// The text occurs in it, ignoring case.
        icontains "icontains",
        /// It begins with the text; case matters.
        startswith "startswith",
        /// It begins with the text, ignoring case.
        istartswith "istartswith",
        /// It ends with the text; case matters.
        endswith "endswith",
        /// It ends with the text, ignoring case.
        iendswith "iendswith",
    }

    /// The regular expression matches a part of it; case matters.
    fn regex(self, pattern: impl Single<String>) -> Q<Self::Root>
    where
        Self: EachRow,
        Base<Self>: Text,
    {
        test(Lookup::One("regex", Node::value(pattern.single())), self.into_term())
    }

    /// The regular expression matches a part of it, ignoring case.
    fn iregex(self, pattern: impl Single<String>) -> Q<Self::Root>
    where
        Self: EachRow,
        Base<Self>: Text,
    {
        test(Lookup::One("iregex", Node::value(pattern.single())), self.into_term())
    }

    /// The document contains this one: all its members and entries, at the same places.
    fn json_contains<T: serde::Serialize>(self, part: T) -> Q<Self::Root>
    where
        Self: EachRow,
        Base<Self>: Document,
    {
        test(Lookup::One("json_contains", Node::value(Json(part).into_value())), self.into_term())
    }

    /// The document has a member of this name.
    fn has_key(self, name: impl Into<String>) -> Q<Self::Root>
    where
        Self: EachRow,
        Base<Self>: Document,
    {
        test(Lookup::One("has_key", Node::value(Value::Text(name.into()))), self.into_term())
    }

    /// The document has members of all these names.
    fn has_keys<V: Single<String>>(self, names: impl IntoIterator<Item = V>) -> Q<Self::Root>
    where
        Self: EachRow,
        Base<Self>: Document,
    {
        test(Lookup::Many("has_keys", names.into_iter().map(Single::single).collect()), self.into_term())
    }

    /// The document has a member of one of these names.
    fn has_any_keys<V: Single<String>>(self, names: impl IntoIterator<Item = V>) -> Q<Self::Root>
    where
        Self: EachRow,
        Base<Self>: Document,
    {
        test(Lookup::Many("has_any_keys", names.into_iter().map(Single::single).collect()), self.into_term())
    }

    /// Smallest first.
    fn asc(self) -> Order<Self::Root>
    where
        Self: EachRow,
    {
        Order::of(self.into_term(), false)
    }

    /// Largest first.
    fn desc(self) -> Order<Self::Root>
    where
        Self: EachRow,
    {
        Order::of(self.into_term(), true)
    }

    /// How many values there are that aren't NULL.
    fn count(self) -> Aggregate<Self::Root, u64>
    where
        Self: EachRow,
    {
        Aggregate::new("count", Some(self.into_term()))
    }

    aggregates! {
        /// The smallest value; none of no rows.
        min "min" where Ordered -> Option<Base<Self>>;
        /// The largest value; none of no rows.
        max "max" where Ordered -> Option<Base<Self>>;
        /// All values together; none of no rows. Errors of the query: past 64 bits 422.
        sum "sum" where Summed -> Option<<Base<Self> as Summed>::Sum>;
        /// The mean; none of no rows.
        avg "avg" where Averaged -> Option<f64>;
        /// The standard deviation of all values; [`of_sample`](Aggregate::of_sample) for that of a sample.
        stddev "stddev" where Averaged -> Option<f64>;
        /// The variance of all values; [`of_sample`](Aggregate::of_sample) for that of a sample.
        variance "variance" where Averaged -> Option<f64>;
    }

    /// All texts, with `separator` between them, in any order unless [`order_by`](Aggregate::order_by) says one; none of no rows.
    fn string_agg(self, separator: &'static str) -> Aggregate<Self::Root, Option<String>>
    where
        Self: EachRow,
        Base<Self>: Text,
    {
        Aggregate::new("string_agg", Some(self.into_term())).with(Node::Text(separator))
    }

    /// Whether all are true; none of no rows.
    fn bool_and(self) -> Aggregate<Self::Root, Option<bool>>
    where
        Self: EachRow,
        Self::Kind: Kind<Base = bool>,
    {
        Aggregate::new("bool_and", Some(self.into_term()))
    }

    /// Whether one is true; none of no rows.
    fn bool_or(self) -> Aggregate<Self::Root, Option<bool>>
    where
        Self: EachRow,
        Self::Kind: Kind<Base = bool>,
    {
        Aggregate::new("bool_or", Some(self.into_term()))
    }

    /// The value so many rows before, in the window's order; NULL where there is none.
    fn lag(self, rows: u32) -> WindowFunction<Self::Root, Option<Base<Self>>>
    where
        Self: EachRow,
    {
        WindowFunction::of(Node::call("lag", [self.into_term(), Node::Number(rows.into())]))
    }

    /// The value so many rows after, in the window's order; NULL where there is none.
    fn lead(self, rows: u32) -> WindowFunction<Self::Root, Option<Base<Self>>>
    where
        Self: EachRow,
    {
        WindowFunction::of(Node::call("lead", [self.into_term(), Node::Number(rows.into())]))
    }

    /// The value of the first row of the window's frame.
    fn first_value(self) -> WindowFunction<Self::Root, Option<Base<Self>>>
    where
        Self: EachRow,
    {
        WindowFunction::of(Node::call("first_value", [self.into_term()]))
    }

    /// The value of the last row of the window's frame.
    fn last_value(self) -> WindowFunction<Self::Root, Option<Base<Self>>>
    where
        Self: EachRow,
    {
        WindowFunction::of(Node::call("last_value", [self.into_term()]))
    }

    /// The value of the row at this place of the window's frame, counted from 1.
    fn nth_value(self, place: u32) -> WindowFunction<Self::Root, Option<Base<Self>>>
    where
        Self: EachRow,
    {
        WindowFunction::of(Node::call("nth_value", [self.into_term(), Node::Number(place.into())]))
    }
}

impl<R, T: Kind> PerRow for Field<R, T> {}
impl<R, T: Kind> PerRow for Expr<R, T> {}
// So that the compiler finds the methods and says why an aggregate has none of them.
impl<R, T: Kind> PerRow for Aggregate<R, T> {}

/// What has a value in each row: all but aggregates.
#[diagnostic::on_unimplemented(
    message = "an aggregate is made of many rows, so it is no condition, order or aggregate of each",
    note = "write `.annotate(…)` with it, and then `.having(|value| value.gt(3))` or `.order_with(|value| value.desc())`"
)]
pub trait EachRow {}
impl<R, T> EachRow for Field<R, T> {}
impl<R, T> EachRow for Expr<R, T> {}

/// A comparison. That of a year with a number becomes one of the field with the year's beginning, for which an index is of use.
fn compare<R>(word: &'static str, left: Node, right: Node) -> Q<R> {
    let Node::Year(years, of) = left else {
        return test(Lookup::One(word, right), left);
    };
    let number = match &right {
        // In a zone the year begins at another moment, which the host knows.
        Node::Value(Value::Integer(number), _) if !matches!(*of, Node::Zoned(..)) => Some(*number),
        _ => None,
    };
    let (Some(begins), Some(ends)) =
        (number.and_then(|year| years.begin(year)), number.and_then(|year| years.begin(year.checked_add(1)?)))
    else {
        return test(Lookup::One(word, right), Node::Year(years, of));
    };
    let at = |moment: i64| Node::value(Value::Integer(moment));
    let lookup = match word {
        // Days and microseconds are whole, so the last one is the one before the next year.
        "exact" => Lookup::Range(at(begins), at(ends - 1)),
        "gt" => Lookup::One("gte", at(ends)),
        "gte" => Lookup::One("gte", at(begins)),
        "lt" => Lookup::One("lt", at(begins)),
        _ => Lookup::One("lt", at(ends)),
    };
    test(lookup, *of)
}
