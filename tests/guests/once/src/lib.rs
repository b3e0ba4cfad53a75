//! Writes that count once, whatever becomes of their connection, and the same writes without that care. Each route answers JSON, which
//! `tests/it/once.rs` compares.

#![allow(missing_docs, reason = "a test's app")]

use bandstand::prelude::*;
use serde_json::{Value, json};

type Answer = Result<Json<Value>>;

/// What somebody bought.
#[derive(Model)]
pub struct Order {
    pub id: Id<Self>,
    #[field(max_length = 40)]
    pub who: String,
    #[field(unique, max_length = 40)]
    pub request: Option<String>,
    #[field(default = "open", max_length = 10)]
    pub state: String,
}

async fn order(who: &str) -> Result<Order> {
    Order::objects().create(NewOrder { who: who.to_owned() }).await
}

async fn orders() -> Result<u64> {
    Order::objects().count().await
}

/// The host's word for what went wrong.
fn told<T>(result: Result<T>) -> Value {
    match result {
        Ok(_) => json!("done"),
        Err(error) => json!([error.status(), error.code(), error.to_string()]),
    }
}

/// Two rows in one transaction, once for each key. Says how often the work ran in this request.
#[post("/buy/{key}/{who}/")]
async fn buy(key: Path<String>, who: Path<String>) -> Answer {
    let runs = core::cell::Cell::new(0);
    let bought = once(&key, async || {
        runs.set(runs.get() + 1);
        let first = order(&who).await?;
        order(&who).await?;
        Ok(first.who)
    })
    .await;
    Ok(Json(match bought {
        Ok(who) => json!([who, runs.get()]),
        Err(error) => json!([error.status(), error.code(), error.to_string()]),
    }))
}

/// Work that fails after it has written.
#[post("/fail/{key}/")]
async fn fail(key: Path<String>) -> Answer {
    let failed: Result<()> = once(&key, async || {
        order("nobody").await?;
        Err(Error::new(409, "sold out"))
    })
    .await;
    Ok(Json(told(failed)))
}

/// The key was used for something else.
#[post("/number/{key}/")]
async fn number(key: Path<String>) -> Answer {
    Ok(Json(told(once(&key, async || Ok(7_i64)).await)))
}

/// Inside of a transaction nobody could say whether it lasts.
#[post("/nested/")]
async fn nested() -> Answer {
    Ok(Json(told(transaction(async || once("inside", async || order("nested").await.map(|_| ())).await).await)))
}

/// A transaction without a key.
#[post("/transaction/{who}/")]
async fn in_transaction(who: Path<String>) -> Answer {
    Ok(Json(told(transaction(async || order(&who).await).await)))
}

/// One statement without a key.
#[post("/write/{who}/")]
async fn write(who: Path<String>) -> Answer {
    Ok(Json(told(order(&who).await)))
}

/// The row has the request's key itself. Answers its number, and whether it is new.
#[post("/by-key/{key}/{who}/")]
async fn by_key(key: Path<String>, who: Path<String>) -> Answer {
    let new = NewOrder { who: who.to_string() }.request(key.as_str());
    let placed = Order::objects().get_or_create(Order::REQUEST.eq(key.as_str()), new).await;
    Ok(Json(match placed {
        Ok((order, new)) => json!([order.who, new]),
        Err(error) => told::<()>(Err(error)),
    }))
}

/// A step that can be taken once. Answers how many rows took it.
#[post("/ship/{who}/")]
async fn ship(who: Path<String>) -> Answer {
    let open = Order::objects().filter(Order::WHO.eq(who.as_str()) & Order::STATE.eq("open"));
    Ok(Json(match open.update([Order::STATE.set("shipped")]).await {
        Ok(rows) => json!(rows),
        Err(error) => told::<()>(Err(error)),
    }))
}

#[get("/count/")]
async fn count_all() -> Answer {
    Ok(Json(json!([orders().await?, Once::objects().count().await?, once_key().len()])))
}

app! {
    name: "once",
    models: [Order, Once],
    routes: [buy, fail, number, nested, in_transaction, write, by_key, ship, count_all],
}
