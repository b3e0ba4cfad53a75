//! What an app could try to get past a grant: each test is a way that was open once, or that looks as if it could be.

use std::sync::Arc;

use host_core::access::{Action, Fact, Facts, ModelGrant, ModelGrants, Must};
use host_core::grants::Capability;
use host_core::manifest::Manifest;
use host_db::{AppDb, DbConfig, PageRows, Param, RequestDb, Value};
use host_store::StoreConfig;
use serde_json::{Value as Json, json};

use super::grants::{ALL, Both, grants, only, reports, request};
use super::site::{Ask, code, database, int, integer, text};

const MARIADB: bool = matches!(super::BACKEND, crate::Backend::Mariadb);

fn must(rows: &[(&str, Json)]) -> std::collections::BTreeMap<String, Must> {
    rows.iter().map(|(name, value)| ((*name).to_owned(), Must::Be(vec![value.clone()]))).collect()
}

/// Rows of one site.
fn of_a(grant: ModelGrant) -> ModelGrant {
    ModelGrant { rows: must(&[("site", json!("a.org"))]), ..grant }
}

/// An app with models of its own, and one that sees them all under their names.
struct Two {
    owner: Arc<AppDb>,
    app: Arc<AppDb>,
}

impl Two {
    /// `declared` are the second app's models.
    fn of(owned: &Json, declared: Json, models: &ModelGrants) -> Self {
        let db = database(StoreConfig::temporary(), DbConfig::default());
        let owner = db.for_app(&Manifest::parse(&owned.to_string()).unwrap()).unwrap();
        let manifest = json!({"v": 1, "name": "reports", "models": declared});
        let manifest = Manifest::parse(&manifest.to_string()).unwrap();
        let app = db.for_granted(&manifest, &[Capability::Db].into_iter().collect(), models).unwrap();
        Self { owner, app }
    }

    fn owner(&self) -> RequestDb {
        request(&self.owner, "ledger", Facts::default(), &[Capability::Db])
    }

    fn app(&self) -> RequestDb {
        request(&self.app, "reports", Facts::default(), &[Capability::Db])
    }
}

async fn count(db: &RequestDb, model: &str) -> i64 {
    integer(&db.one(json!({"v":1,"op":"count","from":model}), vec![]).await)
}

async fn refused(db: &RequestDb, model: &str) -> String {
    let error = db.get(json!({"v":1,"from":model}), vec![]).await.unwrap_err();
    assert_eq!(error.code, "access-denied", "{error}");
    error.message
}

#[tokio::test]
async fn a_filters_text_is_a_text_whatever_stands_in_it() {
    for name in ["what?", "?", "a\u{1}b", "it's \\ {0}", "$1"] {
        let filter = vec![json!(["exact", "name", name])];
        let both = Both::with(&grants([("account", ModelGrant { filter, ..ModelGrant::of([Action::View, Action::Delete]) })]));
        both.filled().await;
        both.owner().add("account", json!({"site": "q", "name": format!("{name}{name}"), "balance": 5})).await;
        if name.chars().count() > 1 {
            both.owner().add("account", json!({"site": "q", "name": name, "balance": 5})).await;
        }
        let db = both.app();
        let there = i64::from(name.chars().count() > 1);
        assert_eq!(count(&db, "book").await, there, "{name:?}");
        let among = json!({"v":1,"op":"count","from":"book","filter":[["in","balance",{"$":0}],["exact","balance",{"$":1}]]});
        let params = vec![super::site::ints([5, 6]), int(5)];
        assert_eq!(db.one(among, params).await, Value::Integer(there), "{name:?}");
        let delete = json!({"v":1,"op":"delete","from":"book","filter":[["lte","balance",{"$":0}]]});
        assert_eq!(db.run(delete, vec![int(1_000)]).await.unwrap().affected, there as u64, "{name:?}");
    }
}

#[tokio::test]
async fn a_key_over_a_model_that_is_declared_wrongly_leads_to_no_hidden_row() {
    let mut seen = reports();
    let wrong = json!({"name": "wrong", "of": "ledger.account", "fields": [
        {"name": "id", "kind": "auto"}, {"name": "nonsense", "kind": "integer"}]});
    let models = seen["models"].as_array_mut().unwrap();
    models[1]["fields"][2]["to"] = json!("wrong");
    models[1]["fields"].as_array_mut().unwrap().push(json!({"name": "site", "kind": "char", "max_length": 50}));
    models[0] = wrong;
    models[2]["fields"][1]["to"] = json!("wrong");
    let rule = of_a(ModelGrant { writes: only(&["balance"]), ..ModelGrant::of([Action::View, Action::Change]) });
    let both = Both::of(&seen, &grants([("account", rule), ("entry", ModelGrant::of(ALL))]), &[Capability::Db]);
    let keys = both.filled().await;
    let db = both.app();
    let line = json!({"v":1,"op":"insert","from":"line","set":{"amount":77,"site":"x","account":{"$":0}}});
    let moved = json!({"v":1,"op":"update","from":"line","set":{"account":{"$":0}}});
    for shape in [line, moved] {
        assert_eq!(code(db.run(shape, vec![int(keys[3])]).await), "access-denied");
    }
    let of_hidden = json!({"v":1,"op":"count","from":"entry","filter":[["exact","account",{"$":0}]]});
    assert_eq!(both.owner().one(of_hidden, vec![int(keys[3])]).await, Value::Integer(2));
}

