//! Models as Rust source.
//!
//! Everything that comes from the database is quoted or written out: a name or a default with a quote or a line end in it
//! stays inside of its literal or comment.

use std::fmt::Write;

use host_core::text::one_line;
use host_db::inspect::Schema;

use super::names::identifier;
use super::plan::{Field, Model, Plan, plan};

/// The most bytes of a comment's line.
const MOST_NOTE: usize = 300;

/// The most characters of a line with attributes.
const WIDTH: usize = 110;

/// The most models of an app.
const MOST_MODELS: usize = 500;

/// The source of models for the tables called `chosen`. With `managed` the host will change the tables as models change.
pub(super) fn source(schema: &Schema, chosen: &[&str], managed: bool) -> String {
    let Plan { models, refused } = plan(schema, chosen);
    let mut out = String::new();
    out.push_str(
        "//! Models for tables that were there before, as `bandstand inspectdb` wrote them. Lines that begin with\n\
         //! `inspectdb:` say what it had to guess or leave out: read them, then take them away.\n//!\n",
    );
    if !models.is_empty() {
        let mut tables = String::from("tables = [");
        list(&mut tables, models.iter().map(|model| format!("{:?}", model.table)));
        tables.push(']');
        if managed {
            let manage = tables.replacen("tables", "manage", 1);
            tables.push_str("\n//! ");
            tables.push_str(&manage);
        }
        let mut idents = String::from("models: [");
        list(&mut idents, models.iter().map(|model| model.ident.clone()));
        idents.push(']');
        let _ = write!(
            out,
            "//! The tables have names of their own, so the operator grants them in bandstand.toml, under `[apps.NAME]`:\n\
             //!\n//! ```toml\n//! {tables}\n//! ```\n//!\n//! The app names the models in `app!`:\n//!\n//! ```text\n//! {idents}\n//! ```\n\n",
        );
    }
    out.push_str("use bandstand::prelude::*;\n");
    if models.len() > MOST_MODELS {
        note(&mut out, "", &format!("these are {} models; an app has at most {MOST_MODELS}", models.len()));
    }
    for model in &models {
        write_model(&mut out, model, managed);
    }
    if !refused.is_empty() || !schema.left_out.is_empty() {
        out.push('\n');
    }
    for (table, why) in &refused {
        note(&mut out, "", &format!("the table {table} is left out: {why}"));
    }
    for (name, what) in &schema.left_out {
        note(&mut out, "", &format!("{name} is {what} and is left out"));
    }
    out
}

fn write_model(out: &mut String, model: &Model, managed: bool) {
    let _ = write!(out, "\n/// A row of the table `{}`.\n", model.table);
    for text in &model.notes {
        note(out, "", text);
    }
    out.push_str("#[derive(Model)]\n");
    let mut attributes = vec![format!("table = {:?}", model.table)];
    if !managed {
        attributes.push("managed = false".into());
    }
    if !model.primary_key.is_empty() {
        attributes.push(format!("primary_key = {:?}", model.primary_key));
    }
    if !model.unique_together.is_empty() {
        attributes.push(format!("unique_together = {:?}", model.unique_together));
    }
    if !model.indexes.is_empty() {
        attributes.push(format!("indexes = {:?}", model.indexes));
    }
    attribute(out, "", "model", &attributes);
    let _ = writeln!(out, "pub struct {} {{", model.ident);
    for field in &model.fields {
        write_field(out, field);
    }
    out.push_str("}\n");
}

fn write_field(out: &mut String, field: &Field) {
    for text in &field.notes {
        note(out, "    ", text);
    }
    let Some(name) = &field.name else { return };
    if !field.attributes.is_empty() {
        attribute(out, "    ", "field", &field.attributes);
    }
    let _ = writeln!(out, "    pub {}: {},", identifier(name), field.ty);
}

fn attribute(out: &mut String, indent: &str, name: &str, entries: &[String]) {
    let line = format!("{indent}#[{name}({})]", entries.join(", "));
    if line.chars().count() <= WIDTH {
        let _ = writeln!(out, "{line}");
        return;
    }
    let _ = writeln!(out, "{indent}#[{name}(");
    for entry in entries {
        let _ = writeln!(out, "{indent}    {entry},");
    }
    let _ = writeln!(out, "{indent})]");
}

/// A list that goes on in the comment's next line where one is full.
fn list(out: &mut String, items: impl Iterator<Item = String>) {
    let mut line = out.len();
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(',');
            if line + item.len() + 4 > WIDTH {
                out.push_str("\n//!     ");
                line = 4;
            } else {
                out.push(' ');
            }
        }
        line += item.len() + 2;
        out.push_str(&item);
    }
}

fn note(out: &mut String, indent: &str, text: &str) {
    let _ = writeln!(out, "{indent}// inspectdb: {}", one_line(text, MOST_NOTE));
}
