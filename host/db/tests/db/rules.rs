//! Rules about rows: what isn't there for an app is found by no statement, changed by none and told by no error.

use host_core::access::{Action, Fact, ModelGrant, ModelGrants, Must};
use host_core::grants::Capability;
use host_db::{Param, RequestDb, Statement, Value};
use serde_json::{Value as Json, json};

use super::grants::{ALL, Both, grants, only, reports};
use super::site::{Ask, code, int, integer, text};

const MARIADB: bool = matches!(super::BACKEND, crate::Backend::Mariadb);

fn must(rows: &[(&str, Must)]) -> std::collections::BTreeMap<String, Must> {
    rows.iter().map(|(name, must)| ((*name).to_owned(), must.clone())).collect()
}

/// Rows of the site under whose name one asks, of both models.
fn of_host() -> ModelGrants {
    let rows = must(&[("site", Must::Fact(Fact::Host))]);
    let grant = |fields: &[&str]| ModelGrant { rows: rows.clone(), fields: only(fields), ..ModelGrant::of(ALL) };
    grants([("account", grant(&["id", "name", "balance"])), ("entry", grant(&["id", "amount", "account"]))])
}

async fn count(db: &RequestDb, model: &str) -> i64 {
    integer(&db.one(json!({"v":1,"op":"count","from":model}), vec![]).await)
}

#[tokio::test]
async fn every_read_finds_the_rows_that_there_are_and_no_others() {
    let both = Both::with(&of_host());
    let keys = both.filled().await;
    for (host, own, names) in [("a.org", &keys[..2], ["ann", "bob"]), ("b.org", &keys[2..], ["ann", "zed"])] {
        let db = both.asked(Some(host), None);
        assert_eq!((count(&db, "book").await, count(&db, "line").await), (2, 4));
        let ids = |shape: Json| {
            let db = &db;
            async move { db.ids(shape, vec![]).await }
        };
        assert_eq!(ids(json!({"v":1,"from":"book","fields":["id"],"order":["id"]})).await, own);
        assert_eq!(ids(json!({"v":1,"from":"ledger.account","fields":["id"],"order":["id"]})).await, own);
        let all: String = names.join(",");
        for (shape, expected) in [
            (json!({"v":1,"op":"aggregate","from":"book","annotate":[["n",["count"]]]}), Value::Integer(2)),
            (json!({"v":1,"op":"count","from":"book","filter":[["not",["exact","name","nobody"]]]}), Value::Integer(2)),
            (json!({"v":1,"op":"count","from":"book","filter":[["or",["exact","name","ann"],["isnull","name",false]]]}), Value::Integer(2)),
            (json!({"v":1,"op":"count","from":"line","filter":[["isnull",["account","name"],false]]}), Value::Integer(4)),
            (json!({"v":1,"op":"count","from":"book","filter":[["gt",["lines","amount"],1]]}), Value::Integer(2)),
            (json!({"v":1,"op":"count","from":"book","filter":[["in","id",{"from":"line","fields":["account"]}]]}), Value::Integer(2)),
            (json!({"v":1,"op":"count","from":"book","with":[["s",{"from":"book","fields":["id"]}]],"filter":[["in","id",{"with":"s"}]]}), Value::Integer(2)),
            (json!({"v":1,"op":"count","from":"book","fields":["name"],"distinct":true}), Value::Integer(2)),
            (json!({"v":1,"op":"count","from":"book","fields":["id"],"combine":[["union",{"from":"line","fields":["account"]}]]}), Value::Integer(2)),
            (json!({"v":1,"op":"exists","from":"book","filter":[["in","id",{"$":0}]]}), Value::Boolean(false)),
        ] {
            let others: Vec<i64> = keys.iter().copied().filter(|key| !own.contains(key)).collect();
            let params = if shape.to_string().contains('$') { vec![super::site::ints(others)] } else { vec![] };
            assert_eq!(db.one(shape.clone(), params).await, expected, "{host}: {shape}");
        }
        let rows = db.get(json!({"v":1,"from":"book","fields":["name"],"order":["name"]}), vec![]).await.unwrap();
        let found: Vec<String> = rows.cells.iter().map(|cell| format!("{cell:?}")).collect();
        assert_eq!(found, all.split(',').map(|name| format!("{:?}", Value::Text(name.into()))).collect::<Vec<_>>());
        // Its own rows point where they like; what they point to is there or it isn't.
        for key in &keys {
            db.add("note", json!({"book": key, "body": host})).await;
        }
        let mine = json!([["exact","body",host]]);
        let named = json!({"v":1,"op":"count","from":"note","filter":[["exact","body",host],["isnull",["book","name"],false]]});
        assert_eq!(db.one(named, vec![]).await, Value::Integer(2));
        let related = json!({"v":1,"from":"note","related":[["book"]],"filter":mine,"order":["id"]});
        let rows = db.get(related, vec![]).await.unwrap();
        let seen: Vec<bool> = rows.iter().map(|row| *row.last().unwrap() != Value::Null).collect();
        assert_eq!(seen, keys.iter().map(|key| own.contains(key)).collect::<Vec<_>>());
        let noted = json!({"v":1,"from":"book","fields":["id"],"filter":[["exact",["notes","body"],host]],"order":["id"]});
        assert_eq!(ids(noted).await, own);
        let totals = json!({"v":1,"from":"book","fields":["t"],"order":["id"],"annotate":[["t",["count",{"f":["lines"]}]]]});
        assert_eq!(ids(totals).await, [2, 2]);
    }
    // A request that says nothing finds nothing.
    let nobody = both.asked(None, Some(1));
    assert_eq!((count(&nobody, "book").await, count(&nobody, "line").await), (0, 0));
    assert_eq!(count(&both.asked(Some("A.ORG"), None), "book").await, 0);
    assert_eq!(count(&both.asked(Some("' OR 1=1 --"), None), "book").await, 0);
}