#[tokio::test]
async fn no_row_leaves_a_rule_by_what_it_is_computed_from() {
    let rows = || must(&[("double", json!(20))]);
    let fields = only(&["id", "balance"]);
    for actions in [vec![Action::View, Action::Change], vec![Action::View, Action::Add]] {
        let grant = ModelGrant { rows: rows(), fields: fields.clone(), ..ModelGrant::of(actions) };
        let mut seen = reports();
        seen["models"] = json!([{"name": "book", "of": "ledger.account", "fields": [
            {"name": "id", "kind": "auto"}, {"name": "balance", "kind": "big_integer", "default": 0}]}]);
        let both = Both::of(&seen, &grants([("account", grant)]), &[Capability::Db]);
        both.filled().await;
        let message = refused(&both.app(), "book").await;
        assert!(message.contains("`double`") && message.contains("computed"), "{message}");
    }
    let view = ModelGrant { rows: rows(), ..ModelGrant::of([Action::View, Action::Delete]) };
    let both = Both::with(&grants([("account", view)]));
    both.filled().await;
    assert_eq!(count(&both.app(), "book").await, 1);
}

#[tokio::test]
async fn what_is_unique_by_an_expression_tells_nothing_either() {
    let owned = |field: Json, constraints: Json| {
        let mut fields = vec![
            json!({"name": "id", "kind": "auto"}),
            json!({"name": "site", "kind": "char", "max_length": 20}),
            json!({"name": "slug", "kind": "char", "max_length": 20}),
            json!({"name": "open", "kind": "boolean", "default": false}),
        ];
        if field != Json::Null {
            fields.push(field);
        }
        json!({"v": 1, "name": "ledger", "models": [{"name": "page", "fields": fields, "constraints": constraints}]})
    };
    let key = json!({"name": "key", "kind": "char", "max_length": 20, "unique": true, "null": true,
                     "generated": {"expr": ["lower", {"f": "slug"}], "stored": true}});
    for (owned, writes) in [
        (owned(Json::Null, json!([{"name": "c", "unique": ["slug"], "expressions": [["lower", {"f": "site"}]]}])), "slug"),
        (owned(Json::Null, json!([{"name": "c", "unique": ["slug"], "condition": ["exact", "open", true]}])), "open"),
        (owned(key, json!([])), "slug"),
    ] {
        let db = database(StoreConfig::temporary(), DbConfig::default());
        let made = db.for_app(&Manifest::parse(&owned.to_string()).unwrap());
        if made.is_err() && MARIADB {
            continue;
        }
        drop((made.unwrap(), db));
        let declared = json!([{"name": "page", "of": "ledger.page", "fields": [
            {"name": "id", "kind": "auto"},
            {"name": "slug", "kind": "char", "max_length": 20},
            {"name": "open", "kind": "boolean", "default": false}]}]);
        let grant = of_a(ModelGrant { writes: only(&[writes]), ..ModelGrant::of([Action::View, Action::Change]) });
        let two = Two::of(&owned, declared.clone(), &grants([("page", grant.clone())]));
        let message = refused(&two.app(), "page").await;
        assert!(message.contains("unique among all rows"), "{message}");
        let two = Two::of(&owned, declared, &grants([("page", ModelGrant { reveals_unique: true, ..grant })]));
        assert_eq!(count(&two.app(), "page").await, 0);
    }
}

#[tokio::test]
async fn a_counted_key_isnt_driven_to_its_end() {
    let last = json!({"v":1,"op":"insert","from":"book","set":{"id":{"$":0},"site":"z","name":"last"}});
    let mut seen = reports();
    seen["models"][0]["fields"].as_array_mut().unwrap().push(json!({"name": "site", "kind": "char", "max_length": 50}));
    let both = Both::of(&seen, &grants([("account", ModelGrant::of(ALL))]), &[Capability::Db]);
    both.filled().await;
    let error = both.app().run(last.clone(), vec![int(i64::MAX)]).await.unwrap_err();
    assert_eq!((error.code, error.detail("field")), ("access-denied", Some("id")), "{error}");
    both.owner().add("account", json!({"site": "z", "name": "more"})).await;
    both.app().add("book", json!({"site": "z", "name": "still"})).await;
    // Where the operator says so it may be given.
    let writes = only(&["id", "site", "name"]);
    let both = Both::of(&seen, &grants([("account", ModelGrant { writes, ..ModelGrant::of(ALL) })]), &[Capability::Db]);
    both.app().run(last, vec![int(1_000)]).await.unwrap();
}

