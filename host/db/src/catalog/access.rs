//! Another app's models: what they are is the other app's to say, what may be done with them the operator's.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use host_core::access::{Action, Fact, ModelGrant, ModelGrants, Must};
use host_core::manifest::{Field, Manifest, Model};
use host_core::name::nearest;
use host_store::{Rights, TableRights};

use super::{Catalog, Column, Index, Inline, Rule, Table, build};
use crate::dialect::Dialect;
use crate::error::{DbError, code};
use crate::kind::Kind;
use crate::plan::schema;
use crate::plan::sql::Sql;
use crate::shape;
use crate::types::Value;

/// What an app may do with a model that is another's.
#[derive(Debug, Default)]
pub(crate) struct Access {
    /// `polls.question`
    pub(crate) of: String,
    /// The section of the configuration that a grant for it stands in.
    pub(crate) section: String,
    /// Why it may do nothing, and what to do about it.
    pub(crate) refusal: Option<String>,
    /// Whether a grant says which rows there are, also where it doesn't fit what the app declares.
    is_ruled: bool,
    /// Whether the table may take values of the rule for equal that aren't: texts, where the host didn't make it.
    is_loose: bool,
    pub(crate) actions: BTreeSet<Action>,
    /// The columns that it may set.
    pub(crate) writes: BTreeSet<usize>,
    /// What columns must hold.
    pub(crate) rows: Vec<(usize, Holds)>,
    /// What else is true of the rows that there are, over columns without a prefix.
    pub(crate) filter: Vec<Sql>,
    /// Whether it may find out what rows hold that it doesn't see.
    pub(crate) reveals_unique: bool,
    /// The names of columns that the conditions read.
    reads: BTreeSet<String>,
    /// The ends of the foreign keys that writes have to do with, as tables and columns.
    keys: BTreeSet<(String, String)>,
}

/// What a column must hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Holds {
    /// One of these.
    Values(Vec<Value>),
    Fact(Fact),
}

impl Access {
    fn refused(of: &str, section: String, why: String, grant: Option<&ModelGrant>) -> Self {
        let is_ruled = grant.is_some_and(ModelGrant::has_rule);
        Self { of: of.to_owned(), section, refusal: Some(why), is_ruled, ..Self::default() }
    }

    /// Whether some rows aren't there for the app.
    pub(crate) fn has_rule(&self) -> bool {
        self.is_ruled
    }

    /// The error for what the app may not do; `model` is what the app calls it.
    pub(crate) fn allow(&self, action: Action, model: &str) -> Result<(), DbError> {
        let denied = |problem: String| Err(DbError::new(code::ACCESS_DENIED, problem).with("model", model));
        match &self.refusal {
            Some(why) => denied(format!("`{model}` is `{}` of another app, and {why}", self.of)),
            None if self.actions.contains(&action) => Ok(()),
            None => denied(format!(
                "`{model}` is `{}` of another app, and no grant lets this one {action} it; if the operator means it to be so, \
                 add \"{action}\" to `actions` of {} in bandstand.toml",
                self.of, self.section
            )),
        }
    }
}

/// What else there is on the site, as an app's catalog needs it.
#[derive(Debug, Default)]
pub(crate) struct Others {
    /// The manifests of other apps that the database remembers.
    pub(crate) manifests: Vec<Manifest>,
    pub(crate) grants: ModelGrants,
}

/// Takes other apps' tables out of their catalogs.
pub(super) struct Sharing<'o> {
    others: &'o Others,
    dialect: Dialect,
    catalogs: HashMap<String, Result<Catalog, String>>,
}

impl<'o> Sharing<'o> {
    pub(super) fn new(others: &'o Others, dialect: Dialect) -> Self {
        Self { others, dialect, catalogs: HashMap::new() }
    }

    /// The table behind a model that is another app's; `stand_in` is what the model itself says. Where the other app has no
    /// such model or no grant covers it, it is the stand-in that refuses everything.
    pub(super) fn table(&mut self, manifest: &Manifest, model: &Model, stand_in: Table) -> Table {
        let grant = self.others.grants.get(&model.of);
        let refused = |stand_in: Table, why: String| Table {
            access: Some(Arc::new(Access::refused(&model.of, section(manifest, model), why, grant))),
            ..stand_in
        };
        match self.shared(manifest, model) {
            Ok(table) => Table { ordering: stand_in.ordering, ..table },
            Err(why) => refused(stand_in, why),
        }
    }