#[tokio::test]
async fn writes_stay_among_the_rows_that_there_are() {
    let both = Both::with(&of_host());
    let keys = both.filled().await;
    let db = both.asked(Some("a.org"), None);
    let hidden = keys[2];
    // No way changes or deletes a row that isn't there.
    for (shape, params, affected) in [
        (json!({"v":1,"op":"update","from":"book","set":{"balance":1}}), vec![], 2),
        (json!({"v":1,"op":"update","from":"book","set":{"balance":2},"filter":[["exact","id",{"$":0}]]}), vec![int(hidden)], 0),
        (json!({"v":1,"op":"update","from":"book","set":{"balance":3},"filter":[["or",["exact","name","ann"],["gt","id",0]]]}), vec![], 2),
        (json!({"v":1,"op":"update","from":"book","set":{"balance":["add",{"f":"balance"},1]},"filter":[["gt",{"e":["mul",{"f":"balance"},2]},0]]}), vec![], 2),
        (json!({"v":1,"op":"update","from":"line","set":{"amount":1},"filter":[["exact",["account","name"],"ann"]]}), vec![], 2),
        (json!({"v":1,"op":"update_many","from":"book","key":["id"],"key_values":[{"$":0}],"set":{"balance":{"$":1}}}), vec![int(hidden), int(9)], 0),
        (json!({"v":1,"op":"delete","from":"line","filter":[["exact","account",{"$":0}]]}), vec![int(hidden)], 0),
        (json!({"v":1,"op":"delete","from":"line","filter":[["exact",["account","name"],"zed"]]}), vec![], 0),
        (json!({"v":1,"op":"delete","from":"book","filter":[["exact","id",{"$":0}]]}), vec![int(hidden)], 0),
    ] {
        assert_eq!(db.run(shape.clone(), params).await.unwrap().affected, affected, "{shape}");
    }
    let untouched = json!({"v":1,"op":"count","from":"account","filter":[["exact","site","b.org"],["gte","balance",30]]});
    assert_eq!(both.owner().one(untouched, vec![]).await, Value::Integer(2));
    // What a row is known by, the host fills in, and nothing moves it elsewhere.
    let added = db.add("book", json!({"name": "cid"})).await;
    let site = json!({"v":1,"from":"account","fields":["site"],"filter":[["exact","id",{"$":0}]]});
    assert_eq!(both.owner().one(site.clone(), vec![int(added)]).await, Value::Text("a.org".into()));
    for shape in [
        json!({"v":1,"op":"update","from":"book","set":{"site":"b.org"}}),
        json!({"v":1,"op":"insert","from":"book","set":{"name":"dee","site":"b.org"}}),
        json!({"v":1,"op":"update_many","from":"book","key":["id"],"key_values":[{"$":0}],"set":{"site":{"$":1}}}),
    ] {
        assert_eq!(code(db.run(shape.clone(), vec![]).await), "unknown-field", "{shape}");
    }
    // A counted key is the host's as well: one that is taken would tell of a row.
    let keyed = json!({"v":1,"op":"insert","from":"book","set":{"id":{"$":0},"name":"eve"}});
    let error = db.run(keyed, vec![int(hidden)]).await.map(drop).unwrap_err();
    assert!(error.code == "access-denied" && error.message.ends_with("the host fills it in; leave it out"), "{error}");
    // The same name on another site is no conflict, and nothing is learnt of it.
    db.add("book", json!({"name": "zed"})).await;
    let again = json!({"v":1,"op":"insert","from":"book","set":{"name":"ann"}});
    assert_eq!(code(db.run(again, vec![]).await), "unique");
    // Nobody's rows are added by nobody.
    let nobody = both.asked(None, None);
    let error = nobody.run(json!({"v":1,"op":"insert","from":"book","set":{"name":"fay"}}), vec![]).await.unwrap_err();
    assert_eq!(error.code, "access-denied", "{error}");
    assert_eq!(count(&both.owner(), "account").await, 6);
}

