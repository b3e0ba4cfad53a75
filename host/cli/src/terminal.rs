//! What the command line prints: short lines for people, in colour where they are read on a terminal.

use anstyle::{AnsiColor, Style};

/// Something that went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Something to look at.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default().bold();
/// Something that failed.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What matters less.
pub(crate) const DIM: Style = Style::new().dimmed();
/// What matters more.
pub(crate) const BOLD: Style = Style::new().bold();

/// A step that was taken, with its verb in cargo's column, so that both read as one.
pub(crate) fn step(verb: &str, rest: &str) {
    anstream::eprintln!("{GOOD}{verb:>12}{GOOD:#} {rest}");
}

/// Something to know.
pub(crate) fn note(text: &str) {
    anstream::eprintln!("{WARN}{:>12}{WARN:#} {text}", "Note");
}

/// Why a command ended without doing what it should. Further lines are causes or hints.
pub(crate) fn error(text: &str) {
    anstream::eprintln!("{BAD}error{BAD:#}: {text}");
}

/// A number of bytes as people read it.
pub(crate) fn size(bytes: impl TryInto<u64>) -> String {
    let bytes = bytes.try_into().unwrap_or(u64::MAX);
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

/// A time as people read it.
pub(crate) fn time(time: std::time::Duration) -> String {
    if time.as_secs() == 0 { format!("{} ms", time.as_millis()) } else { format!("{:.1} s", time.as_secs_f64()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_readable() {
        assert_eq!(super::size(0_u64), "0 B");
        assert_eq!(super::size(1024_u64), "1 KiB");
        assert_eq!(super::size(1_500_000_u64), "1.4 MiB");
        assert_eq!(super::size(3_000_000_000_u64), "2.8 GiB");
    }
}
