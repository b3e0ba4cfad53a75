//! An app that hurts in every way that the contract's types allow.
//!
//! Some routes hurt by themselves, so that a person can try them in a browser. Others do what the request's body says
//! (a JSON document), so that a test brings its own hostile values: `/reply/`, `/described/`, `/db/`, `/render/`,
//! `/reverse/`, `/log/`. The README beside the guests lists what the host must answer to each.

mod company;
mod database;
mod flood;
mod memory;
mod processor;
mod reply;
mod waiting;

use glue::{Handler, Manifest, Request, Response, render, request, text, urls};

struct Hostile;

glue::export!(Hostile with_types_in glue);

/// Methods and patterns; the place is the number that arrives in `request.route`.
const ROUTES: &[(&str, &str)] = &[
    ("GET", "/"),
    // The processor.
    ("GET", "/spin/"),
    ("GET", "/spin-calling/"),
    ("GET", "/fill/"),
    ("GET", "/copy/"),
    ("GET", "/recurse/"),
    ("GET", "/trap/"),
    ("GET", "/panic/"),
    ("GET", "/nobody/"),
    // Waiting.
    ("GET", "/wait/"),
    ("POST", "/wait-for-body/"),
    ("GET", "/yield/"),
    // Memory and handles.
    ("GET", "/grow/"),
    ("GET", "/grow-and-trap/"),
    ("GET", "/streams/"),
    ("GET", "/transactions/"),
    ("GET", "/subtasks/"),
    // Floods of host calls.
    ("GET", "/flood/log/"),
    ("GET", "/flood/header/"),
    ("GET", "/flood/headers/"),
    ("GET", "/flood/now/"),
    ("GET", "/flood/random/"),
    ("GET", "/flood/reverse/"),
    ("GET", "/flood/fetch/"),
    ("GET", "/random-too-much/"),
    // Responses.
    ("GET", "/half/then-trap/"),
    ("GET", "/half/then-spin/"),
    ("GET", "/half/then-wait/"),
    ("GET", "/endless/"),
    ("GET", "/giant/"),
    ("GET", "/giant-header/"),
    ("GET", "/many-headers/"),
    ("GET", "/remember/"),
    ("GET", "/open-transaction/"),
    // Company in the same instance.
    ("POST", "/who/"),
    ("POST", "/keep/"),
    ("POST", "/steal/"),
    ("GET", "/hold/"),
    ("GET", "/write-and-hold/{word}/"),
    ("POST", "/write-and-hold/{word}/"),
    ("GET", "/found/{word}/"),
    ("GET", "/most/"),
    // What the body says.
    ("POST", "/reply/"),
    ("POST", "/described/"),
    ("POST", "/db/"),
    ("POST", "/render/"),
    ("POST", "/reverse/"),
    ("POST", "/log/"),
];

const MODELS: &str = r#"[
    { "name": "row", "fields": [
        { "name": "id", "kind": "auto" },
        { "name": "number", "kind": "integer", "default": 0 },
        { "name": "message", "kind": "char", "max_length": 200, "default": "" }
    ]},
    { "name": "node", "fields": [
        { "name": "id", "kind": "auto" },
        { "name": "parent", "kind": "foreign_key", "to": "node", "on_delete": "cascade", "related_name": "children", "null": true },
        { "name": "label", "kind": "text", "default": "" }
    ]},
    { "name": "tag", "fields": [
        { "name": "id", "kind": "auto" },
        { "name": "word", "kind": "char", "max_length": 20, "unique": true }
    ]}
]"#;

impl Manifest for Hostile {
    fn describe() -> String {
        let routes: Vec<String> = ROUTES
            .iter()
            .map(|(method, pattern)| format!(r#"{{ "path": "{pattern}", "methods": ["{method}"] }}"#))
            .collect();
        format!(
            r#"{{ "v": 1, "name": "hostile", "version": "6.6.6", "models": {MODELS}, "routes": [{}],
                "capabilities": [{{ "name": "db", "reason": "to fill your disk" }}, {{ "name": "templates" }}] }}"#,
            routes.join(",")
        )
    }
}