#[tokio::test]
async fn a_key_points_to_a_row_that_is_there_or_to_none() {
    let both = Both::with(&of_host());
    let keys = both.filled().await;
    let db = both.asked(Some("a.org"), None);
    let line = json!({"v":1,"op":"insert","from":"line","set":{"amount":1,"account":{"$":0}}});
    // One that is hidden and one that isn't there are the same.
    let hidden = db.run(line.clone(), vec![int(keys[2])]).await.unwrap_err();
    let missing = db.run(line.clone(), vec![int(999_999)]).await.unwrap_err();
    assert_eq!(hidden.code, "foreign-key");
    assert_eq!(hidden, missing);
    db.run(line.clone(), vec![int(keys[1])]).await.unwrap();
    let moved = json!({"v":1,"op":"update","from":"line","set":{"account":{"$":0}}});
    assert_eq!(code(db.run(moved.clone(), vec![int(keys[3])]).await), "foreign-key");
    let many = json!({"v":1,"op":"update_many","from":"line","key":["id"],"key_values":[{"$":0}],"set":{"account":{"$":1}}});
    assert_eq!(code(db.run(many, vec![int(1), int(keys[3])]).await), "foreign-key");
    let bulk = |keys: &[i64]| vec![Param::Many(keys.iter().copied().map(Value::Integer).collect())];
    assert_eq!(code(db.run(line.clone(), bulk(&[keys[0], keys[1], keys[2]])).await), "foreign-key");
    assert_eq!(db.run(line, bulk(&[keys[0], keys[1], keys[0]])).await.unwrap().affected, 3);
    // Not by an expression either, whose value nobody looks at.
    let taken = json!({"v":1,"op":"update","from":"line","set":{"account":["subquery",{"from":"note","fields":["book"],"limit":1}]}});
    assert_eq!(code(db.run(taken, vec![]).await), "invalid-shape");
    let behind = json!({"v":1,"op":"insert","from":"book","set":{"name":"new"},"returning":["id"]});
    let then = json!({"v":1,"op":"insert","from":"line","set":{"amount":5,"account":{"ref":[0,"id"]}}});
    let statement = |shape: &Json| Statement { shape: shape.to_string().into(), params: vec![] };
    db.batch(vec![statement(&behind), statement(&then)]).await.unwrap();
    let astray = json!({"v":1,"op":"count","from":"entry","filter":[["exact","site","a.org"],["not",["exact",["account","site"],"a.org"]]]});
    assert_eq!(both.owner().one(astray, vec![]).await, Value::Integer(0));
}

