//! SQL text with its bound values, put together from parts.

use host_core::access::Fact;

use crate::catalog::Catalog;
use crate::kind::Kind;
use crate::types::Value;

/// Stands in the text where a `many` parameter goes; no identifier can hold it and no value is ever written into the text.
pub(crate) const MANY: char = '\u{1}';

/// The same after other values: each value has a comma before it.
pub(crate) const MANY_MORE: char = '\u{2}';

/// What fills a `?`, in the order of the text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bind {
    /// The parameter of a hole, checked against a column.
    Hole { hole: usize, slot: Slot },
    /// All values of a `many` hole; the text has a [`MANY`].
    Many { hole: usize, slot: Slot },
    /// A whole number of rows.
    Rows { hole: usize },
    /// A truth value of a hole.
    Truth { hole: usize },
    /// What never changes.
    Const { value: Value, slot: Slot },
    /// What the host knows of the request.
    Fact { fact: Fact, slot: Slot },
    /// A field of an earlier statement of the batch.
    Ref { statement: usize, field: String, slot: Slot },
}

impl Bind {
    /// What fits there, where it is a value by itself.
    pub(crate) fn slot(&self) -> Option<Slot> {
        match self {
            Bind::Hole { slot, .. } | Bind::Const { slot, .. } | Bind::Fact { slot, .. } | Bind::Ref { slot, .. } => {
                Some(*slot)
            }
            Bind::Many { .. } | Bind::Rows { .. } | Bind::Truth { .. } => None,
        }
    }
}

/// What fits, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) kind: Kind,
    /// Table and column, where the value is for one.
    pub(crate) column: Option<(usize, usize)>,
    pub(crate) purpose: Purpose,
}

impl Slot {
    /// For a column.
    pub(crate) fn of(catalog: &Catalog, table: usize, column: usize, purpose: Purpose) -> Self {
        Self { kind: catalog.tables[table].columns[column].kind, column: Some((table, column)), purpose }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It becomes the column's value.
    Store,
    /// It is compared with the column.
    Compare,
    /// It is a regular expression.
    Pattern,
    /// It is one of the members that a JSON document is asked for.
    Key,
}

/// A piece of SQL.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Sql {
    pub(crate) text: String,
    pub(crate) binds: Vec<Bind>,
}

