//! From tables to models: what each becomes, or why it can't become anything.

use std::collections::{BTreeMap, HashMap, HashSet};

use host_core::manifest::OnDelete;
use host_db::inspect::{Column, Default, ForeignKey, Kind, Schema, Table};

use super::names::{self, Structs};

/// The most columns of a model, and the most of a key, an index or a unique set. The most indexes, and unique sets.
const MOST_FIELDS: usize = 300;
const MOST_KEY: usize = 8;
const MOST_SET: usize = 16;
const MOST_SETS: usize = 50;

/// How no table of a model may be called, in any case.
const KEPT: [&str; 4] = ["bandstand__", "sqlite_", "pg_", "mysql_"];

/// What is written.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) models: Vec<Model>,
    /// Tables that become no model, each with the reason.
    pub(super) refused: Vec<(String, String)>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Model {
    pub(super) table: String,
    pub(super) ident: String,
    /// The fields of a composite key; empty where one field says so itself.
    pub(super) primary_key: Vec<String>,
    pub(super) unique_together: Vec<Vec<String>>,
    pub(super) indexes: Vec<Vec<String>>,
    pub(super) fields: Vec<Field>,
    pub(super) notes: Vec<String>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Field {
    /// Its name; `None` where the column can't be a field and is left out.
    pub(super) name: Option<String>,
    pub(super) column: String,
    pub(super) ty: String,
    /// What stands in `#[field(…)]`.
    pub(super) attributes: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// A table that becomes a model, on its way.
struct Draft<'s> {
    table: &'s Table,
    ident: String,
    model: String,
    key: Vec<usize>,
    /// For each column that is one: the draft that it points to and the key's `on_delete`.
    relations: BTreeMap<usize, (usize, OnDelete)>,
    /// The names of fields, by column.
    names: HashMap<usize, String>,
    taken: HashSet<String>,
    /// Many-to-many fields: their name, the other draft, the draft between them.
    many: Vec<(String, usize, usize)>,
    notes: Vec<String>,
    column_notes: BTreeMap<usize, Vec<String>>,
}

/// Decides for the tables called `chosen`.
pub(super) fn plan(schema: &Schema, chosen: &[&str]) -> Plan {
    let (mut structs, mut refused, mut drafts) = (Structs::default(), Vec::new(), Vec::new());
    for table in chosen.iter().filter_map(|name| schema.table(name)) {
        match draft(table, &mut structs) {
            Ok(draft) => drafts.push(draft),
            Err(why) => refused.push((table.name.clone(), why)),
        }
    }
    relate(&mut drafts);
    refuse_keys(&mut drafts, &mut refused);
    break_circles(&mut drafts);
    name_fields(&mut drafts);
    join_many(&mut drafts);
    let reverses = name_reverses(&drafts);
    let models = drafts.iter().enumerate().map(|(at, draft)| model(draft, at, &drafts, &reverses)).collect();
    Plan { models, refused }
}

fn draft<'s>(table: &'s Table, structs: &mut Structs) -> Result<Draft<'s>, String> {
    const NAMES: &str = "1 to 60 characters from a-z, A-Z, 0-9 and _, not beginning with a digit";
    if !names::is_plain(&table.name) {
        return Err(format!("its name isn't {NAMES}; rename it, or make a table of another name"));
    }
    let lower = table.name.to_ascii_lowercase();
    if let Some(kept) = KEPT.iter().find(|kept| lower.starts_with(**kept)) {
        return Err(format!("names that begin with {kept} are kept for the host and for databases"));
    }
    if table.columns.len() > MOST_FIELDS {
        return Err(format!("it has {} columns, a model at most {MOST_FIELDS}", table.columns.len()));
    }
    let mut notes = table.notes.clone();
    let mut key = table.primary_key.clone();
    if key.is_empty() {
        let all_set = |set: &&Vec<usize>| set.iter().all(|at| !table.columns[*at].null);
        match table.uniques.iter().filter(all_set).min_by_key(|set| set.len()) {
            Some(set) => {
                key.clone_from(set);
                notes.push("it has no primary key; a unique set without NULLs stands in for it".into());
            }
            None => {
                return Err("it has no primary key, and nothing that is unique and never NULL; give it a key".into());
            }
        }
    }
    if key.len() > MOST_KEY {
        return Err(format!("its primary key has {} columns, a model's at most {MOST_KEY}", key.len()));
    }
    for at in &key {
        let column = &table.columns[*at];
        if !is_field(column) {
            return Err(format!("the column {} of its primary key can't be a field", column.name));
        }
    }
    let (ident, model) = structs.name(&table.name);
    Ok(Draft {
        table,
        ident,
        model,
        key,
        relations: BTreeMap::new(),
        names: HashMap::new(),
        taken: HashSet::new(),
        many: Vec::new(),
        notes,
        column_notes: BTreeMap::new(),
    })
}

