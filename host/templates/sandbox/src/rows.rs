//! Rows of the database: objects that know which relations can be followed from them.
//!
//! A relation that wasn't loaded is noted when the template follows it, and something empty stands in its place for the rest of the
//! page, which nobody will see: it is made again with the relation's rows. So one page tells all that it needs at once, level by level.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::scope::Scope;
use crate::wire::{MARK, Need};

/// A row: its fields, and the relations that were loaded.
#[derive(Debug)]
struct Row {
    node: usize,
    members: BTreeMap<Arc<str>, Value>,
}

impl Object for Row {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        if let Some(value) = self.members.get(name) {
            return Some(value.clone());
        }
        let scope = Scope::current().ok()?;
        let node = scope.nodes.get(self.node)?;
        if node.one.iter().any(|known| known == name) {
            let key = self.members.get(format!("{name}_id").as_str()).cloned();
            return Some(match key {
                Some(key) if key.is_none() => Value::from(()),
                key => Value::from_object(One { node: self.node, relation: name.to_owned(), key }),
            });
        }
        if node.many.iter().any(|known| known == name) {
            note(&scope, self.node, name);
            return Some(Value::from_object(Nothing));
        }
        None
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.members.keys().map(|name| Value::from(name.to_string())).collect())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A row in the page is mostly one whose field was forgotten: its key says which.
        let key = self.members.get("pk").or_else(|| self.members.get("id"));
        match key {
            Some(key) => fmt::Display::fmt(key, f),
            None => f.write_str("a row"),
        }
    }
}

fn note(scope: &Scope, node: usize, relation: &str) {
    scope.needs.borrow_mut().insert(Need { node, relation: relation.to_owned() });
}

/// A row that wasn't loaded. Its key is known without it, where this row holds it.
#[derive(Debug)]
struct One {
    node: usize,
    relation: String,
    key: Option<Value>,
}

impl Object for One {
    fn get_value(self: &Arc<Self>, name: &Value) -> Option<Value> {
        match (&self.key, name.as_str()) {
            (Some(key), Some("id" | "pk")) => Some(key.clone()),
            _ => {
                note(&Scope::current().ok()?, self.node, &self.relation);
                Some(Value::from_object(Nothing))
            }
        }
    }

    fn is_true(self: &Arc<Self>) -> bool {
        // Whether there is a row that points here, only a query knows.
        if self.key.is_none()
            && let Ok(scope) = Scope::current()
        {
            note(&scope, self.node, &self.relation);
        }
        true
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        if let Ok(scope) = Scope::current() {
            note(&scope, self.node, &self.relation);
        }
        Enumerator::Empty
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => fmt::Display::fmt(key, f),
            None => {
                if let Ok(scope) = Scope::current() {
                    note(&scope, self.node, &self.relation);
                }
                Ok(())
            }
        }
    }
}

/// Stands where rows will be when the page is made again: an empty list, whatever is asked of it.
#[derive(Debug)]
struct Nothing;

