//! Expressions wherever they stand: in annotations, conditions, orders and updates.

use host_db::{Param, Value};
use serde_json::{Value as Json, json};

use super::shop::{cells, check, filled, refused, shop, value};
use super::site::{Ask, code, int, null, text};

#[tokio::test]
async fn one_value_of_several() {
    let site = shop();
    let db = site.request();
    db.add("product", json!({"name": "b", "stock": 3, "price": "1.50", "cost": "1.255", "weight": 2.5})).await;
    check(
        &db,
        1,
        &[
            (json!(["coalesce", {"f":"slug"}, {"f":"name"}]), json!("b")),
            (json!(["coalesce", {"f":"big"}, 7]), json!(7)),
            (json!(["coalesce", {"f":"big"}, {"f":"weight"}]), json!(2.5)),
            (json!(["coalesce", {"f":"cost"}, {"f":"price"}]), json!("1.255")),
            (json!(["coalesce", null, {"f":"price"}]), json!("1.50")),
            (json!(["nullif", {"f":"stock"}, 3]), json!(null)),
            (json!(["nullif", {"f":"stock"}, 4]), json!(3)),
            (json!(["nullif", {"f":"name"}, "a"]), json!("b")),
            (json!(["greatest", {"f":"stock"}, 2, {"f":"big"}]), json!(3)),
            (json!(["greatest", {"f":"stock"}, {"f":"weight"}]), json!(3.0)),
            (json!(["greatest", {"f":"price"}, {"f":"cost"}]), json!("1.500")),
            (json!(["least", {"f":"price"}, 1]), json!("1.00")),
            (json!(["least", {"f":"name"}, "a", "B"]), json!("B")),
            (json!(["least", {"f":"big"}, {"f":"big"}]), json!(null)),
            (json!(["case", [[["gt","stock",5],"many"],[["gt","stock",0],"some"]],"none"]), json!("some")),
            (json!(["case", [[["gt","stock",5],"many"]]]), json!(null)),
            (json!(["case", [[["gt","stock",1],1],[["gt","stock",0],{"f":"weight"}]]]), json!(1.0)),
            (json!(["case", [[["xor",["gt","stock",1],["isnull","slug",true]],true]],false]), json!(false)),
            (json!(["mul", ["case", [[["exact","name","b"],{"f":"stock"}]], 0], 2]), json!(6)),
            (json!({"f":"name"}), json!("b")),
            (json!("just this"), json!("just this")),
            (json!(-9223372036854775808_i64), json!(i64::MIN)),
            (json!(true), json!(true)),
        ],
    )
    .await;
    let typed = async |expr: Json, param: Param| value(&db, 1, &expr, vec![param]).await;
    assert_eq!(typed(json!({"$":0,"as":"text"}), text("x")).await, Ok(Value::Text("x".into())));
    assert_eq!(typed(json!(["add", {"$":0,"as":"integer"}, 1]), int(4)).await, Ok(Value::Integer(5)));
    assert_eq!(typed(json!(["coalesce", {"$":0}, {"f":"stock"}]), null()).await, Ok(Value::Integer(3)));
    let decimal = json!({"$":0,"as":{"kind":"decimal","max_digits":5,"decimal_places":2}});
    assert_eq!(typed(decimal.clone(), text("1.5")).await, Ok(Value::Text("1.50".into())));
    assert_eq!(typed(decimal, text("junk")).await.unwrap_err().code, "invalid-value");
    assert_eq!(typed(json!({"$":0,"as":"integer"}), text("x")).await.unwrap_err().code, "invalid-value");
}

