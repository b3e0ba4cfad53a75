//! The same questions, asked by another app, for which a rule hides some rows: what it finds is what it would find if they
//! weren't there.

use std::collections::BTreeMap;
use std::sync::Arc;

use host_core::access::{Action, ModelGrant, ModelGrants, Must};
use host_core::context::{RequestContext, RequestId};
use host_core::grants::{Capability, Grants};
use host_core::manifest::Manifest;
use host_core::name::AppId;
use host_db::{AppDb, DbConfig, RequestDb, Value};
use host_store::StoreConfig;
use proptest::test_runner::TestCaseError;
use serde_json::{Value as Json, json};

use super::query::query;
use super::world::{Kind, MODELS, Rows};
use super::{QUERIES, Worth, difference, fill, patient, runner, world};

/// Fewer than where nothing is hidden: the queries are the same.
const CASES: u32 = 200;

/// Keys of hidden rows begin here.
const HIDDEN: i64 = 1_000;

/// The world's app, with a field that says which rows are shown.
fn owner() -> Json {
    let mut manifest = super::world::manifest();
    for model in manifest["models"].as_array_mut().expect("models") {
        let shown = json!({"name": "shown", "kind": "boolean", "default": true});
        model["fields"].as_array_mut().expect("fields").push(shown);
    }
    manifest
}

/// An app that has its models, but for many-to-many relations, which belong to their app alone.
fn user() -> Json {
    let owner = Manifest::parse(&super::world::manifest().to_string()).expect("a manifest");
    let mut models = serde_json::to_value(&owner.models).expect("models");
    for model in models.as_array_mut().expect("models") {
        let name = model["name"].as_str().expect("a name").to_owned();
        let keep = |field: &&mut Json| field["kind"] != "many_to_many";
        let fields: Vec<Json> =
            model["fields"].as_array_mut().expect("fields").iter_mut().filter(keep).map(|field| field.take()).collect();
        let mut shared = json!({"name": name, "of": format!("props.{name}"), "fields": fields});
        if let Some(key) = model.get("primary_key") {
            shared["primary_key"] = key.clone();
        }
        *model = shared;
    }
    json!({"v": 1, "name": "user", "models": models})
}

fn grants() -> ModelGrants {
    let rows: BTreeMap<String, Must> = [("shown".to_owned(), Must::Be(vec![true.into()]))].into();
    let grant = |model: &super::world::Model| {
        let rows = if model.is_between { BTreeMap::new() } else { rows.clone() };
        (format!("props.{}", model.name), ModelGrant { rows, ..ModelGrant::of([Action::View]) })
    };
    MODELS.iter().map(grant).collect()
}

/// For each row another one that isn't shown, with larger numbers, which points to what the first one points to.
async fn hide(db: &RequestDb, world: &Rows) {
    use super::super::site::Ask;
    for model in MODELS.iter().filter(|model| !model.is_between && !model.fields.iter().any(|field| field.unique)) {
        for (number, row) in &world[model.name] {
            let mut set = serde_json::Map::from_iter([("shown".to_owned(), json!(false))]);
            let mut params = Vec::new();
            for field in [&model.key].into_iter().chain(model.fields) {
                let value = match (&row[field.name], field.kind) {
                    (Value::Text(code), _) if field.name == model.key.name => Value::Text(format!("~{code}")),
                    (_, Kind::Auto) if field.name == model.key.name => Value::Integer(HIDDEN + number),
                    (_, Kind::Big) => Value::Integer(i64::MAX),
                    (_, Kind::Integer) => Value::Integer(i32::MAX.into()),
                    (value, _) => value.clone(),
                };
                set.insert(field.name.to_owned(), json!({"$": params.len()}));
                params.push(host_db::Param::One(value));
            }
            db.run(json!({"v": 1, "op": "insert", "from": model.name, "set": set}), params).await.expect("a row that fits");
        }
    }
}

fn request(app: &Arc<AppDb>, name: &str) -> RequestDb {
    let grants = Grants::from_iter([Capability::Db]);
    let name = AppId::new(name).expect("a name");
    app.for_request(Arc::new(RequestContext::new(RequestId(1), name, Arc::new(grants), patient())))
}

#[test]
fn hidden_rows_make_no_difference() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let db = super::super::site::database(StoreConfig::temporary(), DbConfig::default());
    let manifest = |json: Json| Manifest::parse(&json.to_string()).expect("a manifest");
    let owner = db.for_app(&manifest(owner())).expect("tables");
    let user = db.for_granted(&manifest(user()), &Grants::none(), &grants()).expect("what is there");
    let worth = Worth::default();
    let cases = (world(), proptest::collection::vec(query(), 1..=QUERIES));
    let done = runner(CASES).run(&cases, |(world, queries)| {
        runtime.block_on(async {
            let db = request(&owner, "props");
            fill(&db, &world).await;
            hide(&db, &world).await;
            for query in &queries {
                let text = query.shape().0.to_string();
                if text.contains("\"tags\"") || text.contains("\"tagged\"") || text.contains("tags.") || text.contains("tagged.") {
                    continue;
                }
                if let Some(difference) = difference(&request(&user, "user"), &world, query, &worth).await {
                    return Err(TestCaseError::fail(difference));
                }
            }
            Ok(())
        })
    });
    if let Err(error) = done {
        panic!("{error}");
    }
    worth.check();
}