impl Object for Nothing {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, _name: &Value) -> Option<Value> {
        Some(Value::from_dyn_object(self.clone()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Empty
    }

    fn render(self: &Arc<Self>, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// Reads a context with rows in it.
pub(crate) fn context(json: &[u8]) -> serde_json::Result<Value> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = Any.deserialize(&mut reader)?;
    reader.end().map(|()| value)
}

/// Any value; an object that begins with the mark becomes a row.
struct Any;

impl<'de> DeserializeSeed<'de> for Any {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::from(()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Any)? {
            all.push(item);
        }
        Ok(Value::from(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut first = members.next_key::<Name>()?;
        if first.as_ref().is_some_and(|name| &*name.0 == MARK) {
            let node = members.next_value::<usize>()?;
            let mut all = BTreeMap::new();
            while let Some(Name(name)) = members.next_key()? {
                all.insert(name, members.next_value_seed(Any)?);
            }
            return Ok(Value::from_object(Row { node, members: all }));
        }
        let mut all = IndexMap::<Value, Value>::new();
        while let Some(Name(name)) = first {
            all.insert(Value::from(name), members.next_value_seed(Any)?);
            first = members.next_key()?;
        }
        Ok(Value::from_object(all))
    }
}

/// A member's name, without a copy in between.
struct Name(Arc<str>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
                Ok(Name(name.into()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use serde_json::json;

    use crate::wire::{Need, Node};
    use crate::{Engine, Facts, Limits, Links, Rendered, Source};

    struct Nowhere;

    impl Links for Nowhere {
        fn url(&self, _: &str, args: &[String]) -> Result<String, String> {
            Ok(args.join("/"))
        }

        fn static_url(&self, path: &str) -> String {
            path.into()
        }
    }

    fn nodes() -> Vec<Node> {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        vec![
            Node { one: names(&["author", "profile"]), many: names(&["choices"]) },
            Node { one: Vec::new(), many: names(&["votes"]) },
        ]
    }

    fn render(text: &str, context: serde_json::Value) -> Result<Rendered, crate::Failure> {
        let source = Source { name: "x.txt".into(), text: text.into() };
        let engine = Engine::new(vec![source], Limits::default()).expect("a template");
        engine.render_rows("x.txt", context.to_string().as_bytes(), Facts::default(), Rc::new(Nowhere), nodes())
    }

    fn question() -> serde_json::Value {
        json!({"q": {"\u{0}": 0, "id": 5, "text": "new?", "author_id": 7}, "n": {"\u{0}": 0, "id": 6, "author_id": null}})
    }

    fn needs(text: &str) -> Vec<(usize, String)> {
        match render(text, question()) {
            Ok(Rendered::Needs(needs)) => needs.into_iter().map(|Need { node, relation }| (node, relation)).collect(),
            other => panic!("{text} came out: {other:?}"),
        }
    }

    fn page(text: &str, context: serde_json::Value) -> String {
        match render(text, context) {
            Ok(Rendered::Page(page)) => page,
            other => panic!("{text} came out: {other:?}"),
        }
    }

    #[test]
    fn fields_and_keys_need_nothing_more() {
        for (text, expected) in [
            (
                "{{ q.text }} {{ q.author_id }} {{ q.author }} {{ q.author.id }} {{ q.author.pk }} {{ q }}",
                "new? 7 7 7 7 5",
            ),
            ("{% if q.author %}has{% endif %} {% if not n.author %}none{% endif %}", "has none"),
            ("{{ url(\"a\", q.author.id, q.id) }}", "7/5"),
            ("{{ q.nothing }}|{{ n.author.name }}", "|"),
            ("{% for name in q %}{{ name }} {% endfor %}", "author_id id text "),
        ] {
            assert_eq!(page(text, question()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_followed_is_told_all_at_once() {
        for (text, expected) in [
            ("{{ q.author.name }}", &[(0, "author")][..]),
            ("{% for c in q.choices %}{{ c.text }}{% else %}none{% endfor %}", &[(0, "choices")]),
            ("{{ q.choices|length }} {{ q.author.name|upper }}", &[(0, "author"), (0, "choices")]),
            ("{{ q.choices[0].text.more }} {{ q.choices.first.x }}", &[(0, "choices")]),
            ("{% if q.profile %}{% endif %}", &[(0, "profile")]),
            ("{% for key in q.author %}{% endfor %}", &[(0, "author")]),
            // What goes wrong because of what is missing isn't told.
            ("{{ q.author.name + 1 }}", &[(0, "author")]),
        ] {
            let expected: Vec<(usize, String)> = expected.iter().map(|(node, name)| (*node, (*name).into())).collect();
            assert_eq!(needs(text), expected, "{text}");
        }
    }

    #[test]
    fn loaded_relations_are_rows_of_their_own() {
        let context = json!({"q": {"\u{0}": 0, "id": 5, "author": {"name": "Ann"}, "choices": [
            {"\u{0}": 1, "id": 1, "text": "a"}, {"\u{0}": 1, "id": 2, "text": "b"},
        ]}});
        let text = "{{ q.author.name }}: {% for c in q.choices %}{{ c.text }}{% endfor %} {{ q.choices|length }}";
        assert_eq!(page(text, context.clone()), "Ann: ab 2");
        let Ok(Rendered::Needs(needs)) = render("{% for c in q.choices %}{{ c.votes|length }}{% endfor %}", context)
        else {
            panic!("the votes aren't there");
        };
        assert_eq!(needs, [Need { node: 1, relation: "votes".into() }]);
    }

    #[test]
    fn marks_that_make_no_sense_do_no_harm() {
        for context in [json!({"q": {"\u{0}": 99, "id": 5}}), json!({"q": {"a": 1, "\u{0}": 0}}), json!({"q": {}})] {
            assert_eq!(page("{{ q.text }}{{ q.nothing }}{% for c in q.many %}{% endfor %}", context), "");
        }
        for mark in [json!("x"), json!(-1), json!({}), json!(1.5)] {
            let failure = render("x", json!({"q": {"\u{0}": mark}})).expect_err("no number");
            assert_eq!(failure.kind, crate::Kind::InvalidContext);
        }
    }
}
