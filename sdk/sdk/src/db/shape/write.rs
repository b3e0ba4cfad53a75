//! What only writing shapes say.

use super::{Node, Param, Shape, Value};

impl Shape {
    /// `"set"` with expressions.
    pub(crate) fn assignments(&mut self, assignments: impl IntoIterator<Item = (&'static str, Node)>) {
        self.set(assignments, Self::node);
    }

    /// `"set"` with the values of one row.
    pub(crate) fn values(&mut self, values: impl IntoIterator<Item = (&'static str, Value)>) {
        self.set(values, |shape, value| shape.hole(Param::One(value)));
    }

    /// `"set"` with columns of values, one for each new row.
    pub(crate) fn columns(&mut self, columns: impl IntoIterator<Item = (&'static str, Vec<Value>)>) {
        self.set(columns, |shape, values| shape.hole(Param::Many(values)));
    }

    fn set<T>(&mut self, fields: impl IntoIterator<Item = (&'static str, T)>, mut each: impl FnMut(&mut Self, T)) {
        self.text(",\"set\":{");
        for (at, (field, value)) in fields.into_iter().enumerate() {
            if at > 0 {
                self.text(",");
            }
            self.name(field);
            self.text(":");
            each(self, value);
        }
        self.text("}");
    }

    /// `"key"` and `"key_values"` of an `update_many`: which row each position of the columns is about.
    pub(crate) fn keys(&mut self, fields: &[&'static str], values: Vec<Vec<Value>>) {
        self.member("key");
        self.names(fields.iter().copied());
        self.member("key_values");
        self.list(values, |shape, values| shape.hole(Param::Many(values)));
    }

    /// `"on_conflict"`.
    pub(crate) fn on_conflict(&mut self, target: &[&'static str], set: Vec<(&'static str, Node)>) {
        if set.is_empty() {
            return self.text(",\"on_conflict\":{\"do\":\"ignore\"}");
        }
        self.text(",\"on_conflict\":{\"do\":\"update\",\"target\":");
        self.names(target.iter().copied());
        self.assignments(set);
        self.text("}");
    }

    /// `"returning"`.
    pub(crate) fn returning(&mut self, fields: impl IntoIterator<Item = &'static str>) {
        self.member("returning");
        self.names(fields);
    }
}
