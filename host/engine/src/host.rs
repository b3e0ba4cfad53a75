//! Answers `bandstand:routing/request`, `bandstand:app/log` and `bandstand:app/environment`.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use host_core::context::RequestContext;
use host_core::http::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use rand::Rng;
use wasmtime::component::{Access, Accessor, HasSelf, StreamReader};

use crate::bindings::bandstand::app::{environment, log};
use crate::bindings::bandstand::routing::{request, types};
use crate::body::{BodyProducer, bounded};
use crate::data::{Data, Serving};
use crate::guest_log;

/// What a call costs besides the bytes that it carries: without it, a flood of empty calls would be free.
const CALL: u64 = 64;

fn error(code: &str, message: impl Into<String>) -> types::Error {
    types::Error { code: code.into(), message: message.into() }
}

fn denied() -> types::Error {
    error("access-denied", "there is no request while the app describes itself")
}

/// Header fields that carry the host's own secrets; an app never sees them.
fn is_private(name: &http::HeaderName) -> bool {
    name == http::header::PROXY_AUTHORIZATION
}

impl Data {
    fn charge(&self, bytes: usize) -> wasmtime::Result<()> {
        Ok(self.ctx().budget.charge_hostcall(bytes as u64 + CALL)?)
    }
}

impl types::Host for Data {}

impl request::Host for Data {
    fn header(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        let value = self.current().and_then(|current| {
            let name = http::HeaderName::from_bytes(name.as_bytes()).ok().filter(|name| !is_private(name))?;
            std::str::from_utf8(current.parts.headers.get(name)?.as_bytes()).ok().map(str::to_owned)
        });
        self.charge(name.len() + value.as_ref().map_or(0, String::len))?;
        Ok(value)
    }

    fn headers(&mut self) -> wasmtime::Result<Vec<types::Header>> {
        let Some(current) = self.current() else { return Ok(Vec::new()) };
        let mut bytes = 0;
        let mut headers = Vec::with_capacity(current.parts.headers.len());
        for (name, value) in &current.parts.headers {
            if let Ok(value) = std::str::from_utf8(value.as_bytes())
                && !is_private(name)
            {
                bytes += name.as_str().len() + value.len();
                headers.push((name.as_str().to_owned(), value.to_owned()));
            }
        }
        self.charge(bytes)?;
        Ok(headers)
    }

    fn break_off(&mut self) -> wasmtime::Result<()> {
        self.charge(0)?;
        self.ctx().break_off();
        Ok(())
    }

    fn facts(&mut self) -> wasmtime::Result<String> {
        let Some(current) = self.current() else { return Ok("{}".into()) };
        let host = current
            .parts
            .headers
            .get(http::header::HOST)
            .and_then(|host| host.to_str().ok())
            .or_else(|| current.parts.uri.authority().map(http::uri::Authority::as_str));
        let facts = serde_json::json!({
            "id": current.arrival.id.to_string(),
            "scheme": if current.arrival.secure { "https" } else { "http" },
            "host": host,
            "remote": current.arrival.remote.to_string(),
            "mount": current.version.config.mount,
            "path": current.parts.uri.path(),
        })
        .to_string();
        self.charge(facts.len())?;
        Ok(facts)
    }
}

impl request::HostWithStore<Data> for HasSelf<Data> {
    async fn body(store: &Accessor<Data, Self>, max_bytes: u64) -> wasmtime::Result<Result<Vec<u8>, types::Error>> {
        let Taken { body, limit, ctx } = match store.with(|mut store| take_body(store.data_mut()))? {
            Ok(taken) => taken,
            Err(error) => return Ok(Err(error)),
        };
        let limit = limit.min(usize::try_from(max_bytes).unwrap_or(usize::MAX));
        ctx.set_awaits_body(true);
        let collected = Limited::new(body, limit).collect().await;
        ctx.set_awaits_body(false);
        match collected {
            Ok(collected) => {
                let bytes = Vec::from(collected.to_bytes());
                ctx.budget.charge_hostcall(bytes.len() as u64)?;
                Ok(Ok(bytes))
            }
            Err(e) if e.is::<LengthLimitError>() => {
                Ok(Err(error("too-large", format!("the request's body is larger than {limit} bytes"))))
            }
            Err(_) => Ok(Err(error("closed", "the client went away or was too slow"))),
        }
    }

    fn body_stream(mut store: Access<'_, Data, Self>) -> wasmtime::Result<Result<StreamReader<u8>, types::Error>> {
        let Taken { body, limit, ctx } = match take_body(store.data_mut())? {
            Ok(taken) => taken,
            Err(error) => return Ok(Err(error)),
        };
        let reader = StreamReader::new(&mut store, BodyProducer::new(bounded(body, limit), ctx))?;
        Ok(Ok(reader))
    }
}

/// A request's body, the most bytes that it may have, and who pays for them.
struct Taken {
    body: Body,
    limit: usize,
    ctx: Arc<RequestContext>,
}

/// Takes the body, which can be done once.
fn take_body(data: &mut Data) -> wasmtime::Result<Result<Taken, types::Error>> {
    data.charge(0)?;
    let Serving { ctx, current, .. } = data.serving_mut();
    let limit = usize::try_from(ctx.budget.limits().body_bytes).unwrap_or(usize::MAX);
    let Some(current) = current else { return Ok(Err(denied())) };
    Ok(match current.body.take() {
        Some(body) => Ok(Taken { body, limit, ctx: ctx.clone() }),
        None => Err(error("closed", "the body was taken before")),
    })
}

impl log::Host for Data {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.charge(message.len())?;
        let level = match level {
            log::Level::Trace => tracing::Level::TRACE,
            log::Level::Debug => tracing::Level::DEBUG,
            log::Level::Info => tracing::Level::INFO,
            log::Level::Warn => tracing::Level::WARN,
            log::Level::Error => tracing::Level::ERROR,
        };
        guest_log::line(self.ctx(), level, &message);
        Ok(())
    }
}

/// What the clock shows during `describe`: a manifest must not depend on when it is read.
pub(crate) const STILL: i64 = 1_767_225_600_000_000;

impl environment::Host for Data {
    fn now(&mut self) -> wasmtime::Result<i64> {
        self.charge(0)?;
        if self.current().is_none() {
            return Ok(STILL);
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn random(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        wasmtime::ensure!(count <= 1_024, "random: {count} bytes asked for; the most is 1024");
        self.charge(count as usize)?;
        let mut bytes = vec![0; count as usize];
        if self.current().is_some() {
            rand::rng().fill_bytes(&mut bytes);
        }
        Ok(bytes)
    }
}
