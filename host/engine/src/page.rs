//! A described page: its context, the rows of the queries that were left for it, and the relations that its template follows.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use host_core::rows::Need;
use host_db::{PageRows, RequestDb, Way};
use host_templates::{AppTemplates, Page, RenderError, Rendered};
use parking_lot::Mutex;
use serde_json::value::RawValue;

use crate::failure::Failure;

/// Ways that are remembered for one template.
const MAX_WAYS: usize = 64;

/// The relations that templates followed: what a page has needed once it gets at once from then on.
#[derive(Debug, Default)]
pub(crate) struct Followed(Mutex<HashMap<String, BTreeSet<Way>>>);

impl Followed {
    fn of(&self, template: &str) -> BTreeSet<Way> {
        self.0.lock().get(template).cloned().unwrap_or_default()
    }

    /// Only for templates that exist, so that it can't grow without end.
    fn add(&self, template: &str, ways: BTreeSet<Way>) {
        let mut templates = self.0.lock();
        let known = templates.entry(template.to_owned()).or_default();
        // Names of queries are the app's to choose: one that makes up new ones begins anew.
        if known.len() + ways.len() > MAX_WAYS {
            known.clear();
        }
        known.extend(ways);
    }
}

/// What a page is made of.
pub(crate) struct Making<'a> {
    pub(crate) template: &'a str,
    /// A JSON object.
    pub(crate) context: &'a str,
    /// Deferred queries by the names that the template knows their rows by.
    pub(crate) queries: &'a BTreeMap<String, u32>,
    pub(crate) db: Option<&'a RequestDb>,
    /// Whether errors may show the source.
    pub(crate) dev: bool,
}

impl Making<'_> {
    /// Renders the page.
    pub(crate) async fn render(
        &self,
        templates: &Arc<AppTemplates>,
        followed: &Followed,
        page: &Page,
    ) -> Result<String, Failure> {
        let failed = |error: RenderError| Failure::Render {
            short: format!("{error:#}"),
            dev_page: self.dev.then(|| error.to_html()),
            budget: error.is_budget(),
        };
        if self.queries.is_empty() {
            return templates.render_page(self.template, self.context.as_bytes(), page).await.map_err(failed);
        }
        // In a box of its own: what it holds while it waits would make every request's future larger.
        Box::pin(self.render_rows(templates, followed, page, failed)).await
    }

    /// Renders a page with rows in it.
    async fn render_rows(
        &self,
        templates: &Arc<AppTemplates>,
        followed: &Followed,
        page: &Page,
        failed: impl Fn(RenderError) -> Failure,
    ) -> Result<String, Failure> {
        let (db, mut rows) = self.rows().await?;
        for way in followed.of(self.template) {
            rows.follow(db, &way).await.map_err(Failure::Query)?;
        }
        loop {
            let mut context = vec![b'{'];
            let most = templates.context_bytes();
            let Some(nodes) = rows.write(db, &mut context, most) else {
                let problem = format!("the rows of its page are more than {most} bytes; ask for fewer rows or fields");
                return Err(Failure::BadResponse(problem));
            };
            self.end_context(&mut context);
            match templates.render_rows(self.template, &context, &nodes, page).await.map_err(&failed)? {
                Rendered::Page(text) => return Ok(text),
                Rendered::Needs(needs) => {
                    followed.add(self.template, self.follow(db, &mut rows, &needs).await?);
                }
            }
        }
    }

    /// Runs the queries.
    async fn rows(&self) -> Result<(&RequestDb, PageRows), Failure> {
        let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(self.context)
            .map_err(|error| Failure::BadResponse(format!("its context is no JSON object: {error}")))?;
        let mut rows = PageRows::default();
        for (name, number) in self.queries {
            let shown = name.escape_debug();
            if members.contains_key(name.as_str()) {
                return Err(Failure::BadResponse(format!("its context and its queries both have `{shown}`")));
            }
            let found = match self.db {
                Some(db) => db.run_deferred(name, *number, &mut rows).await.map_err(Failure::Query)?,
                None => false,
            };
            if !found {
                return Err(Failure::BadResponse(format!("`{shown}` is the query {number}, which it didn't defer")));
            }
        }
        // There is a query, and it was found.
        self.db.map(|db| (db, rows)).ok_or_else(|| Failure::Host("a query without a database".into()))
    }

    /// Fetches what the template missed, and says what it was.
    async fn follow(&self, db: &RequestDb, rows: &mut PageRows, needs: &[Need]) -> Result<BTreeSet<Way>, Failure> {
        let ways = rows.ways(needs);
        let mut found = false;
        for way in &ways {
            found |= rows.follow(db, way).await.map_err(Failure::Query)?;
        }
        // Every round brings a relation, so the rounds end with them.
        if found { Ok(ways) } else { Err(Failure::Host("a template needs relations that there aren't".into())) }
    }

    /// What the app itself gave, after the rows.
    fn end_context(&self, context: &mut Vec<u8>) {
        // It was read as an object when the queries ran.
        let own = self.context.trim().strip_prefix('{').unwrap_or("}");
        if !own.trim_start().starts_with('}') {
            context.push(b',');
        }
        context.extend_from_slice(own.as_bytes());
    }
}
