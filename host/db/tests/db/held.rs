//! What can't be held for long: the thread that serves requests, by a slow query; the right to write, by a transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use host_core::budget::Limits;
use host_core::context::{RequestContext, RequestId};
use host_core::grants::{Capability, Grants};
use host_core::manifest::Manifest;
use host_core::name::AppId;
use host_db::{AppDb, DbConfig, DbError, Param, RequestDb, Value};
use host_store::StoreConfig;
use serde_json::{Value as Json, json};

use super::site::{Ask, database, text};

fn request(app: &Arc<AppDb>, name: &str, limits: Limits) -> RequestDb {
    let grants = Arc::new(Grants::from_iter([Capability::Db]));
    app.for_request(Arc::new(RequestContext::new(RequestId(1), AppId::new(name).unwrap(), grants, limits)))
}

fn patient() -> Limits {
    Limits { wall_ms: 60_000, db_ms: 60_000, ..Limits::default() }
}

/// An app with a thousand rows that all hang on one of them, and some long texts.
async fn library() -> Arc<AppDb> {
    let db = database(StoreConfig::temporary(), DbConfig::default());
    let manifest = json!({"v":1,"name":"library","models":[{"name":"doc","fields":[
        {"name":"id","kind":"auto"},
        {"name":"parent","kind":"foreign_key","to":"doc","on_delete":"cascade","null":true,"related_name":"children"},
        {"name":"n","kind":"integer","default":0},
        {"name":"body","kind":"text"},
        {"name":"extra","kind":"json","null":true}]}]});
    let app = db.for_app(&Manifest::parse(&manifest.to_string()).unwrap()).unwrap();
    let db = request(&app, "library", patient());
    let root = db.add("doc", json!({"body": "root"})).await;
    let bulk = json!({"v":1,"op":"insert","from":"doc","set":{"parent":root,"n":{"$":0},"body":{"$":1}}});
    for from in [0, 500] {
        let numbers = (from..from + 500).map(Value::Integer).collect();
        let bodies = (from..from + 500).map(|n| Value::Text(format!("{n} {}", "ab".repeat(500)))).collect();
        db.run(bulk.clone(), vec![Param::Many(numbers), Param::Many(bodies)]).await.unwrap();
    }
    for _ in 0..8 {
        let long = Value::Text("ab".repeat(300_000));
        let one = vec![Param::One(Value::Integer(-1)), Param::One(long)];
        db.run(json!({"v":1,"op":"insert","from":"doc","set":{"n":{"$":0},"body":{"$":1}}}), one).await.unwrap();
    }
    app
}