    fn shared(&mut self, manifest: &Manifest, model: &Model) -> Result<Table, String> {
        let Some((app, name)) = model.shared() else { return Err("it isn't".into()) };
        let owner = self.others.manifests.iter().find(|known| known.name.as_str() == app);
        let Some(grant) = self.others.grants.get(&model.of) else {
            return Err(ungranted(manifest, model, owner.and_then(|owner| owner.model(name))));
        };
        let Some(owner) = owner else {
            return Err(format!("there is no app `{app}` with tables in the same database"));
        };
        let Some(of) = owner.model(name).filter(|of| of.of.is_empty()) else {
            return Err(format!("the app `{app}` has no model `{name}` of its own"));
        };
        let dialect = self.dialect;
        let known = self.catalogs.entry(app.to_owned());
        let catalog = known.or_insert_with(|| build::catalog(owner, dialect, &Others::default()));
        let catalog = catalog.as_ref().map_err(|problem| format!("the models of `{app}` can't be read: {problem}"))?;
        let at = catalog.by_name.get(name).copied().ok_or("it went missing")?;
        let order = fields(manifest, model, owner, of, grant)?;
        let table = permuted(catalog, at, &order);
        let access = access(catalog, at, &table, (&model.of, section(manifest, model)), grant)?;
        Ok(Table { model: model.name.clone(), access: Some(Arc::new(access)), ..table })
    }
}

/// The section of the configuration that a grant for the model stands in.
fn section(manifest: &Manifest, model: &Model) -> String {
    format!("[apps.{}.models.\"{}\"]", manifest.name, model.of)
}

/// Says what to grant: as one line, since that is what errors and the log are, and no more than the model asks for.
fn ungranted(manifest: &Manifest, model: &Model, of: Option<&Model>) -> String {
    let columns = |model: &Model| model.fields.iter().filter(|field| field.has_column()).count();
    let mut keys = format!("actions = {}", toml_list(model.wanted().iter().map(|action| action.as_str())));
    // What isn't known may have more fields than these.
    if of.is_none_or(|of| columns(of) > columns(model)) {
        let names = model.fields.iter().filter(|field| field.has_column()).map(|field| field.name.as_str());
        keys.push_str(&format!(", fields = {}", toml_list(names)));
    }
    format!(
        "no grant covers it; if the operator means it to be so, add this line to [apps.{}] in bandstand.toml: \
         models.\"{}\" = {{ {keys} }}",
        manifest.name, model.of,
    )
}

fn toml_list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let quoted: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
    format!("[{}]", quoted.join(", "))
}

/// The other app's fields that the model lists, in its order.
fn fields<'m>(
    manifest: &Manifest,
    model: &'m Model,
    owner: &'m Manifest,
    of: &'m Model,
    grant: &ModelGrant,
) -> Result<Vec<&'m str>, String> {
    // First, since a field with a slip in its name is one that no grant covers.
    for (key, names) in [("fields", &grant.fields), ("writes", &grant.writes)] {
        if let Some(name) = names.iter().flatten().find(|name| of.field(name).is_none()) {
            return Err(unknown(key, name, of.fields.iter().map(|field| field.name.as_str())));
        }
    }
    let mut order = Vec::with_capacity(model.fields.len());
    for field in &model.fields {
        let name = &field.name;
        let Some(theirs) = of.field(name).filter(|theirs| theirs.has_column()) else {
            return Err(format!("it has no field `{name}`"));
        };
        if grant.fields.as_ref().is_some_and(|fields| !fields.contains(name)) {
            return Err(format!(
                "no grant covers its field `{name}`; if the operator means it to be so, add it to `fields` of {} in bandstand.toml",
                section(manifest, model)
            ));
        }
        alike(manifest, owner, field, theirs)?;
        order.push(name.as_str());
    }
    let keys = |model: &Model| model.key().map(|field| field.name.clone()).collect::<Vec<_>>();
    if keys(model) != keys(of) {
        return Err(format!(
            "its primary key is `{}`; list those fields and no others as the key",
            keys(of).join("`, `")
        ));
    }
    Ok(order)
}

