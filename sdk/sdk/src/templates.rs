//! Templates: pages that the host renders from what a view gives them.

use serde::Serialize;

use crate::bindings::bandstand::templates::render as host;
use crate::db::Deferred;
use crate::error::{Error, Result, from_templates};
use crate::request::Request;
use crate::response::Response;

/// The names that a template sees. [`context!`](crate::context) makes one.
#[derive(Debug, Default)]
pub struct Context {
    json: Vec<u8>,
    /// Members of the document's `queries`.
    queries: Vec<u8>,
    error: Option<Error>,
}

impl Context {
    /// No names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a name. A value that can't be JSON is an error when the page is rendered.
    pub fn insert(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        crate::json::member(&mut self.json, name);
        let before = self.json.len();
        if let Err(error) = serde_json::to_writer(&mut self.json, value) {
            self.json.truncate(before);
            self.json.extend_from_slice(b"null");
            self.error.get_or_insert_with(|| Error::from(error).context(format!("`{name}` for a template")));
        }
    }

    /// Adds the rows of a query that was left for the page.
    pub fn insert_deferred(&mut self, name: &str, query: Deferred) {
        crate::json::member(&mut self.queries, name);
        crate::json::number(&mut self.queries, query.0);
    }

    fn into_json(self) -> Result<(Vec<u8>, Vec<u8>)> {
        match self.error {
            Some(error) => Err(error),
            None => Ok((self.json, self.queries)),
        }
    }
}

/// A value on its way into a context: a deferred query goes another way than what can be serialised.
#[derive(Debug)]
#[doc(hidden)]
pub struct Named<'v, T: ?Sized>(pub &'v T);

/// For deferred queries. Found first, since it needs no further reference.
#[doc(hidden)]
pub trait InsertDeferred {
    fn insert(&self, context: &mut Context, name: &str);
}

impl InsertDeferred for Named<'_, Deferred> {
    fn insert(&self, context: &mut Context, name: &str) {
        context.insert_deferred(name, *self.0);
    }
}

/// For all other values. The condition stands with the function, so that an error is about it.
#[doc(hidden)]
pub trait InsertValue<T: ?Sized> {
    fn insert(&self, context: &mut Context, name: &str)
    where
        T: Serialize;
}

impl<T: ?Sized> InsertValue<T> for &Named<'_, T> {
    fn insert(&self, context: &mut Context, name: &str)
    where
        T: Serialize,
    {
        context.insert(name, self.0);
    }
}

/// Names for a template: `context! { latest, title: "Polls" }`. A name alone takes the variable of that name; values are
/// borrowed, and can be anything that serde serialises: models, lists, texts, numbers; or a query that is left for the page
/// ([`QuerySet::defer`](crate::db::QuerySet::defer)).
#[macro_export]
macro_rules! context {
    ($($name:ident $(: $value:expr)?),* $(,)?) => {{
        #[allow(unused_imports)]
        use $crate::templates::{InsertDeferred as _, InsertValue as _};
        #[allow(unused_mut)]
        let mut context = $crate::templates::Context::new();
        $((&$crate::templates::Named($crate::context!(@value $name $(, $value)?))).insert(
            &mut context,
            $crate::context!(@name $name),
        );)*
        context
    }};
    (@name $name:ident) => { ::core::stringify!($name) };
    (@value $name:ident) => { &$name };
    (@value $name:ident, $value:expr) => { &$value };
}

/// A page from a template: `polls/index.html` below the app's `templates` folder, or the site's file of the same name in its place.
///
/// The host renders it after the view has returned, so the page never crosses into the app. For another status:
/// `Ok(render(req, …)?.status(422))`.
pub fn render(_request: &Request, template: &str, context: Context) -> Result<Response> {
    let mut document = b"{\"template\":".to_vec();
    crate::json::text(&mut document, template);
    document.extend_from_slice(b",\"context\":{");
    let (mut json, mut queries) = context.into_json()?;
    document.append(&mut json);
    document.push(b'}');
    if !queries.is_empty() {
        document.extend_from_slice(b",\"queries\":{");
        document.append(&mut queries);
        document.push(b'}');
    }
    document.push(b'}');
    Ok(Response::described(200, document))
}

/// The text of a rendered template, for what isn't a page: a mail, a fragment. Needs the capability `templates`.
///
/// Errors: a 500 that names template and line.
pub async fn render_to_string(template: &str, context: Context) -> Result<String> {
    let (mut json, queries) = context.into_json()?;
    if !queries.is_empty() {
        return Err(Error::internal("a query can be left for a page alone: fetch its rows for `render_to_string`"));
    }
    let mut document = b"{".to_vec();
    document.append(&mut json);
    document.push(b'}');
    host::render(template.to_owned(), document).await.map_err(from_templates)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::bindings::bandstand::routing::types;
    use crate::db::Deferred;
    use crate::prelude::*;

    fn request() -> Request {
        Request::new(types::Request {
            route: 0,
            method: "GET".into(),
            path: "/".into(),
            query: String::new(),
            params: Vec::new(),
        })
    }

    #[test]
    fn a_page_is_a_template_with_its_names() {
        let latest = vec!["What's new?", "</script>"];
        let response = render(
            &request(),
            "polls/index.html",
            context! { latest, title: "A \"title\"", none: Option::<i32>::None },
        )
        .expect("a response");
        let document: serde_json::Value = serde_json::from_slice(response.body()).expect("json");
        let context = serde_json::json!({"latest": ["What's new?", "</script>"], "title": "A \"title\"", "none": null});
        assert_eq!(document, serde_json::json!({"template": "polls/index.html", "context": context}));
        assert_eq!(
            render(&request(), "a.html", context! {}).expect("a response").body(),
            br#"{"template":"a.html","context":{}}"#
        );
    }

    #[test]
    fn a_query_that_is_left_for_the_page_is_named_beside_the_values() {
        let (latest, other) = (Deferred(0), &Deferred(12));
        let response = render(&request(), "a.html", context! { title: "x", latest, rows: *other }).expect("a response");
        assert_eq!(
            response.body(),
            br#"{"template":"a.html","context":{"title":"x"},"queries":{"latest":0,"rows":12}}"#
        );
    }

    #[test]
    fn a_value_that_is_no_json_is_an_error_with_its_name() {
        let odd = BTreeMap::from([((1, 2), 3)]);
        let error = render(&request(), "a.html", context! { fine: 1, odd }).expect_err("keys must be text");
        assert!(error.to_string().contains("`odd`"), "{error}");
    }
}
