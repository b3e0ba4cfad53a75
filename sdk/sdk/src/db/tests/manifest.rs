//! What models say of themselves.

use serde_json::json;

use super::*;

#[test]
fn the_manifest_is_what_the_structs_say() {
    let manifest = crate::app::describe(&crate::app::Description {
        name: "polls",
        label: "",
        version: "1.2.3",
        models: &[Question::META, Choice::META],
        routes: &[],
        capabilities: &["templates"],
    });
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("json");
    assert_eq!(
        manifest["models"],
        json!([
            {"name": "question", "fields": [
                {"name": "id", "kind": "auto"},
                {"name": "question_text", "kind": "char", "max_length": 200, "help_text": "Ends with a \"?\""},
                {"name": "pub_date", "kind": "datetime", "index": true, "label": "date published"},
            ], "ordering": ["-pub_date"], "unique_together": [["question_text", "pub_date"]]},
            {"name": "choice", "fields": [
                {"name": "id", "kind": "auto"},
                {"name": "question", "kind": "foreign_key", "to": "question", "on_delete": "cascade", "related_name": "choices"},
                {"name": "choice_text", "kind": "text"},
                {"name": "votes", "kind": "integer", "default": 0},
                {"name": "replaces", "kind": "foreign_key", "to": "choice", "on_delete": "set_null", "null": true},
                {"name": "size", "kind": "text", "default": "s",
                    "choices": [{"value": "s", "label": "Small"}, {"value": "l", "label": "Large"}]},
                {"name": "weight", "kind": "float", "null": true},
            ]},
        ])
    );
    let asked = json!([{"name": "db", "required": true}, {"name": "templates", "required": true}]);
    assert_eq!(manifest["capabilities"], asked);
    assert_eq!((&manifest["v"], &manifest["version"]), (&json!(1), &json!("1.2.3")));
    assert!(relations_stay_inside(&[Question::META, Choice::META]) && !relations_stay_inside(&[Choice::META]));
}

/// What a size is called.
#[derive(Choices, Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    #[choice("s", "Small one")]
    Small,
    VeryLarge,
}

#[derive(Choices, Debug, Clone, Copy, PartialEq, Eq)]
enum Rank {
    #[choice(-1)]
    Low,
    #[choice(1, "Top")]
    High,
}

#[derive(Fields, Debug)]
struct Timestamps {
    #[field(auto_now_add)]
    created: DateTime,
    #[field(auto_now)]
    changed: DateTime,
    note: Option<String>,
}

#[derive(Model, Debug)]
#[model(
    table = "legacy_item",
    managed = false,
    ordering = ["-created", "size"],
    indexes = [["size", "rank"], Index::on([Self::SLUG.lower().asc()]).named("item_slug").filter(Self::STOCK.gt(0)).include(Self::RANK)],
    constraints = [
        Constraint::check("stock_small", Self::STOCK.le(100) & Self::PRICE.ge("0.50".parse::<Decimal>().unwrap_or_default())).message("Too many."),
        Constraint::unique("one_of_each", (Self::SIZE, Self::EMAIL.lower())).filter(Self::RANK.eq(Rank::High)).nulls_not_distinct(),
        Constraint::unique("later", Self::SLUG).deferrable(),
    ],
    default_permissions = ["add", "view"],
    permissions = [("publish", "Can publish")],
)]
struct Item {
    id: Id<Self, Uuid>,
    #[field(slug, unique)]
    slug: String,
    #[field(email, blank)]
    email: String,
    #[field(url, max_length = 300)]
    home: Option<String>,
    #[field(max_digits = 10, decimal_places = 2, default = "9.99", min = "0.00")]
    price: Decimal,
    #[field(default = 1, min = 0, max = 100, column = "stk", editable = false)]
    stock: i16,
    small: u16,
    large: u32,
    #[field(default = Size::Small)]
    size: Size,
    rank: Option<Rank>,
    #[field(protocol = "ipv4")]
    address: IpAddr,
    #[field(upload_to = "covers")]
    cover: ImagePath,
    file: Option<FilePath>,
    #[field(db_default = now())]
    seen: DateTime,
    #[field(generated = Self::STOCK * 2, stored)]
    double: i16,
    #[field(max_length = 5, min_length = 2, regex = "^[a-z]+$")]
    code: String,
    #[field(flatten, default)]
    times: Timestamps,
    #[field(on_delete = DoNothing, db_constraint = false)]
    parent: Option<ForeignKey<Self>>,
    #[field(through = Pair, through_fields = ["one", "other"], related_name = "friend_of")]
    friends: ManyToMany<Self>,
}

