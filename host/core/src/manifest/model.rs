//! Models as data.

use serde::{Deserialize, Serialize};

use super::field::{Field, FieldKind, OnDelete};
use crate::access::Action;
use crate::name::AppId;

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
    /// What it holds; a key that fills itself stands first.
    pub fields: Vec<Field>,
    /// The fields that make the primary key, where the first field isn't one that fills itself. Two to eight are a
    /// composite key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary_key: Vec<String>,
    /// The table's name where it isn't `<app>__<model>`. One that doesn't begin with `<app>__` needs a grant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub table: String,
    /// The other app's model that this one is, such as `polls.question`: its table, and of each field everything but its
    /// name. `fields` lists those that this app uses, the primary key among them. Needs a grant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// What the app does with another app's model; to view it, where nothing stands here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
    /// Whether the host makes and changes the table. Otherwise it must be there.
    #[serde(default = "truth", skip_serializing_if = "is_true")]
    pub managed: bool,
    /// Whether the host added it, for a many-to-many relation. What a manifest itself says of such a model is replaced.
    #[serde(default, skip_serializing_if = "is_false")]
    pub auto_created: bool,
    /// The order of rows where a query asks for none: field names, `-` before a descending one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ordering: Vec<String>,
    /// Sets of fields whose values must be unique together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique_together: Vec<Vec<String>>,
    /// What to index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Index>,
    /// What must be true of its rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
    /// What may be permitted for any model.
    #[serde(default = "default_permissions", skip_serializing_if = "are_default")]
    pub default_permissions: Vec<String>,
    /// What may be permitted besides: name and label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<(String, String)>,
}

impl Model {
    /// The field called `name`.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The fields that make the primary key. A checked manifest has at least one for each model.
    pub fn key(&self) -> impl Iterator<Item = &Field> {
        let automatic = self.fields.first().filter(|_| self.primary_key.is_empty());
        automatic.into_iter().chain(self.primary_key.iter().filter_map(|name| self.field(name)))
    }

    /// The other app's model that this one is, as app and model.
    pub fn shared(&self) -> Option<(&str, &str)> {
        self.of.split_once('.')
    }

    /// What the app does with another app's model.
    pub fn wanted(&self) -> &[Action] {
        if self.actions.is_empty() { &[Action::View] } else { &self.actions }
    }

    /// The table's name in an app called `app`. For another app's model it is the usual one, which that app may have
    /// named otherwise.
    pub fn table_name(&self, app: &AppId) -> String {
        if let Some((app, model)) = self.shared() {
            return format!("{app}__{model}");
        }
        if self.table.is_empty() { format!("{app}__{}", self.name) } else { self.table.clone() }
    }

    /// The fields of the model `through` that its pairs for the many-to-many relation to `to` are made of: the foreign key
    /// to this model, and the one to the other. The error says what is missing.
    pub fn pair<'m>(&self, through: &'m Model, fields: &[String], to: &str) -> Result<(&'m Field, &'m Field), String> {
        let points = |field: &Field, model: &str| field.kind.relation().is_some_and(|relation| relation.to == model);
        if let [near, far] = fields {
            let find = |name: &str, model: &str| {
                through.field(name).filter(|field| points(field, model)).ok_or_else(|| {
                    format!(
                        "its through_fields name `{name}`, which is no foreign key of `{}` to `{model}`",
                        through.name
                    )
                })
            };
            return Ok((find(near, &self.name)?, find(far, to)?));
        }
        let all = |model: &str| through.fields.iter().filter(|field| points(field, model)).collect::<Vec<_>>();
        match (all(&self.name).as_slice(), all(to).as_slice()) {
            // A relation to the model itself: the first one is from here, the second one leads there.
            ([near, far], _) if to == self.name => Ok((near, far)),
            ([near], [far]) if to != self.name => Ok((near, far)),
            _ => Err(format!(
                "its through model `{}` must have one foreign key to `{}` and one to `{to}`; \
                 where it has several, name the two in through_fields",
                through.name, self.name
            )),
        }
    }
}

