//! What [`app!`](crate::app) makes of an app: its manifest, and the way from a request to a view.

use crate::bindings::bandstand::routing::types;
use crate::db::{FieldKind, FieldMeta, Literal, ModelMeta};
use crate::json::{list, member, text};
use crate::request::Request;
use crate::response::Response;
use crate::view::{Part, RouteMeta};

/// What the app says of itself.
#[derive(Debug)]
#[doc(hidden)]
pub struct Description {
    pub name: &'static str,
    pub label: &'static str,
    pub version: &'static str,
    pub models: &'static [&'static ModelMeta],
    pub routes: &'static [RouteMeta],
    pub capabilities: &'static [&'static str],
}

/// The manifest, as `docs/reference/manifest.md` has it.
#[doc(hidden)]
pub fn describe(app: &Description) -> String {
    let mut out = Vec::with_capacity(4096);
    out.extend_from_slice(b"{\"v\":1");
    word(&mut out, "name", app.name);
    word(&mut out, "label", app.label);
    word(&mut out, "version", app.version);
    word(&mut out, "sdk", concat!("bandstand ", env!("CARGO_PKG_VERSION")));
    member(&mut out, "models");
    list(&mut out, app.models, |out, meta| model(out, meta));
    member(&mut out, "routes");
    list(&mut out, app.routes, route);
    member(&mut out, "capabilities");
    let own = (!app.models.is_empty()).then_some("db");
    list(&mut out, own.iter().chain(app.capabilities), |out, name| {
        out.push(b'{');
        word(out, "name", name);
        flag(out, "required", true);
        out.push(b'}');
    });
    out.push(b'}');
    // All that was written was text, and JSON's own signs.
    String::from_utf8_lossy(&out).into_owned()
}

/// A member that is left out where it says nothing.
fn word(out: &mut Vec<u8>, name: &str, value: &str) {
    if !value.is_empty() {
        member(out, name);
        text(out, value);
    }
}

fn flag(out: &mut Vec<u8>, name: &str, value: bool) {
    if value {
        member(out, name);
        out.extend_from_slice(b"true");
    }
}

fn words(out: &mut Vec<u8>, values: &[&str]) {
    list(out, values, |out, value| text(out, value));
}

fn model(out: &mut Vec<u8>, model: &ModelMeta) {
    out.push(b'{');
    word(out, "name", model.name);
    word(out, "label", model.label);
    word(out, "label_plural", model.label_plural);
    word(out, "table", model.table);
    word(out, "of", model.of);
    off(out, "managed", model.managed);
    member(out, "fields");
    list(out, model.fields, field);
    let lists = [("actions", model.actions), ("primary_key", model.primary_key), ("ordering", model.ordering)];
    for (name, values) in lists {
        if !values.is_empty() {
            member(out, name);
            words(out, values);
        }
    }
    if !model.unique_together.is_empty() {
        member(out, "unique_together");
        list(out, model.unique_together, |out, set| words(out, set));
    }
    if !(model.indexes.is_empty() && model.more_indexes.is_empty()) {
        member(out, "indexes");
        out.push(b'[');
        for set in model.indexes {
            comma(out);
            words(out, set);
        }
        for write in model.more_indexes {
            comma(out);
            write(out);
        }
        out.push(b']');
    }
    if !model.constraints.is_empty() {
        member(out, "constraints");
        list(out, model.constraints, |out, write| write(out));
    }
    if let Some(permissions) = model.default_permissions {
        member(out, "default_permissions");
        words(out, permissions);
    }
    if !model.permissions.is_empty() {
        member(out, "permissions");
        list(out, model.permissions, |out, (name, label)| words(out, &[name, label]));
    }
    out.push(b'}');
}

/// Between the entries of a list.
fn comma(out: &mut Vec<u8>) {
    if !out.ends_with(b"[") {
        out.push(b',');
    }
}

/// A member that says what is true unless it is said.
fn off(out: &mut Vec<u8>, name: &str, value: bool) {
    if !value {
        member(out, name);
        out.extend_from_slice(b"false");
    }
}

fn number(out: &mut Vec<u8>, name: &str, value: u32) {
    member(out, name);
    out.extend_from_slice(value.to_string().as_bytes());
}