#[derive(Model, Debug)]
#[model(primary_key = ["one", "other"])]
struct Pair {
    #[field(on_delete = Cascade, related_name = "pairs")]
    one: ForeignKey<Item>,
    #[field(on_delete = Cascade, related_name = "other_pairs")]
    other: ForeignKey<Item>,
}

fn described(models: &'static [&'static ModelMeta]) -> serde_json::Value {
    let manifest = crate::app::describe(&crate::app::Description {
        name: "shop",
        label: "",
        version: "1.0.0",
        models,
        routes: &[],
        capabilities: &[],
    });
    serde_json::from_str(&manifest).unwrap_or_else(|error| panic!("{manifest}: {error}"))
}

#[test]
fn every_kind_and_option_is_in_the_manifest() {
    let models = described(&[Item::META, Pair::META]);
    let item = &models["models"][0];
    let fields = json!([
        {"name": "id", "kind": "auto_uuid"},
        {"name": "slug", "kind": "slug", "max_length": 50, "unique": true},
        {"name": "email", "kind": "email", "max_length": 254, "blank": true},
        {"name": "home", "kind": "url", "max_length": 300, "null": true},
        {"name": "price", "kind": "decimal", "max_digits": 10, "decimal_places": 2, "default": "9.99", "validators": [["min_value", "0.00"]]},
        {"name": "stock", "kind": "small_integer", "column": "stk", "default": 1, "validators": [["min_value", 0], ["max_value", 100]], "editable": false},
        {"name": "small", "kind": "positive_small_integer"},
        {"name": "large", "kind": "positive_integer"},
        {"name": "size", "kind": "char", "max_length": 10, "default": "s",
            "choices": [{"value": "s", "label": "Small one"}, {"value": "very_large", "label": "Very large"}]},
        {"name": "rank", "kind": "integer", "null": true, "choices": [{"value": -1, "label": "Low"}, {"value": 1, "label": "Top"}]},
        {"name": "address", "kind": "ip", "protocol": "ipv4"},
        {"name": "cover", "kind": "image", "max_length": 100, "upload_to": "covers"},
        {"name": "file", "kind": "file", "max_length": 100, "null": true},
        {"name": "seen", "kind": "datetime", "db_default": ["now"]},
        {"name": "double", "kind": "small_integer", "generated": {"expr": ["mul", {"f": "stock"}, 2], "stored": true}},
        {"name": "code", "kind": "char", "max_length": 5, "validators": [["min_length", 2], ["regex", "^[a-z]+$"]]},
        {"name": "created", "kind": "datetime", "auto_now_add": true},
        {"name": "changed", "kind": "datetime", "auto_now": true},
        {"name": "note", "kind": "text", "null": true},
        {"name": "parent", "kind": "foreign_key", "to": "item", "on_delete": "do_nothing", "db_constraint": false, "null": true},
        {"name": "friends", "kind": "many_to_many", "to": "item", "through": "pair", "through_fields": ["one", "other"], "related_name": "friend_of"},
    ]);
    for (found, expected) in item["fields"].as_array().expect("fields").iter().zip(fields.as_array().expect("fields")) {
        assert_eq!(found, expected);
    }
    assert_eq!(item["fields"].as_array().map(Vec::len), fields.as_array().map(Vec::len));
    assert_eq!((&item["table"], &item["managed"]), (&json!("legacy_item"), &json!(false)));
    assert_eq!((&item["ordering"], &item["primary_key"]), (&json!(["-created", "size"]), &json!(null)));
    assert_eq!(
        item["indexes"],
        json!([["size", "rank"], {"name": "item_slug", "expressions": [["lower", {"f": "slug"}]], "condition": ["gt", "stock", 0], "include": ["rank"]}])
    );
    assert_eq!(
        item["constraints"],
        json!([
            {"name": "stock_small", "check": ["and", ["lte", "stock", 100], ["gte", "price", "0.50"]], "message": "Too many."},
            {"name": "one_of_each", "unique": ["size"], "expressions": [["lower", {"f": "email"}]], "condition": ["exact", "rank", 1], "nulls_distinct": false},
            {"name": "later", "unique": ["slug"], "deferrable": true},
        ])
    );
    assert_eq!(item["default_permissions"], json!(["add", "view"]));
    assert_eq!(item["permissions"], json!([["publish", "Can publish"]]));
    assert_eq!(models["models"][1]["primary_key"], json!(["one", "other"]));
    assert!(!relations_stay_inside(&[Item::META]), "`through` is a relation, too");
}

