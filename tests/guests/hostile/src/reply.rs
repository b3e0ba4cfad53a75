//! Responses that are wrong, too large, or never end.

use glue::{Body, Response, text};

/// What happens after the first half of a body.
#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    End,
    Trap,
    Spin,
    Wait,
}

impl Then {
    async fn happen(self) {
        match self {
            Then::End => {}
            Then::Trap => {
                crate::processor::trap();
            }
            Then::Spin => crate::processor::spin(),
            Then::Wait => glue::wait_for_ever().await,
        }
    }
}

fn plain(body: Body) -> Response {
    Response { status: 200, headers: vec![("content-type".into(), "text/plain".into())], body }
}

fn chunks(count: u64, size: usize, then: Then) -> Body {
    glue::stream(move |mut writer| async move {
        for _ in 0..count {
            if !writer.write_all(vec![b'x'; size]).await.is_empty() {
                return;
            }
        }
        then.happen().await;
    })
}

/// Half a page, and then something else than the other half.
pub fn half(then: Then) -> Response {
    plain(chunks(1, 1_000, then))
}

/// A body that never ends.
pub fn endless() -> Response {
    plain(chunks(u64::MAX, 65_536, Then::End))
}

/// More bytes at once than a body may have.
pub fn giant() -> Response {
    plain(Body::Bytes(vec![b'x'; 32 << 20]))
}

/// One header field of a megabyte.
pub fn giant_header() -> Response {
    let mut response = text(200, "see the header\n");
    response.headers.push(("x-giant".into(), "x".repeat(1 << 20)));
    response
}

/// A hundred thousand header fields.
pub fn many_headers() -> Response {
    let mut response = text(200, "see the headers\n");
    response.headers.extend((0..100_000).map(|n| (format!("x-{n}"), String::new())));
    response
}

/// A described body that is the request's own.
pub fn described(document: Vec<u8>) -> Response {
    Response { status: 200, headers: vec![], body: Body::Described(document) }
}

#[derive(serde::Deserialize)]
struct Told {
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: ToldBody,
}

fn ok() -> u16 {
    200
}

#[derive(serde::Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum ToldBody {
    #[default]
    Empty,
    /// Text, sent as bytes.
    Text(String),
    /// So many bytes at once.
    Bytes(usize),
    /// So many chunks of so many bytes, and what happens then.
    Stream { chunks: u64, size: usize, then: Then },
}

/// The response that the request's body describes: `{"status": 200, "headers": [["a", "b"]], "body": {"text": "…"}}`.
pub fn as_told(told: &[u8]) -> Response {
    match serde_json::from_slice::<Told>(told) {
        Err(error) => text(400, error.to_string()),
        Ok(told) => Response {
            status: told.status,
            headers: told.headers,
            body: match told.body {
                ToldBody::Empty => Body::Empty,
                ToldBody::Text(text) => Body::Bytes(text.into_bytes()),
                ToldBody::Bytes(count) => Body::Bytes(vec![b'x'; count]),
                ToldBody::Stream { chunks: count, size, then } => chunks(count, size, then),
            },
        },
    }
}
