//! The models, and what their fields may hold: values that databases like to disagree about.

use std::collections::BTreeMap;

use host_db::Value;
use serde_json::{Value as Json, json};

/// What a field holds, as far as queries are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Key,
    Integer,
    Big,
    Float,
    Boolean,
    Text,
    Date,
    DateTime,
    Duration,
    Uuid,
}

/// A field, as the manifest and the judge see it.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub null: bool,
    pub to: Option<&'static str>,
}

const fn field(name: &'static str, kind: Kind, null: bool) -> Field {
    Field { name, kind, null, to: None }
}

const fn relation(name: &'static str, to: &'static str, null: bool) -> Field {
    Field { name, kind: Kind::Key, null, to: Some(to) }
}

/// A model without its automatic key, which is `id`.
#[derive(Debug)]
pub struct Model {
    pub name: &'static str,
    pub fields: &'static [Field],
    /// What other rows that point here are called: the name, their model, their field.
    pub reverse: &'static [(&'static str, &'static str, &'static str)],
}

/// Places in places, items in places, marks on items.
pub const MODELS: [Model; 3] = [
    Model {
        name: "place",
        fields: &[
            field("name", Kind::Text, false),
            field("grade", Kind::Integer, true),
            relation("inside", "place", true),
        ],
        reverse: &[("parts", "place", "inside"), ("items", "item", "place")],
    },
    Model {
        name: "item",
        fields: &[
            relation("place", "place", true),
            field("name", Kind::Text, false),
            field("note", Kind::Text, true),
            field("number", Kind::Integer, true),
            field("big", Kind::Big, true),
            field("ratio", Kind::Float, true),
            field("flag", Kind::Boolean, true),
            field("day", Kind::Date, true),
            field("moment", Kind::DateTime, true),
            field("took", Kind::Duration, true),
            field("uid", Kind::Uuid, true),
        ],
        reverse: &[("marks", "mark", "item")],
    },
    Model {
        name: "mark",
        fields: &[
            relation("item", "item", false),
            field("label", Kind::Text, true),
            field("score", Kind::Integer, false),
            field("weight", Kind::Float, true),
        ],
        reverse: &[],
    },
];

/// The model called `name`.
pub fn model(name: &str) -> &'static Model {
    MODELS.iter().find(|model| model.name == name).expect("a model of the world")
}

/// Where a name on a model leads.
#[derive(Debug, Clone, Copy)]
pub enum Leads {
    /// To a value of the row itself.
    Value(Kind),
    /// To the row that its key points to.
    Row(&'static str),
    /// To the rows of a model whose field points here.
    Rows(&'static str, &'static str),
}

/// Where `name` on the model called `of` leads.
pub fn leads(of: &str, name: &str) -> Leads {
    let model = model(of);
    if let Some((_, child, field)) = model.reverse.iter().find(|(reverse, ..)| *reverse == name) {
        return Leads::Rows(child, field);
    }
    match model.fields.iter().find(|field| field.name == name) {
        Some(Field { to: Some(to), .. }) => Leads::Row(to),
        Some(field) => Leads::Value(field.kind),
        None => Leads::Value(Kind::Key),
    }
}

/// A path to values: its steps, what is at its end, and whether it goes over a relation to many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub steps: Vec<&'static str>,
    pub kind: Kind,
    pub many: bool,
}

impl Path {
    /// As a shape has it: a name alone or a list.
    pub fn json(&self) -> Json {
        match self.steps[..] {
            [name] => json!(name),
            _ => json!(self.steps),
        }
    }

    /// As `order` has it.
    pub fn dotted(&self) -> String {
        self.steps.join(".")
    }
}

/// All paths of at most `most` steps from a model.
pub fn paths(from: &'static str, most: usize) -> Vec<Path> {
    let mut found = vec![Path { steps: vec!["id"], kind: Kind::Key, many: false }];
    if most > 1 {
        found.push(Path { steps: vec!["pk"], kind: Kind::Key, many: false });
    }
    let mut extend = |name: &'static str, to: &'static str, many: bool| {
        found.push(Path { steps: vec![name], kind: Kind::Key, many });
        if most > 1 {
            for path in paths(to, most - 1) {
                let steps = [vec![name], path.steps].concat();
                found.push(Path { steps, kind: path.kind, many: many || path.many });
            }
        }
    };
    let model = model(from);
    for field in model.fields.iter() {
        if let Some(to) = field.to {
            extend(field.name, to, false);
        }
    }
    for (name, to, _) in model.reverse {
        extend(name, to, true);
    }
    let own = model.fields.iter().filter(|field| field.to.is_none());
    found.extend(own.map(|field| Path { steps: vec![field.name], kind: field.kind, many: false }));
    found
}

