//! Work that takes effect once, however often it is asked for.

use core::cell::Cell;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Model, PerRow, transaction};
use crate::Model as DeriveModel;
use crate::environment::random_bytes;
use crate::error::{Error, Result};
use crate::time::DateTime;

/// The longest key, in characters.
const LONGEST: usize = 200;

/// How often the work may begin: the database was busy, others were in its way, or its answer was lost.
const ATTEMPTS: u32 = 5;

/// What [`once`] has done, by the keys that it was given: a model for an app's list, `models: [Order, Once]`.
///
/// Its rows are the app's. A key that is deleted may take effect again, so keep them as long as anybody may repeat a request:
/// `Once::objects().filter(Once::DONE.lt(now() - Duration::from_hours(24 * 30))).delete()`.
#[derive(DeriveModel, Debug, Clone)]
pub struct Once {
    /// What tells the request from all others.
    #[field(primary_key, max_length = 200)]
    pub key: String,
    /// What the work returned, as JSON.
    pub result: String,
    /// When it was done.
    #[field(auto_now_add)]
    pub done: DateTime,
}

/// A key for [`once`], of 128 random bits: for a form's hidden field, made when the form is shown.
pub fn once_key() -> String {
    random_bytes(16).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs `work` in a transaction, unless work with this `key` was done before: then it returns what that returned. The key and all that
/// `work` writes take effect together or not at all, so however often a request is repeated, by a visitor, a browser or a network, it
/// counts once.
///
/// Where the database is busy, the data changes meanwhile (`conflict-retry`), or nobody knows whether the commit took effect
/// (`unknown-outcome`), it is tried again with the same key, at most five times in all and within the request's time. So `work` may run
/// several times and must have no other effects than those in the database. Of requests with the same key at the same time one runs it, and the
/// others wait for its result.
///
/// An error of `work` undoes the key as well: the next request with it runs it again.
///
/// The keys are kept in [`Once`], which must be in the app's list of models. Whoever knows a key gets the result, so a key that others choose goes with
/// whose it is: `format!("{}:{}", user.id, form.key)`.
///
/// ```ignore
/// let id = once(&form.key, async || {
///     let order = Order::objects().create(NewOrder { what: form.what.clone() }).await?;
///     Ok(order.id)
/// })
/// .await?;
/// ```
///
/// Errors: 400 for a key without characters or with more than 200; that of `work`; the last one of the database; `unknown-outcome` where it
/// could not be found out: the same request with the same key may be sent again. A 500 inside of a transaction, which would decide whether
/// all this lasts.
pub async fn once<T: Serialize + DeserializeOwned>(key: &str, work: impl AsyncFn() -> Result<T>) -> Result<T> {
    if key.is_empty() || key.chars().count() > LONGEST {
        return Err(Error::bad_request(format!("A key has 1 to {LONGEST} characters.")));
    }
    if transaction::is_open() {
        return Err(Error::internal("`once` inside of a transaction, which decides whether it lasts"));
    }
    let mut doubt: Option<Error> = None;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let taking = Cell::new(Taking::Before);
        let error = match transaction::attempt(first_or_before(key, &work, &taking), true).await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        // The key could be taken: so what was in doubt had no effect, and never will.
        if taking.get() == Taking::Mine {
            doubt = None;
        }
        let again = match error.code() {
            "busy" | "conflict-retry" | "unknown-outcome" => true,
            // Somebody else was faster: there is a result to find.
            "unique" => taking.get() == Taking::Now,
            _ => false,
        };
        if !again || attempts == ATTEMPTS {
            // `busy` says that nothing was done, which holds for the last attempt alone.
            return Err(doubt.unwrap_or(error));
        }
        if error.code() == "unknown-outcome" {
            doubt = Some(error);
        }
    }
}

/// Whose the key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taking {
    Before,
    Now,
    Mine,
}

async fn first_or_before<T: Serialize + DeserializeOwned>(
    key: &str,
    work: &impl AsyncFn() -> Result<T>,
    taking: &Cell<Taking>,
) -> Result<T> {
    let mine = Once::objects().filter(Once::KEY.eq(key));
    let before = mine.clone().first().await.map_err(unlisted)?;
    if let Some(before) = before {
        return serde_json::from_str(&before.result).map_err(|error| {
            Error::internal(format!("`once`: what was done with the key {key:?} returned something else: {error}"))
        });
    }
    // Taken first, so that another one with the same key waits here and not behind the work.
    taking.set(Taking::Now);
    Once::objects().create(NewOnce { key: key.to_owned(), result: String::new() }).await?;
    taking.set(Taking::Mine);
    let value = work().await?;
    let result = serde_json::to_string(&value).map_err(|error| Error::internal(format!("`once`: {error}")))?;
    mine.update([Once::RESULT.set(result)]).await?;
    Ok(value)
}

fn unlisted(error: Error) -> Error {
    match error.code() {
        "unknown-model" | "access-denied" => {
            error.context("`once` keeps its keys in the model `Once`: add it to `models` in `app!`")
        }
        _ => error,
    }
}
