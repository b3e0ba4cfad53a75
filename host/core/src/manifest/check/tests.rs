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
    assert_eq!(with_model(pairs).expect("a manifest").tables_to_grant(&[]).count(), 1);
}
