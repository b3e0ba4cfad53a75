//! Names of tables and columns as names of models and fields.
//!
//! A database takes any text for a name. Rust and the manifest don't: a field's name is 1 to 30 characters from a-z, 0-9
//! and single underscores between them, a struct's is an identifier that nothing else in the file has.

use std::collections::HashSet;

use host_core::name::MAX_NAME;

/// Words that Rust keeps for itself. They can be written as `r#word`.
const KEYWORDS: [&str; 48] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else", "enum",
    "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move",
    "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Words that no field can be called: Rust takes them not even as `r#word`, or they mean something to a query or to the
/// code that the derive writes.
const NEVER: [&str; 6] = ["self", "super", "crate", "pk", "at", "new"];

/// Methods of models, which a relation's own method would hide.
const METHODS: [&str; 6] = ["id", "objects", "save", "delete", "refresh", "columns"];

/// Names that a struct would take away from the code around it.
const TYPES: [&str; 44] = [
    "Self",
    "Id",
    "Model",
    "ForeignKey",
    "OneToOne",
    "ManyToMany",
    "Row",
    "QuerySet",
    "Q",
    "Decimal",
    "Date",
    "Time",
    "DateTime",
    "Duration",
    "Uuid",
    "Json",
    "Request",
    "Response",
    "Result",
    "Error",
    "Form",
    "Path",
    "PathTail",
    "Query",
    "Slug",
    "FromRequest",
    "IntoResponse",
    "Cascade",
    "Option",
    "Some",
    "None",
    "Ok",
    "Err",
    "String",
    "Vec",
    "Box",
    "Text",
    "Clone",
    "Copy",
    "Default",
    "Drop",
    "Fn",
    "From",
    "Into",
];

/// The words of a name: `InvoiceLine`, `invoice_line` and `Invoice-Line` have two. What isn't an ASCII letter or digit
/// stands between words.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        let bytes = part.as_bytes();
        let mut start = 0;
        for at in 1..bytes.len() {
            let (before, this) = (bytes[at - 1], bytes[at]);
            let next_is_small = bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
            if this.is_ascii_uppercase() && (!before.is_ascii_uppercase() || next_is_small) {
                words.push(part[start..at].to_ascii_lowercase());
                start = at;
            }
        }
        words.push(part[start..].to_ascii_lowercase());
    }
    words
}

/// What the derive makes of a struct's name: `InvoiceLine` becomes `invoice_line`, `HTTPLog` becomes `http_log`.
fn snake_case(name: &str) -> String {
    let bytes = name.as_bytes();
    let mut out = String::with_capacity(name.len() + 4);
    for (at, byte) in bytes.iter().enumerate() {
        if byte.is_ascii_uppercase() && at > 0 {
            let after_small = !bytes[at - 1].is_ascii_uppercase();
            if after_small || bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase) {
                out.push('_');
            }
        }
        out.push(char::from(byte.to_ascii_lowercase()));
    }
    out
}

/// The first of `name`, `name2`, `name3`, … that isn't taken. `joint` stands before the number.
fn free(name: &str, joint: &str, is_free: impl Fn(&str) -> bool) -> String {
    let cut = |most: usize| {
        let mut end = name.len().min(most);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name[..end].trim_end_matches('_').to_owned()
    };
    let mut number = 1_u32;
    loop {
        let ending = if number == 1 { String::new() } else { format!("{joint}{number}") };
        let candidate = cut(MAX_NAME - ending.len()) + &ending;
        if is_free(&candidate) {
            return candidate;
        }
        number += 1;
    }
}

/// The names of structs in one file.
#[derive(Debug, Default)]
pub(super) struct Structs {
    taken: HashSet<String>,
    models: HashSet<String>,
}

impl Structs {
    /// A struct's name for a table, and the name of its model.
    pub(super) fn name(&mut self, table: &str) -> (String, String) {
        let mut name = String::new();
        for word in words(table) {
            let (first, rest) = word.split_at(1);
            name.push_str(&first.to_ascii_uppercase());
            name.push_str(rest);
        }
        if !name.starts_with(|c: char| c.is_ascii_uppercase()) {
            name.insert_str(0, "Table");
        }
        if TYPES.contains(&name.as_str()) {
            name.push_str("Record");
        }
        while snake_case(&name).len() > MAX_NAME {
            name.pop();
        }
        let name = free(&name, "", |name| {
            let model = snake_case(name);
            model.len() <= MAX_NAME
                && !self.models.contains(&model)
                && made_of(name).all(|name| !self.taken.contains(&name))
        });
        self.taken.extend(made_of(&name));
        self.models.insert(snake_case(&name));
        let model = snake_case(&name);
        (name, model)
    }
}

/// What the derive adds beside a struct.
fn made_of(name: &str) -> impl Iterator<Item = String> {
    [name.to_owned(), format!("{name}Fields"), format!("New{name}"), format!("New{name}With")].into_iter()
}

/// A field's name for a column, none of `taken`.
pub(super) fn field(column: &str, taken: &HashSet<String>) -> String {
    let name = words(column).join("_");
    let name = match name.as_str() {
        "" => "field".to_owned(),
        word if NEVER.contains(&word) => format!("{word}_field"),
        word if word.starts_with(|c: char| c.is_ascii_digit()) => format!("field_{word}"),
        _ => name,
    };
    free(&name, "_", |name| !taken.contains(name))
}

