//! Models as data.

use serde::{Deserialize, Serialize};

/// A model: one table of the app's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Model {
    /// Its name, lower case with underscores, such as `question`.
    pub name: String,
    /// The name for people, singular.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The name for people, plural.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label_plural: String,
    /// The columns, the primary key first.
    pub fields: Vec<Field>,
    /// The order of rows where a query asks for none: field names, `-` before a descending one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ordering: Vec<String>,
    /// Sets of fields whose values must be unique together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique_together: Vec<Vec<String>>,
    /// Sets of fields to index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Vec<String>>,
}

impl Model {
    /// The field called `name`.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The primary key. A checked manifest has exactly one for each model, the first field.
    pub fn primary_key(&self) -> &Field {
        &self.fields[0]
    }
}

/// One column of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Field {
    /// Its name; a foreign key's is the relation's (`question`), its column `question_id`.
    pub name: String,
    /// What it holds.
    #[serde(flatten)]
    pub kind: FieldKind,
    /// Whether NULL is allowed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub null: bool,
    /// Whether a form may leave it empty.
    #[serde(default, skip_serializing_if = "is_false")]
    pub blank: bool,
    /// Whether no two rows may have the same value.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unique: bool,
    /// Whether to index it. Foreign keys are indexed anyway.
    #[serde(default, skip_serializing_if = "is_false")]
    pub index: bool,
    /// The value where a create gives none: a JSON null, boolean, number or string, in the storage form of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub default: Option<serde_json::Value>,
    /// The only values allowed, with their labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// The name for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// A sentence that helps to fill it in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub help_text: String,
}

impl Field {
    /// The column's name in the table.
    pub fn column(&self) -> String {
        match self.kind {
            FieldKind::ForeignKey { .. } => format!("{}_id", self.name),
            _ => self.name.clone(),
        }
    }

    /// Whether it is the automatic primary key.
    pub fn is_primary_key(&self) -> bool {
        matches!(self.kind, FieldKind::Auto)
    }
}

/// One allowed value of a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Choice {
    /// What is stored.
    pub value: serde_json::Value,
    /// What people see.
    pub label: String,
}

/// What a field holds. The comment names the case of `bandstand:db/types.value` that carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum FieldKind {
    /// The automatic primary key: an `integer` that the database counts up and never uses again.
    Auto,
    /// An `integer` of 32 bits.
    Integer,
    /// An `integer` of 64 bits.
    BigInteger,
    /// A `float`.
    Float,
    /// A `boolean`.
    Boolean,
    /// A `text` of limited length.
    Char {
        /// Its most characters (Unicode scalar values).
        max_length: u32,
    },
    /// A `text`.
    Text,
    /// `bytes`.
    Binary,
    /// An `integer`: days since 1970-01-01.
    Date,
    /// An `integer`: microseconds since midnight.
    Time,
    /// An `integer`: microseconds since 1970-01-01T00:00:00Z.
    #[serde(rename = "datetime")]
    DateTime,
    /// An `integer`: microseconds.
    Duration,
    /// 16 `bytes`.
    Uuid,
    /// A `text`: a JSON document.
    Json,
    /// An `integer`: the primary key of another row.
    ForeignKey {
        /// The model that it points to, of the same app.
        to: String,
        /// What happens to this row when that one is deleted.
        on_delete: OnDelete,
        /// What that model calls these rows; `<model>_set` where it is empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        related_name: String,
    },
}

/// What happens to rows that point to one that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum OnDelete {
    /// They go too.
    Cascade,
    /// They forbid it.
    Protect,
    /// They forbid it, unless they go by another way in the same deletion.
    Restrict,
    /// They point to nothing; the field must allow NULL.
    SetNull,
    /// They get the field's default.
    SetDefault,
    /// Nothing: the database refuses if it must.
    DoNothing,
}

// serde's `skip_serializing_if` hands over a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !*value
}