/// Whether a column can be a field at all.
fn is_field(column: &Column) -> bool {
    column.kind.is_some() && names::is_plain(&column.name)
}

/// Finds the relations: foreign keys of one column that point to a model's key.
fn relate(drafts: &mut [Draft<'_>]) {
    let places: HashMap<&str, usize> =
        drafts.iter().enumerate().map(|(at, draft)| (draft.table.name.as_str(), at)).collect();
    let target = |from: &Table, key: &ForeignKey, drafts: &[Draft<'_>]| -> Result<usize, String> {
        let names: Vec<&str> = key.columns.iter().map(|at| from.columns[*at].name.as_str()).collect();
        let what = format!("{} points to {}", names.join(", "), key.table);
        let Some(&to) = places.get(key.table.as_str()) else {
            return Err(format!("{what}, which is no model here"));
        };
        let (draft, [_]) = (&drafts[to], key.columns.as_slice()) else {
            return Err(format!("{what} with several columns together; a relation has one"));
        };
        let [to_key] = draft.key[..] else {
            return Err(format!("{what}, whose primary key has several columns"));
        };
        match key.to.as_slice() {
            [] => Ok(to),
            [column] if *column == draft.table.columns[to_key].name => Ok(to),
            _ => Err(format!("{what} by another column than its primary key")),
        }
    };
    for at in 0..drafts.len() {
        let table = drafts[at].table;
        for key in &table.foreign_keys {
            let found = target(table, key, drafts);
            let draft = &mut drafts[at];
            match (found, &key.columns[..]) {
                (Ok(to), [column]) if is_field(&table.columns[*column]) => {
                    draft.relations.entry(*column).or_insert((to, key.on_delete));
                }
                (Ok(_), _) => {}
                (Err(why), [column, ..]) => draft.column_notes.entry(*column).or_default().push(why),
                (Err(why), []) => draft.notes.push(why),
            }
        }
    }
}

/// Takes away the models whose key is of a kind that no key has, and relations to them.
fn refuse_keys(drafts: &mut Vec<Draft<'_>>, refused: &mut Vec<(String, String)>) {
    let why = |draft: &Draft<'_>| {
        let wrong = |at: &&usize| {
            let can_be = matches!(
                draft.table.columns[**at].kind,
                Some(
                    Kind::Auto
                        | Kind::SmallInteger
                        | Kind::Integer
                        | Kind::BigInteger
                        | Kind::Char { .. }
                        | Kind::Text
                        | Kind::Uuid
                )
            ) || matches!(draft.table.columns[**at].kind, Some(Kind::Date | Kind::DateTime))
                && draft.key.len() > 1;
            !can_be && !draft.relations.contains_key(*at)
        };
        let column = &draft.table.columns[*draft.key.iter().find(wrong)?];
        Some(format!(
            "the column {} of its primary key is {}; keys are whole numbers, texts, UUIDs and relations, those of several columns also dates",
            column.name,
            if column.declared.is_empty() { "of no type" } else { &column.declared }
        ))
    };
    while let Some(at) = drafts.iter().position(|draft| why(draft).is_some()) {
        let gone = drafts.remove(at);
        refused.push((gone.table.name.clone(), why(&gone).unwrap_or_default()));
        for draft in drafts.iter_mut() {
            let lost: Vec<usize> =
                draft.relations.iter().filter(|(_, (to, _))| *to == at).map(|(column, _)| *column).collect();
            for column in lost {
                draft.relations.remove(&column);
                let note = format!(
                    "{} points to {}, which is no model here",
                    draft.table.columns[column].name, gone.table.name
                );
                draft.column_notes.entry(column).or_default().push(note);
            }
            for (to, _) in draft.relations.values_mut() {
                *to -= usize::from(*to > at);
            }
        }
    }
    refused.sort();
}

