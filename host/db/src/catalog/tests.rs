use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

const ALL: [Dialect; 3] = [Dialect::Sqlite, Dialect::Postgres, Dialect::Mariadb];

/// The manifest with something of everything that `host_core` is tested with.
fn rich() -> Json {
    serde_json::from_str(include_str!("../../../core/src/manifest/check/rich.json")).expect("JSON")
}

fn catalog(json: &Json, dialect: Dialect) -> Result<Catalog, String> {
    let manifest = Manifest::parse(&json.to_string()).map_err(|error| error.to_string())?;
    Catalog::new(&manifest, dialect, &Others::default()).map_err(|error| error.to_string())
}

#[test]
fn each_name_on_a_model_leads_to_what_it_means() {
    // Deferrable is for PostgreSQL alone.
    let catalog = catalog(&rich(), Dialect::Postgres).unwrap();
    let table = |model: &str| catalog.tables.iter().find(|table| table.model == model).unwrap();
    let (item, tag, detail, sale) = (table("item"), table("tag"), table("detail"), table("sale"));
    assert!(matches!(item.step("tags"), Ok(Step::Many(link)) if catalog.tables[link.target].model == "tag"));
    assert!(matches!(tag.step("items"), Ok(Step::Many(link)) if catalog.tables[link.target].model == "item"));
    assert!(matches!(item.step("sale_set"), Ok(Step::Reverse(Reference { single: false, .. }))));
    assert!(matches!(item.step("detail"), Ok(Step::Reverse(Reference { single: true, .. }))));
    assert!(matches!(item.step("pk"), Ok(Step::Column(0))));
    for hidden in ["item_tags_set", "item_set", "similar_set", "from_item"] {
        assert!(item.step(hidden).is_err(), "{hidden}");
    }
    assert!(sale.step("pk").unwrap_err().message.contains("`item`, `country`, `day`"));
    let kind = |table: &Table, field: &str| table.columns[table.column(field).unwrap()].kind;
    assert_eq!(kind(table("item_tags"), "tag"), Kind::Uuid);
    assert_eq!(kind(sale, "country"), Kind::Char(2));
    assert_eq!((kind(sale, "item"), kind(detail, "pk")), (Kind::Key, Kind::Key));
    assert_eq!(table("country").name, "Country");
}

#[test]
fn what_stands_in_a_definition_is_written_for_its_database() {
    let mut json = rich();
    json["models"][2]["constraints"].as_array_mut().unwrap().pop();
    for dialect in ALL {
        let catalog = catalog(&json, dialect).unwrap();
        let item = catalog.tables.iter().find(|table| table.model == "item").unwrap();
        let Rule::Check(check) = &item.constraints[0].rule else { panic!("a check") };
        let price = dialect.quote("price");
        assert!(check.sql.contains(&price) && !check.sql.contains('?') && !check.sql.contains("t0"), "{}", check.sql);
        assert_eq!(check.columns, [item.column("price").unwrap()]);
        let default = item.columns[item.column("stock").unwrap()].db_default.as_ref().unwrap();
        assert!(!default.inline.constant && default.inline.columns.is_empty());
        let total = item.columns[item.column("total").unwrap()].generated.as_ref().unwrap();
        assert_eq!((total.inline.sql.as_str(), total.stored), (price.as_str(), true));
    }
}

#[test]
fn keys_that_a_database_cannot_have_are_refused() {
    let mut json = rich();
    json["models"][2]["constraints"].as_array_mut().unwrap().pop();
    json["models"][1]["fields"][0]["max_length"] = 256.into();
    let error = catalog(&json, Dialect::Mariadb).unwrap_err();
    assert!(error.contains("model `country`, field `code`") && error.contains("255 characters"), "{error}");
    assert!(catalog(&json, Dialect::Sqlite).is_ok() && catalog(&json, Dialect::Postgres).is_ok());
}

/// All places of a document.
fn places(json: &Json, place: String, all: &mut Vec<String>) {
    match json {
        Json::Array(list) => {
            list.iter().enumerate().for_each(|(at, value)| places(value, format!("{place}/{at}"), all));
        }
        Json::Object(members) => members.iter().for_each(|(name, value)| places(value, format!("{place}/{name}"), all)),
        _ => {}
    }
    all.push(place);
}

/// What stands in one place stands in another one as well; or something that makes no sense anywhere.
fn mix(json: &mut Json, from: usize, to: usize, strange: usize) {
    let strangers = [
        json!(["lower", {"f": "name"}]),
        json!(["exact", "name", {"f": ["parent", "name"]}]),
        json!(["count", {"f": "tags"}]),
        json!(["exists", {"v": 1, "from": "tag"}]),
        json!(["gt", {"e": ["length", {"f": "name"}]}, 3]),
        json!({"$": 0}),
        json!({"f": "tags"}),
        json!("'; --"),
        json!(i64::MIN),
        json!(1e308),
        json!(["div", {"f": "price"}, 0]),
        json!(["case", [[["exact", "state", "x"], 1]], 2]),
    ];
    let mut all = Vec::new();
    places(json, String::new(), &mut all);
    let source = match strangers.get(strange % 24) {
        Some(stranger) => stranger.clone(),
        None => json.pointer(&all[from % all.len()]).cloned().unwrap_or_default(),
    };
    // Not too deep in itself.
    if source.to_string().len() < 2_000
        && let Some(target) = json.pointer_mut(&all[to % all.len()])
    {
        *target = source;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_mixture_of_a_manifest_makes_a_catalog_or_an_error(
        changes in prop::collection::vec((any::<usize>(), any::<usize>(), any::<usize>()), 1..4)
    ) {
        let mut json = rich();
        for (from, to, strange) in changes {
            mix(&mut json, from, to, strange);
        }
        for dialect in ALL {
            if let Err(error) = catalog(&json, dialect) {
                prop_assert!(!error.is_empty() && error.len() < 4_000, "{}", error);
            }
        }
    }
}
