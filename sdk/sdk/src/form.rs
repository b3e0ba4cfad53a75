//! Query strings and forms into structs.
//!
//! A form differs from other data: everything is text, an empty field means "nothing", a box that isn't ticked isn't sent, a
//! name can come several times, and who gets it wrong needs to know which field. So there is a small deserializer for it
//! here: `Option` reads an empty text as none, `Vec` takes all values of a name, `bool` takes `on`, and errors name the field.

use core::fmt;
use std::borrow::Cow;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserializer, IntoDeserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use crate::error::{Error, Result};

/// Fields of one form: Django's `DATA_UPLOAD_MAX_NUMBER_FIELDS`.
const MAX_FIELDS: usize = 1_000;

/// Reads `application/x-www-form-urlencoded` bytes. Errors have `status` and name the field.
pub(crate) fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8], status: u16) -> Result<T> {
    let mut fields: Vec<(Cow<'de, str>, Vec<Cow<'de, str>>)> = Vec::new();
    for (count, (name, value)) in form_urlencoded::parse(bytes).enumerate() {
        if count == MAX_FIELDS {
            return Err(Error::field_error(status, "", format_args!("more than {MAX_FIELDS} fields")));
        }
        match fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => fields.push((name, vec![value])),
        }
    }
    let pairs = fields.into_iter().map(|(name, values)| (Key(name.clone()), Values { name, values }));
    T::deserialize(MapDeserializer::new(pairs))
        .map_err(|problem: Problem| Error::field_error(status, &problem.field, problem.text))
}

/// A field's name, as a map's key.
struct Key<'de>(Cow<'de, str>);

impl<'de> IntoDeserializer<'de, Problem> for Key<'de> {
    type Deserializer = de::value::CowStrDeserializer<'de, Problem>;

    fn into_deserializer(self) -> Self::Deserializer {
        self.0.into_deserializer()
    }
}

/// What is wrong, and with which field.
#[derive(Debug)]
struct Problem {
    field: String,
    text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self { field: String::new(), text: text.to_string() }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { field: field.into(), text: "is missing".into() }
    }
}

/// All values that came under one name.
struct Values<'de> {
    name: Cow<'de, str>,
    values: Vec<Cow<'de, str>>,
}

impl<'de> IntoDeserializer<'de, Problem> for Values<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Values<'de> {
    fn named<T>(name: &str, result: Result<T, Problem>) -> Result<T, Problem> {
        result.map_err(|mut problem| {
            if problem.field.is_empty() {
                problem.field = name.into();
            }
            problem
        })
    }

    /// The last value counts, as in Django.
    fn last(self) -> (Cow<'de, str>, One<'de>) {
        let value = self.values.into_iter().next_back().unwrap_or_default();
        (self.name, One(value))
    }
}

macro_rules! last_value {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            let (name, value) = self.last();
            Self::named(&name, value.$method(visitor))
        })*
    };
}

impl<'de> Deserializer<'de> for Values<'de> {
    type Error = Problem;

    last_value! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_option deserialize_identifier
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let values = self.values.into_iter().map(One);
        Self::named(&self.name, visitor.visit_seq(SeqDeserializer::new(values)))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let (field, value) = self.last();
        Self::named(&field, value.deserialize_enum(name, variants, visitor))
    }

    forward_to_deserialize_any! { bytes byte_buf unit unit_struct tuple tuple_struct map struct ignored_any i128 u128 }
}

/// One value.
struct One<'de>(Cow<'de, str>);

impl<'de> IntoDeserializer<'de, Problem> for One<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $what:literal)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            match self.0.trim().parse() {
                Ok(number) => visitor.$visit(number),
                Err(_) => Err(de::Error::custom($what)),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for One<'de> {
    type Error = Problem;

    numbers! {
        deserialize_i8 visit_i8 "must be a whole number from -128 to 127"
        deserialize_i16 visit_i16 "must be a whole number from -32768 to 32767"
        deserialize_i32 visit_i32 "must be a whole number from -2147483648 to 2147483647"
        deserialize_i64 visit_i64 "must be a whole number"
        deserialize_u8 visit_u8 "must be a whole number from 0 to 255"
        deserialize_u16 visit_u16 "must be a whole number from 0 to 65535"
        deserialize_u32 visit_u32 "must be a whole number from 0 to 4294967295"
        deserialize_u64 visit_u64 "must be a whole number from 0 on"
        deserialize_f32 visit_f32 "must be a number"
        deserialize_f64 visit_f64 "must be a number"
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.0.as_ref() {
            "on" | "true" | "1" | "yes" => visitor.visit_bool(true),
            "" | "off" | "false" | "0" | "no" => visitor.visit_bool(false),
            _ => Err(de::Error::custom("must be `on` or `off`")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        if self.0.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let value: de::value::CowStrDeserializer<'de, Problem> = self.0.into_deserializer();
        value.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.0 {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any i128 u128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Green,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Ask {
        question: String,
        #[serde(default)]
        choice: Vec<String>,
        votes: Option<i32>,
        #[serde(default)]
        public: bool,
        colour: Option<Colour>,
    }

    fn ask(text: &str) -> Result<Ask> {
        read(text.as_bytes(), 422)
    }

    #[test]
    fn what_browsers_send_is_read() {
        let form = ask(
            "question=What%27s+new%3F&choice=Nothing&choice=&choice=%C3%BC&votes=&public=on&colour=red&csrf_token=x",
        )
        .expect("a form");
        let choice = vec!["Nothing".into(), String::new(), "ü".into()];
        assert_eq!(
            form,
            Ask { question: "What's new?".into(), choice, votes: None, public: true, colour: Some(Colour::Red) }
        );
        assert_eq!(ask("question=a&question=b&votes=+7").expect("a form").question, "b");
    }

    #[test]
    fn an_error_names_the_field_and_what_it_takes() {
        for (text, field, word) in [
            ("choice=a", "question", "missing"),
            ("question=a&votes=many", "votes", "whole number"),
            ("question=a&votes=9999999999", "votes", "2147483647"),
            ("question=a&public=perhaps", "public", "`on`"),
            ("question=a&colour=blue", "colour", "blue"),
        ] {
            let error = ask(text).expect_err(text);
            assert_eq!((error.status(), error.field()), (422, Some(field)), "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn hostile_forms_are_refused_or_harmless() {
        assert!(ask(&"a=b&".repeat(2_000)).is_err());
        assert!(ask("question=%ff%fe%").expect("replaced, not refused").question.contains('\u{fffd}'));
        assert!(ask("").is_err());
        assert!(ask("&&&==&=").is_err());
    }

    #[test]
    fn numbers_in_query_strings() {
        #[derive(Debug, Deserialize)]
        struct Page {
            page: u32,
            ids: Vec<i64>,
        }
        let page: Page = read(b"page=2&ids=1&ids=-5", 400).expect("a query");
        assert_eq!((page.page, page.ids), (2, vec![1, -5]));
        assert_eq!(read::<Page>(b"page=-1&ids=1", 400).expect_err("negative").field(), Some("page"));
        assert_eq!(read::<Page>(b"page=1&ids=x", 400).expect_err("no number").field(), Some("ids"));
    }
}
