//! The functions that an expression can call: one table says what each takes, what it gives, and how each database writes
//! it.
//!
//! The SQL is a template: `{0}` is the first argument. Where the databases disagree, the template of each does what the
//! reference says (`docs/reference/query-shape.md`): a value outside of a function's domain is NULL and no error, positions
//! begin at 1, texts are counted in characters. SQLite has most of them from the store (`host/store/src/functions`), bounded
//! in time and size, because its own interrupt doesn't reach into a function.

use super::Dialect;

/// What an argument has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    Text,
    Whole,
    /// A number, which becomes a float.
    Float,
    /// A number as it is.
    Number,
}

/// What comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Give {
    Text,
    Whole,
    Float,
    Uuid,
    DateTime,
    /// The kind of the first argument.
    Like,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) word: &'static str,
    pub(crate) takes: &'static [Take],
    pub(crate) gives: Give,
    /// Whether it can be NULL where no argument is.
    pub(crate) null: bool,
    /// Templates for SQLite, PostgreSQL and MariaDB; a row for each number of arguments, the most of them last.
    sql: &'static [[&'static str; 3]],
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

impl Function {
    pub(crate) fn find(word: &str) -> Option<&'static Function> {
        ALL.iter().find(|function| function.word == word)
    }

    /// The fewest and the most arguments.
    pub(crate) fn arguments(&self) -> (usize, usize) {
        (self.takes.len() + 1 - self.sql.len(), self.takes.len())
    }

    /// The template for so many arguments.
    pub(crate) fn template(&self, dialect: Dialect, arguments: usize) -> &'static str {
        let (least, _) = self.arguments();
        let row = self.sql.get(arguments.saturating_sub(least)).copied().unwrap_or_default();
        row[match dialect {
            Dialect::Sqlite => 0,
            Dialect::Postgres => 1,
            Dialect::Mariadb => 2,
        }]
    }

    /// Whether its time grows with a text.
    pub(crate) fn reads_text(&self) -> bool {
        self.takes.contains(&Take::Text)
    }
}

const fn row(
    word: &'static str,
    takes: &'static [Take],
    gives: Give,
    null: bool,
    sql: &'static [[&'static str; 3]],
) -> Function {
    Function { word, takes, gives, null, sql }
}

use Take::{Float, Number, Text, Whole};

/// NULL beyond the domain, which is where a guard of `CASE` without `ELSE` ends.
const NULL: bool = true;
const NEVER: bool = false;

