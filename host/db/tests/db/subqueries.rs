//! Shapes inside of shapes, sets of keys with names, and trees.

use host_db::{Param, Value};
use serde_json::{Value as Json, json};

use super::shop::{cells, check, filled, refused, shop};
use super::site::{Ask, int, ints};

#[tokio::test]
async fn a_shape_is_a_value_of_each_row() {
    let site = filled().await;
    let db = site.request();
    let best = |field: &str| json!(["subquery", {"from":"sale","fields":[field],"filter":[["exact","product",{"outer":"id"}]],"order":["-amount"],"limit":1}]);
    check(
        &db,
        1,
        &[
            (best("who"), json!("bob")),
            (json!(["add", best("amount"), 1]), json!(6)),
            (json!(["exists", {"from":"sale","filter":[["exact","product",{"outer":"id"}],["gt","amount",4]]}]), json!(true)),
            (json!(["exists", {"from":"sale","filter":[["exact","product",{"outer":"id"}],["gt","amount",9]]}]), json!(false)),
            (json!(["subquery", {"from":"sale","fields":["n"],"annotate":[["n",["length",{"f":"who"}]]],"filter":[["exact","product",{"outer":"id"}]],"order":["id"]}]), json!(3)),
            (json!(["subquery", {"from":"sale","group":["product"],"annotate":[],"filter":[["exact","product",{"outer":"id"}]]}]), json!(1)),
            // All rows together are one row, also where there are none.
            (json!(["subquery", {"from":"sale","group":[],"annotate":[["n",["count"]]],"filter":[["exact","product",{"outer":"id"}]]}]), json!(3)),
            (json!(["subquery", {"from":"sale","group":[],"annotate":[["n",["count"]]],"filter":[["exact","product",99]]}]), json!(0)),
            (json!(["subquery", {"from":"sale","group":[],"annotate":[["n",["max",{"f":"amount"}]]],"filter":[["exact","product",{"outer":"id"}]],"limit":1}]), json!(5)),
            (json!(["coalesce", ["subquery", {"from":"sale","fields":["amount"],"filter":[["exact","product",99]]}], -1]), json!(-1)),
            // The row outside of the row outside.
            (json!(["subquery", {"from":"category","fields":["name"],"filter":[["exact","id",{"outer":"category"}],
                ["exists",{"from":"sale","filter":[["exact","product",{"outer":{"outer":"id"}}],["lt","amount",["add",{"outer":"id"},2]]]}]]}]), json!("fruit")),
        ],
    )
    .await;
    let ids = async |filter: Json, params: Vec<Param>| {
        db.ids(json!({"v":1,"from":"product","fields":["id"],"order":["id"],"filter":[filter]}), params).await
    };
    let of_ann = json!({"from":"sale","fields":["product"],"filter":[["exact","who","ann"]]});
    assert_eq!(ids(json!(["in", "id", of_ann]), vec![]).await, [1, 2]);
    assert_eq!(ids(json!(["not", ["in", "id", of_ann]]), vec![]).await, [3]);
    assert_eq!(ids(json!(["exists", {"from":"sale","filter":[["exact","product",{"outer":"id"}]]}]), vec![]).await, [1, 2]);
    assert_eq!(ids(json!(["not", ["exists", {"from":"sale","filter":[["exact","product",{"outer":"id"}]]}]]), vec![]).await, [3]);
    let last = json!({"from":"sale","fields":["product"],"order":["-day"],"limit":{"$":0}});
    assert_eq!(ids(json!(["in", "id", last]), vec![int(1)]).await, [2]);
    assert_eq!(ids(json!(["gt", "stock", ["subquery", {"from":"product","fields":["stock"],"filter":[["exact","name","novel"]]}]]), vec![]).await, [1]);
    let categories = json!({"from":"category","fields":["id"],"filter":[["exists",{"from":"product","filter":[["exact","category",{"outer":"id"}],["gt","price",{"$":0}]]}]]});
    let price = vec![Param::One(Value::Text("3.00".into()))];
    assert_eq!(ids(json!(["in", "category", categories]), price).await, [2, 3]);
    // In an update and a delete.
    let update = json!({"v":1,"op":"update","from":"product","set":{"on_sale":true},"filter":[["in","id",of_ann]]});
    assert_eq!(db.run(update, vec![]).await.unwrap().affected, 2);
    let delete = json!({"v":1,"op":"delete","from":"sale","filter":[["gt","amount",["subquery",{"from":"product","fields":["stock"],"filter":[["exact","id",{"outer":"product"}]]}]]]});
    assert_eq!(db.run(delete, vec![]).await.unwrap().affected, 2);
}