#[tokio::test]
async fn an_insert_in_a_rows_place_meets_no_row_that_isnt_there() {
    let both = Both::with(&of_host());
    both.filled().await;
    let db = both.asked(Some("a.org"), None);
    let upsert = |target: Json| {
        json!({"v":1,"op":"insert","from":"book","set":{"name":"ann","balance":{"$":0}},
               "on_conflict":{"do":"update","target":target,"set":{"balance":{"new":"balance"}}}})
    };
    // `site` isn't one of its fields, so it can't be named; by the key alone one could meet hidden rows.
    let refused = if MARIADB { ["unsupported"; 2] } else { ["access-denied", "unknown-field"] };
    assert_eq!(code(db.run(upsert(json!(["id"])), vec![int(5)]).await), refused[0]);
    assert_eq!(code(db.run(upsert(json!(["site", "name"])), vec![int(5)]).await), refused[1]);
    let ignore = json!({"v":1,"op":"insert","from":"book","set":{"name":"zed"},"on_conflict":{"do":"ignore"}});
    if MARIADB {
        assert_eq!(code(db.run(ignore, vec![]).await), "unsupported");
    } else {
        assert_eq!(db.run(ignore.clone(), vec![]).await.unwrap().affected, 1, "it's only on the other site");
        assert_eq!(db.run(ignore, vec![]).await.unwrap().affected, 0);
    }
    // Where the field is one of the app's, the target may be named.
    let mut seen = reports();
    seen["models"][0]["fields"].as_array_mut().unwrap().push(json!({"name": "site", "kind": "char", "max_length": 50}));
    let rows = must(&[("site", Must::Fact(Fact::Host))]);
    let both = Both::of(&seen, &grants([("account", ModelGrant { rows, ..ModelGrant::of(ALL) })]), &[Capability::Db]);
    both.filled().await;
    let db = both.asked(Some("b.org"), None);
    if !MARIADB {
        assert_eq!(db.run(upsert(json!(["site", "name"])), vec![int(77)]).await.unwrap().affected, 1);
        let balances = json!({"v":1,"from":"account","fields":["balance"],"filter":[["exact","name","ann"]],"order":["id"]});
        assert_eq!(both.owner().ids(balances, vec![]).await, [10, 77]);
    }
    let moved = db.run(json!({"v":1,"op":"update","from":"book","set":{"site":"a.org"}}), vec![]).await.unwrap_err();
    assert_eq!((moved.code, moved.detail("field")), ("access-denied", Some("site")));
    assert!(moved.message.contains("the host puts there"), "{moved}");
}

