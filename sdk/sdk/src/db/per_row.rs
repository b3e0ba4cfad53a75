//! What a field or an expression of each row can be asked: conditions, orders, aggregates, windows.

use super::Value;
use super::aggregate::{Aggregate, Averaged, Summed};
use super::condition::Q;
use super::expression::{Expr, Operand, Single};
use super::field::{Field, Order, Ordered};
use super::kinds::{Kind, Store};
use super::node::{Lookup, Node, Tree};
use super::term::{Base, Document, Term, Text};
use super::values::Members;
use super::window::WindowFunction;
use crate::extract::Json;

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
            Q::test(Lookup::One($word, text.node()), self.into_term())
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
    /// Equal to this: a value, a field or an expression. NULL equals nothing; an `Option` that is `None` asks for NULL.
    fn eq(self, value: impl Operand<Self::Root, Base<Self>>) -> Q<Self::Root>
    where
        Self: EachRow,
    {
        compare("exact", self.into_term(), value.node())
    }

    /// Not equal to this, or NULL.
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
        Q::test(values.lookup(), self.into_term())
    }

    /// It is NULL. What is reached over a relation is NULL too where the relation leads nowhere.
    fn is_null(self) -> Q<Self::Root>
    where
        Self: EachRow,
    {
        Q::test(Lookup::IsNull(true), self.into_term())
    }

    /// It isn't NULL.
    fn is_not_null(self) -> Q<Self::Root>
    where
        Self: EachRow,
    {
        Q::test(Lookup::IsNull(false), self.into_term())
    }

    /// It is true.
    fn is_true(self) -> Q<Self::Root>
    where
        Self: EachRow,
        Self::Kind: Kind<Base = bool>,
    {
        match self.into_term() {
            Node::Field(path) => Q::test(Lookup::One("exact", Node::Boolean(true)), Node::Field(path)),
            node => Q::of(Tree::True(node)),
        }
    }

    comparisons! {
        /// Greater than this.
        gt "gt",
        /// Greater than this, or equal to it.
        ge "gte",
        /// Less than this.
        lt "lt",
        /// Less than this, or equal to it.
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
        Q::test(Lookup::Range(from.node(), to.node()), self.into_term())
    }

    text_lookups! {
        /// Equal to this, ignoring case.
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
        Q::test(Lookup::One("regex", Node::value(pattern.single())), self.into_term())
    }

    /// The regular expression matches a part of it, ignoring case.
    fn iregex(self, pattern: impl Single<String>) -> Q<Self::Root>
    where
        Self: EachRow,
        Base<Self>: Text,
    {
        Q::test(Lookup::One("iregex", Node::value(pattern.single())), self.into_term())
    }

    /// The document contains this one: all its members and entries, at the same places.
    fn json_contains<T: serde::Serialize>(self, part: T) -> Q<Self::Root>
    where
        Self: EachRow,
        Base<Self>: Document,
    {
        Q::test(Lookup::One("json_contains", Node::value(Json(part).into_value())), self.into_term())
    }

    /// The document has a member of this name.
    fn has_key(self, name: impl Into<String>) -> Q<Self::Root>
    where
        Self: EachRow,
        Base<Self>: Document,
    {
        Q::test(Lookup::One("has_key", Node::value(Value::Text(name.into()))), self.into_term())
    }

    /// The document has members of all these names.
    fn has_keys<V: Single<String>>(self, names: impl IntoIterator<Item = V>) -> Q<Self::Root>
    where
        Self: EachRow,
        Base<Self>: Document,
    {
        Q::test(Lookup::Many("has_keys", names.into_iter().map(Single::single).collect()), self.into_term())
    }

    /// The document has a member of one of these names.
    fn has_any_keys<V: Single<String>>(self, names: impl IntoIterator<Item = V>) -> Q<Self::Root>
    where
        Self: EachRow,
        Base<Self>: Document,
    {
        Q::test(Lookup::Many("has_any_keys", names.into_iter().map(Single::single).collect()), self.into_term())
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
        /// All values together: of whole numbers an `i64`, of others the same kind; none of no rows. Errors of the query: 422 past 64 bits.
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
        return Q::test(Lookup::One(word, right), left);
    };
    let number = match &right {
        // In a zone the year begins at another moment, which the host knows.
        Node::Value(Value::Integer(number), _) if !matches!(*of, Node::Zoned(..)) => Some(*number),
        _ => None,
    };
    let (Some(begins), Some(ends)) =
        (number.and_then(|year| years.begin(year)), number.and_then(|year| years.begin(year.checked_add(1)?)))
    else {
        return Q::test(Lookup::One(word, right), Node::Year(years, of));
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
    Q::test(lookup, *of)
}