#[tokio::test]
async fn a_row_is_there_though_what_it_points_to_isnt() {
    let view = || ModelGrant::of([Action::View]);
    let both = Both::with(&grants([("account", of_a(view())), ("entry", view())]));
    let keys = both.filled().await;
    let db = both.app();
    assert_eq!((count(&db, "book").await, count(&db, "line").await), (2, 8));
    for (shape, of_name) in [
        (json!({"v":1,"from":"line","related":[["account"]]}), 4),
        (json!({"v":1,"from":"line","fields":["id",["account","name"]]}), 1),
        (json!({"v":1,"from":"line","fields":["id",["account","name"]],"order":["account.name"]}), 1),
        (json!({"v":1,"from":"line","fields":["id",["account","name"]],"order":[{"e":["lower",{"f":["account","name"]}]}]}), 1),
    ] {
        let rows = db.get(shape.clone(), vec![]).await.unwrap();
        let named: Vec<&Value> = rows.iter().map(|row| &row[of_name]).collect();
        let hidden = named.iter().filter(|name| ***name == Value::Null).count();
        assert_eq!((named.len(), hidden), (8, 4), "{shape}");
    }
    let missing = json!({"v":1,"op":"count","from":"line","filter":[["isnull",["account","name"],true]]});
    assert_eq!(db.one(missing, vec![]).await, Value::Integer(4));
    let sums = json!({"v":1,"from":"line","group":[["account","name"]],"annotate":[["n",["count"]]]});
    let rows = db.get(sums, vec![]).await.unwrap();
    let all: i64 = rows.iter().map(|row| integer(row.last().unwrap())).sum();
    assert_eq!(all, 8);
    // On a page, too.
    let shape = json!({"v":1,"from":"line","fields":["id","account"],"filter":[["exact","account",{"$":0}]]});
    for (key, name) in [(keys[0], Some("ann")), (keys[3], None)] {
        let number = db.defer(shape.to_string().as_bytes(), vec![int(key)]).unwrap();
        let mut page = PageRows::default();
        assert!(db.run_deferred("rows", number, &mut page).await.unwrap());
        assert!(page.follow(&db, &["rows".to_owned(), "account".to_owned()]).await.unwrap());
        let mut out = b"{".to_vec();
        page.write(&db, &mut out, 1 << 20).expect("few rows");
        out.push(b'}');
        let rows: Json = serde_json::from_slice(&out).unwrap();
        assert_eq!(rows["rows"].as_array().unwrap().len(), 2);
        assert_eq!(rows["rows"][0]["account"]["name"].as_str(), name, "{rows}");
    }
}

#[tokio::test]
async fn a_version_that_isnt_loaded_changes_no_rights() {
    let both = Both::with(&grants([("account", ModelGrant::of([Action::View, Action::Change]))]));
    let keys = both.filled().await;
    let db = both.app();
    db.add("note", json!({"book": keys[0], "body": "x"})).await;
    // It knows less of the other app's model, and can't be loaded.
    let mut next = reports();
    next["models"][0]["fields"].as_array_mut().unwrap().remove(2);
    next["models"][2]["fields"][2]["kind"] = json!("integer");
    let next = Manifest::parse(&next.to_string()).unwrap();
    let capabilities = [Capability::Db].into_iter().collect();
    let refused = both.db.for_granted(&next, &capabilities, &grants([("account", ModelGrant::of([Action::View]))]));
    assert!(refused.is_err());
    // The old one runs on as it did.
    let sum = json!({"v":1,"op":"aggregate","from":"book","annotate":[["n",["max",{"f":"balance"}]]]});
    assert_eq!(db.one(sum, vec![]).await, Value::Integer(i64::MAX / 4));
    let up = json!({"v":1,"op":"update","from":"book","set":{"balance":1}});
    assert_eq!(db.run(up, vec![]).await.unwrap().affected, 4);
}

#[tokio::test]
async fn a_databases_plan_tells_nothing_of_hidden_rows() {
    let both = Both::with(&grants([("account", of_a(ModelGrant::of([Action::View])))]));
    let keys = both.filled().await;
    let db = both.app();
    for (shape, there, missing) in [
        (json!({"v":1,"from":"book","explain":true,"filter":[["exact","id",{"$":0}]]}), int(keys[3]), int(keys[3] + 1)),
        (json!({"v":1,"from":"book","explain":true,"filter":[["exact","name",{"$":0}]]}), text("zed"), text("zee")),
        (json!({"v":1,"op":"count","from":"note","explain":true,"filter":[["exact",["book","name"],{"$":0}]]}), text("zed"), text("zee")),
    ] {
        let mut said = Vec::new();
        for value in [there, missing] {
            said.push(code(db.get(shape.clone(), vec![value]).await));
        }
        assert_eq!(said, ["unsupported"; 2], "{shape}");
    }
    // Of its own rows it may know.
    let own = json!({"v":1,"from":"note","explain":true,"filter":[["exact","id",1]]});
    assert!(!db.get(own, vec![]).await.unwrap().cells.is_empty());
}

