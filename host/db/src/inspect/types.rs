//! Types as they stand in tables: `NUMERIC(10, 2)`, `character varying(20)`.

/// A type's words, in capitals and with single spaces, and the numbers in its parentheses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SqlType {
    pub(super) words: String,
    pub(super) numbers: Vec<u32>,
}

impl SqlType {
    /// Reads a type. What isn't one (SQLite takes any text) has words that nobody knows.
    pub(super) fn parse(text: &str) -> Self {
        let (before, inside, after) = match text.split_once('(') {
            Some((before, rest)) => match rest.split_once(')') {
                Some((inside, after)) => (before, inside, after),
                None => (before, "", ""),
            },
            None => (text, "", ""),
        };
        let words: Vec<String> =
            before.split_whitespace().chain(after.split_whitespace()).map(str::to_ascii_uppercase).collect();
        let numbers: Option<Vec<u32>> = inside.split(',').map(|number| number.trim().parse().ok()).collect();
        Self { words: words.join(" "), numbers: numbers.unwrap_or_default() }
    }

    /// The only number.
    pub(super) fn length(&self) -> Option<u32> {
        match self.numbers[..] {
            [length] => Some(length),
            _ => None,
        }
    }

    /// Digits in all and after the point, where a decimal field can have them.
    pub(super) fn digits(&self, most: u32) -> Option<(u32, u32)> {
        let (digits, places) = match self.numbers[..] {
            [digits] => (digits, 0),
            [digits, places] => (digits, places),
            _ => return None,
        };
        ((1..=most).contains(&digits) && places <= digits).then_some((digits, places))
    }
}

#[cfg(test)]
mod tests {
    use super::SqlType;

    #[test]
    fn types_are_taken_apart() {
        let parse = |text| {
            let read = SqlType::parse(text);
            (read.words, read.numbers)
        };
        assert_eq!(parse("NUMERIC(10, 2)"), ("NUMERIC".into(), vec![10, 2]));
        assert_eq!(parse(" character  varying (20) "), ("CHARACTER VARYING".into(), vec![20]));
        assert_eq!(parse("timestamp(6) with time zone"), ("TIMESTAMP WITH TIME ZONE".into(), vec![6]));
        assert_eq!(parse("enum('a','b')"), ("ENUM".into(), vec![]));
        for odd in ["", "(", ")", "((", "a(b", "a)b(", "x(99999999999)", "ä(1,,2)", "\n\"("] {
            assert_eq!(parse(odd).1, Vec::<u32>::new(), "{odd:?}");
        }
        assert_eq!(SqlType::parse("DECIMAL(40,2)").digits(18), None);
        assert_eq!(SqlType::parse("DECIMAL(2,3)").digits(18), None);
        assert_eq!(SqlType::parse("DECIMAL(9)").digits(18), Some((9, 0)));
    }
}