#[tokio::test]
async fn what_makes_no_sense_inside_is_refused() {
    let site = shop();
    let db = site.request();
    let sale = json!({"from":"sale","fields":["amount"]});
    let deep = (0..6).fold(json!(["exact","id",1]), |inner, _| json!(["exists", {"from":"sale","filter":[inner]}]));
    let many: Vec<Json> = (0..17).map(|_| json!(["exists", sale])).collect();
    refused(
        &db,
        &[
            (json!({"filter":[["in","stock",{"from":"sale"}]]}), "rows of 5 cells"),
            (json!({"filter":[["in","name",sale]]}), "one can't be among the other"),
            (json!({"annotate":[["x",["subquery",{"from":"sale"}]]]}), "rows of 5 cells"),
            (json!({"annotate":[["x",["subquery",{"from":"sale","group":[]}]]]}), "say in `annotate`"),
            (json!({"annotate":[["x",["exists",{"from":"sale","group":[],"annotate":[["n",["count"]]]}]]]}), "always one row"),
            (json!({"annotate":[["x",["subquery",{"from":"sale","fields":["amount"],"limit":2}]]]}), "its `limit` is 1"),
            (json!({"annotate":[["x",["subquery",{"from":"sale","fields":["nope"]}]]]}), "has no field `nope`"),
            (json!({"annotate":[["x",["subquery",{"from":"sael","fields":["amount"]}]]]}), "did you mean `sale`"),
            (json!({"annotate":[["x",["subquery",{"from":"vault.secret","fields":["amount"]}]]]}), "another app's"),
            (json!({"annotate":[["x",["subquery",{"from":"sale","op":"delete"}]]]}), "is a `select`"),
            (json!({"annotate":[["x",["subquery",{"from":"sale","related":["product"]}]]]}), "outermost shape"),
            (json!({"annotate":[["x",["subquery",{"from":"sale","lock":{}}]]]}), "outermost shape"),
            (json!({"annotate":[["x",["subquery",{"from":"sale","feilds":["amount"]}]]]}), "did you mean `fields`"),
            (json!({"annotate":[["x",["subquery",{"from":"sale","fields":["amount"],"filter":[["exact","product",{"outer":{"outer":"id"}}]]}]]]}), "no row outside"),
            (json!({"annotate":[["x",["subquery",{"from":"sale","fields":["amount"],"filter":[["exact","product",{"outer":["sales","id"]}]]}]]]}), "leads to many rows"),
            (json!({"annotate":[["x",["subquery",{"from":"sale","fields":["amount"],"filter":[["exact","product",{"outer":"nope"}]]}]]]}), "has no field `nope`"),
            (json!({"filter":[deep]}), "deeper than 4"),
            (json!({"filter":many}), "more than 16 shapes"),
            (json!({"filter":[["in","id",{"with":"nope"}]]}), "is called `nope`"),
            (json!({"with":[["a",{"from":"sale"}]],"filter":[["in","id",{"with":"a"}]]}), "rows of 5 cells"),
            (json!({"with":[["a",{"from":"product","fields":["id"]}],["a",{"from":"product","fields":["id"]}]]}), "twice"),
            (json!({"with":[["A b",{"from":"product","fields":["id"]}]]}), "the name has other than"),
            (json!({"from":"category","with":[["a",{"recursive":{"follow":"products"}}]]}), "no relation of `category` to itself"),
            (json!({"from":"category","with":[["a",{"recursive":{"follow":["parent","parent"]}}]]}), "one relation"),
            (json!({"from":"category","with":[["a",{"recursive":{"follow":"parnt"}}]]}), "did you mean `parent`"),
            (json!({"from":"category","with":[["a",{"recursive":{"follow":"parent","max_depth":1001}}]]}), "from 0 to 1000"),
            (json!({"from":"category","with":[["a",{"recursive":{}}]]}), "is missing"),
        ],
    )
    .await;
}

