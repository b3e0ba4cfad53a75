//! Models of other apps: what a grant covers, and that nothing else is reached by any way.

use host_core::access::{Action, Facts, ModelGrant, ModelGrants, Must};
use host_core::budget::Limits;
use host_core::context::RequestContext;
use host_core::grants::{Capability, Grants};
use host_core::manifest::Manifest;
use host_db::{AppDb, Db, DbConfig, Param, RequestDb, Statement, Value};
use host_store::StoreConfig;
use serde_json::{Value as Json, json};
use std::sync::Arc;

use super::site::{Ask, code, int, integer, server, text};

/// The app whose models are used: accounts of several sites, with entries.
pub fn ledger() -> Json {
    json!({"v": 1, "name": "ledger", "models": [
        {"name": "account", "fields": [
            {"name": "id", "kind": "auto"},
            {"name": "site", "kind": "char", "max_length": 50},
            {"name": "user", "kind": "big_integer", "null": true},
            {"name": "name", "kind": "char", "max_length": 50, "validators": [["min_length", 2]]},
            {"name": "secret", "kind": "integer", "default": 7},
            {"name": "balance", "kind": "big_integer", "default": 0, "column": "total"},
            {"name": "double", "kind": "big_integer", "null": true,
             "generated": {"expr": ["add", {"f": "balance"}, {"f": "balance"}], "stored": true}},
        ], "unique_together": [["site", "name"]],
           "constraints": [{"name": "small", "check": ["lt", "secret", 1_000_000]}]},
        {"name": "entry", "fields": [
            {"name": "id", "kind": "auto"},
            {"name": "account", "kind": "foreign_key", "to": "account", "on_delete": "cascade", "related_name": "entries"},
            {"name": "site", "kind": "char", "max_length": 50},
            {"name": "amount", "kind": "integer"},
            {"name": "label", "kind": "foreign_key", "to": "label", "on_delete": "set_null", "null": true},
        ], "indexes": [{"name": "large", "fields": ["amount"], "condition": ["gt", "amount", 100]}]},
        {"name": "label", "fields": [
            {"name": "id", "kind": "auto"},
            {"name": "code", "kind": "char", "max_length": 20, "unique": true},
        ]},
        {"name": "vault", "fields": [{"name": "id", "kind": "auto"}, {"name": "key", "kind": "char", "max_length": 20}]},
    ]})
}

/// The app that uses them.
pub fn reports() -> Json {
    json!({"v": 1, "name": "reports", "models": [
        {"name": "book", "of": "ledger.account", "ordering": ["id"], "fields": [
            {"name": "id", "kind": "auto"},
            {"name": "name", "kind": "char", "max_length": 50},
            {"name": "balance", "kind": "big_integer", "default": 0},
        ]},
        {"name": "line", "of": "ledger.entry", "ordering": ["id"], "fields": [
            {"name": "id", "kind": "auto"},
            {"name": "amount", "kind": "integer"},
            {"name": "account", "kind": "foreign_key", "to": "book", "on_delete": "cascade", "related_name": "lines"},
        ]},
        {"name": "note", "fields": [
            {"name": "id", "kind": "auto"},
            {"name": "book", "kind": "foreign_key", "to": "book", "on_delete": "do_nothing", "db_constraint": false,
             "related_name": "notes"},
            {"name": "body", "kind": "text"},
        ]},
    ]})
}

pub const ALL: [Action; 4] = [Action::View, Action::Add, Action::Change, Action::Delete];