#[tokio::test]
async fn conditions_ask_of_expressions() {
    let site = filled().await;
    let db = site.request();
    let ids = async |filter: Json, params: Vec<Param>| {
        db.ids(json!({"v":1,"from":"product","fields":["id"],"order":["id"],"filter":[filter]}), params).await
    };
    for (filter, expected) in [
        (json!(["gt", {"e":["length",{"f":"name"}]}, 4]), vec![1, 2, 3]),
        (json!(["exact", {"e":["left",{"f":"name"},1]}, "b"]), vec![2]),
        (json!(["gt", "price", {"f":"stock"}]), vec![2, 3]),
        (json!(["gt", "price", ["div",{"f":"stock"},4]]), vec![2, 3]),
        (json!(["lt", "price", 3.25]), vec![1]),
        (json!(["lte", "price", "3.250"]), vec![1, 2]),
        (json!(["exact", "price", 12]), vec![3]),
        (json!(["range", {"e":["mul",{"f":"price"},2]}, [3, {"f":"stock"}]]), vec![1]),
        (json!(["xor", ["gt","stock",3], ["lt","price",2]]), vec![3]),
        (json!(["xor", ["gt","stock",3], ["lt","price",2], ["exact","name","bread"]]), vec![2, 3]),
        (json!(["xor", ["gt","stock",0]]), vec![1, 3]),
        (json!(["true", {"f":"on_sale"}]), vec![]),
        (json!(["not", ["true", {"f":"on_sale"}]]), vec![1, 2, 3]),
        (json!(["true", ["case",[[["gt","stock",3],true]],false]]), vec![1, 3]),
        (json!(["icontains", {"e":["concat",{"f":"name"},"-",{"f":["category","name"]}]}, "E-F"]), vec![1]),
        (json!(["isnull", {"e":["nullif",{"f":"stock"},0]}, true]), vec![2]),
        // Over a many-valued relation: some sale for which it is true.
        (json!(["gt", {"e":["mul",{"f":["sales","amount"]},{"f":"stock"}]}, 40]), vec![1]),
        (json!(["gt", ["sales","amount"], ["add",{"f":"stock"},1]]), vec![2]),
        (json!(["not", ["gt", {"e":["add",{"f":["sales","amount"]},0]}, 4]]), vec![3]),
        (json!(["and", ["exact",["sales","who"],"ann"], ["gt",{"e":["add",{"f":["sales","amount"]},0]},3]]), vec![2]),
        // An aggregate of related rows.
        (json!(["gte", {"e":["count",{"f":"sales"}]}, 2]), vec![1, 2]),
        (json!(["gt", {"e":["sum",{"f":["sales","amount"]}]}, {"f":"stock"}]), vec![2]),
        (json!(["exact", {"e":["max",["length",{"f":["sales","who"]}]]}, 3]), vec![1, 2]),
    ] {
        assert_eq!(ids(filter.clone(), vec![]).await, expected, "{filter}");
    }
    let list = vec![Param::Many(vec![Value::Integer(5), Value::Null, Value::Integer(50)])];
    assert_eq!(ids(json!(["in", {"e":["length",{"f":"name"}]}, {"$":0}]), list).await, [1, 2, 3]);
    let none = || vec![Param::Many(vec![])];
    assert_eq!(ids(json!(["in", "name", {"$":0}]), none()).await, [] as [i64; 0]);
    assert_eq!(ids(json!(["not", ["in", "name", {"$":0}]]), none()).await, [1, 2, 3]);
    assert_eq!(ids(json!(["exact", {"e":["nullif",{"f":"stock"},0]}, {"$":0}]), vec![null()]).await, [2]);
    assert_eq!(ids(json!(["exact", {"e":["nullif",{"f":"stock"},0]}, {"$":0}]), vec![int(4)]).await, [3]);
    refused(
        &db,
        &[
            (json!({"filter":[["gt",{"e":["length",{"f":"name"}]},"x"]]}), "takes an integer"),
            (json!({"filter":[["gt","stock",{"f":"name"}]]}), "can't be compared"),
            (json!({"filter":[["gt",{"x":1},1]]}), "as {\"e\": expression}"),
            (json!({"filter":[["true",{"f":"stock"}]]}), "takes a boolean"),
            (json!({"filter":[["true"]]}), "takes one expression"),
            (json!({"filter":[["xor"]]}), "at least one"),
            (json!({"filter":[["xxor",["gt","stock",1]]]}), "did you mean `xor`"),
            (json!({"filter":[["gt",{"e":{"$":0}},{"$":1}]]}), "what kind of value"),
            (json!({"filter":[["gt",{"e":["sum",{"f":"stock"}]},1]]}), "use the op `aggregate`"),
            (json!({"annotate":[["x",["greatest",{"f":"doc"},{"f":"doc"}]]]}), "what has an order"),
            (json!({"annotate":[["x",["coalesce",{"f":"name"},{"f":"stock"}]]]}), "don't fit together"),
            (json!({"annotate":[["x",["case",[]]]]}), "1 to 32 pairs"),
            (json!({"annotate":[["x",["case",[[["gt","stock",1]]]]]]}), "a list of pairs"),
            (json!({"annotate":[["x",["nullif",1]]]}), "takes two"),
            (json!({"annotate":[["x",{"$":0,"as":"nonsense"}]]}), "is none of"),
            (json!({"annotate":[["x",{"$":0,"is":"text"}]]}), "an operand is"),
            (json!({"annotate":[["x",{"outer":"name"}]]}), "no row outside"),
            (json!({"annotate":[["x",{"new":"name"}]]}), "stands in `on_conflict`"),
        ],
    )
    .await;
}