#[tokio::test]
async fn rules_hold_for_fields_of_every_kind() {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (kind, value, other) in [
        (json!({"kind": "decimal", "max_digits": 8, "decimal_places": 2}), json!("1.5"), json!("1.51")),
        (json!({"kind": "decimal", "max_digits": 8, "decimal_places": 2}), json!(-2), json!("2.00")),
        (json!({"kind": "boolean"}), json!(true), json!(false)),
        (json!({"kind": "boolean"}), json!(false), json!(true)),
        (json!({"kind": "float"}), json!(0.1), json!(0.2)),
        (json!({"kind": "integer"}), json!(-7), json!(7)),
        (json!({"kind": "date"}), json!(20_000), json!(20_001)),
        (json!({"kind": "time"}), json!(1_000_001), json!(1_000_000)),
        (json!({"kind": "datetime"}), json!(-1), json!(0)),
        (json!({"kind": "duration"}), json!(5), json!(6)),
        (json!({"kind": "uuid"}), json!(id), json!(id.replace('0', "1"))),
        (json!({"kind": "ip"}), json!("2001:DB8:0::1"), json!("2001:db8::2")),
        (json!({"kind": "binary"}), json!("00ff"), json!("00fe")),
        (json!({"kind": "text"}), json!("a.org"), json!("a.org ")),
        (json!({"kind": "char", "max_length": 20}), json!("a.org"), json!("A.org")),
        (json!({"kind": "char", "max_length": 20}), json!("5"), json!("05")),
        (json!({"kind": "char", "max_length": 20}), json!("a"), json!("á")),
    ] {
        let mut field = json!({"name": "of", "default": value});
        field.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
        let mut different = field.clone();
        different["default"] = other.clone();
        different["name"] = json!("was");
        let owned = json!({"v": 1, "name": "ledger", "models": [{"name": "thing", "fields": [
            {"name": "id", "kind": "auto"}, field, different, {"name": "n", "kind": "integer", "default": 1}]}]});
        let declared = json!([{"name": "thing", "of": "ledger.thing", "fields": [
            {"name": "id", "kind": "auto"}, {"name": "n", "kind": "integer", "default": 1}]}]);
        let grant = ModelGrant { rows: must(&[("of", value.clone())]), fields: only(&["id", "n"]), ..ModelGrant::of(ALL) };
        let two = Two::of(&owned, declared, &grants([("thing", grant)]));
        let owner = two.owner();
        owner.add("thing", json!({"n": 1})).await;
        let hidden = owner.add("thing", json!({"n": 2})).await;
        let swap = json!({"v":1,"op":"update","from":"thing","set":{"of":{"f":"was"}},"filter":[["exact","id",{"$":0}]]});
        owner.run(swap, vec![int(hidden)]).await.unwrap();
        let app = two.app();
        assert_eq!(count(&app, "thing").await, 1, "{kind} {value}");
        app.add("thing", json!({"n": 3})).await;
        let found = json!({"v":1,"from":"thing","fields":["n"],"order":["n"],"filter":[["gt",{"e":["add",{"f":"n"},1]},0]]});
        assert_eq!(app.ids(found, vec![]).await, [1, 3], "{kind} {value}");
        let up = json!({"v":1,"op":"update","from":"thing","set":{"n":["add",{"f":"n"},10]}});
        assert_eq!(app.run(up, vec![]).await.unwrap().affected, 2, "{kind} {value}");
        assert_eq!(app.run(json!({"v":1,"op":"delete","from":"thing"}), vec![]).await.unwrap().affected, 2);
        assert_eq!(owner.ids(json!({"v":1,"from":"thing","fields":["n"]}), vec![]).await, [2]);
    }
}

#[tokio::test]
async fn a_rule_about_documents_is_refused() {
    let owned = json!({"v": 1, "name": "ledger", "models": [{"name": "thing", "fields": [
        {"name": "id", "kind": "auto"}, {"name": "doc", "kind": "json", "null": true}]}]});
    let declared = json!([{"name": "thing", "of": "ledger.thing", "fields": [{"name": "id", "kind": "auto"}]}]);
    let grant = ModelGrant { rows: must(&[("doc", json!("{\"a\": 1}"))]), ..ModelGrant::of([Action::View]) };
    let two = Two::of(&owned, declared, &grants([("thing", grant)]));
    let message = refused(&two.app(), "thing").await;
    assert!(message.contains("`doc`") && message.contains("json"), "{message}");
}