/// Conditions and expressions that fail for a value which only a hidden row has: a failure would tell of it.
#[tokio::test]
async fn no_error_tells_what_hidden_rows_hold() {
    let both = Both::with(&of_host());
    let keys = both.filled().await;
    let db = both.asked(Some("a.org"), None);
    // Eight times the hidden balance is more than 64 bits.
    let huge = json!(["mul", {"f":"balance"}, 8]);
    let there = json!(["mul", {"f":["account","balance"]}, 8]);
    for shape in [
        json!({"v":1,"op":"count","from":"book","filter":[["gt",{"e":huge},0]]}),
        json!({"v":1,"op":"count","from":"book","filter":[["or",["gt",{"e":huge},0],["exact","name","x"]]]}),
        json!({"v":1,"op":"count","from":"book","filter":[["exact","id",{"$":0}],["gt",{"e":huge},0]]}),
        json!({"v":1,"op":"count","from":"book","annotate":[["h",huge]],"filter":[["gt","h",0]]}),
        json!({"v":1,"op":"count","from":"line","filter":[["gt",{"e":there},0]]}),
        json!({"v":1,"op":"count","from":"line","filter":[["exists",{"from":"book","filter":[["gt",{"e":huge},0]]}]]}),
        json!({"v":1,"op":"count","from":"note","filter":[["gt",{"e":["mul",{"f":["book","balance"]},8]},0]]}),
        json!({"v":1,"from":"book","fields":["id"],"order":[{"e":huge}]}),
        json!({"v":1,"from":"book","fields":["h"],"annotate":[["h",huge]]}),
        json!({"v":1,"op":"aggregate","from":"book","annotate":[["h",["sum",huge]]]}),
        json!({"v":1,"op":"count","from":"book","filter":[["regex","name","^(a|b)"]]}),
    ] {
        let params = if shape.to_string().contains('$') { vec![int(keys[3])] } else { vec![] };
        let result = db.get(shape.clone(), params).await;
        assert!(result.is_ok(), "{shape}: {result:?}");
    }
    for shape in [
        json!({"v":1,"op":"update","from":"book","set":{"balance":1},"filter":[["gt",{"e":huge},0]]}),
        json!({"v":1,"op":"update","from":"book","set":{"balance":huge}}),
        json!({"v":1,"op":"delete","from":"line","filter":[["gt",{"e":there},0]]}),
    ] {
        let result = db.run(shape.clone(), vec![]).await;
        assert!(result.is_ok(), "{shape}: {result:?}");
    }
    // It would fail there indeed.
    let other = both.asked(Some("b.org"), None);
    let shape = json!({"v":1,"op":"count","from":"book","filter":[["gt",{"e":huge},0]]});
    assert_eq!(code(other.get(shape, vec![]).await), "invalid-value");
}

#[tokio::test]
async fn rules_of_other_kinds_hold_as_well() {
    let view = |rows: &[(&str, Must)], filter: Vec<Json>| {
        grants([("account", ModelGrant { rows: must(rows), filter, ..ModelGrant::of([Action::View]) })])
    };
    let be = |values: Vec<Json>| Must::Be(values);
    for (models, user, expected) in [
        (view(&[("user", Must::Fact(Fact::User))], vec![]), Some(1), 2),
        (view(&[("user", Must::Fact(Fact::User))], vec![]), None, 0),
        (view(&[("name", be(vec!["ann".into(), "zed".into()]))], vec![]), None, 3),
        (view(&[("name", be(vec!["ann".into()])), ("user", Must::Fact(Fact::User))], vec![]), Some(1), 2),
        (view(&[], vec![json!(["gte", "balance", 20])]), None, 3),
        (view(&[("site", be(vec!["b.org".into()]))], vec![json!(["or", ["exact", "name", "ann"], ["lt", "balance", 0]])]), None, 1),
        (view(&[("secret", be(vec![7.into()]))], vec![json!(["startswith", "name", "b"])]), None, 1),
    ] {
        let both = Both::with(&models);
        both.filled().await;
        let db = both.asked(None, user);
        assert_eq!(count(&db, "book").await, expected, "{models:?}");
        let reckoned = json!({"v":1,"op":"count","from":"book","filter":[["gte",{"e":["length",{"f":"name"}]},1]]});
        assert_eq!(integer(&db.one(reckoned, vec![]).await), expected);
    }
    // What a filter may say is about the row alone, and about fields that there are.
    for (filter, says) in [
        (json!(["exact", "nam", "x"]), "no field `nam`"),
        (json!(["exact", ["entries", "amount"], 1]), "one row"),
        (json!(["exact", "name", {"$": 0}]), "no holes"),
        (json!(["gt", "balance", "x"]), ""),
        (json!("x"), ""),
    ] {
        let both = Both::with(&view(&[], vec![filter.clone()]));
        let error = both.app().get(json!({"v":1,"from":"book"}), vec![]).await.unwrap_err();
        assert!(error.code == "access-denied" && error.message.contains(says), "{filter}: {error}");
    }
    for (rows, says) in [
        (("name", Must::Fact(Fact::User)), "compares `name`, which is of kind char, with `$user`; that is a whole number"),
        (("balance", Must::Fact(Fact::Host)), "with `$host`; that is a text, so compare it with one of kind char, text"),
        (("balance", be(vec!["x".into()])), "doesn't fit"),
        (("user", be(vec![Json::Null])), "nothing equals that"),
    ] {
        let both = Both::with(&view(&[rows], vec![]));
        let error = both.app().get(json!({"v":1,"from":"book"}), vec![]).await.unwrap_err();
        assert!(error.code == "access-denied" && error.message.contains(says), "{error}");
    }
}