/// A relation's name for its column: `ArtistId` and `artist_id` are `artist`.
pub(super) fn relation(column: &str, target: &str, taken: &HashSet<String>) -> String {
    let mut words = words(column);
    if words.len() > 1 && words.last().is_some_and(|last| last == "id") {
        words.pop();
    }
    let name = words.join("_");
    if METHODS.contains(&name.as_str()) {
        return field(target, taken);
    }
    field(&name, taken)
}

/// The name of a key that the database counts up: `id` where it is called so, with or without the table's name before it.
pub(super) fn key(column: &str, model: &str, taken: &HashSet<String>) -> String {
    let name = words(column).join("_");
    if name == "id" || name == format!("{model}_id") || name.replace('_', "") == format!("{}id", model.replace('_', ""))
    {
        return field("id", taken);
    }
    field(column, taken)
}

/// A name for many of a model: `track` becomes `tracks`, `category` becomes `categories`.
pub(super) fn plural(model: &str, taken: &HashSet<String>) -> String {
    let ends = |endings: &[&str]| endings.iter().any(|ending| model.ends_with(ending));
    let name = match model.strip_suffix('y') {
        Some(stem) if !ends(&["ay", "ey", "oy", "uy"]) => format!("{stem}ies"),
        _ if ends(&["s", "x", "z", "ch", "sh"]) => format!("{model}es"),
        _ => format!("{model}s"),
    };
    field(&name, taken)
}

/// A reverse relation's name, none of `taken`.
pub(super) fn reverse(name: &str, taken: &HashSet<String>) -> String {
    free(name, "_", |name| !taken.contains(name) && !METHODS.contains(&name))
}

/// A field's name as Rust takes it.
pub(super) fn identifier(name: &str) -> String {
    if KEYWORDS.contains(&name) { format!("r#{name}") } else { name.to_owned() }
}

/// Whether a table or a column of that name can be named in a manifest.
pub(super) fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 60
        && bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_core::name::check_name;

    const ODD: [&str; 18] = [
        "",
        "_",
        "__",
        "1",
        "2nd place",
        "type",
        "self",
        "Self",
        "crate",
        "pk",
        "a\"b",
        "x\ny",
        "Straße",
        "日本",
        "a b-c",
        "HTTPServerID",
        "a__b__",
        "ABTest",
    ];

    #[test]
    fn structs_have_the_names_that_the_derive_reads() {
        let mut structs = Structs::default();
        let mut name = |table: &str| structs.name(table);
        assert_eq!(name("InvoiceLine"), ("InvoiceLine".into(), "invoice_line".into()));
        assert_eq!(name("invoice_line"), ("InvoiceLine2".into(), "invoice_line2".into()));
        assert_eq!(name("HTTPLog"), ("HttpLog".into(), "http_log".into()));
        assert_eq!(name("date"), ("DateRecord".into(), "date_record".into()));
        assert_eq!(
            name("new_invoice_line"),
            ("NewInvoiceLine3".into(), "new_invoice_line3".into()),
            "the derive makes `NewInvoiceLine` and `NewInvoiceLine2`"
        );
        let long = name(&"VeryLongName".repeat(40));
        assert!(long.1.len() <= MAX_NAME);
        assert_ne!(name(&"VeryLongName".repeat(41)), long);
    }

    #[test]
    fn whatever_the_database_says_names_are_names() {
        let (mut structs, mut fields) = (Structs::default(), HashSet::new());
        let long = "ä1".repeat(5_000);
        for odd in ODD.iter().copied().chain([long.as_str(); 12]) {
            let (name, model) = structs.name(odd);
            assert!(
                name.bytes().all(|b| b.is_ascii_alphanumeric()) && name.as_bytes()[0].is_ascii_uppercase(),
                "{name}"
            );
            assert!(check_name(&model).is_ok(), "{odd:?} became {model}");
            assert_eq!(snake_case(&name), model);
            for made in [field(odd, &fields), relation(odd, "other", &fields), key(odd, "other", &fields)] {
                assert!(check_name(&made).is_ok() && !NEVER.contains(&made.as_str()), "{odd:?} became {made}");
                fields.insert(made);
            }
        }
    }

    #[test]
    fn relations_and_keys_lose_what_their_names_repeat() {
        let none = HashSet::new();
        assert_eq!(relation("ArtistId", "artist", &none), "artist");
        assert_eq!(relation("id", "artist", &none), "artist");
        assert_eq!(relation("objects_id", "artist", &none), "artist");
        assert_eq!(relation("ReportsTo", "employee", &none), "reports_to");
        assert_eq!(relation("artist_id", "artist", &HashSet::from(["artist".to_owned()])), "artist_2");
        assert_eq!(key("InvoiceLineId", "invoice_line", &none), "id");
        assert_eq!(key("code", "country", &none), "code");
        assert_eq!(identifier("type"), "r#type");
        assert_eq!(
            [plural("category", &none), plural("box", &none), plural("key", &none)],
            ["categories", "boxes", "keys"]
        );
    }
}
