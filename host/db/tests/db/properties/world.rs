//! The models, and what their fields may hold: values that databases like to disagree about.

use std::collections::BTreeMap;

use host_db::Value;
use serde_json::{Value as Json, json};

use super::super::BACKEND;
use crate::Backend;

/// What a field holds, as far as queries are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An automatic key.
    Auto,
    Small,
    Integer,
    Big,
    Float,
    /// Ten digits, two of them decimal places.
    Decimal,
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
    pub unique: bool,
    /// The model that it points to; `kind` is that of its key.
    pub to: Option<&'static str>,
}

const fn field(name: &'static str, kind: Kind, null: bool) -> Field {
    Field { name, kind, null, unique: false, to: None }
}

const fn relation(name: &'static str, to: &'static str, kind: Kind, null: bool) -> Field {
    Field { name, kind, null, unique: false, to: Some(to) }
}

/// A model.
#[derive(Debug)]
pub struct Model {
    pub name: &'static str,
    pub key: Field,
    pub fields: &'static [Field],
    /// What other rows that point here are called: the name, their model, their field.
    pub reverse: &'static [(&'static str, &'static str, &'static str)],
    /// Many-to-many relations: the name, the model between, its field that points here, its field that points there.
    pub many: &'static [(&'static str, &'static str, &'static str, &'static str)],
    /// Whether it is the pairs of a many-to-many relation, which the manifest doesn't say.
    pub is_between: bool,
}

const AUTO: Field = field("id", Kind::Auto, false);