/// Whether a field can be read as what the app takes it for.
fn alike(manifest: &Manifest, owner: &Manifest, field: &Field, theirs: &Field) -> Result<(), String> {
    let name = &field.name;
    let (is, taken) = (Kind::of(&theirs.kind), Kind::of(&field.kind));
    let target = |manifest: &Manifest, field: &Field| {
        let relation = field.kind.relation()?;
        let model = manifest.model(relation.to).and_then(Model::shared).map_or(relation.to, |(_, model)| model);
        Some((model.to_owned(), relation.one_to_one))
    };
    let same = match (target(owner, theirs), target(manifest, field)) {
        (None, None) => is == taken || is.is_text() && taken.is_text(),
        (theirs, ours) => theirs == ours,
    };
    if !same {
        return Err(format!("its field `{name}` is of kind {}, not {}, or points elsewhere", is.word(), taken.word()));
    }
    if theirs.null != field.null {
        let (is, taken) = if theirs.null { ("can be null", "never null") } else { ("is never null", "null-able") };
        return Err(format!("its field `{name}` {is}, and is declared here as {taken}"));
    }
    Ok(())
}

/// The other app's table with the columns that the app lists first, in its order, and the others after them, which have no
/// names here.
fn permuted(catalog: &Catalog, at: usize, order: &[&str]) -> Table {
    let theirs = &catalog.tables[at];
    let listed: Vec<usize> = order.iter().filter_map(|name| theirs.by_field.get(*name).copied()).collect();
    let rest = (0..theirs.columns.len()).filter(|column| !listed.contains(column));
    let from: Vec<usize> = listed.iter().copied().chain(rest).collect();
    // Where each column has come to.
    let mut to = vec![0; from.len()];
    from.iter().enumerate().for_each(|(new, old)| to[*old] = new);
    let moved = |columns: &[usize]| columns.iter().map(|column| to[*column]).collect::<Vec<_>>();
    let index = |index: &Index| Index {
        columns: index.columns.iter().map(|(column, descending)| (to[*column], *descending)).collect(),
        expressions: index.expressions.iter().map(|inline| inline.moved(&to)).collect(),
        condition: index.condition.as_ref().map(|inline| inline.moved(&to)),
        include: moved(&index.include),
        name: index.name.clone(),
    };
    let mut table = theirs.clone();
    table.shown = listed.len();
    table.columns = from.iter().map(|old| theirs.columns[*old].clone()).collect();
    for column in &mut table.columns {
        // What they point to is called otherwise here, or isn't there.
        column.target = None;
        if let Some(generated) = &mut column.generated {
            generated.inline = generated.inline.moved(&to);
        }
    }
    table.by_field = order.iter().enumerate().map(|(new, name)| ((*name).to_owned(), new)).collect();
    table.key = moved(&theirs.key);
    table.ordering = Vec::new();
    table.unique_together = theirs.unique_together.iter().map(|set| moved(set)).collect();
    table.indexes = theirs.indexes.iter().map(index).collect();
    for constraint in &mut table.constraints {
        match &mut constraint.rule {
            Rule::Check(inline) => *inline = inline.moved(&to),
            Rule::Unique { index: unique, .. } => *unique = index(unique),
        }
    }
    (table.reverse, table.many, table.incoming) = (HashMap::new(), HashMap::new(), Vec::new());
    table
}

impl Inline {
    fn moved(&self, to: &[usize]) -> Self {
        Self { columns: self.columns.iter().map(|column| to[*column]).collect(), ..self.clone() }
    }
}

/// What is said of a name in a grant that none of the model's fields has.
fn unknown<'f>(key: &str, name: &str, fields: impl Iterator<Item = &'f str>) -> String {
    let near = nearest(name, fields).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    format!("the grant's `{key}` names `{}`, which is none of its fields{near}", shape::shown(name))
}

