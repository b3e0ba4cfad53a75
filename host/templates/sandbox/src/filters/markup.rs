//! Filters that make markup, or something that has to be safe inside of it.

use minijinja::{AutoEscape, Environment, Error, State, Value};

use super::{escapes, invalid, markup, text};
use crate::engine::write_escaped;

pub(super) fn add(env: &mut Environment<'static>) {
    env.add_filter("escape", escape);
    env.add_filter("e", escape);
    env.add_filter("linebreaks", linebreaks);
    env.add_filter("linebreaksbr", linebreaksbr);
    env.add_filter("urlize", urlize);
    env.add_filter("json_script", json_script);
    env.add_filter("escapejs", escapejs);
    env.add_filter("striptags", striptags);
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    // Writing to a string can't fail.
    let _ = write_escaped(&mut out, text);
    out
}

/// The input as it may stand in markup.
fn input(state: &State, value: &Value) -> Result<String, Error> {
    let text = text(value)?;
    Ok(if escapes(state) && !value.is_safe() { escaped(&text) } else { text.into_owned() })
}

fn escape(state: &mut State, value: &Value) -> Result<Value, Error> {
    match value.as_str() {
        Some(_) if value.is_safe() => Ok(value.clone()),
        Some(text) if *state.auto_escape() != AutoEscape::Json => Ok(Value::from_safe_string(escaped(text))),
        _ => minijinja::filters::escape(state, value),
    }
}

fn normalised(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Blank lines end paragraphs, single line breaks become `<br>`.
fn linebreaks(state: &State, value: &Value) -> Result<Value, Error> {
    let text = normalised(&input(state, value)?);
    let mut out = String::with_capacity(text.len() + 16);
    let mut paragraph: Vec<&str> = Vec::new();
    for line in text.split('\n').chain([""]) {
        if !line.is_empty() {
            paragraph.push(line);
        } else if !paragraph.is_empty() {
            if !out.is_empty() {
                out.push_str("\n\n");
            }
            out.push_str("<p>");
            out.push_str(&paragraph.join("<br>"));
            out.push_str("</p>");
            paragraph.clear();
        }
    }
    Ok(markup(state, out))
}

fn linebreaksbr(state: &State, value: &Value) -> Result<Value, Error> {
    Ok(markup(state, normalised(&input(state, value)?).replace('\n', "<br>")))
}

/// Makes links of what begins with `http://`, `https://` or `www.`. All else is escaped, what is in the link as well.
fn urlize(state: &State, value: &Value) -> Result<Value, Error> {
    let text = text(value)?;
    let mut out = String::with_capacity(text.len() * 2);
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let before = bare.len() - bare.trim_start_matches(['(', '[', '<', '"', '\'']).len();
        let (open, rest) = bare.split_at(before);
        let link = rest.trim_end_matches(['.', ',', ':', ';', '!', '?', ')', ']', '>', '"', '\'']);
        let scheme = ["http://", "https://"].into_iter().find(|scheme| {
            link.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
                && link.len() > scheme.len()
        });
        let prefix = match scheme {
            Some(_) => "",
            None if link.starts_with("www.") && link.len() > 4 => "https://",
            None => {
                out.push_str(&escaped(word));
                continue;
            }
        };
        let href = escaped(link);
        out.push_str(&escaped(open));
        out.push_str(&format!("<a href=\"{prefix}{href}\" rel=\"nofollow\">{href}</a>"));
        out.push_str(&escaped(&word[before + link.len()..]));
    }
    Ok(markup(state, out))
}

/// The value as JSON in a `<script>` element that no value can close.
fn json_script(state: &State, value: &Value, id: Option<&str>) -> Result<Value, Error> {
    let json = serde_json::to_string(value).map_err(|error| invalid(format!("json_script: {error}")))?;
    let json = json.replace('<', "\\u003C").replace('>', "\\u003E").replace('&', "\\u0026");
    let id = id.map(|id| format!(" id=\"{}\"", escaped(id))).unwrap_or_default();
    Ok(markup(state, format!("<script{id} type=\"application/json\">{json}</script>")))
}

/// Text as it may stand between quotes in JavaScript.
fn escapejs(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    for c in text(value)?.chars() {
        match c {
            '\\' | '\'' | '"' | '<' | '>' | '&' | '=' | '-' | ';' | '`' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// Removes what looks like tags. What remains is text, not safe markup, and is escaped like any other.
fn striptags(value: &Value) -> Result<String, Error> {
    let text = text(value)?;
    let mut out = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(open) = rest.find('<') {
        let begins = rest[open + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        match rest[open..].find('>').filter(|_| begins) {
            Some(close) => {
                out.push_str(&rest[..open]);
                rest = &rest[open + close + 1..];
            }
            None => {
                out.push_str(&rest[..=open]);
                rest = &rest[open + 1..];
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}