#[tokio::test]
async fn what_would_tell_of_hidden_rows_is_refused_with_the_grant() {
    let rows = must(&[("user", Must::Fact(Fact::User))]);
    // `site` and `name` are unique together among all users' rows.
    let telling = ModelGrant { rows: rows.clone(), ..ModelGrant::of(ALL) };
    let both = Both::with(&grants([("account", telling.clone())]));
    let error = both.app().get(json!({"v":1,"from":"book"}), vec![]).await.unwrap_err();
    assert!(error.code == "access-denied" && error.message.contains("`site`, `name` is unique among all rows"), "{error}");
    for meant in [
        ModelGrant { reveals_unique: true, ..telling.clone() },
        ModelGrant { writes: only(&["balance"]), ..telling },
        ModelGrant { rows, ..ModelGrant::of([Action::View, Action::Delete]) },
    ] {
        let both = Both::with(&grants([("account", meant.clone())]));
        both.filled().await;
        let db = both.asked(None, Some(2));
        assert_eq!(count(&db, "book").await, 2, "{meant:?}");
    }
    // SQL of one's own is held to no rule.
    let both = Both::of(&reports(), &of_host(), &[Capability::Db, Capability::DbRaw]);
    let db = both.asked(Some("a.org"), None);
    assert_eq!(code(db.fetch_raw("SELECT name FROM ledger__account", vec![]).await), "access-denied");
    assert_eq!(code(db.execute_raw("DELETE FROM reports__note", vec![]).await), "access-denied");
}

#[tokio::test]
async fn plans_that_are_ready_serve_each_request_with_its_own_rows() {
    let both = Both::with(&of_host());
    both.filled().await;
    let shape = json!({"v":1,"from":"book","fields":["name"],"order":["name"],"filter":[["gte","name",{"$":0}]]});
    let (a, b) = (both.asked(Some("a.org"), None), both.asked(Some("b.org"), None));
    for _ in 0..20 {
        for (db, second) in [(&a, "bob"), (&b, "zed")] {
            let rows = db.get(shape.clone(), vec![text("ann")]).await.unwrap();
            assert_eq!(rows.cells, [Value::Text("ann".into()), Value::Text(second.into())]);
        }
    }
    // In a transaction, piece by piece, and when a page is made.
    let transaction = a.begin().await.unwrap();
    let bytes = shape.to_string();
    let rows = transaction.fetch(bytes.as_bytes(), vec![text("b")]).await.unwrap();
    assert_eq!(rows.cells, [Value::Text("bob".into())]);
    transaction.rollback().await.unwrap();
    let cursor = b.open(bytes.as_bytes(), vec![text("b")]).unwrap();
    assert_eq!(cursor.next(10, 1_000).await.unwrap().cells, [Value::Text("zed".into())]);
}
