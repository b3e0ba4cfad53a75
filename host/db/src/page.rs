//! The rows of a page's queries as JSON for its template, with the relations that it follows.
//!
//! A template follows relations as its author thinks of them: `choice.question.text`, `{% for choice in question.choices %}`. What isn't loaded is
//! fetched for all rows at once, never row by row; see [`host_core::rows`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use host_core::rows::{MARK, Need, Node};

use crate::bind::MAX_MANY;
use crate::catalog::{Catalog, Link, Reference, Step};
use crate::error::{DbError, code};
use crate::json;
use crate::kind::Kind;
use crate::packed::{Cell, PackedRows};
use crate::plan::{Name, Plan};
use crate::request::{RequestDb, Scope, reading};
use crate::result::Packed;
use crate::types::{Param, Value};

/// Relations that one page may follow: more is a template that walks through the whole database.
const MAX_RELATIONS: usize = 32;

/// The rows of a page's queries.
#[derive(Debug, Default)]
pub struct PageRows {
    queries: Vec<(String, Branch)>,
    relations: usize,
}

/// A relation from the rows of a query: the query's name, then relations.
pub type Way = Vec<String>;

/// Rows of one query, or of one relation from the rows of another branch.
#[derive(Debug)]
pub(crate) struct Branch {
    /// Whose rows they are, where each is one of a model's.
    of: Option<usize>,
    names: Box<[Name]>,
    members: Vec<(String, Member)>,
    rows: PackedRows,
    relations: BTreeMap<String, Relation>,
}

#[derive(Debug)]
enum Member {
    Cell {
        at: usize,
        kind: Kind,
    },
    /// A related row that the query asked for; null where all of its cells are.
    Object(Vec<(String, Member)>),
}

/// A relation that was followed.
#[derive(Debug)]
struct Relation {
    branch: Branch,
    /// Rows of the branch by the key that they share with rows here.
    by_key: HashMap<Vec<u8>, Vec<usize>>,
    /// The cell here that has the key.
    key: usize,
    many: bool,
}

/// How a relation is followed: cells and a shape.
struct Follow {
    /// The cell here.
    key: usize,
    shape: String,
    /// The field there.
    to: String,
    many: bool,
    /// Where it goes over a table of pairs: the rows are those of the pairs, each with its row of the other side.
    pairs: Option<Link>,
}

impl PageRows {
    pub(crate) fn add(&mut self, name: &str, branch: Branch) {
        self.queries.push((name.to_owned(), branch));
    }

    /// Writes each query as a member of a JSON object: its name, and an array of rows. What can be followed from them
    /// comes back, node by node. `None` where `out` would become longer than `most` bytes.
    pub fn write(&self, db: &RequestDb, out: &mut Vec<u8>, most: usize) -> Option<Vec<Node>> {
        let mut writer = Writer { catalog: &db.scope.app.catalog, most, nodes: Vec::new() };
        for (at, (name, branch)) in self.queries.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            json::text(name, out);
            out.push(b':');
            let numbered = writer.number(branch);
            writer.list(branch, &numbered, 0..branch.rows.len(), out)?;
        }
        Some(writer.nodes)
    }

    /// The ways that a template's needs go, by the nodes of the last [`PageRows::write`].
    pub fn ways(&self, needs: &[Need]) -> BTreeSet<Way> {
        let mut nodes = Vec::new();
        for (name, branch) in &self.queries {
            branch.ways(vec![name.clone()], &mut nodes);
        }
        let way = |need: &Need| {
            let mut way: Way = nodes.get(need.node)?.clone();
            way.push(need.relation.clone());
            Some(way)
        };
        needs.iter().filter_map(way).collect()
    }

    /// Fetches the rows at the end of a way for all rows that it begins at. `Ok(false)` where there is no such way, as after
    /// another query took the name.
    ///
    /// Errors: those of a query; `unsupported` past 32 relations.
    pub async fn follow(&mut self, db: &RequestDb, way: &[String]) -> Result<bool, DbError> {
        let [query, steps @ .., relation] = way else { return Ok(false) };
        let Some((_, branch)) = self.queries.iter_mut().find(|(name, _)| name == query) else { return Ok(false) };
        let mut branch = branch;
        for step in steps {
            match branch.relations.get_mut(step) {
                Some(relation) => branch = &mut relation.branch,
                None => return Ok(false),
            }
        }
        let Some(follow) = branch.follow(&db.scope.app.catalog, relation) else { return Ok(false) };
        self.relations += 1;
        if self.relations > MAX_RELATIONS {
            let problem = format!("the page follows more than {MAX_RELATIONS} relations");
            return Err(DbError::new(code::UNSUPPORTED, problem).with("limit", MAX_RELATIONS));
        }
        let fetched = branch.fetch_relation(&db.scope, follow).await?;
        branch.relations.insert(relation.clone(), fetched);
        Ok(true)
    }
}