#[tokio::test]
async fn rules_hold_for_keys_of_every_kind() {
    let char = |name: &str| json!({"name": name, "kind": "char", "max_length": 20});
    let owned = json!({"v": 1, "name": "ledger", "models": [
        {"name": "page", "primary_key": ["site", "slug"], "fields": [char("site"), char("slug"), char("body")]},
        {"name": "machine", "primary_key": ["ip"], "fields": [{"name": "ip", "kind": "ip"}, char("site")]},
        {"name": "visit", "fields": [{"name": "id", "kind": "auto"},
            {"name": "machine", "kind": "foreign_key", "to": "machine", "on_delete": "cascade"}]},
    ]});
    let declared = json!([
        {"name": "page", "of": "ledger.page", "primary_key": ["site", "slug"], "fields": [char("site"), char("slug"), char("body")]},
        {"name": "machine", "of": "ledger.machine", "primary_key": ["ip"], "fields": [{"name": "ip", "kind": "ip"}]},
        {"name": "visit", "of": "ledger.visit", "fields": [{"name": "id", "kind": "auto"},
            {"name": "machine", "kind": "foreign_key", "to": "machine", "on_delete": "cascade"}]},
    ]);
    let view = of_a(ModelGrant::of([Action::View]));
    let models = grants([("page", of_a(ModelGrant::of(ALL))), ("machine", view), ("visit", ModelGrant::of(ALL))]);
    let two = Two::of(&owned, declared, &models);
    let (owner, app) = (two.owner(), two.app());
    for (site, slug) in [("a.org", "x"), ("a.org", "y"), ("b.org", "x"), ("A.org", "x"), ("a.org ", "x")] {
        let set = json!({"site": site, "slug": slug, "body": "old"});
        owner.run(json!({"v":1,"op":"insert","from":"page","set":set}), vec![]).await.unwrap();
    }
    assert_eq!(count(&app, "page").await, 2);
    app.run(json!({"v":1,"op":"insert","from":"page","set":{"slug":"z","body":"new"}}), vec![]).await.unwrap();
    let many = json!({"v":1,"op":"update_many","from":"page","key":["site","slug"],"key_values":[{"$":0},{"$":1}],"set":{"body":{"$":2}}});
    let list = |texts: &[&str]| Param::Many(texts.iter().map(|text| Value::Text((*text).to_owned())).collect());
    let params = vec![list(&["a.org", "b.org", "A.org"]), list(&["x", "x", "x"]), list(&["1", "2", "3"])];
    assert_eq!(app.run(many, params).await.unwrap().affected, 1);
    let upper = json!([["exact",{"e":["upper",{"f":"slug"}]},"X"]]);
    let up = json!({"v":1,"op":"update","from":"page","set":{"body":"2"},"filter":upper});
    assert_eq!(app.run(up, vec![]).await.unwrap().affected, 1);
    let body = |site: &str| json!({"v":1,"op":"count","from":"page","filter":[["exact","site",site],["exact","body","old"]]});
    for (site, untouched) in [("b.org", 1), ("A.org", 1), ("a.org ", 1), ("a.org", 1)] {
        assert_eq!(owner.one(body(site), vec![]).await, Value::Integer(untouched), "{site:?}");
    }
    assert_eq!(app.run(json!({"v":1,"op":"delete","from":"page","filter":upper}), vec![]).await.unwrap().affected, 1);
    assert_eq!(app.run(json!({"v":1,"op":"delete","from":"page"}), vec![]).await.unwrap().affected, 2);
    assert_eq!(count(&owner, "page").await, 3);
    // A key that is written otherwise than it is kept.
    for (ip, site) in [("2001:db8::1", "a.org"), ("2001:db8::2", "b.org")] {
        owner.run(json!({"v":1,"op":"insert","from":"machine","set":{"ip":ip,"site":site}}), vec![]).await.unwrap();
    }
    let visit = json!({"v":1,"op":"insert","from":"visit","set":{"machine":{"$":0}}});
    app.run(visit.clone(), vec![text("2001:DB8:0::1")]).await.unwrap();
    let hidden = app.run(visit.clone(), vec![text("2001:DB8:0::2")]).await.unwrap_err();
    let missing = app.run(visit, vec![text("2001:DB8:0::3")]).await.unwrap_err();
    assert_eq!(hidden, missing);
}

#[tokio::test]
async fn a_tree_ends_at_a_row_that_isnt_there() {
    let fields = json!([{"name": "id", "kind": "auto"},
        {"name": "parent", "kind": "foreign_key", "to": "node", "null": true, "on_delete": "cascade", "related_name": "children"},
        {"name": "site", "kind": "char", "max_length": 20}]);
    let owned = json!({"v": 1, "name": "ledger", "models": [{"name": "node", "fields": fields}]});
    let declared = json!([{"name": "node", "of": "ledger.node", "fields": fields}]);
    let two = Two::of(&owned, declared, &grants([("node", of_a(ModelGrant::of(ALL)))]));
    let (owner, app) = (two.owner(), two.app());
    let mut keys = Vec::new();
    for site in ["a.org", "a.org", "b.org", "a.org"] {
        keys.push(owner.add("node", json!({"site": site, "parent": keys.last()})).await);
    }
    let tree = |start: i64, follow: &str| {
        json!({"v":1,"from":"node","fields":["id"],"order":["id"],"filter":[["in","id",{"with":"t"}]],
               "with":[["t",{"recursive":{"start":[["exact","id",start]],"follow":follow}}]]})
    };
    assert_eq!(app.ids(tree(keys[0], "children"), vec![]).await, keys[..2]);
    assert_eq!(app.ids(tree(keys[3], "parent"), vec![]).await, keys[3..]);
    assert_eq!(app.ids(tree(keys[2], "children"), vec![]).await, [0; 0]);
    // Nor does a delete reach below it, or go past what points to it.
    let delete = json!({"v":1,"op":"delete","from":"node","filter":[["exact","id",{"$":0}]]});
    assert_eq!(code(app.run(delete.clone(), vec![int(keys[1])]).await), "foreign-key");
    assert_eq!(app.run(delete.clone(), vec![int(keys[2])]).await.unwrap().affected, 0);
    assert_eq!(app.run(delete, vec![int(keys[3])]).await.unwrap().affected, 1);
    assert_eq!(count(&owner, "node").await, 3);
}