/// The model of the pairs that a many-to-many relation gets which names none.
pub(super) fn through(model: &str, field: &str, to: &str, db_table: &str) -> Model {
    let (near, far) =
        if model == to { (format!("from_{model}"), format!("to_{model}")) } else { (model.into(), to.into()) };
    let key = |name: &str, to: &str| {
        let to = to.to_owned();
        let kind =
            FieldKind::ForeignKey { to, on_delete: OnDelete::Cascade, related_name: "+".into(), db_constraint: true };
        plain(name, kind)
    };
    Model {
        name: format!("{model}_{field}"),
        label: String::new(),
        label_plural: String::new(),
        fields: vec![plain("id", FieldKind::Auto), key(&near, model), key(&far, to)],
        primary_key: Vec::new(),
        table: db_table.to_owned(),
        of: String::new(),
        actions: Vec::new(),
        managed: true,
        auto_created: true,
        ordering: Vec::new(),
        unique_together: vec![vec![near, far]],
        indexes: Vec::new(),
        constraints: Vec::new(),
        default_permissions: default_permissions(),
        permissions: Vec::new(),
    }
}

fn plain(name: &str, kind: FieldKind) -> Field {
    Field {
        name: name.to_owned(),
        kind,
        null: false,
        blank: false,
        unique: false,
        index: false,
        column: String::new(),
        default: None,
        db_default: None,
        generated: None,
        auto_now_add: false,
        auto_now: false,
        validators: Vec::new(),
        choices: Vec::new(),
        editable: true,
        label: String::new(),
        help_text: String::new(),
    }
}

/// An index: a list of fields, or an object with more to say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "IndexForm", into = "IndexForm")]
pub struct Index {
    /// Its name, where it has one.
    pub name: String,
    /// The fields, `-` before one that descends.
    pub fields: Vec<String>,
    /// Expressions of the query shape over the row's own fields; they come after `fields`.
    pub expressions: Vec<serde_json::Value>,
    /// A condition of the query shape: only rows that fulfil it are indexed.
    pub condition: Option<serde_json::Value>,
    /// Fields that the index holds besides, so that a query finds them there.
    pub include: Vec<String>,
}

/// As the document says it.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "an index is a list of fields, or an object with `fields` or `expressions`")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Index"))]
enum IndexForm {
    /// The fields, `-` before one that descends.
    Fields(Vec<String>),
    /// With more to say.
    Whole {
        /// Its name.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
        /// The fields, `-` before one that descends.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fields: Vec<String>,
        /// Expressions of the query shape over the row's own fields; they come after `fields`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        expressions: Vec<serde_json::Value>,
        /// A condition of the query shape: only rows that fulfil it are indexed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        condition: Option<serde_json::Value>,
        /// Fields that the index holds besides.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        include: Vec<String>,
    },
}

impl From<IndexForm> for Index {
    fn from(form: IndexForm) -> Self {
        match form {
            IndexForm::Fields(fields) => Self { fields, ..Self::default() },
            IndexForm::Whole { name, fields, expressions, condition, include } => {
                Self { name, fields, expressions, condition, include }
            }
        }
    }
}

impl From<Index> for IndexForm {
    fn from(index: Index) -> Self {
        let Index { name, fields, expressions, condition, include } = index;
        if name.is_empty() && expressions.is_empty() && condition.is_none() && include.is_empty() {
            return Self::Fields(fields);
        }
        Self::Whole { name, fields, expressions, condition, include }
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Index {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Index".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        IndexForm::json_schema(generator)
    }
}

/// What must be true of a model's rows: `check`, or that `unique` fields and `expressions` are so together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Constraint {
    /// Its name, which errors give.
    pub name: String,
    /// A condition of the query shape that is true of each row, or NULL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<serde_json::Value>,
    /// Fields whose values are unique together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique: Vec<String>,
    /// Expressions of the query shape whose values are unique, together with those of `unique`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expressions: Vec<serde_json::Value>,
    /// A condition of the query shape: only rows that fulfil it must be unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<serde_json::Value>,
    /// Whether rows with NULL in a unique field never equal one another.
    #[serde(default = "truth", skip_serializing_if = "is_true")]
    pub nulls_distinct: bool,
    /// Fields that the index behind it holds besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Whether it is looked at when the unit of work ends.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deferrable: bool,
    /// What people are told when it is violated.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

fn default_permissions() -> Vec<String> {
    ["add", "change", "delete", "view"].map(str::to_owned).into()
}

fn are_default(permissions: &[String]) -> bool {
    permissions == default_permissions()
}

pub(super) fn truth() -> bool {
    true
}

// serde's `skip_serializing_if` hands over a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
pub(super) fn is_true(value: &bool) -> bool {
    *value
}

#[allow(clippy::trivially_copy_pass_by_ref)]
pub(super) fn is_false(value: &bool) -> bool {
    !*value
}
