//! The smallest app: two pages without models or templates.

use bandstand::prelude::*;

#[get("/", name = "index")]
async fn index() -> Response {
    Response::html(page("world"))
}

#[get("/{name}/", name = "hello")]
async fn hello(name: Path<String>) -> Response {
    Response::html(page(&name))
}

fn page(name: &str) -> String {
    let name = escape(name);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>Hello</title></head><body><h1>Hello, {name}!</h1></body></html>"
    )
}

/// What comes from a visitor is text, not markup. A template would do this by itself.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c => escaped.push(c),
        }
    }
    escaped
}

app! {
    name: "hello",
    routes: [index, hello],
}