#[tokio::test]
async fn nobodys_rows_are_locked_that_arent_to_be_changed() {
    let both = Both::with(&grants([("account", ModelGrant::of([Action::View]))]));
    let keys = both.filled().await;
    let db = both.app();
    db.add("note", json!({"book": keys[0], "body": "x"})).await;
    let locked = json!({"v":1,"from":"note","lock":{},"related":[["book"]]});
    let transaction = db.begin().await.unwrap();
    let result = transaction.fetch(locked.to_string().as_bytes(), vec![]).await;
    if MARIADB {
        // It locks all that a statement reads.
        assert_eq!(code(result), "access-denied");
    } else {
        assert_eq!(result.unwrap().cells.len(), 6);
    }
    transaction.rollback().await.unwrap();
}

#[tokio::test]
async fn sql_of_its_own_replaces_no_row_that_it_may_not_delete() {
    let mut seen = reports();
    seen["models"].as_array_mut().unwrap().push(json!({"name": "vault", "of": "ledger.vault", "fields": [
        {"name": "id", "kind": "auto"}, {"name": "key", "kind": "char", "max_length": 20}]}));
    let capabilities = [Capability::Db, Capability::DbRaw];
    let replacing = [
        "REPLACE INTO ledger__vault (id, `key`) VALUES (1, 'mine')",
        "INSERT OR REPLACE INTO ledger__vault (id, key) VALUES (1, 'mine')",
        "INSERT/**/OR\nrePLAce INTO ledger__vault (id, key) VALUES (1, 'mine')",
        "UPDATE OR REPLACE ledger__vault SET id = 1 WHERE id = 2",
    ];
    let both = Both::of(&seen, &grants([("vault", ModelGrant::of([Action::View, Action::Add, Action::Change]))]), &capabilities);
    for key in ["first", "second"] {
        both.owner().add("vault", json!({"key": key})).await;
    }
    let db = both.app();
    for sql in replacing {
        let result = db.execute_raw(sql, vec![]).await;
        assert!(result.is_err(), "{sql}: {result:?}");
    }
    assert_eq!(count(&both.owner(), "vault").await, 2);
    let kept = json!({"v":1,"op":"count","from":"vault","filter":[["exact","key","mine"]]});
    assert_eq!(both.owner().one(kept, vec![]).await, Value::Integer(0));
    // What only sounds like it does no harm.
    let named = "SELECT replace(id, '1', 'o') FROM ledger__vault";
    if super::BACKEND != crate::Backend::Postgres {
        assert_eq!(db.fetch_raw(named, vec![]).await.unwrap().cells.len(), 2);
    }
    // Who may delete may replace.
    let both = Both::of(&seen, &grants([("vault", ModelGrant::of(ALL))]), &capabilities);
    both.owner().add("vault", json!({"key": "first"})).await;
    if super::BACKEND != crate::Backend::Postgres {
        both.app().execute_raw(replacing[0], vec![]).await.unwrap();
        assert_eq!(count(&both.owner(), "vault").await, 1);
    }
}

/// What a transaction has read is still so when it writes, also where another app may write it.
#[tokio::test]
async fn a_transaction_notices_what_another_app_changes() {
    if super::BACKEND != crate::Backend::Sqlite {
        return;
    }
    let both = Both::with(&grants([("account", ModelGrant::of(ALL))]));
    both.filled().await;
    let balance = json!({"v":1,"op":"aggregate","from":"ledger.account","annotate":[["n",["min",{"f":"balance"}]]]}).to_string();
    let up = json!({"v":1,"op":"update","from":"ledger.account","set":{"balance":1}}).to_string();
    for (first, second) in [(both.owner(), both.app()), (both.app(), both.owner())] {
        let transaction = first.begin().await.unwrap();
        transaction.fetch(balance.as_bytes(), vec![]).await.unwrap();
        second.execute(up.as_bytes(), vec![]).await.unwrap();
        assert_eq!(code(transaction.execute(up.as_bytes(), vec![]).await), "conflict-retry");
        drop(transaction);
        let again = first.begin().await.unwrap();
        again.fetch(balance.as_bytes(), vec![]).await.unwrap();
        again.execute(up.as_bytes(), vec![]).await.unwrap();
        again.commit().await.unwrap();
    }
}

/// A host that says nothing is no host.
#[tokio::test]
async fn what_a_request_says_is_a_value_and_nothing_else() {
    let rows = [("site".to_owned(), Must::Fact(Fact::Host))].into();
    let both = Both::with(&grants([("account", ModelGrant { rows, ..ModelGrant::of([Action::View]) })]));
    both.filled().await;
    for host in ["A.ORG", "a.org.", "a.org:80", " a.org", "a.o%", "_.org", "", "á.org", "xn--a.org"] {
        assert_eq!(count(&both.asked(Some(host), None), "book").await, 0, "{host:?}");
    }
    assert_eq!(count(&both.asked(Some("a.org"), None), "book").await, 2);
    }

