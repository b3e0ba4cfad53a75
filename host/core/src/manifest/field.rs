//! Fields as data: what they hold, and what else is said of them.

use serde::{Deserialize, Serialize};

use super::model::{is_false, is_true, truth};

/// One field of a model: a column, except for a many-to-many relation, which is a table of its own.
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
    /// The column's name where it isn't the field's (a foreign key's with `_id`): `[A-Za-z_][A-Za-z0-9_]{0,59}`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub column: String,
    /// The value where a create gives none: a JSON null, boolean, number or string, in the storage form of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub default: Option<serde_json::Value>,
    /// An expression of the query shape that the database evaluates where a create gives no value. It reads no fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub db_default: Option<serde_json::Value>,
    /// Computed from other fields of the row; nobody writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<Generated>,
    /// Date, time and datetime: a create that gives no value takes the moment.
    #[serde(default, skip_serializing_if = "is_false")]
    pub auto_now_add: bool,
    /// As `auto_now_add`; and the SDK's `save` sends the moment with each update.
    #[serde(default, skip_serializing_if = "is_false")]
    pub auto_now: bool,
    /// What each value that is given must fulfil.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validators: Vec<Validator>,
    /// The values that forms offer, with their labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// Whether forms show it for changing.
    #[serde(default = "truth", skip_serializing_if = "is_true")]
    pub editable: bool,
    /// The name for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// A sentence that helps to fill it in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub help_text: String,
}

impl Field {
    /// The column's name in the table. A many-to-many relation has none; it answers its own name.
    pub fn column(&self) -> String {
        if !self.column.is_empty() {
            return self.column.clone();
        }
        match self.kind {
            FieldKind::ForeignKey { .. } | FieldKind::OneToOne { .. } => format!("{}_id", self.name),
            _ => self.name.clone(),
        }
    }

    /// Whether it is a primary key that fills itself.
    pub fn is_automatic_key(&self) -> bool {
        matches!(self.kind, FieldKind::Auto | FieldKind::AutoUuid)
    }

    /// Whether the model's table has a column for it.
    pub fn has_column(&self) -> bool {
        !matches!(self.kind, FieldKind::ManyToMany { .. })
    }
}

/// One value that forms offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Choice {
    /// What is stored.
    pub value: serde_json::Value,
    /// What people see.
    pub label: String,
}

/// How a generated column comes about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Generated {
    /// An expression of the query shape over other fields of the row.
    pub expr: serde_json::Value,
    /// Whether the table holds the result; otherwise it is computed when it is read.
    #[serde(default)]
    pub stored: bool,
}

/// What a given value must fulfil, as a list of a word and its bound: `["min_value", 0]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "(String, serde_json::Value)", into = "(String, serde_json::Value)")]
pub enum Validator {
    /// At least this number, in the storage form of the kind.
    MinValue(serde_json::Value),
    /// At most this number.
    MaxValue(serde_json::Value),
    /// At least so many characters, or bytes of a `binary`.
    MinLength(u32),
    /// At most so many.
    MaxLength(u32),
    /// A regular expression of the crate `regex` that matches somewhere in the text.
    Regex(String),
    /// A multiple of this number.
    Step(serde_json::Value),
}

impl Validator {
    /// Its word.
    pub fn word(&self) -> &'static str {
        match self {
            Validator::MinValue(_) => "min_value",
            Validator::MaxValue(_) => "max_value",
            Validator::MinLength(_) => "min_length",
            Validator::MaxLength(_) => "max_length",
            Validator::Regex(_) => "regex",
            Validator::Step(_) => "step",
        }
    }
}

impl TryFrom<(String, serde_json::Value)> for Validator {
    type Error = String;

