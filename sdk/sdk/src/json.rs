//! Writing the few JSON documents whose form is fixed: the manifest and described bodies.
//!
//! They are written by hand, since a serialiser for them would be a third of a small app.

/// A string with its quotes.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
            byte => out.push(byte),
        }
    }
    out.push(b'"');
}

/// A number in decimal digits.
pub(crate) fn number(out: &mut Vec<u8>, number: u32) {
    let mut divisor = 1_000_000_000;
    while divisor > 1 && number / divisor == 0 {
        divisor /= 10;
    }
    while divisor > 0 {
        // One decimal digit fits a byte.
        out.push(b'0' + u8::try_from(number / divisor % 10).unwrap_or(0));
        divisor /= 10;
    }
}

/// Begins a member: the comma where one is needed, the name, the colon.
pub(crate) fn member(out: &mut Vec<u8>, name: &str) {
    if !matches!(out.last(), Some(b'{' | b'[') | None) {
        out.push(b',');
    }
    text(out, name);
    out.push(b':');
}

/// A list: `write` is called for each item.
pub(crate) fn list<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_full() {
        for sample in [0, 7, 10, 909, u32::MAX] {
            let mut out = Vec::new();
            number(&mut out, sample);
            assert_eq!(out, sample.to_string().as_bytes());
        }
    }

    #[test]
    fn any_text_survives() {
        for sample in ["", "a\"b\\c", "\u{0}\u{1f}\n", "ü😀", "</script>"] {
            let mut out = Vec::new();
            text(&mut out, sample);
            assert_eq!(serde_json::from_slice::<String>(&out).expect("json"), sample);
        }
    }
}