/// Tables that the host didn't make may take other texts for equal than it does.
#[tokio::test]
async fn a_rule_is_about_exactly_its_text_in_tables_of_others_making_too() {
    let rows = "INSERT INTO old_page VALUES (1, 'a.org', 'x'), (2, 'A.ORG', 'y'), (3, 'a.org ', 'z')";
    let folder = tempfile::tempdir().unwrap();
    let store = match super::site::server() {
        None => {
            let path = folder.path().join("old.db");
            let made = rusqlite::Connection::open(&path).unwrap();
            let table = "CREATE TABLE old_page (id INTEGER PRIMARY KEY, site TEXT NOT NULL COLLATE NOCASE, slug TEXT NOT NULL)";
            made.execute_batch(&format!("{table}; {rows}")).unwrap();
            StoreConfig { exclusive: false, ..StoreConfig::file(&path) }
        }
        Some(kind) => {
            let table = match kind {
                test_servers::Kind::Postgres => {
                    "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
                     CREATE TABLE old_page (id bigint PRIMARY KEY, site text COLLATE loose NOT NULL, slug text NOT NULL)"
                }
                test_servers::Kind::Mariadb => {
                    "CREATE TABLE old_page (id bigint PRIMARY KEY, site varchar(50) NOT NULL, slug varchar(50) NOT NULL) CHARSET utf8mb4 COLLATE utf8mb4_general_ci"
                }
            };
            let url = kind.shared().database();
            kind.shared().script(&url, &format!("{table};\n{rows};\n"));
            let target = host_store::Target::parse(&url).unwrap();
            let server = host_store::ServerConfig { connections: 4, ..host_store::ServerConfig::new(target) };
            StoreConfig { server: Some(server), ..StoreConfig::temporary() }
        }
    };
    let db = host_db::Db::open(host_store::Store::open(store).unwrap(), DbConfig::default()).unwrap();
    let char = |name: &str| json!({"name": name, "kind": "char", "max_length": 50});
    let fields = json!([{"name": "id", "kind": "big_integer"}, char("site"), char("slug")]);
    let owned = json!({"v": 1, "name": "ledger", "models": [
        {"name": "page", "table": "old_page", "managed": false, "primary_key": ["id"], "fields": fields}]});
    let declared = json!({"v": 1, "name": "reports", "models": [
        {"name": "page", "of": "ledger.page", "primary_key": ["id"], "fields": fields}]});
    db.for_app(&Manifest::parse(&owned.to_string()).unwrap()).unwrap();
    let of = |values: &[&str]| {
        let values = values.iter().map(|value| json!(value)).collect();
        ModelGrant { rows: [("site".to_owned(), Must::Be(values))].into(), ..ModelGrant::of([Action::View, Action::Delete]) }
    };
    for (grant, keys) in [(of(&["a.org"]), &[1][..]), (of(&["A.ORG", "a.org "]), &[2, 3])] {
        let manifest = Manifest::parse(&declared.to_string()).unwrap();
        let app = db.for_granted(&manifest, &[Capability::Db].into_iter().collect(), &grants([("page", grant)])).unwrap();
        let app = request(&app, "reports", Facts::default(), &[Capability::Db]);
        assert_eq!(app.ids(json!({"v":1,"from":"page","fields":["id"],"order":["id"]}), vec![]).await, keys);
        let delete = json!({"v":1,"op":"delete","from":"page"});
        assert_eq!(app.run(delete, vec![]).await.unwrap().affected, keys.len() as u64);
    }
}

#[tokio::test]
async fn a_single_related_row_is_there_or_it_isnt() {
    let profile = |of: Json| {
        let mut model = json!({"name": "profile", "fields": [{"name": "id", "kind": "auto"},
            {"name": "person", "kind": "one_to_one", "to": "person", "on_delete": "cascade", "related_name": "profile"},
            {"name": "site", "kind": "char", "max_length": 20, "default": "a.org"}]});
        model.as_object_mut().unwrap().extend(of.as_object().unwrap().clone());
        model
    };
    let person = |of: Json| {
        let mut model = json!({"name": "person", "fields": [{"name": "id", "kind": "auto"}, {"name": "name", "kind": "char", "max_length": 20}]});
        model.as_object_mut().unwrap().extend(of.as_object().unwrap().clone());
        model
    };
    let owned = json!({"v": 1, "name": "ledger", "models": [person(json!({})), profile(json!({}))]});
    let declared = json!([person(json!({"of": "ledger.person"})), profile(json!({"of": "ledger.profile"}))]);
    let all = |grant: ModelGrant| grants([("person", ModelGrant::of(ALL)), ("profile", of_a(grant))]);
    // Who may set whose it is would learn who has a hidden one.
    let two = Two::of(&owned, declared.clone(), &all(ModelGrant::of(ALL)));
    assert!(refused(&two.app(), "profile").await.contains("`person` is unique among all rows"));
    let two = Two::of(&owned, declared, &all(ModelGrant { writes: only(&[]), ..ModelGrant::of(ALL) }));
    let (owner, app) = (two.owner(), two.app());
    for (name, site) in [("ann", "a.org"), ("bob", "b.org")] {
        let person = owner.add("person", json!({"name": name})).await;
        owner.add("profile", json!({"person": person, "site": site})).await;
    }
    for (shape, expected) in [
        (json!({"v":1,"op":"count","from":"person","filter":[["isnull","profile",true]]}), 1),
        (json!({"v":1,"op":"count","from":"person","filter":[["isnull",["profile","site"],false]]}), 1),
        (json!({"v":1,"op":"count","from":"person","filter":[["not",["exact",["profile","site"],"b.org"]]]}), 2),
        (json!({"v":1,"op":"count","from":"profile","filter":[["exact",["person","profile","site"],"a.org"]]}), 1),
    ] {
        assert_eq!(app.one(shape.clone(), vec![]).await, Value::Integer(expected), "{shape}");
    }
    let rows = app.get(json!({"v":1,"from":"person","related":[["profile"]],"order":["id"]}), vec![]).await.unwrap();
    let there: Vec<bool> = rows.iter().map(|row| row[2] != Value::Null).collect();
    assert_eq!(there, [true, false]);
    // A person whose profile is hidden stays: whether there is one the database says, not who reads.
    let delete = |name: &str| json!({"v":1,"op":"delete","from":"person","filter":[["exact","name",name]]});
    assert_eq!(code(app.run(delete("bob"), vec![]).await), "foreign-key");
    assert_eq!(count(&owner, "person").await, 2);
}

