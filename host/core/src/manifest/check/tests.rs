use super::*;

fn with_model(model: serde_json::Value) -> Result<Manifest, ManifestError> {
    parse(&serde_json::json!({ "v": 1, "name": "polls", "models": [model] }).to_string())
}

#[test]
fn a_whole_manifest_is_read_and_written_back() {
    let json = serde_json::json!({
        "v": 1, "name": "polls", "version": "0.1.0",
        "models": [
            { "name": "question", "ordering": ["-pub_date"], "fields": [
                { "name": "id", "kind": "auto" },
                { "name": "question_text", "kind": "char", "max_length": 200 },
                { "name": "pub_date", "kind": "datetime", "label": "date published" },
            ]},
            { "name": "choice", "fields": [
                { "name": "id", "kind": "auto" },
                { "name": "question", "kind": "foreign_key", "to": "question", "on_delete": "cascade", "related_name": "choices" },
                { "name": "votes", "kind": "integer", "default": 0 },
            ]},
        ],
        "routes": [{ "path": "/{question:int}/vote/", "methods": ["POST"], "name": "vote" }],
        "capabilities": [{ "name": "db", "required": true }],
    });
    let manifest = parse(&json.to_string()).expect("a manifest");
    assert_eq!(manifest.model("choice").expect("the model").fields[1].column(), "question_id");
    assert_eq!(serde_json::to_value(&manifest).expect("json"), json);
    assert_eq!(manifest.missing(&crate::grants::Grants::none()).count(), 1);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let cases = [
        (serde_json::json!({"name": "x;drop", "fields": []}), "not a valid name"),
        (serde_json::json!({"name": "x", "fields": []}), "no primary key"),
        (
            serde_json::json!({"name": "x", "fields": [{"name":"a","kind":"text"},{"name":"id","kind":"auto"}]}),
            "come first",
        ),
        (
            serde_json::json!({"name": "x", "fields": [{"name":"id","kind":"auto"},{"name":"a","kind":"telepathy"}]}),
            "telepathy",
        ),
        (
            serde_json::json!({"name": "x", "fields": [{"name":"id","kind":"auto"},{"name":"id","kind":"text"}]}),
            "twice",
        ),
        (
            serde_json::json!({"name": "x", "fields": [{"name":"id","kind":"auto"},
            {"name":"a","kind":"foreign_key","to":"y","on_delete":"cascade"}]}),
            "unknown model `y`",
        ),
        (
            serde_json::json!({"name": "x", "fields": [{"name":"id","kind":"auto"},
            {"name":"a","kind":"foreign_key","to":"x","on_delete":"set_null"}]}),
            "set `null`",
        ),
        (
            serde_json::json!({"name": "x", "fields": [{"name":"id","kind":"auto"},
            {"name":"a","kind":"foreign_key","to":"x","on_delete":"cascade"},{"name":"a_id","kind":"integer"}]}),
            "`a_id` stands twice",
        ),
        (
            serde_json::json!({"name": "x", "ordering": ["-titel"], "fields": [{"name":"id","kind":"auto"},{"name":"title","kind":"text"}]}),
            "did you mean `title`",
        ),
        (serde_json::json!({"name": "x", "label": "a\u{202e}b", "fields": [{"name":"id","kind":"auto"}]}), "u{202e}"),
        (
            serde_json::json!({"name": "x", "fields": [{"name":"id","kind":"auto"},
            {"name":"a","kind":"foreign_key","to":"z".repeat(900_000),"on_delete":"cascade"}]}),
            "unknown model `zzz",
        ),
    ];
    for (model, word) in cases {
        let error = with_model(model).expect_err(word).to_string();
        assert!(error.contains(word) && error.len() < 1_000, "{error} should contain {word}");
    }
    let forging = serde_json::json!({"v": 1, "name": "a", "version": "1\n2026-01-01 ERROR forged"}).to_string();
    assert!(parse(&forging).expect_err("two lines").to_string().contains("line break"));
}