#[test]
fn choices_have_values_and_labels() {
    assert_eq!(Size::ALL, [Size::Small, Size::VeryLarge]);
    assert_eq!((Size::Small.value(), Size::Small.label(), Size::VeryLarge.label()), ("s", "Small one", "Very large"));
    assert_eq!((Rank::of_value(1), Rank::of_value(0)), (Some(Rank::High), None));
    assert_eq!(serde_json::to_value([Size::VeryLarge]).expect("json"), json!(["very_large"]));
    assert_eq!(serde_json::from_value::<Rank>(json!(-1)).expect("a rank"), Rank::Low);
    let error = serde_json::from_value::<Size>(json!("m")).expect_err("no size");
    assert!(error.to_string().contains("must be one of: s, very_large"), "{error}");
    #[derive(serde::Deserialize)]
    struct Form {
        size: Option<Size>,
        rank: Rank,
    }
    let form: Form = crate::form::read(b"size=&rank=1", 422).expect("a form");
    assert_eq!((form.size, form.rank), (None, Rank::High));
    assert_eq!(
        asked(Item::objects().filter(Item::SIZE.eq(Size::Small) & Item::RANK.is_in([Rank::Low])))["filter"][0][2],
        json!(["in", "rank", {"$": 1}])
    );
}

#[test]
fn flattened_fields_are_the_models_own() {
    assert_eq!(
        asked(
            Item::objects()
                .filter(Item::TIMES.created().lt(DateTime::UNIX_EPOCH) & Item::PARENT.times().note().is_null())
        )["filter"],
        json!([["and", ["lt", "created", {"$": 0}], ["isnull", ["parent", "note"], true]]])
    );
    let new = NewItem {
        slug: "a".into(),
        email: "a@example.org".into(),
        small: 1,
        large: 2,
        address: IpAddr::from([127, 0, 0, 1]),
        cover: "covers/a.png".into(),
        code: "abc".into(),
    };
    let names = |columns: Vec<(&'static str, Value)>| columns.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let set = ["slug", "email", "size", "small", "large", "address", "cover", "code"];
    let found = names(New::<Item>::columns(
        new.size(Size::VeryLarge)
            .times(NewTimestamps {}.created(DateTime::UNIX_EPOCH).changed(DateTime::UNIX_EPOCH).note("x")),
    ));
    assert!(set.iter().all(|name| found.contains(name)), "{found:?}");
    assert!(found.ends_with(&["created", "changed", "note"]), "{found:?}");
    assert!(!found.contains(&"double") && !found.contains(&"friends"), "{found:?}");
}

#[test]
fn a_key_of_several_fields_is_asked_field_by_field() {
    let pair = Pair { one: Id::new(Uuid::from_u128(1)).into(), other: Id::new(Uuid::from_u128(2)).into() };
    assert_eq!(pair.pk(), (Id::new(Uuid::from_u128(1)), Id::new(Uuid::from_u128(2))));
    let mut filters = Vec::new();
    pair.pk().raw().conditions(Pair::META.primary_key, &mut filters);
    let mut set = Pair::objects();
    set.query.filters = filters;
    assert_eq!(asked(set.clone())["filter"], json!([["exact", "one", {"$": 0}], ["exact", "other", {"$": 1}]]));
    assert_eq!(asked(set.reverse())["order"], json!(["-one", "-other"]));
    assert!(Model::columns(&pair).is_empty(), "there is nothing but the key to save");
}
