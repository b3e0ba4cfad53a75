//! What crosses the wall: the types of `bandstand:db/types`, as the rest of this crate uses them.
//!
//! They carry wasmtime's derives, so a call's values are read into them and written from them without a copy between.

use wasmtime::component::{ComponentType, Lift, Lower};

pub use crate::error::DbError as Error;

/// One value of one column.
#[derive(Debug, Clone, PartialEq, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum Value {
    /// SQL NULL.
    #[component(name = "null")]
    Null,
    /// True or false.
    #[component(name = "boolean")]
    Boolean(bool),
    /// A whole number, or a date (days), time, duration or datetime (microseconds).
    #[component(name = "integer")]
    Integer(i64),
    /// A floating-point number, never NaN.
    #[component(name = "float")]
    Float(f64),
    /// Text without U+0000.
    #[component(name = "text")]
    Text(String),
    /// Bytes.
    #[component(name = "bytes")]
    Bytes(Vec<u8>),
}

impl Value {
    /// The name of its case, for messages.
    pub fn case(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Boolean(_) => "boolean",
            Value::Integer(_) => "integer",
            Value::Float(_) => "float",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytes",
        }
    }

    /// Roughly what it takes to carry it, in bytes.
    pub fn weight(&self) -> usize {
        16 + match self {
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

/// What fills a hole of a shape.
#[derive(Debug, Clone, PartialEq, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum Param {
    /// One value.
    #[component(name = "one")]
    One(Value),
    /// The values of an `in` list, or one column of a bulk insert.
    #[component(name = "many")]
    Many(Vec<Value>),
}

impl Param {
    /// Roughly what it takes to carry it, in bytes.
    pub fn weight(&self) -> usize {
        match self {
            Param::One(value) => value.weight(),
            Param::Many(values) => 8 + values.iter().map(Value::weight).sum::<usize>(),
        }
    }
}

/// A query's text.
pub type Shape = Vec<u8>;

/// A shape and what fills its holes.
#[derive(Debug, Clone, PartialEq, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Statement {
    /// The query.
    #[component(name = "shape")]
    pub shape: Shape,
    /// One entry for each hole.
    #[component(name = "params")]
    pub params: Vec<Param>,
}

impl Statement {
    /// Roughly what it takes to carry it, in bytes.
    pub fn weight(&self) -> usize {
        self.shape.len() + self.params.iter().map(Param::weight).sum::<usize>()
    }
}

/// Rows of a result, cell after cell.
#[derive(Debug, Clone, Default, PartialEq, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Rows {
    /// Cells in one row.
    #[component(name = "width")]
    pub width: u32,
    /// All cells, row by row.
    #[component(name = "cells")]
    pub cells: Vec<Value>,
}

impl Rows {
    /// The rows, each a slice of `width` cells.
    pub fn iter(&self) -> impl Iterator<Item = &[Value]> {
        self.cells.chunks_exact((self.width as usize).max(1))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.cells.len() / (self.width as usize).max(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Roughly what it takes to carry them, in bytes.
    pub fn weight(&self) -> usize {
        8 + self.cells.iter().map(Value::weight).sum::<usize>()
    }
}

/// What a write did.
#[derive(Debug, Clone, Default, PartialEq, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Outcome {
    /// Rows inserted, changed or deleted.
    #[component(name = "affected")]
    pub affected: u64,
    /// What `returning` asked for.
    #[component(name = "returned")]
    pub returned: Rows,
}