/// Takes away relations that are keys and lead back to themselves: such a key is of no kind.
fn break_circles(drafts: &mut [Draft<'_>]) {
    for start in 0..drafts.len() {
        let next = |at: usize| match drafts[at].key[..] {
            [column] => drafts[at].relations.get(&column).map(|(to, _)| *to),
            _ => None,
        };
        let mut at = next(start);
        let mut steps = 0;
        while let Some(place) = at.filter(|place| *place != start && steps < drafts.len()) {
            at = next(place);
            steps += 1;
        }
        if at == Some(start) {
            let draft = &mut drafts[start];
            let column = draft.key[0];
            draft.relations.remove(&column);
            let note = "it points to a table whose key points back here, which a model's key can't";
            draft.column_notes.entry(column).or_default().push(note.to_owned());
        }
    }
}

fn name_fields(drafts: &mut [Draft<'_>]) {
    let models: Vec<String> = drafts.iter().map(|draft| draft.model.clone()).collect();
    for draft in drafts {
        // The key first: it has the first choice of names.
        let others = (0..draft.table.columns.len()).filter(|at| !draft.key.contains(at));
        for at in draft.key.iter().copied().chain(others).collect::<Vec<_>>() {
            let column = &draft.table.columns[at];
            if !is_field(column) {
                continue;
            }
            let name = match draft.relations.get(&at) {
                Some((to, _)) => names::relation(&column.name, &models[*to], &draft.taken),
                None if draft.key == [at] => names::key(&column.name, &draft.model, &draft.taken),
                None => names::field(&column.name, &draft.taken),
            };
            draft.taken.insert(name.clone());
            draft.names.insert(at, name);
        }
    }
}

/// Finds the tables that do nothing but join two others, and gives one of these a many-to-many field.
fn join_many(drafts: &mut [Draft<'_>]) {
    for through in 0..drafts.len() {
        let draft = &drafts[through];
        let relations: Vec<(usize, usize)> = draft.relations.iter().map(|(column, (to, _))| (*column, *to)).collect();
        let [(first, owner), (second, other)] = relations[..] else { continue };
        let columns = &draft.table.columns;
        let nothing_else = (0..columns.len())
            .all(|at| at == first || at == second || draft.key == [at] && columns[at].kind == Some(Kind::Auto));
        let pairs_once = draft.table.is_unique(&[first, second]) && !columns[first].null && !columns[second].null;
        if owner == other || !nothing_else || !pairs_once || drafts[owner].taken.len() >= MOST_FIELDS {
            continue;
        }
        let name = names::plural(&drafts[other].model, &drafts[owner].taken);
        drafts[owner].taken.insert(name.clone());
        drafts[owner].many.push((name, other, through));
    }
}

/// What a relation is told apart by: the draft it is in, and its column or its place among the many-to-many fields.
type Place = (usize, Result<usize, usize>);

/// The names that relations have from the other side, where they can't have their usual one.
fn name_reverses(drafts: &[Draft<'_>]) -> HashMap<Place, String> {
    let mut taken: Vec<HashSet<String>> = drafts.iter().map(|draft| draft.taken.clone()).collect();
    let mut named = HashMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        let to_one = draft.relations.iter().map(|(column, (to, _))| (Ok(*column), *to));
        let to_many = draft.many.iter().enumerate().map(|(place, (_, to, _))| (Err(place), *to));
        let all: Vec<_> = to_one.chain(to_many).collect();
        for (place, to) in &all {
            let (field, is_one) = match place {
                Ok(column) => (&draft.names[column], is_one_to_one(draft, *column)),
                Err(many) => (&draft.many[*many].0, false),
            };
            let usual = if is_one { draft.model.clone() } else { format!("{}_set", draft.model) };
            let is_alone = all.iter().filter(|(_, other)| other == to).count() == 1;
            let wanted = if is_alone { usual.clone() } else { format!("{}_{field}_set", draft.model) };
            let name = names::reverse(&wanted, &taken[*to]);
            taken[*to].insert(name.clone());
            if name != usual {
                named.insert((at, *place), name);
            }
        }
    }
    named
}

fn is_one_to_one(draft: &Draft<'_>, column: usize) -> bool {
    draft.key == [column] || draft.table.is_unique(&[column])
}

fn model(draft: &Draft<'_>, at: usize, drafts: &[Draft<'_>], reverses: &HashMap<Place, String>) -> Model {
    let table = draft.table;
    let mut notes = draft.notes.clone();
    let others = (0..table.columns.len()).filter(|column| !draft.key.contains(column));
    let mut fields: Vec<Field> = draft
        .key
        .iter()
        .copied()
        .chain(others)
        .map(|column| field(draft, column, drafts, reverses.get(&(at, Ok(column)))))
        .collect();
    for (place, (name, to, through)) in draft.many.iter().enumerate() {
        let mut attributes = vec![format!("through = {}", drafts[*through].ident)];
        attributes.extend(reverses.get(&(at, Err(place))).map(|name| format!("related_name = {name:?}")));
        fields.push(Field {
            name: Some(name.clone()),
            column: String::new(),
            ty: format!("ManyToMany<{}>", drafts[*to].ident),
            attributes,
            notes: Vec::new(),
        });
    }
    let mut set = |columns: &[(usize, bool)], what: &str| -> Option<Vec<String>> {
        let names = columns.iter().map(|(column, descends)| {
            let name = draft.names.get(column)?;
            Some(if *descends { format!("-{name}") } else { name.clone() })
        });
        let names = names.collect::<Option<Vec<String>>>().filter(|names| names.len() <= MOST_SET);
        if names.is_none() {
            notes.push(format!("{what} of columns that can't be fields, or of more than {MOST_SET}, is left out"));
        }
        names
    };
    let mut unique_together = Vec::new();
    for columns in table.uniques.iter().filter(|columns| columns.len() > 1 && **columns != draft.key) {
        let columns: Vec<(usize, bool)> = columns.iter().map(|column| (*column, false)).collect();
        unique_together.extend(set(&columns, "a unique set"));
    }
    let mut indexes = Vec::new();
    for index in table.indexes.iter().filter(|index| !is_plain_index(draft, index)) {
        indexes.extend(set(index, "an index"));
    }
    indexes.dedup();
    for (sets, what) in [(&mut unique_together, "unique sets"), (&mut indexes, "indexes")] {
        if sets.len() > MOST_SETS {
            sets.truncate(MOST_SETS);
            notes.push(format!(
                "it has more {what} than the {MOST_SETS} that a model may have; the others are left out"
            ));
        }
    }
    let primary_key = match draft.key.len() {
        1 => Vec::new(),
        _ => draft.key.iter().map(|column| draft.names[column].clone()).collect(),
    };
    Model {
        table: table.name.clone(),
        ident: draft.ident.clone(),
        primary_key,
        unique_together,
        indexes,
        fields,
        notes,
    }
}

/// Whether the index is of one column alone, so that the field says it.
fn is_plain_index(draft: &Draft<'_>, index: &[(usize, bool)]) -> bool {
    matches!(index, [(column, false)] if draft.names.contains_key(column))
}

fn field(draft: &Draft<'_>, at: usize, drafts: &[Draft<'_>], reverse: Option<&String>) -> Field {
    let column = &draft.table.columns[at];
    let mut notes = draft.column_notes.get(&at).cloned().unwrap_or_default();
    notes.extend(column.note.clone());
    let Some(name) = draft.names.get(&at) else {
        if !names::is_plain(&column.name) {
            notes.push("its name is one that no field can have".into());
        }
        notes.insert(0, format!("the column {} ({}) is left out", column.name, column.declared));
        if !column.null && column.default.is_none() && column.kind.is_some() {
            notes.push("it must have a value, so the app can't create rows".into());
        }
        return Field { name: None, column: column.name.clone(), ty: String::new(), attributes: Vec::new(), notes };
    };
    let is_key = draft.key.contains(&at);
    let is_only_key = draft.key == [at];
    let mut attributes = Vec::new();
    if is_only_key && (column.kind != Some(Kind::Auto) || draft.relations.contains_key(&at)) {
        attributes.push("primary_key".to_owned());
    }
    let ty = match draft.relations.get(&at) {
        Some((to, on_delete)) => {
            let is_one = is_one_to_one(draft, at);
            if column.name != format!("{name}_id") {
                attributes.push(format!("column = {:?}", column.name));
            }
            let can_be_null = column.null && !is_key;
            let word = match on_delete {
                OnDelete::Cascade => "Cascade",
                OnDelete::Protect => "Protect",
                OnDelete::Restrict => "Restrict",
                OnDelete::SetNull if can_be_null => "SetNull",
                OnDelete::SetNull => {
                    notes.push("the database would set it to NULL, which it can't be".into());
                    "DoNothing"
                }
                OnDelete::SetDefault | OnDelete::DoNothing => "DoNothing",
            };
            attributes.push(format!("on_delete = {word}"));
            attributes.extend(reverse.map(|name| format!("related_name = {name:?}")));
            let kind = if is_one { "OneToOne" } else { "ForeignKey" };
            format!("{kind}<{}>", drafts[*to].ident)
        }
        None => {
            let ty = plain_type(column, is_key, &mut attributes, &mut notes);
            if column.name != *name {
                attributes.push(format!("column = {:?}", column.name));
            }
            if !is_only_key && draft.table.is_unique(&[at]) {
                attributes.push("unique".into());
            } else if draft.table.indexes.iter().any(|index| index[..] == [(at, false)]) {
                attributes.push("index".into());
            }
            attributes.extend(column.default.as_ref().map(default));
            ty.to_owned()
        }
    };
    let ty = if column.null && !is_key { format!("Option<{ty}>") } else { ty };
    Field { name: Some(name.clone()), column: column.name.clone(), ty, attributes, notes }
}

fn plain_type(column: &Column, is_key: bool, attributes: &mut Vec<String>, notes: &mut Vec<String>) -> &'static str {
    match column.kind.unwrap_or(Kind::Text) {
        Kind::Auto => "Id<Self>",
        Kind::SmallInteger => "i16",
        Kind::Integer => "i32",
        Kind::BigInteger => "i64",
        Kind::Float => "f64",
        Kind::Decimal { max_digits, decimal_places } => {
            attributes.push(format!("max_digits = {max_digits}"));
            attributes.push(format!("decimal_places = {decimal_places}"));
            "Decimal"
        }
        Kind::Boolean => "bool",
        Kind::Char { max_length } => {
            attributes.push(format!("max_length = {max_length}"));
            "String"
        }
        Kind::Text if is_key => {
            attributes.push("max_length = 255".into());
            notes.push("a key needs a length, and the database has none; make it as long as the longest".into());
            "String"
        }
        Kind::Text => "String",
        Kind::Binary => "Vec<u8>",
        Kind::Date => "Date",
        Kind::Time => "Time",
        Kind::DateTime => "DateTime",
        Kind::Uuid => "Uuid",
        Kind::Json => {
            notes.push("any document: add serde_json to the app, or put a type of your own here".into());
            "Json<serde_json::Value>"
        }
    }
}

fn default(default: &Default) -> String {
    match default {
        Default::Boolean(truth) => format!("default = {truth}"),
        Default::Integer(number) => format!("default = {number}"),
        Default::Float(number) => format!("default = {number:?}"),
        Default::Text(text) => format!("default = {text:?}"),
    }
}