    fn try_from((word, bound): (String, serde_json::Value)) -> Result<Self, String> {
        const WORDS: [&str; 6] = ["min_value", "max_value", "min_length", "max_length", "regex", "step"];
        let length = || {
            let length = bound.as_u64().and_then(|length| u32::try_from(length).ok());
            length.ok_or_else(|| format!("the validator `{word}` takes a whole number of 0 to {}", u32::MAX))
        };
        let number = || match &bound {
            number @ (serde_json::Value::Number(_) | serde_json::Value::String(_)) => Ok(number.clone()),
            _ => Err(format!("the validator `{word}` takes a number, or a decimal as a string")),
        };
        Ok(match word.as_str() {
            "min_value" => Validator::MinValue(number()?),
            "max_value" => Validator::MaxValue(number()?),
            "step" => Validator::Step(number()?),
            "min_length" => Validator::MinLength(length()?),
            "max_length" => Validator::MaxLength(length()?),
            "regex" => match bound {
                serde_json::Value::String(pattern) => Validator::Regex(pattern),
                _ => return Err("the validator `regex` takes a string".into()),
            },
            // A rule that isn't enforced is worse than an app that doesn't load.
            other => {
                let hint = crate::name::nearest(other, WORDS).map(|near| format!("; did you mean `{near}`?"));
                let shown: String = other.chars().take(40).flat_map(char::escape_default).collect();
                return Err(format!(
                    "unknown validator `{shown}`{}; this host knows {}",
                    hint.unwrap_or_default(),
                    WORDS.join(", ")
                ));
            }
        })
    }
}

impl From<Validator> for (String, serde_json::Value) {
    fn from(validator: Validator) -> Self {
        let word = validator.word().to_owned();
        let bound = match validator {
            Validator::MinValue(bound) | Validator::MaxValue(bound) | Validator::Step(bound) => bound,
            Validator::MinLength(length) | Validator::MaxLength(length) => length.into(),
            Validator::Regex(pattern) => pattern.into(),
        };
        (word, bound)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Validator {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Validator".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let pair = |words: &[&str], bound: serde_json::Value| serde_json::json!({"prefixItems": [{"enum": words}, bound], "minItems": 2, "maxItems": 2});
        schemars::json_schema!({
            "description": "What a given value must fulfil, as a list of a word and its bound: `[\"min_value\", 0]`.",
            "type": "array",
            "oneOf": [
                pair(&["min_value", "max_value", "step"], serde_json::json!({"type": ["number", "string"]})),
                pair(
                    &["min_length", "max_length"],
                    serde_json::json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
                ),
                pair(&["regex"], serde_json::json!({"type": "string", "maxLength": 1000})),
            ],
        })
    }
}

/// What a field holds. The comment names the case of `bandstand:db/types.value` that carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum FieldKind {
    /// The automatic primary key: an `integer` that the database counts up and never uses again.
    Auto,
    /// The automatic primary key of 16 `bytes`: a UUID of version 7 that the host makes where a create gives none.
    AutoUuid,
    /// An `integer` of 16 bits.
    SmallInteger,
    /// An `integer` of 32 bits.
    Integer,
    /// An `integer` of 64 bits.
    BigInteger,
    /// An `integer` of 0 to 32767.
    PositiveSmallInteger,
    /// An `integer` of 0 to 2147483647.
    PositiveInteger,
    /// An `integer` of 0 to 9223372036854775807.
    PositiveBigInteger,
    /// A `float`.
    Float,
    /// A `text`: an exact number, written with all of its decimal places.
    Decimal {
        /// Digits in all: 1 to 28, on SQLite 1 to 18.
        max_digits: u8,
        /// Those after the point: 0 to `max_digits`.
        decimal_places: u8,
    },
    /// A `boolean`.
    Boolean,
    /// A `text` of limited length.
    Char {
        /// Its most characters (Unicode scalar values).
        max_length: u32,
    },
    /// A `text`.
    Text,
    /// A `text` of ASCII letters, digits, `-` and `_`.
    Slug {
        /// Its most characters.
        #[serde(default = "slug_length")]
        max_length: u32,
    },
    /// A `text`: an e-mail address.
    Email {
        /// Its most characters.
        #[serde(default = "email_length")]
        max_length: u32,
    },
    /// A `text`: an absolute URL of the scheme http, https, ftp or ftps.
    Url {
        /// Its most characters.
        #[serde(default = "url_length")]
        max_length: u32,
    },
    /// A `text`: an IP address in its canonical form.
    Ip {
        /// Which addresses it takes.
        #[serde(default)]
        protocol: Protocol,
    },
    /// A `text`: the relative path of a stored file.
    File {
        /// Its most characters.
        #[serde(default = "file_length")]
        max_length: u32,
        /// The folder that uploads go to.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        upload_to: String,
    },
    /// As `file`: a picture.
    Image {
        /// Its most characters.
        #[serde(default = "file_length")]
        max_length: u32,
        /// The folder that uploads go to.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        upload_to: String,
    },
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
    /// The primary key of another row, carried as that.
    ForeignKey {
        /// The model that it points to, of the same app.
        to: String,
        /// What happens to this row when that one is deleted.
        on_delete: OnDelete,
        /// What that model calls these rows; `<model>_set` where it is empty, nothing where it is `+`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        related_name: String,
        /// Whether the database refuses keys that lead nowhere.
        #[serde(default = "truth", skip_serializing_if = "is_true")]
        db_constraint: bool,
    },
    /// A foreign key of which no two rows have the same.
    OneToOne {
        /// The model that it points to, of the same app.
        to: String,
        /// What happens to this row when that one is deleted.
        on_delete: OnDelete,
        /// What that model calls this row; `<model>` where it is empty, nothing where it is `+`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        related_name: String,
        /// Whether the database refuses keys that lead nowhere.
        #[serde(default = "truth", skip_serializing_if = "is_true")]
        db_constraint: bool,
    },
    /// Rows of another model, by a table of pairs. It has no column.
    ManyToMany {
        /// The model of those rows, of the same app.
        to: String,
        /// The model of the pairs; the host makes one, `<model>_<field>`, where it is empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        through: String,
        /// The foreign keys of `through` to this model and to the other one, where they don't speak for themselves.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        through_fields: Vec<String>,
        /// What that model calls these rows; `<model>_set` where it is empty, nothing where it is `+`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        related_name: String,
        /// The name of the table that the host makes, where it isn't `<app>__<model>_<field>`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        db_table: String,
    },
}

