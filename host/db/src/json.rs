//! Packed rows as JSON: what a template sees of a query that the app never looked at.
//!
//! Values look as the Rust SDK's types do where an app puts them into a context itself, so that a page doesn't change when its query is deferred:
//! RFC 3339 for dates and times, ISO 8601 for durations, decimals and UUIDs as text, bytes as a list of numbers.

use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Span, Timestamp};

use crate::kind::Kind;
use crate::plan::Name;
use crate::result::tag;

/// What a row's cells become.
#[derive(Debug)]
pub(crate) struct Row {
    cells: usize,
    members: Vec<(String, Node)>,
}

#[derive(Debug)]
enum Node {
    Cell {
        at: usize,
        kind: Kind,
    },
    /// A related row; null where all of its cells are.
    Object(Vec<(String, Node)>),
}

impl Row {
    /// The cells in their order, by the paths that name them.
    pub(crate) fn of(names: &[Name]) -> Self {
        let mut members = Vec::new();
        for (at, name) in names.iter().enumerate() {
            place(&mut members, &name.path, Node::Cell { at, kind: name.kind });
        }
        Self { cells: names.len(), members }
    }
}

/// Puts a node at the end of `path`. A related row takes the place of the key that leads to it.
fn place(members: &mut Vec<(String, Node)>, path: &[String], node: Node) {
    let Some((first, rest)) = path.split_first() else { return };
    let known = members.iter().position(|(name, _)| name == first);
    if rest.is_empty() {
        // A name that stands there twice, or whose row is there already, has its value.
        if known.is_none() {
            members.push((first.clone(), node));
        }
        return;
    }
    let at = known.unwrap_or_else(|| {
        members.push((first.clone(), Node::Object(Vec::new())));
        members.len() - 1
    });
    if matches!(members[at].1, Node::Cell { .. }) {
        members[at].1 = Node::Object(Vec::new());
    }
    if let Node::Object(inner) = &mut members[at].1 {
        place(inner, rest, node);
    }
}

/// A cell as it lies in the packed bytes.
#[derive(Debug, Clone, Copy)]
enum Cell<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// Reads packed rows and writes them.
pub(crate) struct Writer<'a> {
    width: usize,
    rows: usize,
    rest: &'a [u8],
}

impl<'a> Writer<'a> {
    pub(crate) fn new(packed: &'a [u8]) -> Option<Self> {
        let mut rest = packed;
        let (width, rows) = (take_u32(&mut rest)?, take_u32(&mut rest)?);
        Some(Self { width, rows, rest })
    }

    /// All rows as an array. None where the bytes aren't what they should be.
    pub(crate) fn rows(&mut self, row: &Row, out: &mut Vec<u8>) -> Option<()> {
        if self.width != row.cells {
            return None;
        }
        let mut cells = Vec::with_capacity(self.width);
        out.push(b'[');
        for at in 0..self.rows {
            if at > 0 {
                out.push(b',');
            }
            cells.clear();
            for _ in 0..self.width {
                cells.push(self.cell()?);
            }
            object(&row.members, &cells, out);
        }
        out.push(b']');
        self.rest.is_empty().then_some(())
    }

    fn cell(&mut self) -> Option<Cell<'a>> {
        Some(match take(&mut self.rest, 1)?[0] {
            tag::NULL => Cell::Null,
            tag::FALSE => Cell::Boolean(false),
            tag::TRUE => Cell::Boolean(true),
            tag::INTEGER => Cell::Integer(i64::from_le_bytes(*take(&mut self.rest, 8)?.first_chunk()?)),
            tag::FLOAT => Cell::Float(f64::from_le_bytes(*take(&mut self.rest, 8)?.first_chunk()?)),
            tag::TEXT => Cell::Text(std::str::from_utf8(self.long()?).ok()?),
            tag::BYTES => Cell::Bytes(self.long()?),
            _ => return None,
        })
    }

    fn long(&mut self) -> Option<&'a [u8]> {
        let length = take_u32(&mut self.rest)?;
        take(&mut self.rest, length)
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    Some(head)
}

fn take_u32(rest: &mut &[u8]) -> Option<usize> {
    take(rest, 4)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize)
}

fn object(members: &[(String, Node)], cells: &[Cell<'_>], out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (name, node)) in members.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        text(name, out);
        out.push(b':');
        match node {
            Node::Cell { at, kind } => value(*kind, cells[*at], out),
            Node::Object(inner) if is_null(inner, cells) => out.extend_from_slice(b"null"),
            Node::Object(inner) => object(inner, cells, out),
        }
    }
    out.push(b'}');
}

