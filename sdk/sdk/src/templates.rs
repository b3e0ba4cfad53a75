//! Templates: pages that the host renders from what a view gives them.

use serde::Serialize;

use crate::bindings::bandstand::templates::render as host;
use crate::error::{Error, Result, from_templates};
use crate::request::Request;
use crate::response::Response;

/// The names that a template sees. [`context!`](crate::context) makes one.
#[derive(Debug, Default)]
pub struct Context {
    json: Vec<u8>,
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

    fn into_json(self) -> Result<Vec<u8>> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.json),
        }
    }
}

/// Names for a template: `context! { latest, title: "Polls" }`. A name alone takes the variable of that name; values are
/// borrowed, and can be anything that serde serialises: models, lists, texts, numbers.
#[macro_export]
macro_rules! context {
    ($($name:ident $(: $value:expr)?),* $(,)?) => {{
        #[allow(unused_mut)]
        let mut context = $crate::templates::Context::new();
        $(context.insert(
            $crate::context!(@name $name),
            $crate::context!(@value $name $(, $value)?),
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
    document.append(&mut context.into_json()?);
    document.extend_from_slice(b"}}");
    Ok(Response::described(200, document))
}

/// The text of a rendered template, for what isn't a page: a mail, a fragment. Needs the capability `templates`.
///
/// Errors: a 500 that names template and line.
pub async fn render_to_string(template: &str, context: Context) -> Result<String> {
    let mut document = b"{".to_vec();
    document.append(&mut context.into_json()?);
    document.push(b'}');
    host::render(template.to_owned(), document).await.map_err(from_templates)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::bindings::bandstand::routing::types;
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
    fn a_value_that_is_no_json_is_an_error_with_its_name() {
        let odd = BTreeMap::from([((1, 2), 3)]);
        let error = render(&request(), "a.html", context! { fine: 1, odd }).expect_err("keys must be text");
        assert!(error.to_string().contains("`odd`"), "{error}");
    }
}
