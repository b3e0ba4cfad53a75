//! A well-behaved app without the SDK: the neighbour of hostile ones, and the plain app of the comparisons.

use glue::db::{Param, Statement, Value};
use glue::{Body, Handler, Manifest, Request, Response, log, queries, request, text, urls};

struct Good;

glue::export!(Good with_types_in glue);

// The place in the manifest is the number that arrives in `request.route`.
const MANIFEST: &str = r#"{
    "v": 1, "name": "good", "label": "Good neighbour", "version": "1.0.0",
    "models": [
        { "name": "row", "fields": [
            { "name": "id", "kind": "auto" },
            { "name": "number", "kind": "integer" },
            { "name": "message", "kind": "char", "max_length": 200 }
        ]},
        { "name": "counter", "fields": [
            { "name": "id", "kind": "auto" },
            { "name": "name", "kind": "char", "max_length": 30, "unique": true },
            { "name": "value", "kind": "big_integer", "default": 0 }
        ]}
    ],
    "routes": [
        { "path": "/", "methods": ["GET"], "name": "index" },
        { "path": "/row/{id:int}/", "methods": ["GET"], "name": "row" },
        { "path": "/rows/", "methods": ["GET", "POST"], "name": "rows" },
        { "path": "/echo/", "methods": ["POST"], "name": "echo" },
        { "path": "/echo-stream/", "methods": ["POST"], "name": "echo_stream" },
        { "path": "/stream/", "methods": ["GET"], "name": "stream" },
        { "path": "/headers/", "methods": ["GET"], "name": "headers" },
        { "path": "/count/", "methods": ["GET", "POST"], "name": "count" },
        { "path": "/facts/", "methods": ["GET"], "name": "facts" },
        { "path": "/links/", "methods": ["GET"], "name": "links" },
        { "path": "/missing/", "methods": ["GET"], "name": "missing" }
    ],
    "capabilities": [{ "name": "db", "required": true, "reason": "keeps its rows and its counter" }]
}"#;

/// Rows that `POST /rows/` makes at once.
const BATCH: i64 = 1_000;

const ROW: &[u8] = br#"{"v":1,"from":"row","filter":[["exact","id",{"$":0}]]}"#;
const ROWS: &[u8] = br#"{"v":1,"op":"count","from":"row"}"#;
const ADD_ROWS: &[u8] = br#"{"v":1,"op":"insert","from":"row","set":{"number":{"$":0},"message":{"$":1}}}"#;
const READ_COUNTER: &[u8] = br#"{"v":1,"from":"counter","fields":["value"],"filter":[["exact","name",{"$":0}]]}"#;
const ADD_COUNTER: &[u8] = br#"{"v":1,"op":"insert","from":"counter","set":{"name":{"$":0},"value":1}}"#;
const RAISE_COUNTER: &[u8] = br#"{"v":1,"op":"update","from":"counter","filter":[["exact","name",{"$":0}]],"set":{"value":["add",{"f":"value"},1]}}"#;

impl Manifest for Good {
    fn describe() -> String {
        MANIFEST.into()
    }
}

impl Handler for Good {
    async fn handle(request: Request) -> Response {
        let answer = match request.route {
            0 => Ok(text(200, "Hello from a good app.\n")),
            1 => row(&request).await,
            2 if request.method == "POST" => add_rows().await,
            2 => number(ROWS, vec![]).await,
            3 => echo().await,
            4 => echo_stream(),
            5 => Ok(slow_words()),
            6 => Ok(text(200, headers())),
            7 => count(&request.method).await,
            8 => Ok(text(200, request::facts())),
            9 => Ok(text(200, urls::reverse("row", &["7".into()]).unwrap_or_else(|error| error.code))),
            _ => Ok(Response {
                status: 404,
                headers: vec![],
                body: Body::Described(br#"{"error":{"status":404,"message":"There is no such thing."}}"#.to_vec()),
            }),
        };
        answer.unwrap_or_else(|error| {
            log::log(log::Level::Error, &format!("{}: {}", error.code, error.message));
            text(if error.code == "busy" || error.code == "timeout" { 503 } else { 500 }, error.code)
        })
    }
}

fn with(shape: &[u8], params: Vec<Param>) -> Statement {
    Statement { shape: shape.to_vec(), params }
}

fn one(value: Value) -> Param {
    Param::One(value)
}

async fn row(request: &Request) -> Result<Response, glue::db::Error> {
    let Some(id) = request.params.first().and_then(|id| id.parse().ok()) else {
        return Ok(text(404, "no such row\n"));
    };
    let block = queries::fetch_packed(with(ROW, vec![one(Value::Integer(id))])).await?;
    // u32 width, u32 rows, then the cells: two integers of 9 bytes, then a text with its length.
    if block.get(4..8) != Some(&[1, 0, 0, 0]) {
        return Ok(text(404, "no such row\n"));
    }
    let message = block.get(8 + 9 + 9 + 1 + 4..).unwrap_or_default().to_vec();
    Ok(Response {
        status: 200,
        headers: vec![("content-type".into(), "text/plain; charset=utf-8".into())],
        body: Body::Bytes(message),
    })
}

async fn add_rows() -> Result<Response, glue::db::Error> {
    let numbers = (0..BATCH).map(|n| Value::Integer((n * 7919) % 10_000)).collect();
    let messages = (0..BATCH).map(|n| Value::Text(format!("This is message number {n}."))).collect();
    let outcome = queries::execute(with(ADD_ROWS, vec![Param::Many(numbers), Param::Many(messages)])).await?;
    Ok(text(201, format!("{}\n", outcome.affected)))
}

async fn number(shape: &[u8], params: Vec<Param>) -> Result<Response, glue::db::Error> {
    let rows = queries::fetch(with(shape, params)).await?;
    let number = match rows.cells.first() {
        Some(Value::Integer(number)) => *number,
        _ => 0,
    };
    Ok(text(200, format!("{number}\n")))
}

async fn count(method: &str) -> Result<Response, glue::db::Error> {
    let name = || vec![one(Value::Text("visits".into()))];
    if method == "POST" {
        let raised = queries::execute(with(RAISE_COUNTER, name())).await?;
        if raised.affected == 0 {
            match queries::execute(with(ADD_COUNTER, name())).await {
                // Another request was first.
                Err(error) if error.code == "unique" => {
                    queries::execute(with(RAISE_COUNTER, name())).await?;
                }
                other => {
                    other?;
                }
            }
        }
    }
    number(READ_COUNTER, name()).await
}

async fn echo() -> Result<Response, glue::db::Error> {
    Ok(match request::body(64 << 20).await {
        Ok(body) => Response { status: 200, headers: vec![], body: Body::Bytes(body) },
        Err(error) => text(if error.code == "too-large" { 413 } else { 400 }, error.code),
    })
}

fn echo_stream() -> Result<Response, glue::db::Error> {
    Ok(match request::body_stream() {
        Ok(stream) => Response { status: 200, headers: vec![], body: Body::Stream(stream) },
        Err(error) => text(400, error.code),
    })
}

fn slow_words() -> Response {
    let body = glue::stream(|mut writer| async move {
        for word in ["one ", "two ", "three\n"] {
            if !writer.write_all(word.as_bytes().to_vec()).await.is_empty() {
                return;
            }
        }
    });
    Response { status: 200, headers: vec![("content-type".into(), "text/plain".into())], body }
}

fn headers() -> String {
    let mut out = String::new();
    for (name, value) in request::headers() {
        out.push_str(&name);
        out.push_str(": ");
        out.push_str(&value);
        out.push('\n');
    }
    out
}