/// Places in places, items in places, marks on items; tags on items, known by a word; badges on places, known by a UUID.
pub const MODELS: [Model; 6] = [
    Model {
        name: "place",
        key: AUTO,
        fields: &[
            field("name", Kind::Text, false),
            field("grade", Kind::Integer, true),
            relation("inside", "place", Kind::Auto, true),
        ],
        reverse: &[("parts", "place", "inside"), ("items", "item", "place"), ("badge", "badge", "place")],
        many: &[],
        is_between: false,
    },
    Model {
        name: "tag",
        key: field("code", Kind::Text, false),
        fields: &[field("weight", Kind::Decimal, true), relation("like", "tag", Kind::Text, true)],
        reverse: &[("likened", "tag", "like")],
        many: &[("tagged", "item_tags", "tag", "item")],
        is_between: false,
    },
    Model {
        name: "item",
        key: AUTO,
        fields: &[
            relation("place", "place", Kind::Auto, true),
            field("name", Kind::Text, false),
            field("note", Kind::Text, true),
            field("tiny", Kind::Small, true),
            field("number", Kind::Integer, true),
            field("big", Kind::Big, true),
            field("ratio", Kind::Float, true),
            field("price", Kind::Decimal, true),
            field("flag", Kind::Boolean, true),
            field("day", Kind::Date, true),
            field("moment", Kind::DateTime, true),
            field("took", Kind::Duration, true),
            field("uid", Kind::Uuid, true),
        ],
        reverse: &[("marks", "mark", "item")],
        many: &[("tags", "item_tags", "item", "tag")],
        is_between: false,
    },
    Model {
        name: "mark",
        key: AUTO,
        fields: &[
            relation("item", "item", Kind::Auto, false),
            field("label", Kind::Text, true),
            field("score", Kind::Integer, false),
            field("cost", Kind::Decimal, true),
            field("weight", Kind::Float, true),
        ],
        reverse: &[],
        many: &[],
        is_between: false,
    },
    Model {
        name: "badge",
        key: field("uid", Kind::Uuid, false),
        fields: &[
            Field { unique: true, ..relation("place", "place", Kind::Auto, false) },
            field("words", Kind::Text, true),
        ],
        reverse: &[],
        many: &[],
        is_between: false,
    },
    Model {
        name: "item_tags",
        key: AUTO,
        fields: &[relation("item", "item", Kind::Auto, false), relation("tag", "tag", Kind::Text, false)],
        reverse: &[],
        many: &[],
        is_between: true,
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
    Value,
    /// To the row that its key points to.
    Row(&'static str),
    /// To the rows of a model whose field points here.
    Rows(&'static str, &'static str),
    /// To the rows that others stand between: their model; the model between, its field that points here, its field that
    /// points there.
    Many(&'static str, &'static str, &'static str, &'static str),
}

impl Leads {
    /// The model at the other side.
    pub fn to(self) -> Option<&'static str> {
        match self {
            Leads::Value => None,
            Leads::Row(to) | Leads::Rows(to, _) | Leads::Many(to, ..) => Some(to),
        }
    }
}

/// Where `name` on the model called `of` leads.
pub fn leads(of: &str, name: &str) -> Leads {
    let from = model(of);
    if let Some((_, child, field)) = from.reverse.iter().find(|(reverse, ..)| *reverse == name) {
        return Leads::Rows(child, field);
    }
    if let Some((_, between, near, far)) = from.many.iter().find(|(many, ..)| *many == name) {
        let far_field = model(between).fields.iter().find(|field| field.name == *far);
        let to = far_field.and_then(|field| field.to).expect("a relation");
        return Leads::Many(to, between, near, far);
    }
    match from.fields.iter().find(|field| field.name == name) {
        Some(Field { to: Some(to), .. }) => Leads::Row(to),
        _ => Leads::Value,
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
    let from = model(from);
    let own = |name: &'static str, kind: Kind| Path { steps: vec![name], kind, many: false };
    let mut found = vec![own(from.key.name, from.key.kind)];
    if most > 1 {
        found.push(own("pk", from.key.kind));
    }
    found.extend(from.fields.iter().map(|field| own(field.name, field.kind)));
    let to_one = from.fields.iter().filter_map(|field| Some((field.name, field.to?, false)));
    let to_many = from.reverse.iter().map(|(name, to, _)| (*name, *to, true));
    let far = |name: &'static str| leads(from.name, name).to().expect("a relation");
    let through = from.many.iter().map(|(name, ..)| (*name, far(name), true));
    for (name, to, many) in to_one.chain(to_many).chain(through) {
        if many {
            found.push(Path { steps: vec![name], kind: model(to).key.kind, many });
        }
        if most > 1 {
            for path in paths(to, most - 1) {
                let steps = [vec![name], path.steps].concat();
                found.push(Path { steps, kind: path.kind, many: many || path.many });
            }
        }
    }
    found
}

/// The manifest of the world.
pub fn manifest() -> Json {
    let models = MODELS.iter().filter(|model| !model.is_between).map(|model| {
        let mut fields = Vec::new();
        for field in [&model.key].into_iter().chain(model.fields) {
            let mut entry = match (field.kind, field.to) {
                (_, Some(to)) => {
                    let reverse =
                        self::model(to).reverse.iter().find(|(_, other, by)| *other == model.name && *by == field.name);
                    let kind = if field.unique { "one_to_one" } else { "foreign_key" };
                    json!({"kind": kind, "to": to, "on_delete": "cascade", "related_name": reverse.expect("a name").0})
                }
                (Kind::Auto, _) => json!({"kind": "auto"}),
                (Kind::Small, _) => json!({"kind": "small_integer"}),
                (Kind::Integer, _) => json!({"kind": "integer"}),
                (Kind::Big, _) => json!({"kind": "big_integer"}),
                (Kind::Float, _) => json!({"kind": "float"}),
                (Kind::Decimal, _) => json!({"kind": "decimal", "max_digits": 10, "decimal_places": 2}),
                (Kind::Boolean, _) => json!({"kind": "boolean"}),
                (Kind::Text, _) if field.null => json!({"kind": "text"}),
                (Kind::Text, _) => json!({"kind": "char", "max_length": 20}),
                (Kind::Date, _) => json!({"kind": "date"}),
                (Kind::DateTime, _) => json!({"kind": "datetime"}),
                (Kind::Duration, _) => json!({"kind": "duration"}),
                (Kind::Uuid, _) => json!({"kind": "uuid"}),
            };
            entry["name"] = json!(field.name);
            if field.null {
                entry["null"] = json!(true);
            }
            fields.push(entry);
        }
        if model.name == "item" {
            fields.push(json!({"name": "tags", "kind": "many_to_many", "to": "tag", "related_name": "tagged"}));
        }
        let mut entry = json!({"name": model.name, "fields": fields});
        if model.key.kind != Kind::Auto {
            entry["primary_key"] = json!([model.key.name]);
        }
        entry
    });
    json!({"v": 1, "name": "props", "models": models.collect::<Vec<_>>()})
}

/// A world's rows: the model, a number of the judge's own, the field. Relations hold the other row's key.
#[derive(Clone, Default)]
pub struct Rows(pub BTreeMap<&'static str, Table>);

/// The rows of one model.
pub type Table = BTreeMap<i64, BTreeMap<&'static str, Value>>;

impl std::ops::Index<&str> for Rows {
    type Output = Table;

    fn index(&self, model: &str) -> &Table {
        &self.0[model]
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (model, rows) in &self.0 {
            for row in rows.values() {
                writeln!(f, "    {model} {row:?}")?;
            }
        }
        Ok(())
    }
}

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
        Kind::Auto => integers(&[1, 2, 3, 4, 5, 6, 7, 8]),
        Kind::Small => integers(&[0, 1, -1, 100, i16::MAX.into(), i16::MIN.into()]),
        Kind::Decimal => {
            ["0.00", "0.01", "-0.01", "0.10", "1.00", "-1.00", "2.00", "12.50", "100.00", "99999999.99", "-99999999.99"]
                .map(|text| Value::Text(text.into()))
                .to_vec()
        }
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
        Kind::Integer | Kind::Small | Kind::Auto => {
            values.extend([i64::MAX, i64::MIN, 1 << 31, -1 - (1 << 31), 1 << 32].map(Value::Integer));
        }
        Kind::Float => values.extend([Value::Integer(1), Value::Integer(i64::MAX), Value::Float(1e-5)]),
        Kind::Text => values.push(Value::Text("a text that is longer than any field".into())),
        Kind::Date => values.extend([i64::MAX, i64::MIN, -719_163, 2_932_897].map(Value::Integer)),
        // MariaDB takes moments that it has no word for as the last one that it has (docs/reference/db.md).
        Kind::DateTime if BACKEND == Backend::Mariadb => {}
        Kind::DateTime => values.extend([i64::MAX, i64::MIN].map(Value::Integer)),
        Kind::Decimal => values.extend(["1000000000.00", "-99999999999999.99"].map(|text| Value::Text(text.into()))),
        Kind::Big | Kind::Duration | Kind::Boolean | Kind::Uuid => {}
    }
    values
}