/// The manifest of the world.
pub fn manifest() -> Json {
    let models = MODELS.iter().map(|model| {
        let mut fields = vec![json!({"name": "id", "kind": "auto"})];
        for field in model.fields {
            let mut entry = match field.kind {
                Kind::Key => {
                    let to = field.to.expect("a relation");
                    let of = world_reverse(to, model.name, field.name);
                    json!({"kind": "foreign_key", "to": to, "on_delete": "cascade", "related_name": of})
                }
                Kind::Integer => json!({"kind": "integer"}),
                Kind::Big => json!({"kind": "big_integer"}),
                Kind::Float => json!({"kind": "float"}),
                Kind::Boolean => json!({"kind": "boolean"}),
                Kind::Text if field.null => json!({"kind": "text"}),
                Kind::Text => json!({"kind": "char", "max_length": 20}),
                Kind::Date => json!({"kind": "date"}),
                Kind::DateTime => json!({"kind": "datetime"}),
                Kind::Duration => json!({"kind": "duration"}),
                Kind::Uuid => json!({"kind": "uuid"}),
            };
            entry["name"] = json!(field.name);
            entry["null"] = json!(field.null);
            fields.push(entry);
        }
        json!({"name": model.name, "fields": fields})
    });
    json!({"v": 1, "name": "props", "models": models.collect::<Vec<_>>()})
}

fn world_reverse(to: &str, child: &str, field: &str) -> &'static str {
    let reverse = model(to).reverse.iter().find(|(_, other, by)| *other == child && *by == field);
    reverse.expect("a name for the other side").0
}

/// A world's rows: model, key, field.
pub type Rows = BTreeMap<&'static str, BTreeMap<i64, BTreeMap<&'static str, Value>>>;

/// Texts that are equal, or near to it, in one sense or another.
const TEXTS: [&str; 44] = [
    "",
    " ",
    "a",
    "A",
    "a ",
    " a",
    "ab",
    "AB",
    "Ab",
    "b",
    "z",
    "Z",
    "é",
    "e\u{301}",
    "É",
    "ß",
    "ss",
    "SS",
    "ẞ",
    "İ",
    "i",
    "I",
    "ı",
    "\u{212a}",
    "k",
    "K",
    "ς",
    "σ",
    "Σ",
    "ﬀ",
    "%",
    "_",
    "a%",
    "a_b",
    "\\",
    "\\%",
    "'",
    "\"",
    "a\nb",
    "\u{e000}",
    "\u{1f600}",
    "👩\u{200d}🚀",
    "\u{10ffff}",
    "日本",
];

const SMALL: [i64; 9] = [0, 1, -1, 2, 5, 100, -100, i32::MAX as i64, i32::MIN as i64];

/// Values that a field of the kind may hold.
pub fn values(kind: Kind) -> Vec<Value> {
    let integers = |numbers: &[i64]| numbers.iter().map(|number| Value::Integer(*number)).collect();
    match kind {
        Kind::Key => integers(&[1, 2, 3, 4, 5, 6, 7, 8]),
        Kind::Integer => integers(&SMALL),
        Kind::Big | Kind::Duration => {
            integers(&[0, 1, -1, 7, i64::MAX, i64::MIN, i64::MAX - 1, (1 << 53) + 1, -(1 << 53) - 1, 86_400_000_000])
        }
        Kind::Float => {
            [0.0, 1.0, -1.0, 0.1, 0.5, -2.5, 3.0, 1e300, -1e-300, 9_007_199_254_740_992.0].map(Value::Float).to_vec()
        }
        Kind::Boolean => vec![Value::Boolean(false), Value::Boolean(true)],
        Kind::Text => TEXTS.iter().map(|text| Value::Text((*text).into())).collect(),
        // The first and the last day that databases have, the turn of the epoch, leap days, the end of February 1900.
        Kind::Date => integers(&[0, -1, 1, -719_162, 2_932_896, 11_016, 19_782, -25_509, -25_508]),
        Kind::DateTime => integers(&[
            0,
            -1,
            1,
            999_999,
            1_709_164_800_000_000,
            1_709_251_199_999_999,
            -62_135_596_800_000_000,
            253_402_300_799_999_999,
            -2_203_977_600_000_001,
        ]),
        Kind::Uuid => {
            [[0; 16], [255; 16], [0x11; 16], *b"0123456789abcdef"].map(|bytes| Value::Bytes(bytes.to_vec())).to_vec()
        }
    }
}

/// Values to compare a field of the kind with: those that it may hold, and some that no row can have.
pub fn compared(kind: Kind) -> Vec<Value> {
    let mut values = values(kind);
    match kind {
        Kind::Integer | Kind::Key => {
            values.extend([i64::MAX, i64::MIN, 1 << 31, -1 - (1 << 31), 1 << 32].map(Value::Integer));
        }
        Kind::Float => values.extend([Value::Integer(1), Value::Integer(i64::MAX), Value::Float(1e-5)]),
        Kind::Text => values.push(Value::Text("a text that is longer than any field".into())),
        Kind::Date => values.extend([i64::MAX, i64::MIN, -719_163, 2_932_897].map(Value::Integer)),
        Kind::DateTime => values.extend([i64::MAX, i64::MIN].map(Value::Integer)),
        Kind::Uuid => values.push(Value::Bytes(vec![1, 2, 3])),
        Kind::Big | Kind::Duration | Kind::Boolean => {}
    }
    values
}