#[tokio::test]
async fn a_new_version_of_the_owner_keeps_rules_and_defaults_for_who_hasnt_followed_yet() {
    let both = Both::with(&grants([("account", of_a(ModelGrant { fields: only(&["id", "name", "balance"]), ..ModelGrant::of(ALL) }))]));
    both.filled().await;
    let mut next = super::grants::ledger();
    let fields = next["models"][0]["fields"].as_array_mut().unwrap();
    fields.retain(|field| field["name"] != "user");
    fields.push(json!({"name": "level", "kind": "integer", "default": 3}));
    fields.push(json!({"name": "remark", "kind": "text", "null": true}));
    let owner = both.db.for_app(&Manifest::parse(&next.to_string()).unwrap()).unwrap();
    let owner = request(&owner, "ledger", Facts::default(), &[Capability::Db]);
    // As it was loaded before.
    let app = both.app();
    assert_eq!(count(&app, "book").await, 2);
    app.add("book", json!({"name": "cid"})).await;
    let up = json!({"v":1,"op":"update","from":"book","set":{"balance":["add",{"f":"balance"},1]}});
    assert_eq!(app.run(up, vec![]).await.unwrap().affected, 3);
    let level = json!({"v":1,"op":"count","from":"account","filter":[["exact","level",3],["exact","site","a.org"]]});
    assert_eq!(owner.one(level, vec![]).await, Value::Integer(3));
}

#[tokio::test]
async fn sql_of_its_own_writes_what_is_granted_and_names_what_isnt() {
    let view = || ModelGrant::of([Action::View]);
    let models = grants([("account", ModelGrant { fields: only(&["id", "name"]), ..ModelGrant::of([Action::View, Action::Change]) }), ("entry", view())]);
    let mut seen = reports();
    seen["models"][0]["fields"].as_array_mut().unwrap().remove(2);
    let both = Both::of(&seen, &models, &[Capability::Db, Capability::DbRaw]);
    both.filled().await;
    let db = both.app();
    assert_eq!(db.execute_raw("UPDATE ledger__account SET name = 'new' WHERE id = 1", vec![]).await.unwrap().affected, 1);
    for sql in [
        "UPDATE ledger__account SET name = 'x' WHERE secret = 7",
        "UPDATE ledger__account SET secret = 1",
        "UPDATE ledger__account SET name = site",
        "INSERT INTO ledger__account (site, name) VALUES ('a', 'bb')",
        "DELETE FROM ledger__account",
        "UPDATE ledger__entry SET amount = 1",
        "DELETE FROM ledger__label",
        "UPDATE reports__note SET body = (SELECT max(secret) FROM ledger__account)",
        "INSERT INTO reports__note (book_id, body) SELECT id, site FROM ledger__account",
    ] {
        let result = db.execute_raw(sql, vec![]).await;
        assert!(result.is_err(), "{sql}: {result:?}");
    }
    for sql in [
        "SELECT secret FROM ledger__account",
        "SELECT * FROM ledger__account",
        "SELECT id FROM ledger__account ORDER BY total",
        "SELECT a.id FROM ledger__account a JOIN ledger__entry e USING (site)",
        "SELECT id FROM ledger__account GROUP BY id HAVING max(secret) > 1",
        "SELECT count(*) FROM ledger__vault",
        "WITH g(code) AS (SELECT 'x') SELECT count(*) FROM g JOIN ledger__label USING (code)",
        "WITH g(code) AS (SELECT 'x') SELECT count(*) FROM g NATURAL JOIN ledger__label",
        "WITH g(code) AS (SELECT 'x') SELECT code FROM g RIGHT/**/JOIN ledger__label using(code)",
        "WITH g(name) AS (SELECT 'reports__note') SELECT count(*) FROM g JOIN sqlite_master USING (name)",
        "SELECT 'x' IN ledger__label",
        "SELECT count(*) FROM ledger__label AS l, json_each('[1]')",
        "WITH x AS (SELECT id, site FROM ledger__account) SELECT id FROM x",
    ] {
        let result = db.fetch_raw(sql, vec![]).await;
        assert!(result.is_err(), "{sql}: {result:?}");
    }
    let unchanged = json!({"v":1,"op":"count","from":"account","filter":[["exact","secret",7]]});
    assert_eq!(both.owner().one(unchanged, vec![]).await, Value::Integer(4));
}
