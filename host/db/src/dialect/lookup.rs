//! How lookups compare.

use super::Dialect;
use super::functions::Function;
use crate::kind::Kind;
use crate::plan::sql::{MANY, MANY_MORE, Sql};
use crate::shape::{JsonLookup, TextLookup};

impl Dialect {
    /// Equal, where NULL equals NULL.
    pub(crate) fn same(self, left: Sql, right: Sql, kind: Kind) -> Sql {
        let template = match self {
            Dialect::Sqlite if kind == Kind::Json => "bandstand_json_canonical({0}) IS bandstand_json_canonical({1})",
            Dialect::Sqlite => "{0} IS {1}",
            Dialect::Postgres => "{0} IS NOT DISTINCT FROM {1}",
            Dialect::Mariadb if kind == Kind::Json => {
                "(coalesce(json_equals({0}, {1}), 0) OR ({0} IS NULL AND {1} IS NULL))"
            }
            Dialect::Mariadb => "{0} <=> {1}",
        };
        Sql::fill(template, &[left, right])
    }

    /// Equal, where NULL equals nothing.
    pub(crate) fn equal(self, left: Sql, right: Sql, kind: Kind) -> Sql {
        let template = match self {
            Dialect::Sqlite if kind == Kind::Json => "bandstand_json_canonical({0}) = bandstand_json_canonical({1})",
            Dialect::Mariadb if kind == Kind::Json => "json_equals({0}, {1})",
            _ => "{0} = {1}",
        };
        Sql::fill(template, &[left, right])
    }

    /// A text that is looked through for another one. No wildcards: `%` and `_` are characters like others.
    pub(crate) fn text_lookup(self, lookup: TextLookup, text: Sql, sought: Sql) -> Sql {
        let arguments = [text, sought];
        if self == Dialect::Sqlite {
            let word = match lookup {
                TextLookup::Iexact => "iexact",
                TextLookup::Contains => "contains",
                TextLookup::Icontains => "icontains",
                TextLookup::Startswith => "startswith",
                TextLookup::Istartswith => "istartswith",
                TextLookup::Endswith => "endswith",
                TextLookup::Iendswith => "iendswith",
            };
            return Sql::fill(&format!("bandstand_{word}({{0}}, {{1}})"), &arguments);
        }
        let ignores_case = matches!(
            lookup,
            TextLookup::Iexact | TextLookup::Icontains | TextLookup::Istartswith | TextLookup::Iendswith
        );
        let lower = match self {
            Dialect::Postgres => r#"(lower({0} COLLATE "und-x-icu") COLLATE "C")"#,
            _ => "lower({0})",
        };
        let [text, sought] = if ignores_case { arguments.map(|sql| Sql::fill(lower, &[sql])) } else { arguments };
        let template = match (lookup, self) {
            (TextLookup::Iexact, _) => "{0} = {1}",
            (TextLookup::Contains | TextLookup::Icontains, _) => {
                let Some(strindex) = Function::find("strindex") else { unreachable!("the table of functions has it") };
                &format!("{} > 0", strindex.template(self, 2))
            }
            // By itself it can use an index on the column.
            (TextLookup::Startswith, Dialect::Postgres) => "starts_with({0}, {1})",
            (TextLookup::Istartswith, Dialect::Postgres) => "left({0}, length({1})) = {1}",
            (TextLookup::Startswith | TextLookup::Istartswith, _) => "left({0}, char_length({1})) = {1}",
            (TextLookup::Endswith | TextLookup::Iendswith, Dialect::Postgres) => "right({0}, length({1})) = {1}",
            (TextLookup::Endswith | TextLookup::Iendswith, _) => "right({0}, char_length({1})) = {1}",
        };
        Sql::fill(template, &[text, sought])
    }

    /// Whether a text matches a regular expression somewhere.
    pub(crate) fn regex(self, text: Sql, pattern: Sql, ignore_case: bool) -> Sql {
        let template = match (self, ignore_case) {
            (Dialect::Sqlite, false) => "bandstand_regex({0}, {1})",
            (Dialect::Sqlite, true) => "bandstand_iregex({0}, {1})",
            // Classes and case are those of Unicode, a dot doesn't match the end of a line, and `^` and `$` mean the whole text.
            (Dialect::Postgres, false) => "({0} COLLATE \"und-x-icu\") ~ ('(\u{3}p)' || {1})",
            (Dialect::Postgres, true) => "({0} COLLATE \"und-x-icu\") ~ ('(\u{3}pi)' || {1})",
            (Dialect::Mariadb, false) => "{0} REGEXP {1}",
            (Dialect::Mariadb, true) => "{0} REGEXP concat('(\u{3}i)', {1})",
        };
        // `?` marks a value, so a literal one is written by its number.
        let question = match self {
            Dialect::Postgres => "' || chr(63) || '",
            _ => "', char(63 USING utf8mb4), '",
        };
        Sql::fill(&template.replace('\u{3}', question), &[text, pattern])
    }

    pub(crate) fn json_lookup(self, lookup: JsonLookup, document: Sql, operand: Sql) -> Sql {
        let template = match (lookup, self) {
            (JsonLookup::Contains, Dialect::Sqlite) => "bandstand_json_contains({0}, {1})",
            // It can't be stopped either, and compares each entry of a list with each of another one.
            (JsonLookup::Contains, Dialect::Postgres) => {
                "CASE WHEN pg_column_size({0})::bigint * pg_column_size({1}) > 1073741824 \
                 THEN (pg_column_size({0}) || ' bytes are too long to search')::bigint IS NULL ELSE {0} @> {1} END"
            }
            (JsonLookup::Contains, Dialect::Mariadb) => "json_contains({0}, {1})",
            (JsonLookup::HasKey, Dialect::Sqlite) => "bandstand_json_has_keys({0}, {1})",
            (JsonLookup::HasKey, Dialect::Postgres) => "(jsonb_typeof({0}) = 'object' AND jsonb_exists({0}, {1}))",
            (JsonLookup::HasKey, Dialect::Mariadb) => "json_contains(json_keys({0}), json_quote({1}))",
            (JsonLookup::HasKeys, Dialect::Sqlite) => "bandstand_json_has_keys({0}, {1})",
            (JsonLookup::HasKeys, Dialect::Postgres) => {
                "(jsonb_typeof({0}) = 'object' AND jsonb_exists_all({0}, ARRAY[{1}]::text[]))"
            }
            (JsonLookup::HasKeys, Dialect::Mariadb) => "json_contains(json_keys({0}), json_array({1}))",
            (JsonLookup::HasAnyKeys, Dialect::Sqlite) => "bandstand_json_has_any_keys({0}, {1})",
            (JsonLookup::HasAnyKeys, Dialect::Postgres) => {
                "(jsonb_typeof({0}) = 'object' AND jsonb_exists_any({0}, ARRAY[{1}]::text[]))"
            }
            (JsonLookup::HasAnyKeys, Dialect::Mariadb) => "json_overlaps(json_keys({0}), json_array({1}))",
        };
        let mut operand = operand;
        let mut template = template.to_owned();
        if self == Dialect::Sqlite && operand.text == MANY.to_string() {
            // A list may be empty, so each of its values brings its own comma.
            operand.text = MANY_MORE.to_string();
            template = template.replace(", {1}", "{1}");
        }
        Sql::fill(&template, &[document, operand])
    }
}