pub fn grants(of: impl IntoIterator<Item = (&'static str, ModelGrant)>) -> ModelGrants {
    of.into_iter().map(|(name, grant)| (format!("ledger.{name}"), grant)).collect()
}

pub fn only(fields: &[&str]) -> Option<Vec<String>> {
    Some(fields.iter().map(|name| (*name).to_owned()).collect())
}

/// Both apps on one database.
pub struct Both {
    pub db: Arc<Db>,
    pub owner: Arc<AppDb>,
    pub app: Arc<AppDb>,
}

impl Both {
    pub fn with(models: &ModelGrants) -> Self {
        Self::of(&reports(), models, &[Capability::Db])
    }

    pub fn of(reports: &Json, models: &ModelGrants, capabilities: &[Capability]) -> Self {
        let db = super::site::database(StoreConfig::temporary(), DbConfig::default());
        let owner = db.for_app(&Manifest::parse(&ledger().to_string()).unwrap()).unwrap();
        let manifest = Manifest::parse(&reports.to_string()).unwrap();
        let app = db.for_granted(&manifest, &capabilities.iter().copied().collect(), models).unwrap();
        Self { db, owner, app }
    }

    /// A request of the app whose models are used.
    pub fn owner(&self) -> RequestDb {
        request(&self.owner, "ledger", Facts::default(), &[Capability::Db])
    }

    /// A request of the app that uses them.
    pub fn app(&self) -> RequestDb {
        self.asked(None, None)
    }

    /// The same where the site is asked by a name, or by somebody.
    pub fn asked(&self, host: Option<&str>, user: Option<i64>) -> RequestDb {
        let facts = Facts { host: host.map(Into::into), user };
        request(&self.app, "reports", facts, &[Capability::Db, Capability::DbRaw])
    }

    /// Accounts of two sites, each with entries. Returns their keys.
    pub async fn filled(&self) -> Vec<i64> {
        let db = self.owner();
        let label = db.add("label", json!({"code": "x"})).await;
        let mut keys = Vec::new();
        for (site, user, name, balance) in
            [("a.org", 1, "ann", 10), ("a.org", 2, "bob", 20), ("b.org", 1, "ann", 30), ("b.org", 2, "zed", i64::MAX / 4)]
        {
            let row = json!({"site": site, "user": user, "name": name, "balance": balance});
            let key = db.add("account", row).await;
            for amount in [balance.min(1_000), 500] {
                db.add("entry", json!({"account": key, "site": site, "amount": amount, "label": label})).await;
            }
            keys.push(key);
        }
        keys
    }
}

pub fn request(app: &Arc<AppDb>, name: &str, facts: Facts, capabilities: &[Capability]) -> RequestDb {
    let name = host_core::name::AppId::new(name).unwrap();
    let grants: Grants = capabilities.iter().copied().collect();
    let id = host_core::context::RequestId(1);
    let context = RequestContext::new(id, name, Arc::new(grants), Limits::default()).with_facts(facts);
    app.for_request(Arc::new(context))
}

/// Every way to a row of `book` that a shape has: reads first, then what inserts, changes and deletes.
fn ways() -> [Vec<Json>; 4] {
    let reads = vec![
        json!({"v":1,"from":"book"}),
        json!({"v":1,"from":"ledger.account","fields":["name"]}),
        json!({"v":1,"op":"count","from":"book"}),
        json!({"v":1,"op":"exists","from":"book"}),
        json!({"v":1,"op":"aggregate","from":"book","annotate":[["n",["max",{"f":"balance"}]]]}),
        json!({"v":1,"from":"book","group":["name"],"annotate":[["n",["count"]]]}),
        json!({"v":1,"from":"book","distinct":["name"]}),
        json!({"v":1,"from":"book","lock":{}}),
        json!({"v":1,"from":"book","explain":true}),
        json!({"v":1,"from":"note","filter":[["exact",["book","name"],"ann"]]}),
        json!({"v":1,"from":"note","order":["book.balance"]}),
        json!({"v":1,"from":"note","fields":[["book","name"]]}),
        json!({"v":1,"from":"note","related":[["book"]]}),
        json!({"v":1,"from":"note","annotate":[["n",["upper",{"f":["book","name"]}]]]}),
        json!({"v":1,"from":"note","filter":[["in","book",{"from":"book","fields":["id"]}]]}),
        json!({"v":1,"from":"note","filter":[["exists",{"from":"book","filter":[["exact","id",{"outer":"book"}]]}]]}),
        json!({"v":1,"from":"note","annotate":[["n",["subquery",{"from":"book","fields":["name"],"limit":1}]]]}),
        json!({"v":1,"from":"note","with":[["b",{"from":"book","fields":["id"]}]],"filter":[["in","book",{"with":"b"}]]}),
        json!({"v":1,"from":"note","fields":["id"],"combine":[["union",{"from":"book","fields":["id"]}]]}),
        json!({"v":1,"from":"note","annotate":[["n",["window",["rank"],{"order":["book.name"]}]]]}),
    ];
    let adds = vec![
        json!({"v":1,"op":"insert","from":"book","set":{"name":"new"}}),
        json!({"v":1,"op":"insert","from":"ledger.account","set":{"name":"new"}}),
        json!({"v":1,"op":"insert","from":"book","set":{"name":"new"},"on_conflict":{"do":"ignore"}}),
    ];
    let changes = vec![
        json!({"v":1,"op":"update","from":"book","set":{"balance":1}}),
        json!({"v":1,"op":"update","from":"book","set":{"balance":1},"filter":[["exact","id",1]]}),
        json!({"v":1,"op":"update_many","from":"book","key":["id"],"key_values":[{"$":0}],"set":{"balance":{"$":1}}}),
    ];
    let deletes = vec![
        json!({"v":1,"op":"delete","from":"book"}),
        json!({"v":1,"op":"delete","from":"book","filter":[["exact","id",1]]}),
    ];
    [reads, adds, changes, deletes]
}

fn params(shape: &Json) -> Vec<Param> {
    if shape["op"] == "update_many" { vec![int(1), int(1)] } else { Vec::new() }
}

/// What a way that is open may answer for reasons of its own.
fn is_open(code: &str) -> bool {
    matches!(code, "ok" | "not-null" | "foreign-key" | "unsupported" | "unique")
}

async fn tried(db: &RequestDb, shape: &Json) -> String {
    let bytes = shape.to_string();
    let writes = matches!(shape["op"].as_str(), Some("insert" | "update" | "update_many" | "delete"));
    let result = match writes {
        true => db.execute(bytes.as_bytes(), params(shape)).await.map(drop),
        false if shape.get("lock").is_some() => {
            let transaction = db.begin().await.unwrap();
            let result = transaction.fetch(bytes.as_bytes(), params(shape)).await.map(drop);
            transaction.rollback().await.unwrap();
            result
        }
        false => db.fetch(bytes.as_bytes(), params(shape)).await.map(drop),
    };
    result.map_or_else(|error| error.code.to_string(), |()| "ok".into())
}

#[tokio::test]
async fn each_action_is_a_grant_of_its_own_in_every_form_of_statement() {
    let ways = ways();
    let granted: [&[Action]; 6] = [
        &[],
        &[Action::View],
        &[Action::Add],
        &[Action::View, Action::Change],
        &[Action::View, Action::Delete],
        &ALL,
    ];
    for actions in granted {
        let models = match actions {
            [] => ModelGrants::default(),
            actions => grants([("account", ModelGrant::of(actions.iter().copied()))]),
        };
        let both = Both::with(&models);
        both.filled().await;
        for (action, ways) in ALL.into_iter().zip(&ways) {
            for way in ways {
                let may = actions.contains(&action) && (way.get("lock").is_none() || actions.contains(&Action::Change));
                let said = tried(&both.app(), way).await;
                assert_eq!(is_open(&said), may, "{actions:?}: {way}: {said}");
                assert!(may || said == "access-denied", "{actions:?}: {way}: {said}");
            }
        }
        // What has no grant says what to do.
        if actions.is_empty() {
            let error = both.app().get(json!({"v":1,"from":"book"}), vec![]).await.unwrap_err();
            let line = r#"to [apps.reports] in bandstand.toml: models."ledger.account" = { actions = ["view"], fields = ["id", "name", "balance"] }"#;
            assert!(error.message.ends_with(line), "{error}");
        }
        // And so does one that lacks an action.
        if actions.contains(&Action::View) && !actions.contains(&Action::Delete) {
            let delete = json!({"v":1,"op":"delete","from":"book","filter":[["exact","id",1]]});
            let error = both.app().run(delete, vec![]).await.map(drop).unwrap_err();
            let says = r#"add "delete" to `actions` of [apps.reports.models."ledger.account"] in bandstand.toml"#;
            assert!(error.message.ends_with(says), "{error}");
        }
        // The app that they belong to notices nothing.
        both.owner().add("account", json!({"site": "c", "name": "own"})).await;
    }
}

#[tokio::test]
async fn a_model_is_read_and_written_as_its_owner_says() {
    let both = Both::with(&grants([("account", ModelGrant::of(ALL)), ("entry", ModelGrant::of(ALL))]));
    let keys = both.filled().await;
    let db = both.app();
    // Its cells are those that are declared, in that order.
    let rows = db.get(json!({"v":1,"from":"book","filter":[["exact","id",{"$":0}]]}), vec![int(keys[0])]).await.unwrap();
    assert_eq!(rows.cells, [Value::Integer(keys[0]), Value::Text("ann".into()), Value::Integer(10)]);
    let rows = db
        .get(
            json!({"v":1,"from":"line","related":[["account"]],"filter":[["exact",["account","name"],"bob"],["lt","amount",100]]}),
            vec![],
        )
        .await
        .unwrap();
    assert_eq!(rows.cells[3..], [Value::Integer(keys[1]), Value::Text("bob".into()), Value::Integer(20)]);
    // Over relations, both ways, and from its own model.
    let note = db.add("note", json!({"book": keys[0], "body": "look"})).await;
    let with_lines = json!({"v":1,"from":"note","filter":[["exact",["book","lines","amount"],500]],"fields":["id"]});
    assert_eq!(db.ids(with_lines, vec![]).await, [note]);
    let noted = json!({"v":1,"from":"book","filter":[["exact",["notes","body"],"look"]],"fields":["id"]});
    assert_eq!(db.ids(noted, vec![]).await, [keys[0]]);
    // A change.
    let up = json!({"v":1,"op":"update","from":"book","set":{"balance":["add",{"f":"balance"},1]},"filter":[["exact","id",{"$":0}]]});
    assert_eq!(db.run(up, vec![int(keys[0])]).await.unwrap().affected, 1);
    // Validators are the owner's, and so are defaults of fields that the app doesn't know.
    let short = json!({"v":1,"op":"insert","from":"line","set":{"amount":1,"account":{"$":0}}});
    let error = db.run(short, vec![int(keys[0])]).await.unwrap_err();
    assert_eq!((error.code, error.detail("field")), ("not-null", Some("site")), "{error}");
    let error = db
        .run(json!({"v":1,"op":"update","from":"book","set":{"name":{"$":0}}}), vec![text("x")])
        .await
        .unwrap_err();
    assert_eq!((error.code, error.detail("validator")), ("invalid-value", Some("min_length")));
    let again = json!({"v":1,"op":"update","from":"book","set":{"name":"ann"},"filter":[["exact","name","bob"]]});
    assert_eq!(code(db.run(again, vec![]).await), "unique");
    // A delete takes along what the app may delete, as the owner says.
    assert_eq!(db.run(json!({"v":1,"op":"delete","from":"book","filter":[["exact","name","bob"]]}), vec![]).await.unwrap().affected, 3);
    assert_eq!(both.owner().ids(json!({"v":1,"from":"entry","filter":[["exact","account",{"$":0}]]}), vec![int(keys[1])]).await, [0; 0]);
    // Its note stays, and points nowhere.
    let gone = db.add("note", json!({"book": keys[1], "body": "gone"})).await;
    let rows = db.get(json!({"v":1,"from":"note","related":[["book"]],"filter":[["exact","id",{"$":0}]]}), vec![int(gone)]).await.unwrap();
    assert_eq!(rows.cells.last(), Some(&Value::Null));
}

#[tokio::test]
async fn a_delete_takes_nothing_along_that_the_app_may_not_delete() {
    let view = ModelGrant::of([Action::View]);
    for entry in [None, Some(view)] {
        let of = entry.into_iter().map(|grant| ("entry", grant));
        let both = Both::with(&grants(of.chain([("account", ModelGrant::of(ALL))])));
        let keys = both.filled().await;
        let db = both.app();
        let delete = json!({"v":1,"op":"delete","from":"book","filter":[["exact","id",{"$":0}]]});
        assert_eq!(code(db.run(delete.clone(), vec![int(keys[0])]).await), "foreign-key");
        // Also as a part of something larger, whose end is when keys are looked at.
        let add = json!({"v":1,"op":"insert","from":"note","set":{"book":1,"body":"x"}});
        let statements = vec![
            Statement { shape: add.to_string().into(), params: vec![] },
            Statement { shape: delete.to_string().into(), params: vec![int(keys[0])] },
        ];
        assert_eq!(code(db.batch(statements).await), "foreign-key");
        let transaction = db.begin().await.unwrap();
        transaction.execute(add.to_string().as_bytes(), vec![]).await.unwrap();
        let deleted = transaction.execute(delete.to_string().as_bytes(), vec![int(keys[0])]).await;
        let ended = match deleted {
            Ok(_) => transaction.commit().await,
            Err(error) => {
                assert_eq!(error.code, "foreign-key");
                transaction.rollback().await.unwrap();
                Err(error)
            }
        };
        assert_eq!(code(ended), "foreign-key");
        assert_eq!(db.one(json!({"v":1,"op":"count","from":"book"}), vec![]).await, Value::Integer(4));
        assert_eq!(db.one(json!({"v":1,"op":"count","from":"note"}), vec![]).await, Value::Integer(0));
        let entries = both.owner().one(json!({"v":1,"op":"count","from":"entry"}), vec![]).await;
        assert_eq!(entries, Value::Integer(8));
    }
}

#[tokio::test]
async fn fields_are_granted_one_by_one_and_the_database_knows_it() {
    let fields = ModelGrant {
        fields: only(&["id", "name", "balance"]),
        writes: only(&["balance"]),
        ..ModelGrant::of([Action::View, Action::Change])
    };
    let models = grants([("account", fields)]);
    let both = Both::of(&reports(), &models, &[Capability::Db, Capability::DbRaw]);
    let keys = both.filled().await;
    let db = both.app();
    for hidden in ["secret", "site", "user", "double", "total"] {
        for shape in [
            json!({"v":1,"from":"book","fields":[hidden]}),
            json!({"v":1,"from":"book","filter":[["isnull",hidden,false]],"fields":["id"]}),
            json!({"v":1,"from":"book","order":[hidden]}),
            json!({"v":1,"from":"note","fields":[["book",hidden]]}),
            json!({"v":1,"op":"aggregate","from":"book","annotate":[["n",["max",{"f":hidden}]]]}),
            json!({"v":1,"from":"book","group":[hidden],"annotate":[["n",["count"]]]}),
        ] {
            assert_eq!(code(db.get(shape.clone(), vec![]).await), "unknown-field", "{shape}");
        }
        let set = json!({"v":1,"op":"update","from":"book","set":{hidden:1}});
        assert_eq!(code(db.run(set, vec![]).await), "unknown-field", "{hidden}");
        let back = json!({"v":1,"op":"update","from":"book","set":{"balance":1},"returning":[hidden]});
        assert_eq!(code(db.run(back, vec![]).await), "unknown-field", "{hidden}");
    }
    let error = db.run(json!({"v":1,"op":"update","from":"book","set":{"name":"xx"}}), vec![]).await.unwrap_err();
    assert_eq!((error.code, error.detail("field")), ("access-denied", Some("name")), "{error}");
    assert_eq!(db.run(json!({"v":1,"op":"update","from":"book","set":{"balance":5}}), vec![]).await.unwrap().affected, 4);
    let rows = db.fetch_raw_model("book", "SELECT id, name, total FROM ledger__account ORDER BY id", vec![]).await.unwrap();
    assert_eq!(rows.cells[..2], [Value::Integer(keys[0]), Value::Text("ann".into())]);
    // Past the planner, the database says the same.
    let table = db.fetch_raw("SELECT name, total FROM ledger__account ORDER BY id", vec![]).await.unwrap();
    assert_eq!(table.cells.len(), 8);
    for sql in [
        "SELECT secret FROM ledger__account",
        "SELECT * FROM ledger__account",
        "SELECT count(*) FROM ledger__account WHERE secret > 1",
        "SELECT name FROM ledger__account ORDER BY secret",
        "SELECT id FROM ledger__entry",
        "SELECT count(*) FROM ledger__entry",
        "SELECT n.id FROM reports__note AS n JOIN ledger__label AS l ON l.id = n.id",
        "SELECT id FROM reports__note WHERE id IN (SELECT id FROM ledger__vault)",
    ] {
        assert_eq!(code(db.fetch_raw(sql, vec![]).await), "access-denied", "{sql}");
    }
    for sql in [
        "UPDATE ledger__account SET name = 'xx'",
        "UPDATE ledger__account SET secret = 1",
        "INSERT INTO ledger__account (site, name) VALUES ('a', 'xx')",
        "DELETE FROM ledger__account",
        "UPDATE ledger__entry SET amount = 1",
    ] {
        assert_eq!(code(db.execute_raw(sql, vec![]).await), "access-denied", "{sql}");
    }
    let sql = format!("UPDATE ledger__account SET total = 6 WHERE id = {}", keys[0]);
    assert_eq!(db.execute_raw(&sql, vec![]).await.unwrap().affected, 1);
}

#[tokio::test]
async fn what_cant_be_shared_as_it_is_declared_is_refused_with_its_reason() {
    let models = grants([("account", ModelGrant::of(ALL)), ("entry", ModelGrant::of(ALL))]);
    let with = |change: &dyn Fn(&mut Json)| {
        let mut json = reports();
        change(&mut json);
        Both::of(&json, &models, &[Capability::Db])
    };
    let says = |both: Both, words: &'static str| async move {
        for shape in [json!({"v":1,"from":"book"}), json!({"v":1,"op":"insert","from":"book","set":{"name":"nn"}})] {
            let error = match shape.get("op") {
                None => both.app().get(shape, vec![]).await.map(drop).unwrap_err(),
                Some(_) => both.app().run(shape, vec![]).await.map(drop).unwrap_err(),
            };
            assert_eq!(error.code, "access-denied");
            assert!(error.message.contains(words), "{error}");
        }
    };
    says(with(&|json| json["models"][0]["of"] = json!("ledger.acount")), "no grant covers it").await;
    says(with(&|json| json["models"][0]["fields"][1]["name"] = json!("nam")), "has no field `nam`").await;
    says(with(&|json| json["models"][0]["fields"][2]["kind"] = json!("float")), "`balance` is of kind").await;
    says(with(&|json| json["models"][0]["fields"][1]["null"] = json!(true)), "`name` is never null").await;
    let mut wide = reports();
    wide["models"][0]["fields"].as_array_mut().unwrap().push(json!({"name": "secret", "kind": "integer"}));
    let narrow = ModelGrant { fields: only(&["id", "name", "balance"]), ..ModelGrant::of(ALL) };
    says(Both::of(&wide, &grants([("account", narrow)]), &[Capability::Db]), "no grant covers its field `secret`").await;
    let wrong = ModelGrant { rows: [("sity".to_owned(), Must::Be(vec!["a".into()]))].into(), ..ModelGrant::of(ALL) };
    says(Both::of(&reports(), &grants([("account", wrong)]), &[Capability::Db]), "`rows` names `sity`").await;

    // An app that isn't there, and one whose tables lie elsewhere.
    let db = super::site::database(StoreConfig::temporary(), DbConfig::default());
    let manifest = Manifest::parse(&reports().to_string()).unwrap();
    let app = db.for_granted(&manifest, &Grants::none(), &models).unwrap();
    let error = request(&app, "reports", Facts::default(), &[Capability::Db])
        .get(json!({"v":1,"from":"book"}), vec![])
        .await
        .unwrap_err();
    assert!(error.message.contains("no app `ledger`"), "{error}");
    // Once it is there, the next reading of the manifest finds it.
    db.for_app(&Manifest::parse(&ledger().to_string()).unwrap()).unwrap();
    let app = db.for_granted(&manifest, &Grants::none(), &models).unwrap();
    let db = request(&app, "reports", Facts::default(), &[Capability::Db]);
    assert_eq!(db.get(json!({"v":1,"from":"book"}), vec![]).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_grant_that_is_taken_away_is_gone_in_the_database_too() {
    if server().is_none() {
        return; // Rights that outlive the host are a server's.
    }
    let capabilities = [Capability::Db, Capability::DbRaw];
    let both = Both::of(&reports(), &grants([("account", ModelGrant::of(ALL))]), &capabilities);
    both.filled().await;
    let read = "SELECT count(*) FROM ledger__account";
    both.app().fetch_raw(read, vec![]).await.unwrap();
    let manifest = Manifest::parse(&reports().to_string()).unwrap();
    let again = |models: &ModelGrants| {
        let app = both.db.for_granted(&manifest, &capabilities.into_iter().collect(), models).unwrap();
        Both { db: both.db.clone(), owner: both.owner.clone(), app }
    };
    let narrow = again(&grants([("account", ModelGrant { fields: only(&["id", "name", "balance"]), ..ModelGrant::of([Action::View]) })]));
    narrow.app().fetch_raw("SELECT name FROM ledger__account", vec![]).await.unwrap();
    assert_eq!(code(narrow.app().fetch_raw("SELECT secret FROM ledger__account", vec![]).await), "access-denied");
    assert_eq!(code(narrow.app().execute_raw("DELETE FROM ledger__account", vec![]).await), "access-denied");
    let none = again(&ModelGrants::default());
    assert_eq!(code(none.app().fetch_raw("SELECT name FROM ledger__account", vec![]).await), "access-denied");
    assert_eq!(integer(&both.owner().one(json!({"v":1,"op":"count","from":"account"}), vec![]).await), 4);
}