/// The published schema is made of the types; after a change of them, run this test with `UPDATE_SCHEMA=1`.
#[test]
#[allow(clippy::disallowed_methods)] // A test of a file in the checkout.
fn the_published_schema_is_in_step() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/app/manifest.schema.json");
    let schema = schemars::schema_for!(Manifest);
    let now = serde_json::to_string_pretty(&schema).expect("json") + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &now).expect("the file is ours");
    }
    let published = std::fs::read_to_string(path).expect("wit/app/manifest.schema.json");
    assert!(published == now, "wit/app/manifest.schema.json is not what the types say");
}

#[test]
fn hostile_documents_are_refused() {
    for json in [
        "",
        "null",
        "[]",
        "{",
        "{\"v\":2,\"name\":\"a\"}",
        "{\"v\":1}",
        &"[".repeat(100_000),
        &"x".repeat(MAX_BYTES + 1),
    ] {
        assert!(parse(json).is_err());
    }
    assert!(parse("{\"v\":7}").expect_err("a newer one").to_string().contains("update the host"));
}

#[test]
fn tables_that_may_be_another_apps_need_a_grant() {
    let named = |table: &str| {
        with_model(serde_json::json!({"name": "row", "table": table, "fields": [{"name": "id", "kind": "auto"}]}))
    };
    let asked = |table: &str, granted: &[&str]| {
        let granted: Vec<String> = granted.iter().map(ToString::to_string).collect();
        named(table).expect("a manifest").tables_to_grant(&granted).count()
    };
    for own in ["polls__row", "polls__other", "polls___"] {
        assert_eq!(asked(own, &[]), 0, "{own}");
    }
    for other in ["Album", "blog__row", "polls_row", "polls2__row", "poll__row", "_polls__row"] {
        assert_eq!(asked(other, &["album", "Blog__row"]), 1, "{other}");
        assert_eq!(asked(other, &["x", other]), 0, "{other}");
    }
    assert!(named("Polls__row").is_err() && named("bandstand__app").is_err());
    // A table between two models has a name as well.
    let pairs = serde_json::json!({"name": "row", "fields": [{"name": "id", "kind": "auto"},
        {"name": "others", "kind": "many_to_many", "to": "row", "db_table": "blog__row_tags"}]});
    let pairs = with_model(pairs).expect("a manifest");
    assert_eq!((pairs.tables_to_grant(&[]).count(), pairs.tables_to_manage(&[]).count()), (1, 1));
    // A granted one stays as it is, unless the operator says otherwise or the model leaves it alone.
    let managed = |managed: bool, allowed: &[String]| {
        let model = serde_json::json!({"name": "row", "table": "Album", "managed": managed,
            "fields": [{"name": "id", "kind": "auto"}]});
        with_model(model).expect("a manifest").tables_to_manage(allowed).count()
    };
    assert_eq!((managed(true, &[]), managed(true, &["Album".into()]), managed(false, &[])), (1, 0, 0));
    assert_eq!(named("polls__other").expect("a manifest").tables_to_manage(&[]).count(), 0);
}

/// A manifest with something of everything.
fn rich() -> serde_json::Value {
    serde_json::from_str(include_str!("rich.json")).expect("JSON")
}

