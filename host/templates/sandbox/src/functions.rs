//! Functions: addresses and the time.

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};

use crate::dates;
use crate::scope::Scope;

/// Adds all functions.
pub(crate) fn add(env: &mut Environment<'static>) {
    env.add_function("url", url);
    env.add_function("static", static_url);
    env.add_function("now", now);
    env.add_function("querystring", querystring);
    env.add_function("request_id", || Scope::current().map(|scope| scope.facts.id.clone()));
    env.add_function("request_path", || Scope::current().map(|scope| scope.facts.path.clone()));
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// `url("polls:detail", question.id)`.
fn url(name: &str, args: Rest<Value>) -> Result<String, Error> {
    let args = args
        .iter()
        .map(|arg| match arg.kind() {
            ValueKind::String | ValueKind::Number => Ok(arg.to_string()),
            ValueKind::Undefined | ValueKind::None => {
                Err(invalid(format!("url(\"{name}\"): an argument is {}; was it put into the context?", arg.kind())))
            }
            kind => Err(invalid(format!("url(\"{name}\"): an argument is a {kind}; use a string or a number"))),
        })
        .collect::<Result<Vec<_>, _>>()?;
    Scope::current()?.links.url(name, &args).map_err(|message| invalid(format!("url: {message}")))
}

/// `static("polls/style.css")`.
fn static_url(path: &str) -> Result<String, Error> {
    let well_formed = !path.is_empty()
        && path.len() <= 500
        && !path.contains(['\\', '\0'])
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !well_formed {
        return Err(invalid("static: the path must be like \"polls/style.css\", without `..` and a leading `/`"));
    }
    Ok(Scope::current()?.links.static_url(path))
}

/// `now()` in microseconds, or `now("Y")` as text.
fn now(format: Option<&str>) -> Result<Value, Error> {
    let now = Scope::current()?.facts.now;
    match format {
        None => Ok(Value::from(now)),
        Some(format) => dates::format(dates::Moment::from_micros(now)?, format).map(Value::from),
    }
}

/// `querystring(page=2)`: the request's query with these members set, or removed where the value is none.
fn querystring(changes: Kwargs) -> Result<String, Error> {
    let scope = Scope::current()?;
    let keys: Vec<&str> = changes.args().collect();
    let mut out = String::new();
    let mut push = |key: &str, value: &str| {
        out.push(if out.is_empty() { '?' } else { '&' });
        out.push_str(key);
        if !value.is_empty() {
            out.push('=');
            out.push_str(value);
        }
    };
    for pair in scope.facts.query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // What came is encoded already and stays so; a key of ours is a plain word.
        if !keys.contains(&key) {
            push(key, value);
        }
    }
    for key in &keys {
        let value: Value = changes.get(key)?;
        match value.kind() {
            ValueKind::None | ValueKind::Undefined => {}
            ValueKind::Seq | ValueKind::Iterable => {
                for item in value.try_iter()? {
                    push(key, &encode(&item.to_string()));
                }
            }
            _ => push(key, &encode(&value.to_string())),
        }
    }
    // A link to nothing would stay where it is; `?` alone leads to the page without its query.
    Ok(if out.is_empty() { "?".into() } else { out })
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
            b' ' => out.push('+'),
            _ => {
                out.push('%');
                out.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
            }
        }
    }
    out
}
