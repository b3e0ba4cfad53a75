//! Databases on servers, which their own programs copy: `pg_dump` and `mariadb-dump`.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use host_core::text::one_line;
use host_store::Target;

use super::create;
use super::work::Work;
use crate::terminal;

/// How often to look whether the program is done.
const LOOK: Duration = Duration::from_millis(50);
/// The most that is told of what the program says, in bytes.
const MAX_WORDS: usize = 1_000;

/// Writes the database of the section `name` into a new file at `to`. What the program says goes to a file at `words`.
pub(super) fn dump(name: &str, target: &Target, to: &Path, words: &Path, work: &Work) -> Result<()> {
    let begun = Instant::now();
    let dump = target.dump();
    // The way to the server, its login and the program are the operator's.
    #[allow(clippy::disallowed_methods, reason = "a server's own program copies its databases")]
    let mut command = Command::new(dump.program);
    for hidden in dump.hidden {
        command.env_remove(hidden);
    }
    command.args(&dump.arguments).envs(dump.variables).stdin(Stdio::null()).stdout(create(to)?).stderr(create(words)?);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => anyhow::anyhow!(
            "[{name}] can't be copied: {} isn't installed; it comes with the client of {}",
            dump.program,
            target.kind().word()
        ),
        _ => anyhow::anyhow!("[{name}] can't be copied: {} can't be started: {error}", dump.program),
    })?;
    let bar = work.bar("Copying", 0);
    bar.wait("Copying");
    let ended: Result<ExitStatus> = loop {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(LOOK),
            Ok(Some(status)) => break Ok(status),
            Err(error) => break Err(error.into()),
        }
        if let Err(stopped) = work.look() {
            break Err(stopped.into());
        }
    };
    drop(bar);
    let status = ended.inspect_err(|_| {
        // It must not go on writing; one that has ended already doesn't mind.
        let _ = child.kill();
        let _ = child.wait();
    })?;
    if !status.success() {
        #[allow(clippy::disallowed_methods, reason = "a file that this process has made")]
        let words = std::fs::read(words).unwrap_or_default();
        bail!("[{name}] can't be copied: {} says: {}", dump.program, said(&words));
    }
    let size = terminal::size(to.metadata().context("can't look at the copy")?.len());
    let time = terminal::time(begun.elapsed());
    terminal::step("Copied", &format!("[{name}]: {size} by {}, in {time}", dump.program));
    Ok(())
}

/// The end of what the program said.
fn said(words: &[u8]) -> String {
    let words = String::from_utf8_lossy(words);
    let lines: Vec<&str> = words.trim().lines().collect();
    let last = lines[lines.len().saturating_sub(3)..].join("; ");
    if last.is_empty() { "nothing".into() } else { one_line(&last, MAX_WORDS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_three_lines_are_told_in_their_order() {
        for (words, told) in [
            (&b""[..], "nothing"),
            (b"\n \n", "nothing"),
            (b"error: no\ndetail: because\n", "error: no; detail: because"),
            (b"first\nerror: no\ndetail: because\nhint: else", "error: no; detail: because; hint: else"),
            (b"\xff\x1b", "\u{fffd}\\u{1b}"),
        ] {
            assert_eq!(said(words), told);
        }
    }
}