#[tokio::test]
async fn sets_of_keys_have_names() {
    let site = filled().await;
    let db = site.request();
    let shape = json!({"v":1,"from":"product","fields":["id"],"order":["id"],
        "with":[["sold",{"from":"sale","fields":["product"],"filter":[["gt","amount",{"$":0}]]}],
                ["cheap",{"from":"product","fields":["id"],"filter":[["lt","price",3],["in","id",{"with":"sold"}]]}]],
        "filter":[["in","id",{"with":"sold"}],["not",["in","id",{"with":"cheap"}]]]});
    assert_eq!(db.ids(shape, vec![int(4)]).await, [2]);
    let count = json!({"v":1,"op":"count","from":"sale","with":[["cheap",{"from":"product","fields":["id"],"filter":[["lt","price",3]]}]],
        "filter":[["in","product",{"with":"cheap"}]]});
    assert_eq!(db.one(count, vec![]).await, Value::Integer(3));
    let sum = json!({"v":1,"op":"aggregate","from":"sale","annotate":[["n",["sum",{"f":"amount"}]]],
        "with":[["cheap",{"from":"product","fields":["id"],"filter":[["lt","price",3]]}]],"filter":[["in","product",{"with":"cheap"}]]});
    assert_eq!(db.one(sum, vec![]).await, Value::Integer(10));
}

#[tokio::test]
async fn trees_are_followed_both_ways_and_cycles_end() {
    let site = filled().await;
    let db = site.request();
    let reach = async |start: Json, follow: &str, depth: Json| {
        let shape = json!({"v":1,"from":"category","fields":["id"],"order":["id"],
            "with":[["tree",{"recursive":{"start":start,"follow":follow,"max_depth":depth}}]],"filter":[["in","id",{"with":"tree"}]]});
        db.ids(shape, vec![]).await
    };
    assert_eq!(reach(json!([["exact","name","fruit"]]), "parent", json!(null)).await, [1, 2, 3]);
    assert_eq!(reach(json!([["exact","name","all"]]), "children", json!(null)).await, [1, 2, 3]);
    assert_eq!(reach(json!([["exact","name","all"]]), "children", json!(1)).await, [1, 2]);
    assert_eq!(reach(json!([["exact","name","all"]]), "children", json!(0)).await, [1]);
    assert_eq!(reach(json!([["exact",["parent","name"],"food"]]), "parent", json!(100)).await, [1, 2, 3]);
    assert_eq!(reach(json!([]), "parent", json!(3)).await, [1, 2, 3, 4]);
    assert_eq!(reach(json!([["exact","name","nothing"]]), "parent", json!(null)).await, [] as [i64; 0]);
    // Round and round.
    db.run(json!({"v":1,"op":"update","from":"category","set":{"parent":3},"filter":[["exact","id",1]]}), vec![]).await.unwrap();
    assert_eq!(reach(json!([["exact","name","food"]]), "parent", json!(null)).await, [1, 2, 3]);
    assert_eq!(reach(json!([["exact","name","food"]]), "children", json!(1000)).await, [1, 2, 3]);
    // What hangs on a tree.
    let products = json!({"v":1,"from":"product","fields":["id"],"order":["id"],
        "filter":[["in","category",{"from":"category","fields":["id"],"filter":[["exact",["parent","name"],"all"]]}]]});
    assert_eq!(db.ids(products, vec![]).await, [2]);
    let rows = db.get(json!({"v":1,"from":"category","order":["id"],"filter":[["in","id",{"$":0}]]}), vec![ints([1, 4])]).await.unwrap();
    assert_eq!(cells(&rows).len(), 2);
}