impl Sql {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), binds: Vec::new() }
    }

    pub(crate) fn bind(bind: Bind) -> Self {
        Self { text: "?".into(), binds: vec![bind] }
    }

    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub(crate) fn append(&mut self, other: Sql) -> &mut Self {
        self.text.push_str(&other.text);
        self.binds.extend(other.binds);
        self
    }

    /// All parts, with commas between them.
    pub(crate) fn list(&mut self, parts: Vec<Sql>) -> &mut Self {
        for (at, part) in parts.into_iter().enumerate() {
            self.push(if at > 0 { ", " } else { "" }).append(part);
        }
        self
    }

    /// All conditions, joined by AND; `None` where there are none.
    pub(crate) fn all(parts: Vec<Sql>) -> Option<Sql> {
        if parts.is_empty() { None } else { Some(Sql::join(parts, " AND ")) }
    }

    /// In parentheses where it is a `CASE`, which binds less than what may stand around it.
    pub(crate) fn closed(self) -> Sql {
        if self.text.starts_with("CASE") { Sql::fill("({0})", &[self]) } else { self }
    }

    /// `SELECT q1.c0 AS c0, … FROM (…) AS q1`: as a table of its own, of so many cells.
    pub(crate) fn into_table(self, alias: usize, cells: usize) -> Sql {
        let cells = (0..cells).map(|at| Sql::text(format!("q{alias}.c{at} AS c{at}")));
        let mut sql = Sql::text("SELECT ");
        sql.list(cells.collect()).push(" FROM (").append(self).push(&format!(") AS q{alias}"));
        sql
    }

    /// All parts in parentheses, with `word` between them.
    pub(crate) fn join(parts: Vec<Sql>, word: &str) -> Sql {
        if parts.len() == 1 {
            return parts.into_iter().next().unwrap_or_default();
        }
        let mut all = Sql::text("(");
        for (at, part) in parts.into_iter().enumerate() {
            if at > 0 {
                all.push(word);
            }
            all.append(part);
        }
        all.push(")");
        all
    }

    /// Whether it is a value alone.
    pub(crate) fn is_value(&self) -> bool {
        let bare = self.text.trim_start_matches(['(', '-']).trim_end_matches(')');
        matches!(bare, "?" | "TRUE" | "FALSE") || (!bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// As it stands where rows are put in order or into groups: a number alone would be the place of a cell there to one
    /// database, and a mistake to another.
    pub(crate) fn into_key(self) -> Sql {
        if self.is_value() { Sql::fill("coalesce({0}, NULL)", &[self]) } else { self }
    }

    /// A template with its arguments: `{0}` is the first, and may stand there several times. Other braces mean nothing.
    pub(crate) fn fill(template: &str, arguments: &[Sql]) -> Sql {
        let mut sql = Sql::default();
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            let argument = rest[at + 1..].split_once('}').and_then(|(digit, _)| {
                digit.parse::<usize>().ok().filter(|_| digit.len() == 1).and_then(|digit| arguments.get(digit))
            });
            match argument {
                Some(argument) => {
                    sql.push(&rest[..at]).append(argument.clone());
                    rest = &rest[at + 3..];
                }
                None => {
                    sql.push(&rest[..=at]);
                    rest = &rest[at + 1..];
                }
            }
        }
        sql.push(rest);
        sql
    }

    /// For each value, the first that is the same: PostgreSQL takes equal values as one parameter, so that an expression
    /// that stands there twice is the same expression to it.
    pub(crate) fn same(&self) -> Vec<usize> {
        let first = |(at, bind)| self.binds[..at].iter().position(|known| known == bind).unwrap_or(at);
        self.binds.iter().enumerate().map(first).collect()
    }

    /// The text with room for as many values as `sizes` says, one number for each [`MANY`].
    pub(crate) fn render(&self, sizes: &[usize]) -> String {
        let mut sizes = sizes.iter();
        let mut text = String::with_capacity(self.text.len());
        for c in self.text.chars() {
            match c {
                MANY | MANY_MORE => {
                    for at in 0..sizes.next().copied().unwrap_or(0) {
                        text.push_str(if at == 0 && c == MANY { "?" } else { ",?" });
                    }
                }
                c => text.push(c),
            }
        }
        text
    }

    /// The same with numbered places (`$1`), where values that are equal by `same` have one number; `sizes` has one entry
    /// for each list that is there for the first time.
    pub(crate) fn render_numbered(&self, same: &[usize], sizes: &[usize]) -> String {
        let mut text = String::with_capacity(self.text.len() + 16);
        let mut sizes = sizes.iter();
        // First number and count of the numbers of each value.
        let mut numbers: Vec<(usize, usize)> = Vec::with_capacity(same.len());
        let mut next = 1;
        for c in self.text.chars() {
            if !matches!(c, '?' | MANY | MANY_MORE) {
                text.push(c);
                continue;
            }
            let at = numbers.len();
            let first = same.get(at).copied().unwrap_or(at);
            let range = if first < at {
                numbers[first]
            } else {
                let count = if c == '?' { 1 } else { sizes.next().copied().unwrap_or(0) };
                let range = (next, count);
                next += count;
                range
            };
            numbers.push(range);
            for number in range.0..range.0 + range.1 {
                if c == MANY_MORE || number > range.0 {
                    text.push(',');
                }
                text.push('$');
                text.push_str(&number.to_string());
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hole(hole: usize) -> Sql {
        Sql::bind(Bind::Rows { hole })
    }

    #[test]
    fn templates_take_their_arguments_where_they_are_named() {
        let sql = Sql::fill("CASE WHEN {0} ~ 'a{0,1}{3}' THEN {1} + {0} END", &[hole(7), Sql::text("x")]);
        assert_eq!(sql.text, "CASE WHEN ? ~ 'a{0,1}{3}' THEN x + ? END");
        assert_eq!(sql.binds.len(), 2);
    }

    #[test]
    fn equal_values_are_one_parameter_where_they_are_numbered() {
        let mut sql = hole(3);
        sql.push(" + ").append(hole(4)).push(" + ").append(hole(3)).push(" IN (");
        let mut list = Sql::text(MANY.to_string());
        list.binds.push(Bind::Truth { hole: 9 });
        sql.append(list.clone()).push(") f(x").append(Sql { text: MANY_MORE.to_string(), ..list }).push(") ");
        sql.append(hole(5));
        assert_eq!(sql.same(), [0, 1, 0, 3, 3, 5]);
        assert_eq!(sql.render_numbered(&sql.same(), &[2]), "$1 + $2 + $1 IN ($3,$4) f(x,$3,$4) $5");
        assert_eq!(sql.render_numbered(&sql.same(), &[0]), "$1 + $2 + $1 IN () f(x) $3");
        assert_eq!(sql.render(&[2, 1]), "? + ? + ? IN (?,?) f(x,?) ?");
    }
}