fn is_null(members: &[(String, Node)], cells: &[Cell<'_>]) -> bool {
    members.iter().all(|(_, node)| match node {
        Node::Cell { at, .. } => matches!(cells[*at], Cell::Null),
        Node::Object(inner) => is_null(inner, cells),
    })
}

fn value(kind: Kind, cell: Cell<'_>, out: &mut Vec<u8>) {
    match (kind, cell) {
        (_, Cell::Null) => out.extend_from_slice(b"null"),
        (_, Cell::Boolean(truth)) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
        (Kind::DateTime, Cell::Integer(micros)) => shown(Timestamp::from_microsecond(micros).ok(), micros, out),
        (Kind::Date, Cell::Integer(days)) => shown(date(days), days, out),
        (Kind::Time, Cell::Integer(micros)) => shown(time(micros), micros, out),
        (Kind::Duration, Cell::Integer(micros)) => shown(Some(SignedDuration::from_micros(micros)), micros, out),
        (_, Cell::Integer(number)) => out.extend_from_slice(number.to_string().as_bytes()),
        // JSON has no infinities.
        (_, Cell::Float(number)) => match serde_json::Number::from_f64(number) {
            Some(number) => out.extend_from_slice(number.to_string().as_bytes()),
            None => out.extend_from_slice(b"null"),
        },
        // A stored document is JSON already; one that was tampered with is shown as a text.
        (Kind::Json, Cell::Text(document)) if is_json(document) => out.extend_from_slice(document.as_bytes()),
        (_, Cell::Text(content)) => text(content, out),
        (Kind::Uuid, Cell::Bytes(bytes)) if bytes.len() == 16 => {
            let digits = hex::encode(bytes);
            let groups = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
            text(&groups.join("-"), out);
        }
        (_, Cell::Bytes(bytes)) => {
            let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
            out.push(b'[');
            out.extend_from_slice(numbers.join(",").as_bytes());
            out.push(b']');
        }
    }
}

fn is_json(document: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(document).is_ok()
}

/// A moment as text, or the number behind it where no calendar has it.
fn shown(moment: Option<impl std::fmt::Display>, number: i64, out: &mut Vec<u8>) {
    match moment {
        Some(moment) => text(&moment.to_string(), out),
        None => out.extend_from_slice(number.to_string().as_bytes()),
    }
}

fn date(days: i64) -> Option<Date> {
    Date::constant(1970, 1, 1).checked_add(Span::new().try_days(days).ok()?).ok()
}

fn time(micros: i64) -> Option<Time> {
    Time::midnight().checked_add(SignedDuration::from_micros(micros)).ok()
}

fn text(content: &str, out: &mut Vec<u8>) {
    // Writing to memory doesn't fail, and any text can be JSON.
    let _ = serde_json::to_writer(&mut *out, content);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::Cell as Form;
    use crate::result::{Packed, Sink};
    use host_store::ValueRef;

    fn name(path: &[&str], kind: Kind) -> Name {
        Name { path: path.iter().map(|step| (*step).to_owned()).collect(), kind }
    }

    fn written(names: &[Name], rows: &[&[ValueRef<'_>]]) -> serde_json::Value {
        let mut packed = Packed::start(names.len());
        for row in rows {
            for cell in *row {
                packed.cell(*cell, Form::Plain);
            }
        }
        packed.end(u32::try_from(rows.len()).expect("few"));
        let mut out = Vec::new();
        let mut writer = Writer::new(&packed.0).expect("a header");
        writer.rows(&Row::of(names), &mut out).expect("whole rows");
        serde_json::from_slice(&out).expect("JSON")
    }

    #[test]
    fn values_look_as_they_do_in_a_context() {
        let names = [
            name(&["text"], Kind::Text),
            name(&["at"], Kind::DateTime),
            name(&["day"], Kind::Date),
            name(&["hour"], Kind::Time),
            name(&["took"], Kind::Duration),
            name(&["uid"], Kind::Uuid),
            name(&["doc"], Kind::Json),
            name(&["raw"], Kind::Binary),
            name(&["ratio"], Kind::Float),
        ];
        let row = [
            ValueRef::Text("a\"</script>".as_bytes()),
            ValueRef::Integer(1_000_000),
            ValueRef::Integer(-1),
            ValueRef::Integer(3_600_000_000),
            ValueRef::Integer(90_000_000),
            ValueRef::Blob(&[0xab; 16]),
            ValueRef::Text(br#"{"a":[1]}"#),
            ValueRef::Blob(&[1, 255]),
            ValueRef::Real(f64::INFINITY),
        ];
        assert_eq!(
            written(&names, &[&row]),
            json!([{
                "text": "a\"</script>", "at": "1970-01-01T00:00:01Z", "day": "1969-12-31", "hour": "01:00:00", "took": "PT1M30S",
                "uid": "abababab-abab-abab-abab-abababababab", "doc": {"a": [1]}, "raw": [1, 255], "ratio": null,
            }])
        );
    }

    #[test]
    fn related_rows_are_objects() {
        let names = [
            name(&["id"], Kind::Auto),
            name(&["question"], Kind::Key),
            name(&["question", "id"], Kind::Auto),
            name(&["question", "author", "name"], Kind::Text),
        ];
        let rows: [&[ValueRef<'_>]; 2] = [
            &[ValueRef::Integer(1), ValueRef::Integer(7), ValueRef::Integer(7), ValueRef::Null],
            &[ValueRef::Integer(2), ValueRef::Null, ValueRef::Null, ValueRef::Null],
        ];
        assert_eq!(
            written(&names, &rows),
            json!([{"id": 1, "question": {"id": 7, "author": null}}, {"id": 2, "question": null}])
        );
        assert_eq!(written(&names, &[]), json!([]));
    }

    #[test]
    fn moments_that_no_calendar_has_are_numbers_and_broken_documents_texts() {
        let names = [name(&["at"], Kind::DateTime), name(&["day"], Kind::Date), name(&["doc"], Kind::Json)];
        let row = [ValueRef::Integer(i64::MAX), ValueRef::Integer(i64::MIN), ValueRef::Text(b"{")];
        assert_eq!(written(&names, &[&row]), json!([{"at": i64::MAX, "day": i64::MIN, "doc": "{"}]));
    }

    #[test]
    fn bytes_that_are_not_rows_are_refused() {
        let row = Row::of(&[name(&["a"], Kind::Text)]);
        for bytes in
            [&[1, 0, 0, 0, 1, 0, 0, 0, 5, 9, 0, 0, 0][..], &[1, 0, 0, 0, 1, 0, 0, 0], &[2, 0, 0, 0, 0, 0, 0, 0]]
        {
            assert!(Writer::new(bytes).expect("a header").rows(&row, &mut Vec::new()).is_none());
        }
        assert!(Writer::new(&[1, 0]).is_none());
    }
}