impl Branch {
    /// Runs a plan, once for each set of parameters.
    pub(crate) async fn fetch(scope: &Scope, plan: Arc<Plan>, params: Vec<Vec<Param>>) -> Result<Self, DbError> {
        let mut rows = PackedRows::default();
        for params in params {
            let packed: Packed = scope.fetch_planned(plan.clone(), params).await?;
            // What is packed was packed by this crate; a gap in it is a mistake of its own.
            rows.add(&packed).ok_or_else(|| DbError::new(code::INTERNAL, "packed rows that end within a cell"))?;
        }
        let read = reading(&plan)?;
        let mut members = Vec::new();
        for (at, name) in read.names.iter().enumerate() {
            place(&mut members, &name.path, Member::Cell { at, kind: name.kind });
        }
        Ok(Self { of: read.of, names: read.names.clone(), members, rows, relations: BTreeMap::new() })
    }

    /// The cell that holds the field of the rows' own model.
    fn cell(&self, field: &str) -> Option<usize> {
        self.names.iter().position(|name| matches!(name.path.as_slice(), [only] if only == field))
    }

    /// How `relation` is followed from here; none where there is no such relation, the rows don't hold its key, or it is there already.
    fn follow(&self, catalog: &Catalog, relation: &str) -> Option<Follow> {
        if self.relations.contains_key(relation) {
            return None;
        }
        let table = &catalog.tables[self.of?];
        match table.step(relation).ok()? {
            Step::Column(column) => {
                let column = &table.columns[column];
                let target = &catalog.tables[column.target?];
                let shape =
                    format!(r#"{{"v":1,"from":"{}","filter":[["in","pk",{{"$":0}}]],"order":[]}}"#, target.model);
                let to = target.columns[target.single_key()?].field.clone();
                Some(Follow { key: self.cell(&column.field)?, shape, to, many: false, pairs: None })
            }
            Step::Many(link) => {
                let key = self.cell(&table.columns[table.single_key()?].field)?;
                let pairs = &catalog.tables[link.through];
                let to = pairs.columns[link.near].field.clone();
                Some(Follow { key, shape: shape_of_pairs(catalog, link), to, many: true, pairs: Some(link) })
            }
            Step::Reverse(Reference { table: child, column, single, .. }) => {
                let child = &catalog.tables[child];
                let field = &child.columns[column].field;
                let shape = format!(r#"{{"v":1,"from":"{}","filter":[["in","{field}",{{"$":0}}]]}}"#, child.model);
                let key = self.cell(&table.columns[table.single_key()?].field)?;
                Some(Follow { key, shape, to: field.clone(), many: !single, pairs: None })
            }
        }
    }

    async fn fetch_relation(&self, scope: &Scope, follow: Follow) -> Result<Relation, DbError> {
        let Follow { key, shape, to, many, pairs } = follow;
        let keys: BTreeMap<&[u8], Cell<'_>> =
            (0..self.rows.len()).map(|row| (self.rows.raw(row, key), self.rows.cell(row, key))).collect();
        let values: Vec<Value> = keys.into_values().filter(|key| *key != Cell::Null).map(Cell::to_value).collect();
        let plan = scope.app.plan(shape.as_bytes())?;
        let params = values.chunks(MAX_MANY).map(|values| vec![Param::Many(values.to_vec())]).collect();
        let mut branch = Branch::fetch(scope, plan, params).await?;
        let to = branch.cell(&to);
        if let Some(link) = pairs {
            branch.of_the_other_side(link.target);
        }
        let mut by_key: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
        if let Some(to) = to {
            for row in 0..branch.rows.len() {
                by_key.entry(branch.rows.raw(row, to).to_vec()).or_default().push(row);
            }
        }
        Ok(Relation { branch, by_key, key, many })
    }

    /// Makes rows of pairs those of the other side: each is its pair's key, and then that row by its path.
    fn of_the_other_side(&mut self, target: usize) {
        self.of = Some(target);
        self.members.clear();
        for (at, name) in self.names.iter_mut().enumerate() {
            name.path = name.path.split_off(1);
            place(&mut self.members, &name.path, Member::Cell { at, kind: name.kind });
        }
    }

    /// The ways of all nodes of this branch, in the order in which they are written.
    fn ways(&self, way: Way, nodes: &mut Vec<Way>) {
        nodes.push(way.clone());
        for (name, relation) in &self.relations {
            let mut way = way.clone();
            way.push(name.clone());
            relation.branch.ways(way, nodes);
        }
    }
}

/// The pairs of given rows, each with all fields of its row on the other side, in the order of that side's model.
fn shape_of_pairs(catalog: &Catalog, link: Link) -> String {
    let (pairs, target) = (&catalog.tables[link.through], &catalog.tables[link.target]);
    let (near, far) = (&pairs.columns[link.near].field, &pairs.columns[link.far].field);
    let fields = target.fields().iter().map(|column| format!(r#",["{far}","{}"]"#, column.field)).collect::<String>();
    let order = target.ordering.iter().map(|(column, descends)| {
        format!(r#""{}{far}.{}""#, if *descends { "-" } else { "" }, target.columns[*column].field)
    });
    let order = order.collect::<Vec<_>>().join(",");
    format!(
        r#"{{"v":1,"from":"{}","fields":["{near}"{fields}],"filter":[["in","{near}",{{"$":0}}]],"order":[{order}]}}"#,
        pairs.model
    )
}

/// Puts a member at the end of `path`. A related row that the query asked for takes the place of the key that leads to it.
fn place(members: &mut Vec<(String, Member)>, path: &[String], member: Member) {
    let Some((first, rest)) = path.split_first() else { return };
    let known = members.iter().position(|(name, _)| name == first);
    if rest.is_empty() {
        // A name that stands there twice, or whose row is there already, has its value.
        if known.is_none() {
            members.push((first.clone(), member));
        }
        return;
    }
    let at = known.unwrap_or_else(|| {
        members.push((first.clone(), Member::Object(Vec::new())));
        members.len() - 1
    });
    if matches!(members[at].1, Member::Cell { .. }) {
        members[at].1 = Member::Object(Vec::new());
    }
    if let Member::Object(inner) = &mut members[at].1 {
        place(inner, rest, member);
    }
}

/// A branch's number among the nodes, and those of its relations.
struct Numbered {
    node: usize,
    relations: Vec<Numbered>,
}

struct Writer<'c> {
    catalog: &'c Catalog,
    most: usize,
    nodes: Vec<Node>,
}

impl Writer<'_> {
    /// Gives a branch and what hangs on it their numbers.
    fn number(&mut self, branch: &Branch) -> Numbered {
        let node = self.nodes.len();
        self.nodes.push(Node::default());
        if let Some(of) = branch.of {
            let table = &self.catalog.tables[of];
            let asked = |name: &str| {
                branch.members.iter().any(|(known, member)| known == name && matches!(member, Member::Object(_)))
            };
            let can = |name: &str| !asked(name) && branch.follow(self.catalog, name).is_some();
            let one = table.fields().iter().filter(|column| column.target.is_some()).map(|column| &column.field);
            let back = |single: bool| {
                let known = table.reverse.iter().filter(move |(_, reference)| reference.single == single);
                known.map(|(name, _)| name)
            };
            let mut one: Vec<String> = one.chain(back(true)).filter(|name| can(name)).cloned().collect();
            let many = back(false).chain(table.many.keys());
            let mut many: Vec<String> = many.filter(|name| can(name)).cloned().collect();
            one.sort_unstable();
            many.sort_unstable();
            self.nodes[node] = Node { one, many };
        }
        let relations = branch.relations.values().map(|relation| self.number(&relation.branch)).collect();
        Numbered { node, relations }
    }

    fn list(
        &self,
        branch: &Branch,
        numbered: &Numbered,
        rows: impl IntoIterator<Item = usize>,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        out.push(b'[');
        for (at, row) in rows.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            self.row(branch, numbered, row, out)?;
        }
        out.push(b']');
        Some(())
    }

    fn row(&self, branch: &Branch, numbered: &Numbered, row: usize, out: &mut Vec<u8>) -> Option<()> {
        // A row may stand in many places, so the whole can be far larger than what was fetched.
        if out.len() > self.most {
            return None;
        }
        out.push(b'{');
        json::text(MARK, out);
        out.push(b':');
        out.extend_from_slice(numbered.node.to_string().as_bytes());
        let table = branch.of.map(|of| &self.catalog.tables[of]);
        for (name, member) in &branch.members {
            out.push(b',');
            let is_key = matches!(member, Member::Cell { .. })
                && table.is_some_and(|table| {
                    table.fields().iter().any(|column| column.field == *name && column.target.is_some())
                });
            // The name alone is the row's, as in Django.
            if is_key {
                json::text(&format!("{name}_id"), out)
            } else {
                json::text(name, out)
            }
            out.push(b':');
            value(member, &branch.rows, row, out);
        }
        for ((name, relation), numbered) in branch.relations.iter().zip(&numbered.relations) {
            out.push(b',');
            json::text(name, out);
            out.push(b':');
            let key = branch.rows.raw(row, relation.key);
            let found = relation.by_key.get(key).map(Vec::as_slice).unwrap_or_default();
            match (relation.many, found.first()) {
                (true, _) => self.list(&relation.branch, numbered, found.iter().copied(), out)?,
                (false, Some(found)) => self.row(&relation.branch, numbered, *found, out)?,
                (false, None) => out.extend_from_slice(b"null"),
            }
        }
        out.push(b'}');
        Some(())
    }
}

fn value(member: &Member, rows: &PackedRows, row: usize, out: &mut Vec<u8>) {
    match member {
        Member::Cell { at, kind } => json::value(*kind, rows.cell(row, *at), out),
        Member::Object(inner) if is_null(inner, rows, row) => out.extend_from_slice(b"null"),
        Member::Object(inner) => {
            out.push(b'{');
            for (at, (name, member)) in inner.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                json::text(name, out);
                out.push(b':');
                value(member, rows, row, out);
            }
            out.push(b'}');
        }
    }
}

fn is_null(members: &[(String, Member)], rows: &PackedRows, row: usize) -> bool {
    members.iter().all(|(_, member)| match member {
        Member::Cell { at, .. } => rows.cell(row, *at) == Cell::Null,
        Member::Object(inner) => is_null(inner, rows, row),
    })
}