/// What takes long, one of each kind: its name, its shape, its values.
fn slow() -> Vec<(&'static str, Json, Vec<Param>)> {
    let needle = || vec![text(&format!("{}b", "ab".repeat(3_000)))];
    let found = |lookup: &str| json!({"v":1,"op":"count","from":"doc","filter":[[lookup, "body", {"$":0}]]});
    let read = |rest: Json| {
        let mut shape = json!({"v":1,"from":"doc","fields":["id"],"limit":10});
        shape.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        shape
    };
    let body = json!({"f":"body"});
    let value = |e: Json| read(json!({"annotate":[["v",["length",e]]],"fields":["id","v"],"order":["-v","id"]}));
    let pairs = json!({"from":"doc","fields":["id"],"filter":[["exact","parent",{"outer":"parent"}],
        ["gt",{"e":["add",{"f":"n"},{"outer":"n"}]},5_000]]});
    let cross = json!({"from":"doc","fields":["id"],"filter":[["exists",pairs]]});
    let window = |function: Json, frame: bool| {
        let mut over = json!({"order":[[["lower",body],"asc"],[["md5",body],"desc"],"n"]});
        if frame {
            over["frame"] = json!(["rows", null, "unbounded"]);
        }
        read(json!({"annotate":[["w",["window",function,over]]],"fields":["id","w"],"order":["-w","id"]}))
    };
    vec![
        ("contains", found("contains"), needle()),
        ("icontains", found("icontains"), needle()),
        ("startswith", found("istartswith"), needle()),
        ("endswith", found("iendswith"), needle()),
        ("iexact", found("iexact"), needle()),
        ("regex", found("regex"), vec![text("(a|b|ab)*c")]),
        ("iregex", found("iregex"), vec![text("(A|B|AB)*C")]),
        ("lower", value(json!(["lower", body])), vec![]),
        ("replace", value(json!(["replace", body, "ab", "abab"])), vec![]),
        ("reverse", value(json!(["reverse", ["upper", body]])), vec![]),
        ("sha256", value(json!(["sha256", ["sha256", body]])), vec![]),
        ("repeat", value(json!(["repeat", ["left", body, 10], 1_000])), vec![]),
        ("lpad", value(json!(["lpad", body, 60_000, "xy"])), vec![]),
        ("strindex", value(json!(["cast", ["strindex", body, {"$":0}], "text"])), needle()),
        ("order by text", read(json!({"order":[[["lower",body],"asc"],"id"]})), vec![]),
        ("distinct texts", json!({"v":1,"op":"count","from":"doc","fields":["body"],"distinct":true}), vec![]),
        (
            "string_agg",
            json!({"v":1,"op":"aggregate","from":"doc","annotate":[["all",["string_agg",["md5",body],","]]]}),
            vec![],
        ),
        (
            "related of related",
            read(json!({"annotate":[["v",["count",{"f":["children","id"]}]]],"fields":["id","v"],
                "filter":[["gte",["children","parent","children","n"],998],["contains",["children","body"],"zz"]]})),
            vec![],
        ),
        ("cross join", json!({"v":1,"op":"count","from":"doc","filter":[["exists",cross]]}), vec![]),
        (
            "correlated",
            read(json!({"annotate":[["v",["subquery",{"from":"doc","fields":["n"],"order":["-n"],
                "filter":[["lt","n",{"outer":"n"}],["exact","parent",{"outer":"parent"}]]}]]],
                "fields":["id","v"],"order":["-v","id"]})),
            vec![],
        ),
        (
            "recursive",
            json!({"v":1,"op":"count","from":"doc","with":[
                ["t",{"recursive":{"start":[["isnull","parent",true]],"follow":"children"}}],
                ["u",{"recursive":{"start":[["in","id",{"with":"t"}]],"follow":"parent"}}]],
                "filter":[["in","id",{"with":"u"}],["contains","body","zz"]]}),
            vec![],
        ),
        ("window of aggregates", window(json!(["sum", {"f":"n"}]), true), vec![]),
        ("window of places", window(json!(["percent_rank"]), false), vec![]),
        (
            "union",
            json!({"v":1,"from":"doc","fields":["id","body"],"order":["id"],"limit":3,
                "combine":[["union",{"from":"doc","fields":["id","body"],"filter":[["gt","n",3]]}]]}),
            vec![],
        ),
        ("many bytes", json!({"v":1,"from":"doc","fields":["body"],"filter":[["lt","n",900]],"order":["id"]}), vec![]),
        ("a slow update", json!({"v":1,"op":"update","from":"doc","set":{"n":-5},"filter":[["regex","body","(a|b|ab)*c"]]}), vec![]),
        ("a slow delete", json!({"v":1,"op":"delete","from":"doc","filter":[["icontains","body","zzz"]]}), vec![]),
    ]
}

/// The longest time that a task on this thread had to wait beyond what it asked for.
async fn watch(longest: Arc<AtomicU64>) {
    loop {
        let began = Instant::now();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let waited = u64::try_from(began.elapsed().as_millis()).unwrap();
        longest.fetch_max(waited, Ordering::SeqCst);
    }
}

// On one thread: what holds it holds the watch as well.
#[tokio::test(flavor = "current_thread")]
async fn no_query_holds_the_thread_that_serves_requests() {
    let app = library().await;
    // Half of what is asked may be refused; the rest runs until its time is up.
    let limits = Limits { db_ms: 1_500, wall_ms: 20_000, db_rows: 100_000, ..Limits::default() };
    let (mut ran, mut held) = (0, Vec::new());
    for (name, shape, params) in slow() {
        let db = request(&app, "library", limits.clone());
        let longest = Arc::new(AtomicU64::new(0));
        let watching = tokio::spawn(watch(longest.clone()));
        let writes = shape.get("op").is_some_and(|op| op == "update" || op == "delete");
        let result: Result<(), DbError> = match writes {
            true => db.run(shape.clone(), params).await.map(drop),
            false => db.get(shape.clone(), params).await.map(drop),
        };
        watching.abort();
        match &result {
            Ok(()) => ran += 1,
            // What is too long for its time, or refused because the server couldn't be stopped in it.
            Err(error) if ["timeout", "budget", "invalid-value", "unsupported"].contains(&error.code) => {}
            Err(error) => panic!("{name}: {error}"),
        }
        let longest = longest.load(Ordering::SeqCst);
        // On a busy machine everything takes longer; a query that held the thread would do so for its whole time.
        if longest > 500 {
            held.push((name, longest));
        }
    }
    assert!(ran > 15, "{ran} of them ran to their end");
    assert!(held.is_empty(), "{held:?}");
}