/// What the operator's grant means for the table.
fn access(
    catalog: &Catalog,
    at: usize,
    table: &Table,
    (of, section): (&str, String),
    grant: &ModelGrant,
) -> Result<Access, String> {
    let column = |name: &str| table.columns.iter().position(|column| column.field == name);
    let unknown = |key: &str, name: &str| unknown(key, name, table.columns.iter().map(|column| column.field.as_str()));
    let mut rows = Vec::with_capacity(grant.rows.len());
    for (name, must) in &grant.rows {
        let at = column(name).ok_or_else(|| unknown("rows", name))?;
        let wrong = |why| format!("the grant's `rows` {why}");
        if table.columns[at].generated.is_some() && grant.writes_rows() {
            return Err(wrong(format!(
                "names `{name}`, which is computed from other fields, so what is written could leave the rule; name those, or \
                 grant no more than `view` and `delete`"
            )));
        }
        rows.push((at, holds(&table.columns[at], must).map_err(wrong)?));
    }
    for name in grant.fields.iter().flatten() {
        column(name).ok_or_else(|| unknown("fields", name))?;
    }
    let filled = |at: &usize| rows.iter().any(|(column, _)| column == at);
    let mut writes = BTreeSet::new();
    for name in grant.writes.as_ref().or(grant.fields.as_ref()).into_iter().flatten() {
        writes.insert(column(name).ok_or_else(|| unknown("writes", name))?);
    }
    if grant.writes.is_none() && grant.fields.is_none() {
        writes.extend(0..table.columns.len());
    }
    // The host sees to those; and a counted key that is taken would tell of a row. One that is given moves the counter, past
    // whose end nobody adds a row, so that must be meant.
    let ruled = grant.has_rule();
    let is_meant = |field: &String| grant.writes.as_ref().is_some_and(|writes| writes.contains(field));
    writes.retain(|at| {
        let column = &table.columns[*at];
        let counts = column.kind == Kind::Auto && !is_meant(&column.field);
        !(filled(at) || counts || ruled && column.fills_itself())
    });
    let condition = |json| {
        let condition = shape::parse_condition(json)?;
        schema::condition(catalog, at, &condition)
    };
    let mut reads: BTreeSet<String> = rows.iter().map(|(at, _)| table.columns[*at].name.clone()).collect();
    let mut filter = Vec::with_capacity(grant.filter.len());
    for json in &grant.filter {
        let found = condition(json).map_err(|error| format!("the grant's `filter`: {}", error.message))?;
        reads.extend(found.columns.iter().map(|column| catalog.tables[at].columns[*column].name.clone()));
        // With its values beside it: a mark of a value may stand in a text as well.
        filter.push(found.bound);
    }
    let is_loose = !table.managed && rows.iter().any(|(at, _)| table.columns[*at].kind.is_text());
    let access = Access {
        of: of.to_owned(),
        section,
        refusal: None,
        is_ruled: ruled,
        is_loose,
        actions: grant.actions.clone(),
        writes,
        rows,
        filter,
        reveals_unique: grant.reveals_unique,
        reads,
        keys: keys(catalog, at),
    };
    access.check_unique(table)?;
    Ok(access)
}

/// The ends of all foreign keys from and to a table.
fn keys(catalog: &Catalog, at: usize) -> BTreeSet<(String, String)> {
    let table = &catalog.tables[at];
    let name = |table: &Table, column: usize| (table.name.clone(), table.columns[column].name.clone());
    let targets = table.columns.iter().filter(|column| column.constrained).filter_map(|column| column.target);
    let ends = targets.filter_map(|target| {
        let target = &catalog.tables[target];
        target.single_key().map(|key| name(target, key))
    });
    let incoming = table.incoming.iter().map(|reference| name(&catalog.tables[reference.table], reference.column));
    ends.chain(incoming).collect()
}

/// What the database itself lets the app do with other apps' tables.
pub(crate) fn rights(catalog: &Catalog) -> Rights {
    let mut rights = Rights::new();
    for table in &catalog.tables {
        let Some(access) = table.access.as_ref().filter(|access| access.refusal.is_none()) else { continue };
        let may = |action| access.actions.contains(&action);
        let named =
            |columns: &mut dyn Iterator<Item = usize>| columns.map(|at| table.columns[at].name.clone()).collect();
        let mut of = TableRights { delete: may(Action::Delete), ..TableRights::default() };
        if may(Action::View) {
            of.read = named(&mut (0..table.shown));
            of.read.extend(access.reads.iter().cloned());
        }
        if may(Action::Add) {
            // What the app doesn't give, the host fills in.
            of.insert = named(&mut (0..table.columns.len()).filter(|at| table.columns[*at].generated.is_none()));
        }
        if catalog.dialect == Dialect::Mariadb && may(Action::View) && may(Action::Add) {
            // It returns nothing of a new row to who may not read all that the row got.
            of.read.extend(of.insert.iter().cloned());
        }
        if may(Action::Change) {
            of.update = named(&mut access.writes.iter().copied());
        }
        if may(Action::Add) || may(Action::Change) || may(Action::Delete) {
            of.keys.clone_from(&access.keys);
        }
        rights.insert(table.name.clone(), of);
    }
    rights
}