#[test]
fn all_that_a_manifest_says_is_kept_and_the_tables_of_pairs_are_added() {
    let json = rich();
    let manifest = parse(&json.to_string()).expect("a manifest");
    let mut written = serde_json::to_value(&manifest).expect("json");
    let models = written["models"].as_array_mut().expect("models");
    let added: Vec<serde_json::Value> = models.drain(5..).collect();
    assert_eq!(written, json);
    let names: Vec<&str> = added.iter().filter_map(|model| model["name"].as_str()).collect();
    assert_eq!(names, ["item_tags", "item_similar"]);
    assert_eq!(
        added[0],
        serde_json::json!({"name": "item_tags", "auto_created": true, "unique_together": [["item", "tag"]], "fields": [
            {"name": "id", "kind": "auto"},
            {"name": "item", "kind": "foreign_key", "to": "item", "on_delete": "cascade", "related_name": "+"},
            {"name": "tag", "kind": "foreign_key", "to": "tag", "on_delete": "cascade", "related_name": "+"}]})
    );
    assert_eq!((&added[1]["table"], &added[1]["fields"][1]["name"]), (&"shop__alike".into(), &"from_item".into()));
    // What was written is read as the same, and nobody can slip in a table of pairs of his own.
    let mut again = serde_json::to_value(&manifest).expect("json");
    assert_eq!(parse(&again.to_string()).as_ref(), Ok(&manifest));
    again["models"][5]["table"] = "bandstand__app".into();
    assert_eq!(parse(&again.to_string()), Ok(manifest.clone()));
    assert_eq!(manifest.foreign_tables().collect::<Vec<_>>(), ["Country"]);
    let keys = |model: &str| {
        let key = manifest.model(model).expect("the model").key();
        key.map(|field| field.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!((keys("tag"), keys("sale"), keys("detail")), (vec!["id"], vec!["item", "country", "day"], vec!["item"]));
}

/// The rich manifest with one place changed: `/models/2/fields/1/max_length`.
fn changed(place: &str, value: serde_json::Value) -> Result<Manifest, ManifestError> {
    let mut json = rich();
    let (parent, member) = place.rsplit_once('/').expect("a place");
    match json.pointer_mut(parent).expect(place) {
        serde_json::Value::Array(list) if member == "-" => list.push(value),
        serde_json::Value::Array(list) => list[member.parse::<usize>().expect("a number")] = value,
        object => object[member] = value,
    }
    parse(&json.to_string())
}

#[test]
fn what_makes_no_sense_in_a_model_is_named_with_a_way_out() {
    use serde_json::json;
    let id = || json!({"name": "id", "kind": "auto"});
    let many = |more: serde_json::Value| {
        let mut field = json!({"name": "others", "kind": "many_to_many", "to": "tag", "related_name": "+"});
        for (member, value) in more.as_object().expect("an object") {
            field[member] = value.clone();
        }
        field
    };
    let pairs = |most: usize| (0..most).map(|at| many(json!({"name": format!("m{at}")}))).collect::<Vec<_>>();
    let long = "x".repeat(10_000);
    for (place, value, words) in [
        // Keys.
        ("/models/2/primary_key", json!(["name"]), "fills itself"),
        ("/models/3/primary_key", json!([]), "no primary key"),
        ("/models/3/primary_key", json!(["item", "item"]), "stands twice"),
        ("/models/3/primary_key", json!(["itm"]), "did you mean `item`"),
        ("/models/3/fields/2/null", json!(true), "can't be null"),
        ("/models/3/primary_key", json!(["day"]), "makes no primary key"),
        ("/models/4/primary_key", json!(["a", "b", "c", "d", "e", "f", "g", "h", "i"]), "more than 8"),
        ("/models/4/fields/0/to", json!("detail"), "leads back to itself"),
        ("/models/2/fields/-", id(), "`id` stands twice"),
        ("/models/2/fields/-", json!({"name": "other", "kind": "auto_uuid"}), "second primary key"),
        ("/models/0/fields/0/default", json!("00"), "have a default"),
        ("/models/2/fields/12/to", json!("sale"), "several fields"),
        ("/models/2/fields/-", many(json!({"to": "sale"})), "several fields"),
        ("/models/3/fields/-", many(json!({})), "several fields"),
        ("/models/2/fields/-", json!({"name": "pk", "kind": "integer"}), "means the primary key"),
        // Kinds.
        ("/models/2/fields/2/max_digits", json!(29), "1 to 28"),
        ("/models/2/fields/2/max_digits", json!(0), "1 to 28"),
        ("/models/2/fields/2/max_digits", json!(300), "document"),
        ("/models/2/fields/2/decimal_places", json!(9), "more than its max_digits"),
        ("/models/0/fields/1/max_length", json!(0), "1 to 1000000"),
        ("/models/2/fields/8/max_length", json!(1_000_001), "1 to 1000000"),
        ("/models/2/fields/10/protocol", json!("ipv5"), "ipv5"),
        ("/models/2/fields/11/upload_to", json!("../out"), "without `..`"),
        ("/models/2/fields/11/upload_to", json!("/etc"), "relative"),
        ("/models/2/fields/11/upload_to", json!("a\\b"), "relative"),
        // Options.
        ("/models/2/fields/2/db_default", json!("1"), "several of default"),
        ("/models/2/fields/6/default", json!(0), "several of default"),
        ("/models/2/fields/1/auto_now", json!(true), "date, time and datetime"),
        ("/models/2/fields/5/validators", json!([["min_value", 0]]), "nobody gives it a value"),
        ("/models/2/fields/12/generated", json!({"expr": {"f": "name"}}), "can't be generated"),
        ("/models/2/fields/1/validators", json!([["min_value", 0]]), "for numbers"),
        ("/models/2/fields/3/validators", json!([["regex", "x"]]), "for texts"),
        ("/models/2/fields/1/validators", json!([["reguex", "x"]]), "did you mean `regex`"),
        ("/models/2/fields/1/validators", json!([["min_length"]]), "document"),
        ("/models/2/fields/1/validators", json!([["min_length", -1]]), "whole number"),
        ("/models/2/fields/1/validators", json!([["regex", long]]), "the most is 1000"),
        ("/models/2/fields/1/validators", json!(vec![json!(["min_length", 1]); 21]), "more than 20"),
        ("/models/2/fields/3/db_default", json!(["add", long, 1]), "the most is 8192"),
        ("/models/2/fields/1/column", json!("a\"b"), "no name for a column"),
        ("/models/2/fields/1/column", json!("1a"), "not beginning with a digit"),
        ("/models/2/fields/1/column", json!("x".repeat(61)), "1 to 60"),
        ("/models/2/fields/1/column", json!("PRICE"), "`price` stands twice"),
        // Relations.
        ("/models/2/fields/12/related_name", json!("a-b"), "not a valid name"),
        ("/models/2/fields/-", many(json!({"to": "tagg"})), "did you mean `tag`"),
        ("/models/2/fields/-", many(json!({"null": true})), "has no column"),
        ("/models/2/fields/-", many(json!({"through": "sale"})), "one foreign key to `item` and one to `tag`"),
        ("/models/2/fields/-", many(json!({"through": "nothing"})), "unknown model `nothing`"),
        ("/models/2/fields/-", many(json!({"through": "sale", "db_table": "x"})), "db_table and through"),
        ("/models/2/fields/-", many(json!({"through_fields": ["a", "b"]})), "no through"),
        ("/models/2/fields/16/through_fields", json!(["item"]), "are two"),
        ("/models/2/fields/16/through_fields", json!(["country", "item"]), "no foreign key of `sale` to `item`"),
        ("/models/2/fields/-", many(json!({"name": "x".repeat(30)})), "too long"),
        ("/models/4/name", json!("item_tags"), "as another model is"),
        ("/models/2/fields/-", many(json!({"db_table": "a b"})), "no name for a table"),
        ("/models/2/fields/-", many(json!({"db_table": "bandstand__app"})), "kept for"),
        // Tables.
        ("/models/1/table", json!("Country; DROP"), "no name for a table"),
        ("/models/1/table", json!("BandStand__app"), "kept for"),
        ("/models/1/table", json!("sqlite_sequence"), "kept for"),
        ("/models/1/table", json!("PG_class"), "kept for"),
        ("/models/1/table", json!("Shop__item"), "in lower case"),
        ("/models/1/table", json!("shop__item"), "`shop__item` stands twice"),
        // Indexes and constraints.
        ("/models/2/indexes/-", json!([]), "1 to 16"),
        ("/models/2/indexes/-", json!(["nmae"]), "did you mean `name`"),
        ("/models/2/indexes/-", json!(["tags"]), "is no column"),
        ("/models/2/indexes/-", json!(7), "a list of fields, or an object"),
        ("/models/2/indexes/-", json!({"fields": ["name"], "condition": ["isnull", "name", true]}), "needs a `name`"),
        ("/models/2/indexes/-", json!({"name": "cheap", "fields": ["name"]}), "`cheap` stands twice"),
        ("/models/2/indexes/-", json!({"name": "x y", "fields": ["name"]}), "not a valid name"),
        ("/models/2/indexes/-", json!({"name": "n", "fields": ["name"], "include": ["nothing"]}), "`nothing`"),
        ("/models/2/indexes", json!(vec![json!(["name"]); 51]), "the most is 50"),
        ("/models/2/constraints/-", json!({"name": "c"}), "says nothing"),
        ("/models/2/constraints/-", json!({"check": ["isnull", "name", true]}), "name"),
        ("/models/2/constraints/-", json!({"name": "late", "unique": ["name"]}), "`late` stands twice"),
        ("/models/2/constraints/-", json!({"name": "c", "check": [], "unique": ["name"]}), "two constraints"),
        ("/models/2/constraints/-", json!({"name": "c", "check": [], "deferrable": true}), "nothing else"),
        ("/models/2/constraints/-", json!({"name": "c", "check": ["exact", "name", long]}), "the most is 8192"),
        ("/models/2/constraints/-", json!({"name": "c", "unique": ["name", "name"]}), "`name` stands twice"),
        (
            "/models/2/constraints/-",
            json!({"name": "c", "unique": ["name"], "include": ["id"], "deferrable": true}),
            "deferrable",
        ),
        ("/models/2/constraints/0/message", json!("a\u{202e}b"), "u{202e}"),
        ("/models/2/default_permissions", json!(["add", "fly"]), "belongs into `permissions`"),
        ("/models/2/permissions", json!([["view", "again"]]), "`view` stands twice"),
        ("/models/2/permissions", json!([["can publish", "x"]]), "a-z, 0-9"),
        ("/models/2/permissions", json!([["publish"]]), "document"),
        // One more than there may be.
        ("/models", json!(vec![json!({"name": "tag", "fields": [id()]}); 501]), "the most is 500"),
        ("/models/2/fields", json!(pairs(501)), "the most is 500"),
        ("/models/2/fields", json!(vec![id(); 301]), "the most is 300"),
        ("/models/2/fields/4/choices", json!(vec![json!({"value": "a", "label": "A"}); 1_001]), "the most is 1000"),
        ("/models/2/fields/11/upload_to", json!("x".repeat(201)), "at most 200 bytes"),
        ("/models/2/ordering", json!(vec!["name"; 17]), "the most is 16"),
        ("/models/2/unique_together", json!(vec![json!(["name"]); 51]), "the most is 50"),
        ("/models/2/unique_together/-", json!(vec!["name"; 17]), "1 to 16"),
        ("/models/2/indexes/-", json!(vec!["name"; 17]), "1 to 16"),
        ("/models/2/indexes/1/include", json!(vec!["name"; 17]), "more than 16 fields"),
        ("/models/2/constraints", json!(vec![json!({"name": "c", "unique": ["name"]}); 51]), "the most is 50"),
        ("/models/2/constraints/1/unique", json!(vec!["name"; 17]), "more than 16 fields"),
        ("/models/2/constraints/2/include", json!(vec!["name"; 17]), "more than 16 fields"),
        ("/models/2/permissions", json!(vec![json!(["publish", "x"]); 51]), "the most is 50"),
        ("/models/2/permissions", json!([["x".repeat(101), "x"]]), "1 to 100"),
        ("/models/2/label", json!("x".repeat(1_001)), "the most is 1000"),
        ("/routes", json!(vec![json!({"path": "/", "methods": ["GET"]}); 2_001]), "the most is 2000"),
        ("/capabilities", json!(vec![json!({"name": "db"}); 101]), "the most is 100"),
        ("/capabilities/0/name", json!("x".repeat(61)), "1 to 60"),
    ] {
        let shown = format!("{place} {:.80}", value.to_string());
        let error = changed(place, value).expect_err(&shown).to_string();
        assert!(error.contains(words) && error.len() < 1_000, "{shown}: {error}");
    }
}

/// One change of a document, chosen by numbers.
fn mutate(json: &mut serde_json::Value, at: usize, how: usize) {
    use serde_json::{Value, json};
    fn nodes(json: &Value) -> usize {
        1 + match json {
            Value::Array(list) => list.iter().map(nodes).sum(),
            Value::Object(members) => members.values().map(nodes).sum(),
            _ => 0,
        }
    }
    fn find(json: &mut Value, mut at: usize) -> &mut Value {
        if at == 0 {
            return json;
        }
        at -= 1;
        let inner: Vec<&mut Value> = match json {
            Value::Array(list) => list.iter_mut().collect(),
            Value::Object(members) => members.values_mut().collect(),
            _ => Vec::new(),
        };
        for value in inner {
            let size = nodes(value);
            if at < size {
                return find(value, at);
            }
            at -= size;
        }
        unreachable!("counted before")
    }
    let words = [
        "",
        "id",
        "item",
        "tag",
        "price",
        "item_tags",
        "shop__item",
        "auto",
        "auto_uuid",
        "many_to_many",
        "+",
        "pk",
        "x'\"`;--",
        "\u{0}",
        "ä",
        "-price",
        "decimal",
        "one_to_one",
        "sqlite_x",
        "$x",
    ];
    let numbers = [0, 1, -1, 255, 256, 65_536, i64::from(u32::MAX), i64::MIN, i64::MAX];
    let target = find(json, at % nodes(json));
    match how % 8 {
        0 => *target = json!(words[how / 8 % words.len()]),
        1 => *target = json!(numbers[how / 8 % numbers.len()]),
        2 => *target = [json!(null), json!(true), json!([]), json!({}), json!(0.5)][how / 8 % 5].clone(),
        3 => *target = json!([target.clone(), target.clone()]),
        4 => *target = json!({ words[how / 8 % words.len()]: target.clone() }),
        5 => match target {
            Value::Array(list) if !list.is_empty() => drop(list.remove(how / 8 % list.len())),
            Value::Array(list) => list.push(json!("id")),
            Value::Object(members) => {
                let name = members.keys().nth(how / 8 % members.len().max(1)).cloned();
                name.map(|name| members.remove(&name));
            }
            other => *other = json!(null),
        },
        6 => match target {
            Value::Array(list) => list.extend(list.clone()),
            Value::String(text) => *text = text.repeat(how / 8 % 50),
            other => *other = json!(vec![other.clone(); 3]),
        },
        _ => match target {
            Value::Object(members) => {
                members.insert("null".into(), json!(true));
                members.insert(words[how / 8 % words.len()].into(), json!(1));
            }
            other => *other = json!(words[how / 8 % words.len()]),
        },
    }
}

proptest::proptest! {
    #[test]
    fn any_change_of_a_manifest_is_read_or_refused(
        changes in proptest::collection::vec((proptest::prelude::any::<usize>(), proptest::prelude::any::<usize>()), 1..6)
    ) {
        let mut json = rich();
        for (at, how) in changes {
            mutate(&mut json, at, how);
        }
        match parse(&json.to_string()) {
            // What was read is written and read as the same, which is how it is remembered.
            Ok(manifest) => {
                let written = serde_json::to_string(&manifest).expect("json");
                proptest::prop_assert_eq!(parse(&written), Ok(manifest));
            }
            Err(error) => proptest::prop_assert!(error.to_string().len() < 2_000),
        }
    }
}