#[tokio::test]
async fn rows_are_ordered_by_expressions_and_null_where_it_is_wanted() {
    let site = filled().await;
    let db = site.request();
    db.run(json!({"v":1,"op":"update","from":"product","set":{"weight":1.5},"filter":[["exact","id",1]]}), vec![])
        .await
        .unwrap();
    db.run(json!({"v":1,"op":"update","from":"product","set":{"weight":0.5},"filter":[["exact","id",3]]}), vec![])
        .await
        .unwrap();
    let ids = async |order: Json| db.ids(json!({"v":1,"from":"product","fields":["id"],"order":order}), vec![]).await;
    assert_eq!(ids(json!(["weight"])).await, [2, 3, 1], "NULL first");
    assert_eq!(ids(json!(["-weight"])).await, [1, 3, 2], "and last descending");
    assert_eq!(ids(json!([{"e":{"f":"weight"},"nulls":"last"}])).await, [3, 1, 2]);
    assert_eq!(ids(json!([{"e":{"f":"weight"},"desc":true,"nulls":"first"}])).await, [2, 1, 3]);
    assert_eq!(ids(json!([{"e":{"f":"weight"},"nulls":"first"}])).await, [2, 3, 1]);
    assert_eq!(ids(json!([{"e":["mod",{"f":"stock"},4],"desc":true}, "-id"])).await, [1, 3, 2]);
    assert_eq!(ids(json!([[["length",{"f":["category","name"]}],"desc"],"id"])).await, [1, 3, 2]);
    assert_eq!(ids(json!([{"e":["count",{"f":"sales"}],"desc":true}])).await, [1, 2, 3]);
    // Groups by what is annotated, and by what is asked of them there and then.
    let groups = json!({"v":1,"from":"sale","group":["odd"],"annotate":[["odd",["mod",{"f":"amount"},{"$":0}]],["n",["count"]]],
        "order":[{"e":["sum",{"f":"amount"}],"desc":true}],"filter":[["gt",{"e":["sum",{"f":"amount"}]},1]]});
    let rows = cells(&db.get(groups, vec![int(2)]).await.unwrap());
    assert_eq!(rows, [[Value::Integer(1), Value::Integer(4)], [Value::Integer(0), Value::Integer(1)]]);
    let shown = json!({"v":1,"from":"product","fields":["double"],"distinct":true,"order":["-double"],
        "annotate":[["double",["mul",{"f":"stock"},{"$":0}]]]});
    assert_eq!(db.ids(shown, vec![int(2)]).await, [20, 8, 0]);
    refused(
        &db,
        &[
            (json!({"order":[{"e":{"f":"name"},"nulls":"somewhere"}]}), "is none of"),
            (json!({"order":[{"desc":true}]}), "`e` is missing"),
            (json!({"order":[[["length",{"f":"name"}],"down"]]}), "a direction"),
            (json!({"order":[5]}), "not a string"),
            (json!({"group":["stock"],"order":[["length"]],"annotate":[["n",["count"]]]}), "a direction"),
            (json!({"group":["stock"],"order":[{"e":["length",{"f":"name"}]}]}), "isn't there"),
        ],
    )
    .await;
}