/// A foreign key or a one-to-one relation, whichever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation<'m> {
    /// The model that it points to.
    pub to: &'m str,
    /// What happens to the row when that one is deleted.
    pub on_delete: OnDelete,
    /// What that model calls these rows, as the manifest says it.
    pub related_name: &'m str,
    /// Whether the database refuses keys that lead nowhere.
    pub db_constraint: bool,
    /// Whether at most one row points to each.
    pub one_to_one: bool,
}

impl FieldKind {
    /// What it points to, where it is a foreign key or a one-to-one relation.
    pub fn relation(&self) -> Option<Relation<'_>> {
        let (to, on_delete, related_name, db_constraint, one_to_one) = match self {
            FieldKind::ForeignKey { to, on_delete, related_name, db_constraint } => {
                (to, on_delete, related_name, db_constraint, false)
            }
            FieldKind::OneToOne { to, on_delete, related_name, db_constraint } => {
                (to, on_delete, related_name, db_constraint, true)
            }
            _ => return None,
        };
        Some(Relation { to, on_delete: *on_delete, related_name, db_constraint: *db_constraint, one_to_one })
    }
}

fn slug_length() -> u32 {
    50
}

/// RFC 5321, section 4.5.3.1, with erratum 1690 to RFC 3696.
fn email_length() -> u32 {
    254
}

fn url_length() -> u32 {
    200
}

fn file_length() -> u32 {
    100
}

/// Which addresses an `ip` takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Protocol {
    /// Version 4 or 6.
    #[default]
    #[serde(rename = "both")]
    Both,
    /// Version 4.
    #[serde(rename = "ipv4")]
    V4,
    /// Version 6.
    #[serde(rename = "ipv6")]
    V6,
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