impl Access {
    /// Whether no error about a unique value can tell of a row that isn't there for the app.
    fn check_unique(&self, table: &Table) -> Result<(), String> {
        let writes = self.actions.contains(&Action::Add) || self.actions.contains(&Action::Change);
        if !self.has_rule() || self.reveals_unique || !writes {
            return Ok(());
        }
        let settable = |column: &usize| {
            let computed = table.columns[*column].generated.as_ref();
            self.writes.contains(column)
                || computed
                    .is_some_and(|computed| computed.inline.columns.iter().any(|from| self.writes.contains(from)))
        };
        let key_counts = table.single_key().is_some_and(|key| table.columns[key].fills_itself());
        let keys = std::iter::once(table.key.clone()).filter(|_| !key_counts);
        let single = (0..table.columns.len()).filter(|at| table.columns[*at].unique).map(|at| vec![at]);
        let plain = keys.chain(single).chain(table.unique_together.iter().cloned()).map(|set| (set.clone(), set));
        let constraints = table.constraints.iter().filter_map(|constraint| match &constraint.rule {
            Rule::Unique { index, .. } => {
                // Values that differ may be alike in an expression, and a condition says which rows meet at all.
                let alike = index.columns.iter().map(|(column, _)| *column).collect();
                let read = index.condition.iter().flat_map(|inline| inline.columns.iter().copied());
                Some((alike, constraint.columns().into_iter().chain(read).collect()))
            }
            Rule::Check(_) => None,
        });
        // Rows that differ in a value of the rule never meet.
        let tells = |(alike, read): &(Vec<usize>, Vec<usize>)| read.iter().any(settable) && !self.is_covered_by(alike);
        let Some((_, set)) = plain.chain(constraints).find(tells) else { return Ok(()) };
        let names: Vec<&str> = set.iter().map(|at| table.columns[*at].field.as_str()).collect();
        Err(format!(
            "the grant has rules about rows, and `{}` is unique among all rows: an app that may set it finds out which values \
             there are; leave it out of `writes`, or say that this is meant by `reveals_unique = true`",
            names.join("`, `")
        ))
    }

    /// Whether rows that are alike in these columns are all there for the app, or none is.
    pub(crate) fn is_covered_by(&self, columns: &[usize]) -> bool {
        !self.is_loose
            && self.filter.is_empty()
            && self.rows.iter().all(|(column, holds)| {
                let one = !matches!(holds, Holds::Values(values) if values.len() > 1);
                one && columns.contains(column)
            })
    }
}

fn holds(column: &Column, must: &Must) -> Result<Holds, String> {
    let kind = column.kind;
    match must {
        Must::Fact(Fact::Host) if kind.is_text() => Ok(Holds::Fact(Fact::Host)),
        Must::Fact(Fact::User) if kind.is_whole() || kind == Kind::Key => Ok(Holds::Fact(Fact::User)),
        Must::Fact(fact) => {
            let fitting = match fact {
                Fact::Host => "a text, so compare it with one of kind char, text, slug or the like",
                Fact::User => {
                    "a whole number, so compare it with an integer of any size or a foreign key that holds one"
                }
            };
            let (field, word) = (&column.field, column.word);
            Err(format!("compares `{field}`, which is of kind {word}, with `{}`; that is {fitting}", fact.as_str()))
        }
        Must::Be(_) if kind == Kind::Json => {
            Err(format!("names `{}`, which is of kind json; a rule is about a single value", column.field))
        }
        Must::Be(values) => {
            let value = |json| match kind.value_of_json(json) {
                Ok(Value::Null) => Err(format!("wants `{}` to be null; nothing equals that", column.field)),
                Ok(value) => Ok(value),
                Err(problem) => Err(format!("has a value for `{}` that doesn't fit: it {problem}", column.field)),
            };
            values.iter().map(value).collect::<Result<_, _>>().map(Holds::Values)
        }
    }
}