pub(crate) static ALL: &[Function] = &[
    // Texts.
    row(
        "lower",
        &[Text],
        Give::Text,
        NEVER,
        &[["bandstand_lower({0})", r#"(lower({0} COLLATE "und-x-icu") COLLATE "C")"#, "lower({0})"]],
    ),
    row(
        "upper",
        &[Text],
        Give::Text,
        NEVER,
        &[["bandstand_upper({0})", r#"(upper({0} COLLATE "und-x-icu") COLLATE "C")"#, "upper({0})"]],
    ),
    row("length", &[Text], Give::Whole, NEVER, &[["length({0})", "length({0})::bigint", "char_length({0})"]]),
    row(
        "substr",
        &[Text, Whole, Whole],
        Give::Text,
        NEVER,
        &[
            [
                "bandstand_substr({0}, {1}, 9223372036854775807)",
                "substr({0}, (CASE WHEN {1} < 1 THEN 1 WHEN {1} > 1000000000 THEN 1000000000 ELSE {1} END)::int)",
                "substring({0}, greatest({1}, 1))",
            ],
            [
                "bandstand_substr({0}, {1}, {2})",
                "substr({0}, (CASE WHEN {1} < -1000000000 THEN -1000000000 WHEN {1} > 1000000000 THEN 1000000000 ELSE {1} END)::int, \
             (CASE WHEN {2} < 0 THEN 0 WHEN {2} > 1000000000 THEN 1000000000 ELSE {2} END)::int)",
                "substring({0}, greatest({1}, 1), greatest(least({2}, 1000000000) + least(greatest({1}, -2000000000) - 1, 0), 0))",
            ],
        ],
    ),
    row(
        "left",
        &[Text, Whole],
        Give::Text,
        NEVER,
        &[[
            "bandstand_left({0}, {1})",
            "left({0}, (CASE WHEN {1} < 0 THEN 0 WHEN {1} > 1000000000 THEN 1000000000 ELSE {1} END)::int)",
            "left({0}, {1})",
        ]],
    ),
    row(
        "right",
        &[Text, Whole],
        Give::Text,
        NEVER,
        &[[
            "bandstand_right({0}, {1})",
            "right({0}, (CASE WHEN {1} < 0 THEN 0 WHEN {1} > 1000000000 THEN 1000000000 ELSE {1} END)::int)",
            "right({0}, {1})",
        ]],
    ),
    row("trim", &[Text], Give::Text, NEVER, &[["trim({0})", "btrim({0})", "trim({0})"]]),
    row("ltrim", &[Text], Give::Text, NEVER, &[["ltrim({0})", "ltrim({0})", "ltrim({0})"]]),
    row("rtrim", &[Text], Give::Text, NEVER, &[["rtrim({0})", "rtrim({0})", "rtrim({0})"]]),
    row(
        "replace",
        &[Text, Text, Text],
        Give::Text,
        NULL,
        &[[
            "bandstand_replace({0}, {1}, {2})",
            "CASE WHEN octet_length({0})::bigint / greatest(octet_length({1}), 1) * octet_length({2}) <= 67108864 \
         AND octet_length({0})::bigint * octet_length({1}) <= 4294967296 \
         THEN replace({0}, {1}, {2}) END",
            "replace({0}, {1}, {2})",
        ]],
    ),
    row(
        "lpad",
        &[Text, Whole, Text],
        Give::Text,
        NULL,
        &[
            [
                "bandstand_lpad({0}, {1}, ' ')",
                "CASE WHEN {1} <= 65536 THEN lpad({0}, (CASE WHEN {1} < 0 THEN 0 ELSE {1} END)::int) END",
                "CASE WHEN {1} <= 65536 THEN lpad({0}, greatest({1}, 0), ' ') END",
            ],
            [
                "bandstand_lpad({0}, {1}, {2})",
                "CASE WHEN {1} <= 65536 THEN lpad({0}, (CASE WHEN {1} < 0 THEN 0 ELSE {1} END)::int, {2}) END",
                "CASE WHEN {1} <= 65536 THEN CASE WHEN {2} = '' THEN left({0}, {1}) ELSE lpad({0}, greatest({1}, 0), {2}) END END",
            ],
        ],
    ),
    row(
        "rpad",
        &[Text, Whole, Text],
        Give::Text,
        NULL,
        &[
            [
                "bandstand_rpad({0}, {1}, ' ')",
                "CASE WHEN {1} <= 65536 THEN rpad({0}, (CASE WHEN {1} < 0 THEN 0 ELSE {1} END)::int) END",
                "CASE WHEN {1} <= 65536 THEN rpad({0}, greatest({1}, 0), ' ') END",
            ],
            [
                "bandstand_rpad({0}, {1}, {2})",
                "CASE WHEN {1} <= 65536 THEN rpad({0}, (CASE WHEN {1} < 0 THEN 0 ELSE {1} END)::int, {2}) END",
                "CASE WHEN {1} <= 65536 THEN CASE WHEN {2} = '' THEN left({0}, {1}) ELSE rpad({0}, greatest({1}, 0), {2}) END END",
            ],
        ],
    ),
    row(
        "repeat",
        &[Text, Whole],
        Give::Text,
        NULL,
        &[[
            "bandstand_repeat({0}, {1})",
            "CASE WHEN {1} <= 1048576 THEN CASE WHEN length({0})::bigint * {1} <= 1048576 \
         THEN repeat({0}, (CASE WHEN {1} < 0 THEN 0 ELSE {1} END)::int) END END",
            "CASE WHEN {1} <= 1048576 AND char_length({0}) * {1} <= 1048576 THEN repeat({0}, {1}) END",
        ]],
    ),
    row("reverse", &[Text], Give::Text, NEVER, &[["bandstand_reverse({0})", "reverse({0})", "reverse({0})"]]),
    row(
        "chr",
        &[Whole],
        Give::Text,
        NULL,
        &[[
            "bandstand_chr({0})",
            "CASE WHEN {0} BETWEEN 1 AND 55295 OR {0} BETWEEN 57344 AND 1114111 THEN chr(({0})::int) END",
            "CASE WHEN {0} BETWEEN 1 AND 55295 OR {0} BETWEEN 57344 AND 1114111 \
         THEN convert(convert(unhex(lpad(hex({0}), 8, '0')) USING utf32) USING utf8mb4) COLLATE utf8mb4_nopad_bin END",
        ]],
    ),
    row(
        "ord",
        &[Text],
        Give::Whole,
        NULL,
        &[[
            "unicode({0})",
            "nullif(ascii({0}), 0)::bigint",
            "CASE WHEN {0} <> '' THEN CAST(conv(hex(convert(left({0}, 1) USING utf32)), 16, 10) AS signed) END",
        ]],
    ),
    row(
        "strindex",
        &[Text, Text],
        Give::Whole,
        NEVER,
        &[[
            "bandstand_strindex({0}, {1})",
            // It can't be stopped, and takes time by the product of both lengths where they are chosen so.
            "CASE WHEN octet_length({0})::bigint * octet_length({1}) > 4294967296 \
             THEN (octet_length({0}) || ' bytes are too long to search')::bigint ELSE strpos({0}, {1})::bigint END",
            "locate({1}, {0})",
        ]],
    ),
    row("md5", &[Text], Give::Text, NEVER, &[["bandstand_md5({0})", "md5({0})", "md5({0})"]]),
    row(
        "sha256",
        &[Text],
        Give::Text,
        NEVER,
        &[["bandstand_sha256({0})", "encode(sha256(convert_to({0}, 'UTF8')), 'hex')", "sha2({0}, 256)"]],
    ),
    // Numbers.
    row("abs", &[Number], Give::Like, NEVER, &[["abs({0})", "abs({0})", "abs({0})"]]),
    row(
        "sign",
        &[Number],
        Give::Whole,
        NEVER,
        &[[
            "(CASE WHEN {0} > 0 THEN 1 WHEN {0} < 0 THEN -1 WHEN {0} = 0 THEN 0 END)",
            "(CASE WHEN {0} > 0 THEN 1 WHEN {0} < 0 THEN -1 WHEN {0} = 0 THEN 0 END)::bigint",
            "(CASE WHEN {0} > 0 THEN 1 WHEN {0} < 0 THEN -1 WHEN {0} = 0 THEN 0 END)",
        ]],
    ),
    row("ceil", &[Float], Give::Float, NEVER, &[["bandstand_ceil({0})", "ceil({0})", "ceil({0})"]]),
    row("floor", &[Float], Give::Float, NEVER, &[["bandstand_floor({0})", "floor({0})", "floor({0})"]]),
    row(
        "sqrt",
        &[Float],
        Give::Float,
        NULL,
        &[["bandstand_sqrt({0})", "CASE WHEN {0} >= 0 THEN sqrt({0}) END", "CASE WHEN {0} >= 0 THEN sqrt({0}) END"]],
    ),
    row(
        "power",
        &[Float, Float],
        Give::Float,
        NULL,
        &[[
            "bandstand_power({0}, {1})",
            "CASE WHEN ({0} = 0 AND {1} < 0) OR ({0} < 0 AND {1} <> floor({1})) THEN NULL \
         WHEN {0} = 0 OR {1} = 0 THEN power({0}, {1}) WHEN {1} * ln(abs({0})) > 709.78 THEN NULL \
         WHEN {1} * ln(abs({0})) < -744 THEN 0 ELSE power({0}, {1}) END",
            "CASE WHEN ({0} = 0 AND {1} < 0) OR ({0} < 0 AND {1} <> floor({1})) THEN NULL \
         WHEN {0} = 0 OR {1} = 0 THEN pow({0}, {1}) WHEN {1} * ln(abs({0})) > 709.78 THEN NULL \
         WHEN {1} * ln(abs({0})) < -744 THEN 0e0 ELSE pow({0}, {1}) END",
        ]],
    ),
    row(
        "exp",
        &[Float],
        Give::Float,
        NULL,
        &[[
            "bandstand_exp({0})",
            "CASE WHEN {0} > 709.78 THEN NULL WHEN {0} < -744 THEN 0 ELSE exp({0}) END",
            "CASE WHEN {0} > 709.78 THEN NULL WHEN {0} < -744 THEN 0e0 ELSE exp({0}) END",
        ]],
    ),
    row(
        "ln",
        &[Float],
        Give::Float,
        NULL,
        &[["bandstand_ln({0})", "CASE WHEN {0} > 0 THEN ln({0}) END", "CASE WHEN {0} > 0 THEN ln({0}) END"]],
    ),
    row(
        "log",
        &[Float, Float],
        Give::Float,
        NULL,
        &[[
            "bandstand_log({0}, {1})",
            "CASE WHEN {0} > 0 AND {0} <> 1 AND {1} > 0 THEN ln({1}) / ln({0}) END",
            "CASE WHEN {0} > 0 AND {0} <> 1 AND {1} > 0 THEN ln({1}) / ln({0}) END",
        ]],
    ),
    row("pi", &[], Give::Float, NEVER, &[["3.141592653589793", "3.141592653589793::float8", "3.141592653589793e0"]]),
    row(
        "random",
        &[],
        Give::Float,
        NEVER,
        &[["((random() & 9007199254740991) / 9007199254740992.0)", "random()", "rand()"]],
    ),
    row(
        "sin",
        &[Float],
        Give::Float,
        NULL,
        &[["bandstand_sin({0})", "CASE WHEN abs({0}) < 'Infinity'::float8 THEN sin({0}) END", "sin({0})"]],
    ),
    row(
        "cos",
        &[Float],
        Give::Float,
        NULL,
        &[["bandstand_cos({0})", "CASE WHEN abs({0}) < 'Infinity'::float8 THEN cos({0}) END", "cos({0})"]],
    ),
    row(
        "tan",
        &[Float],
        Give::Float,
        NULL,
        &[["bandstand_tan({0})", "CASE WHEN abs({0}) < 'Infinity'::float8 THEN tan({0}) END", "tan({0})"]],
    ),
    row(
        "asin",
        &[Float],
        Give::Float,
        NULL,
        &[["bandstand_asin({0})", "CASE WHEN {0} BETWEEN -1 AND 1 THEN asin({0}) END", "asin({0})"]],
    ),
    row(
        "acos",
        &[Float],
        Give::Float,
        NULL,
        &[["bandstand_acos({0})", "CASE WHEN {0} BETWEEN -1 AND 1 THEN acos({0}) END", "acos({0})"]],
    ),
    row("atan", &[Float], Give::Float, NEVER, &[["bandstand_atan({0})", "atan({0})", "atan({0})"]]),
    row(
        "atan2",
        &[Float, Float],
        Give::Float,
        NEVER,
        &[["bandstand_atan2({0}, {1})", "atan2({0}, {1})", "atan2({0}, {1})"]],
    ),
    row(
        "degrees",
        &[Float],
        Give::Float,
        NULL,
        &[[
            "bandstand_degrees({0})",
            "CASE WHEN abs({0}) < 3e306 THEN degrees({0}) END",
            "CASE WHEN abs({0}) < 3e306 THEN degrees({0}) END",
        ]],
    ),
    row("radians", &[Float], Give::Float, NEVER, &[["bandstand_radians({0})", "radians({0})", "radians({0})"]]),
    // What takes nothing.
    row(
        "now",
        &[],
        Give::DateTime,
        NEVER,
        &[[
            "(CAST(round(unixepoch('now', 'subsec') * 1000) AS INTEGER) * 1000)",
            "statement_timestamp()",
            "utc_timestamp(6)",
        ]],
    ),
    row(
        "uuid4",
        &[],
        Give::Uuid,
        NEVER,
        &[[
            "bandstand_uuid4()",
            "gen_random_uuid()",
            "unhex(concat(hex(random_bytes(6)), '4', substr(hex(random_bytes(2)), 2), \
         hex(128 + CAST(floor(rand() * 64) AS unsigned)), hex(random_bytes(7))))",
        ]],
    ),
    row(
        "uuid7",
        &[],
        Give::Uuid,
        NEVER,
        &[[
            "bandstand_uuid7()",
            "(lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') || '7' || \
         substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid",
            "unhex(concat(lpad(hex(CAST(floor(unix_timestamp(now(6)) * 1000) AS unsigned)), 12, '0'), '7', \
         substr(hex(random_bytes(2)), 2), hex(128 + CAST(floor(rand() * 64) AS unsigned)), hex(random_bytes(7))))",
        ]],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_template_names_the_arguments_that_it_has_and_no_placeholder() {
        for function in ALL {
            let (least, most) = function.arguments();
            for count in least..=most {
                for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mariadb] {
                    let template = function.template(dialect, count);
                    assert!(!template.is_empty() && !template.contains('?'), "{}: {template}", function.word);
                    for at in 0..4 {
                        let named = template.contains(&format!("{{{at}}}"));
                        assert_eq!(named, at < count, "{} {dialect:?} with {count}: {template}", function.word);
                    }
                }
            }
        }
    }

    #[test]
    fn each_word_stands_there_once() {
        let words: std::collections::BTreeSet<&str> = ALL.iter().map(|function| function.word).collect();
        assert_eq!(words.len(), ALL.len());
    }
}