impl Handler for Hostile {
    async fn handle(request: Request) -> Response {
        let Some((_, pattern)) = ROUTES.get(request.route as usize) else {
            return text(500, "the host sent a route that isn't in the manifest");
        };
        match *pattern {
            "/" => text(200, "Hello from a hostile app. Try its other pages.\n"),
            "/spin/" => processor::spin(),
            "/spin-calling/" => processor::spin_calling(),
            "/fill/" => processor::fill(),
            "/copy/" => processor::copy(),
            "/recurse/" => processor::recurse(),
            "/trap/" => processor::trap(),
            "/panic/" => panic!("a hostile app panics,\r\nforging a log line \u{1b}[31min red"),
            "/nobody/" => processor::answer_without_end(),
            "/wait/" => waiting::wait().await,
            "/wait-for-body/" => waiting::wait_for_body().await,
            "/yield/" => waiting::yield_for_ever().await,
            "/grow/" => memory::grow(),
            "/grow-and-trap/" => memory::grow_and_trap(),
            "/streams/" => memory::streams(),
            "/transactions/" => memory::transactions().await,
            "/subtasks/" => memory::subtasks().await,
            "/flood/log/" => flood::log(),
            "/flood/header/" => flood::header(),
            "/flood/headers/" => flood::headers(),
            "/flood/now/" => flood::now(),
            "/flood/random/" => flood::random(),
            "/flood/reverse/" => flood::reverse(),
            "/flood/fetch/" => flood::fetch().await,
            "/random-too-much/" => flood::random_too_much(),
            "/half/then-trap/" => reply::half(reply::Then::Trap),
            "/half/then-spin/" => reply::half(reply::Then::Spin),
            "/half/then-wait/" => reply::half(reply::Then::Wait),
            "/endless/" => reply::endless(),
            "/giant/" => reply::giant(),
            "/giant-header/" => reply::giant_header(),
            "/many-headers/" => reply::many_headers(),
            "/remember/" => memory::remember(),
            "/open-transaction/" => database::leave_open().await,
            "/who/" => company::who().await,
            "/keep/" => company::keep().await,
            "/steal/" => company::steal().await,
            "/hold/" => company::hold().await,
            "/write-and-hold/{word}/" => company::write_and_hold(&request.params[0]).await,
            "/found/{word}/" => company::found(&request.params[0]).await,
            "/most/" => company::most(),
            "/reply/" => reply::as_told(&body().await),
            "/described/" => reply::described(body().await),
            "/db/" => database::as_told(&body().await).await,
            "/render/" => rendered(&body().await).await,
            "/reverse/" => reversed(&body().await),
            "/log/" => flood::log_line(&body().await),
            _ => text(500, "a route without an arm"),
        }
    }
}

/// The request's body, empty where it can't be had: the tests then see a 400 for what isn't JSON.
async fn body() -> Vec<u8> {
    request::body(u64::MAX).await.unwrap_or_default()
}

/// `{"name": "…", "context": "…"}`: the context is text, so that it can be broken JSON.
async fn rendered(told: &[u8]) -> Response {
    #[derive(serde::Deserialize)]
    struct Told {
        name: String,
        context: String,
    }
    match serde_json::from_slice::<Told>(told) {
        Err(error) => text(400, error.to_string()),
        Ok(told) => match render::render(told.name, told.context.into_bytes()).await {
            Ok(out) => text(200, out),
            Err(error) => text(422, format!("{}: {}", error.code, error.message)),
        },
    }
}

/// `{"name": "…", "args": ["…"]}`.
fn reversed(told: &[u8]) -> Response {
    #[derive(serde::Deserialize)]
    struct Told {
        name: String,
        args: Vec<String>,
    }
    match serde_json::from_slice::<Told>(told) {
        Err(error) => text(400, error.to_string()),
        Ok(told) => match urls::reverse(&told.name, &told.args) {
            Ok(path) => text(200, path),
            Err(error) => text(422, format!("{}: {}", error.code, error.message)),
        },
    }
}