fn field(out: &mut Vec<u8>, field: &FieldMeta) {
    out.push(b'{');
    word(out, "name", field.name);
    word(out, "kind", field.kind.word());
    match field.kind {
        FieldKind::Char { max_length }
        | FieldKind::Slug { max_length }
        | FieldKind::Email { max_length }
        | FieldKind::Url { max_length } => number(out, "max_length", max_length),
        FieldKind::File { max_length, upload_to } | FieldKind::Image { max_length, upload_to } => {
            number(out, "max_length", max_length);
            word(out, "upload_to", upload_to);
        }
        FieldKind::Decimal { max_digits, decimal_places } => {
            number(out, "max_digits", max_digits);
            number(out, "decimal_places", decimal_places);
        }
        FieldKind::Ip { protocol } => word(out, "protocol", protocol),
        FieldKind::ForeignKey { to } | FieldKind::OneToOne { to } => {
            word(out, "to", to);
            word(out, "on_delete", field.on_delete);
            off(out, "db_constraint", field.db_constraint);
        }
        FieldKind::ManyToMany { to, through } => {
            word(out, "to", to);
            word(out, "through", through);
            if !field.through_fields.is_empty() {
                member(out, "through_fields");
                words(out, field.through_fields);
            }
            word(out, "db_table", field.db_table);
        }
        _ => {}
    }
    word(out, "related_name", field.related_name);
    flag(out, "null", field.null);
    flag(out, "blank", field.blank);
    flag(out, "unique", field.unique);
    flag(out, "index", field.index);
    word(out, "column", field.column);
    if let Some(default) = field.default {
        member(out, "default");
        literal(out, default);
    }
    if let Some(write) = field.db_default {
        member(out, "db_default");
        write(out);
    }
    if !field.choices.is_empty() {
        member(out, "choices");
        list(out, field.choices, |out, (value, label)| {
            out.push(b'{');
            member(out, "value");
            literal(out, *value);
            member(out, "label");
            text(out, label);
            out.push(b'}');
        });
    }
    if !field.validators.is_empty() {
        member(out, "validators");
        list(out, field.validators, |out, (name, value)| {
            out.push(b'[');
            text(out, name);
            out.push(b',');
            literal(out, *value);
            out.push(b']');
        });
    }
    flag(out, "auto_now", field.auto_now);
    flag(out, "auto_now_add", field.auto_now_add);
    if let Some(write) = field.generated {
        member(out, "generated");
        out.extend_from_slice(b"{\"expr\":");
        write(out);
        flag(out, "stored", field.stored);
        out.push(b'}');
    }
    off(out, "editable", field.editable);
    word(out, "label", field.label);
    word(out, "help_text", field.help_text);
    out.push(b'}');
}

fn literal(out: &mut Vec<u8>, value: Literal) {
    match value {
        Literal::Null => out.extend_from_slice(b"null"),
        Literal::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Literal::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Literal::Float(value) => out.extend_from_slice(value.as_bytes()),
        Literal::Text(value) => text(out, value),
    }
}

fn route(out: &mut Vec<u8>, route: &RouteMeta) {
    let mut path = String::new();
    for part in route.path {
        match part {
            Part::Text(text) => path.push_str(text),
            Part::Capture(name, converter) => {
                path.push('{');
                path.push_str(name);
                path.push(':');
                path.push_str(converter);
                path.push('}');
            }
        }
    }
    out.push(b'{');
    word(out, "path", &path);
    member(out, "methods");
    words(out, route.methods);
    word(out, "name", route.name.unwrap_or_default());
    out.push(b'}');
}

/// Answers one request with `view`, which finds the view of the request's route.
#[doc(hidden)]
pub async fn answer(
    request: types::Request,
    view: impl AsyncFnOnce(u32, &Request) -> Option<Response>,
) -> types::Response {
    log_panics();
    let route = request.route;
    let request = Request::new(request);
    let response = crate::db::scope::run(view(route, &request)).await;
    response
        .unwrap_or_else(|| {
            Response::from(crate::Error::internal(format!(
                "the host asked for route {route}, which the app doesn't have"
            )))
        })
        .into_wire()
}

/// A panic ends the instance; what it said goes to the log first.
fn log_panics() {
    #[cfg(target_family = "wasm")]
    {
        // The compiler can't know that one hook serves for the instance's life, so it is set again for each request: cheaper than asking.
        std::panic::set_hook(Box::new(|panic| {
            crate::bindings::bandstand::app::log::log(crate::log::Level::Error, &panic.to_string());
        }));
    }
}

/// The host's bindings, for `app!`.
#[doc(hidden)]
pub mod exports {
    pub use crate::bindings::exports::bandstand::app::manifest::Guest as Manifest;
    pub use crate::bindings::exports::bandstand::routing::handler::Guest as Handler;
    pub use crate::bindings::exports::bandstand::routing::handler::{Request, Response};
}
