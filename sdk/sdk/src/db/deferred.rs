//! Queries that are left for the page.

use super::model::Model;
use super::query::QuerySet;
use crate::bindings::bandstand::db::queries;
use crate::error::{Error, Result};

/// A query that the host runs when it renders this request's page: its rows go into the template without coming here.
///
/// It belongs to the request that made it, and stands in one `context!`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deferred(pub(crate) u32);

impl<M: Model> QuerySet<M> {
    /// Leaves these rows for the page: `context! { latest: Question::objects().limit(5).defer().await? }`.
    ///
    /// The host runs the query when the view has returned, and the template follows relations from its rows
    /// (`question.author.name`, `question.choices`), each fetched once for all rows. For a page that shows what it asks for this is the cheapest way:
    /// nothing is read, kept or written in the app.
    ///
    /// Errors: what is wrong with the query, at once; what goes wrong when it runs is an error page. At most 16 in a request.
    pub async fn defer(self) -> Result<Deferred> {
        queries::defer(self.select()?).await.map(Deferred).map_err(Error::from)
    }
}