/// Three apps with a table each; the first one's transactions are in the others' way.
fn three(store: StoreConfig) -> Vec<Arc<AppDb>> {
    let db = database(store, DbConfig::default());
    let app = |name: &&str| {
        let manifest = json!({"v":1,"name":name,"models":[{"name":"note","fields":[
            {"name":"id","kind":"auto"}, {"name":"n","kind":"integer"}]}]});
        db.for_app(&Manifest::parse(&manifest.to_string()).unwrap()).unwrap()
    };
    THREE.iter().map(app).collect()
}

const THREE: [&str; 3] = ["one", "two", "three"];

const INSERT: &[u8] = br#"{"v":1,"op":"insert","from":"note","set":{"n":1}}"#;

/// The longest of the writes that the second and the third app do until the first one's work ends.
async fn writers(apps: &[Arc<AppDb>], until: impl Future<Output = ()>) -> Duration {
    let write = async |at: usize| {
        let mut longest = Duration::ZERO;
        loop {
            let (db, began) = (request(&apps[at], THREE[at], patient()), Instant::now());
            db.execute(INSERT, vec![]).await.unwrap();
            longest = longest.max(began.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
            if LONG_ENOUGH.with(std::cell::Cell::get) {
                return longest;
            }
        }
    };
    LONG_ENOUGH.with(|flag| flag.set(false));
    let end = async {
        until.await;
        LONG_ENOUGH.with(|flag| flag.set(true));
    };
    let (second, third, ()) = tokio::join!(write(1), write(2), end);
    second.max(third)
}

thread_local! {
    static LONG_ENOUGH: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

#[tokio::test]
async fn a_transaction_that_is_forgotten_delays_others_by_its_idle_time_at_most() {
    let store = StoreConfig { transaction_idle_ms: 300, transaction_total_ms: 60_000, ..StoreConfig::temporary() };
    let apps = three(store);
    let db = request(&apps[0], THREE[0], patient());
    let forgetting = async {
        for _ in 0..3 {
            let transaction = db.begin().await.unwrap();
            transaction.execute(INSERT, vec![]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(900)).await;
            assert_eq!(transaction.commit().await.unwrap_err().code, "timeout");
        }
    };
    let longest = writers(&apps, forgetting).await;
    assert!(longest < Duration::from_millis(300 + 1_500), "{longest:?}");
    assert_eq!(db.one(json!({"v":1,"op":"count","from":"note"}), vec![]).await, Value::Integer(0));
}

#[tokio::test]
async fn a_transaction_that_goes_on_and_on_delays_others_by_its_whole_time_at_most() {
    let store = StoreConfig { transaction_idle_ms: 60_000, transaction_total_ms: 400, ..StoreConfig::temporary() };
    let apps = three(store);
    let db = request(&apps[0], THREE[0], Limits { db_statements: 1 << 40, ..patient() });
    let endless = async {
        for _ in 0..3 {
            let transaction = db.begin().await.unwrap();
            let error = loop {
                if let Err(error) = transaction.execute(INSERT, vec![]).await {
                    break error;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            };
            assert_eq!(error.code, "timeout");
        }
    };
    let longest = writers(&apps, endless).await;
    assert!(longest < Duration::from_millis(400 + 1_500), "{longest:?}");
    assert_eq!(db.one(json!({"v":1,"op":"count","from":"note"}), vec![]).await, Value::Integer(0));
}

#[tokio::test]
async fn a_request_that_ends_with_its_transaction_open_delays_nobody() {
    let store = StoreConfig { transaction_idle_ms: 60_000, transaction_total_ms: 60_000, ..StoreConfig::temporary() };
    let apps = three(store);
    let leaving = async {
        for _ in 0..10 {
            let db = request(&apps[0], THREE[0], patient());
            let transaction = db.begin().await.unwrap();
            transaction.execute(INSERT, vec![]).await.unwrap();
            drop(db);
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(transaction.commit().await.unwrap_err().code, "closed");
        }
    };
    let longest = writers(&apps, leaving).await;
    assert!(longest < Duration::from_millis(2_000), "{longest:?}");
}
