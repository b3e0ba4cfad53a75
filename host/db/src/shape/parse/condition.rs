//! Conditions.

use super::super::json::Node;
use super::super::words::find;
use super::super::{Condition, Expr, JsonLookup, List, Literal, Lookup, Operand};
use super::{Place, Reader, path};
use crate::error::DbError;

/// What a condition can begin with besides lookups.
const WORDS: [&str; 7] = ["and", "or", "xor", "not", "exists", "true", "in"];

impl Reader {
    pub(super) fn conditions(
        &mut self,
        node: Node,
        place: &Place<'_>,
        depth: usize,
    ) -> Result<Vec<Condition>, DbError> {
        let condition = |(at, node)| self.condition(node, &Place::Entry(place, at), depth);
        super::list(node, place)?.into_iter().enumerate().map(condition).collect()
    }

    pub(super) fn condition(&mut self, node: Node, place: &Place<'_>, depth: usize) -> Result<Condition, DbError> {
        let deeper = self.deeper(depth, place)?;
        self.count_condition(place)?;
        let Node::List(parts) = node else {
            return Err(place.error(format_args!(
                "is {}; a condition is a list such as [\"exact\", \"id\", {{\"$\":0}}]",
                node.name()
            )));
        };
        let mut parts = parts.into_iter();
        let word = match parts.next() {
            Some(Node::Text(word)) => word,
            Some(other) => {
                return Err(Place::Entry(place, 0).error(format_args!("is {}, not a lookup's name", other.name())));
            }
            None => return Err(place.error("is empty; begin with a lookup, or with and, or, not")),
        };
        match word.as_str() {
            "and" | "or" | "xor" => {
                let mut inner = Vec::new();
                for (at, node) in parts.enumerate() {
                    inner.push(self.condition(node, &Place::Entry(place, at + 1), deeper)?);
                }
                if inner.is_empty() {
                    return Err(place.error(format_args!("`{word}` joins at least one condition")));
                }
                Ok(match word.as_str() {
                    "and" => Condition::And(inner),
                    "or" => Condition::Or(inner),
                    _ => Condition::Xor(inner),
                })
            }
            "not" => match (parts.next(), parts.next()) {
                (Some(node), None) => {
                    let inner = self.condition(node, &Place::Entry(place, 1), deeper)?;
                    Ok(Condition::Not(Box::new(inner)))
                }
                _ => Err(place.error("`not` takes one condition; join several with `and` or `or`")),
            },
            "exists" => match (parts.next(), parts.next()) {
                (Some(node), None) => {
                    let nested = self.nested(node, &Place::Entry(place, 1))?;
                    Ok(Condition::Exists(Box::new(nested)))
                }
                _ => Err(place.error("`exists` takes one shape: [\"exists\", {\"from\": …}]")),
            },
            "true" => match (parts.next(), parts.next()) {
                (Some(node), None) => Ok(Condition::True(self.expr(node, &Place::Entry(place, 1), deeper)?)),
                _ => Err(place.error("`true` takes one expression of kind boolean")),
            },
            word => {
                let lookup = find(&Lookup::ALL, word);
                if lookup.is_none() && word != "in" {
                    let known = WORDS.into_iter().chain(Lookup::ALL.into_iter().map(|(known, _)| known));
                    return Err(Place::Entry(place, 0).unknown(word, known));
                }
                let (Some(target), Some(operand), None) = (parts.next(), parts.next(), parts.next()) else {
                    return Err(
                        place.error(format_args!("`{word}` takes a path and an operand: [\"{word}\", path, operand]"))
                    );
                };
                let target = self.target(target, &Place::Entry(place, 1), deeper)?;
                let place = Place::Entry(place, 2);
                match lookup {
                    None => Ok(Condition::In { target, list: self.sought(operand, &place)? }),
                    Some(lookup) => {
                        let operands = self.operands(lookup, operand, &place, deeper)?;
                        Ok(Condition::Lookup { lookup, target, operands })
                    }
                }
            }
        }
    }

    /// What a lookup asks about: a path, or `{"e": expression}`.
    pub(super) fn target(&mut self, node: Node, place: &Place<'_>, depth: usize) -> Result<Expr, DbError> {
        match node {
            Node::Object(members) => match <[_; 1]>::try_from(members) {
                Ok([(name, node)]) if name == "e" => self.expr(node, &Place::Member(place, "e"), depth),
                _ => Err(place.error("is a path, or an expression as {\"e\": expression}")),
            },
            node => path(node, place).map(Expr::field),
        }
    }

    fn sought(&mut self, node: Node, place: &Place<'_>) -> Result<List, DbError> {
        let wrong = || {
            place.error(
                "`in` takes a hole that is filled with `many` values, a shape with one field, or {\"with\": name}",
            )
        };
        let Node::Object(members) = node else { return Err(wrong()) };
        if members.iter().any(|(name, _)| name == "from") {
            return self.nested(Node::Object(members), place).map(|nested| List::Select(Box::new(nested)));
        }
        if let [(name, Node::Text(with))] = members.as_slice()
            && name == "with"
        {
            if !self.own_fields {
                return Ok(List::With(with.clone()));
            }
            return Err(wrong());
        }
        match self.object(members, place)? {
            Operand::Hole(hole, None) => Ok(List::Hole(hole)),
            _ => Err(wrong()),
        }
    }

    fn operands(&mut self, lookup: Lookup, node: Node, place: &Place<'_>, depth: usize) -> Result<Vec<Expr>, DbError> {
        if !matches!(lookup, Lookup::Exact | Lookup::Compare(_) | Lookup::Range | Lookup::IsNull) {
            self.count_call(place)?;
        }
        match lookup {
            Lookup::Range => {
                let Node::List(pair) = node else {
                    return Err(place.error(format_args!("is {}; `range` takes a list of two operands", node.name())));
                };
                if pair.len() != 2 {
                    return Err(place.error("`range` takes two operands, the lowest and the highest"));
                }
                let expr = |(at, node)| self.expr(node, &Place::Entry(place, at), depth);
                pair.into_iter().enumerate().map(expr).collect()
            }
            Lookup::IsNull => match self.operand(node, place)? {
                operand @ (Operand::Hole(_, None) | Operand::Literal(Literal::Bool(_))) => {
                    Ok(vec![Expr::Operand(operand)])
                }
                _ => Err(place.error("`isnull` takes true or false")),
            },
            Lookup::Regex { .. } => match self.operand(node, place)? {
                operand @ (Operand::Hole(_, None) | Operand::Literal(Literal::Text(_))) => {
                    Ok(vec![Expr::Operand(operand)])
                }
                _ => Err(place.error("a pattern is a string or a hole, so that it can be checked")),
            },
            Lookup::Json(JsonLookup::HasKeys | JsonLookup::HasAnyKeys) => match self.operand(node, place)? {
                operand @ Operand::Hole(_, None) => Ok(vec![Expr::Operand(operand)]),
                _ => {
                    Err(place.error(format_args!("`{}` takes a hole that is filled with `many` values", lookup.word())))
                }
            },
            Lookup::Json(_) => match self.operand(node, place)? {
                operand @ (Operand::Hole(_, None) | Operand::Literal(Literal::Text(_))) => {
                    Ok(vec![Expr::Operand(operand)])
                }
                _ => Err(place.error(format_args!("`{}` takes a string or a hole", lookup.word()))),
            },
            _ => Ok(vec![self.expr(node, place, depth)?]),
        }
    }
}
