//! Text from outside on its way to logs and terminals.

/// Whether a character is a command to a terminal, ends a line, or makes one read as another (direction marks).
pub fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` on one line of at most `most` bytes, hidden characters written out.
pub fn one_line(text: &str, most: usize) -> String {
    let mut line = String::with_capacity(text.len().min(most));
    for c in text.chars() {
        if line.len() + 12 > most {
            line.push('…');
            break;
        }
        if is_hidden(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line() {
        assert_eq!(one_line("a\nERROR forged\x1b[2J\u{202e}", 1_000), "a\\nERROR forged\\u{1b}[2J\\u{202e}");
        let long = one_line(&"ä".repeat(100_000), 8_192);
        assert!(long.len() <= 8_192 && long.ends_with('…'));
    }
}