#[tokio::test]
async fn updates_take_whole_expressions() {
    let site = filled().await;
    let db = site.request();
    let set = async |set: Json, params: Vec<Param>| {
        db.run(json!({"v":1,"op":"update","from":"product","set":set,"filter":[["exact","id",1]]}), params).await
    };
    let now = async |field: &str| value(&db, 1, &json!({"f": field}), vec![]).await.unwrap();
    set(json!({"name": ["upper", {"f":"name"}], "note": ["concat", {"f":"name"}, "!"]}), vec![]).await.unwrap();
    assert_eq!((now("name").await, now("note").await), (Value::Text("APPLE".into()), Value::Text("apple!".into())));
    set(json!({"price": ["mul", {"f":"price"}, 3], "weight": {"f":"price"}}), vec![]).await.unwrap();
    assert_eq!((now("price").await, now("weight").await), (Value::Text("4.50".into()), Value::Float(1.5)));
    set(json!({"price": {"f":"cost"}}), vec![]).await.unwrap_err();
    set(json!({"cost": "1.005"}), vec![]).await.unwrap();
    set(json!({"price": {"f":"cost"}}), vec![]).await.unwrap();
    assert_eq!(now("price").await, Value::Text("1.01".into()), "rounded half away from zero");
    set(json!({"stock": ["case", [[["gt","stock",{"$":0}],["sub",{"f":"stock"},{"$":0}]]], 0]}), vec![int(4)]).await.unwrap();
    assert_eq!(now("stock").await, Value::Integer(6));
    let swap = json!({"stock": {"f":"big"}, "big": {"f":"stock"}});
    set(json!({"big": 2}), vec![]).await.unwrap();
    set(swap, vec![]).await.unwrap();
    assert_eq!((now("stock").await, now("big").await), (Value::Integer(2), Value::Integer(6)), "the row as it was");
    // Related rows by a subquery or an aggregate.
    let best = json!({"stock": ["subquery", {"from":"sale","fields":["amount"],"filter":[["exact","product",{"outer":"id"}]],"order":["-amount"]}]});
    set(best, vec![]).await.unwrap();
    assert_eq!(now("stock").await, Value::Integer(5));
    set(json!({"big": ["sum", {"f":["sales","amount"]}]}), vec![]).await.unwrap();
    assert_eq!(now("big").await, Value::Integer(10));
    let insert = json!({"v":1,"op":"insert","from":"product","set":{"name":["concat","x","y"],"stock":["add",2,3],"made":["date",["now"]]},"returning":["name","stock"]});
    let outcome = db.run(insert, vec![]).await.unwrap();
    assert_eq!(cells(&outcome.returned), [[Value::Text("xy".into()), Value::Integer(5)]]);
    // A text that outgrows its field is looked at where it is made.
    for (wrong, expected) in [
        (json!({"name": ["repeat", "x", 51]}), "check"),
        (json!({"small": ["mul", {"f":"stock"}, 10_000]}), "check"),
        (json!({"price": ["cast", "1000000", {"kind":"decimal","max_digits":9,"decimal_places":2}]}), "check"),
        (json!({"name": ["nullif", "x", "x"]}), "not-null"),
        (json!({"stock": {"f":"weight"}}), "invalid-shape"),
        (json!({"name": {"f":"stock"}}), "invalid-shape"),
        (json!({"slug": ["lower", {"f":"name"}]}), "invalid-shape"),
        (json!({"category": {"f":"id"}}), "invalid-shape"),
        (json!({"category": {"f":"stock"}}), "invalid-shape"),
        (json!({"name": {"f":["category","name"]}}), "unsupported"),
        (json!({"stock": ["count"]}), "invalid-shape"),
        (json!({"stock": ["window", ["row_number"], {}]}), "invalid-shape"),
        (json!({"id": 7}), "invalid-shape"),
    ] {
        let answer = set(wrong.clone(), vec![]).await;
        assert_eq!(answer.as_ref().map_err(|error| error.code).err(), Some(expected), "{wrong}: {answer:?}");
    }
    let insert = json!({"v":1,"op":"insert","from":"product","set":{"name":["lower",{"f":"note"}]}});
    assert_eq!(code(db.run(insert, vec![]).await), "invalid-shape");
}

#[tokio::test]
async fn an_update_returns_its_rows_where_the_database_can() {
    let site = filled().await;
    let db = site.request();
    let update = json!({"v":1,"op":"update","from":"product","set":{"stock":["add",{"f":"stock"},1]},
        "filter":[["gt","stock",0]],"returning":["id","stock"]});
    let outcome = db.run(update, vec![]).await;
    if super::BACKEND == crate::Backend::Mariadb {
        assert_eq!(code(outcome), "unsupported");
        return;
    }
    let outcome = outcome.unwrap();
    let mut rows = cells(&outcome.returned);
    rows.sort_by_key(|row| super::site::integer(&row[0]));
    let row = |id, stock| vec![Value::Integer(id), Value::Integer(stock)];
    assert_eq!((outcome.affected, rows), (2, vec![row(1, 11), row(3, 5)]));
}
