//! Places in JSON documents.

use super::Dialect;
use crate::plan::sql::Sql;
use crate::shape::{JsonResult, JsonStep};

impl Dialect {
    /// What stands at the end of `steps` in a document, NULL where nothing does.
    pub(crate) fn json(self, result: JsonResult, document: Sql, steps: &[JsonStep]) -> Sql {
        match self {
            Dialect::Sqlite => Sql::fill(
                &format!("bandstand_{}({{0}}, {{1}})", result.word()),
                &[document, self.constant(listed(steps))],
            ),
            Dialect::Postgres => self.postgres_json(result, document, steps),
            Dialect::Mariadb => {
                let template = match result {
                    JsonResult::Json => "{0}",
                    JsonResult::Text => {
                        "CASE WHEN json_type({0}) <> 'NULL' THEN json_unquote({0}) COLLATE utf8mb4_nopad_bin END"
                    }
                    JsonResult::Length => "CASE WHEN json_type({0}) IN ('ARRAY', 'OBJECT') THEN json_length({0}) END",
                };
                let place = match steps {
                    [] => document,
                    steps => Sql::fill("json_extract({0}, {1})", &[document, self.constant(mariadb_path(steps))]),
                };
                Sql::fill(template, &[place])
            }
        }
    }

    fn postgres_json(self, result: JsonResult, document: Sql, steps: &[JsonStep]) -> Sql {
        let (document, steps, last) = match (result, steps) {
            (JsonResult::Text, []) => return Sql::fill("({0} #>> '{}')", &[document]),
            (JsonResult::Text, [before @ .., last]) => (document, before, Some(last)),
            (_, steps) => (document, steps, None),
        };
        let step = |step: &JsonStep| match step {
            JsonStep::Key(key) => self.constant(key.clone()),
            // A whole number of 32 bits, as the parser saw to.
            JsonStep::Index(index) => Sql::text(format!("({index})")),
        };
        let place = steps.iter().fold(document, |place, name| Sql::fill("({0} -> {1})", &[place, step(name)]));
        let place = match last {
            Some(last) => Sql::fill("({0} ->> {1})", &[place, step(last)]),
            None => place,
        };
        match result {
            JsonResult::Length => Sql::fill(
                "(CASE jsonb_typeof({0}) WHEN 'array' THEN jsonb_array_length({0}) \
                 WHEN 'object' THEN (SELECT count(*) FROM jsonb_object_keys({0})) END)::bigint",
                &[place],
            ),
            _ => place,
        }
    }
}

/// The steps as a JSON list, for the store's function.
fn listed(steps: &[JsonStep]) -> String {
    let step = |step: &JsonStep| match step {
        JsonStep::Key(key) => serde_json::Value::String(key.clone()),
        JsonStep::Index(index) => serde_json::Value::from(*index),
    };
    serde_json::Value::Array(steps.iter().map(step).collect()).to_string()
}

/// `$."key"[0]`
fn mariadb_path(steps: &[JsonStep]) -> String {
    let mut path = "$".to_owned();
    for step in steps {
        match step {
            JsonStep::Key(key) => {
                let key = key.replace('\\', "\\\\").replace('"', "\\\"");
                path.push_str(&format!(".\"{key}\""));
            }
            JsonStep::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}
