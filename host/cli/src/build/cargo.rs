//! Runs cargo for an app and reads what it says.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde::Deserialize;

/// What apps are compiled for.
pub(crate) const TARGET: &str = "wasm32-wasip2";
/// The most of a compiler's messages that is kept for showing again, in bytes.
const MAX_MESSAGES: usize = 256 << 10;

/// How an app is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Small and fast code, for sites.
    Guest,
    /// Quick to compile, for the moments between two saves.
    Dev,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Profile::Guest => "guest",
            Profile::Dev => "guest-dev",
        }
    }

    /// The profile's settings. They are handed to cargo, because an app's own workspace doesn't know the profile.
    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // Small images instantiate and reset faster; a panic ends the instance anyway.
            Profile::Guest => &[
                ("inherits", "\"release\""),
                ("opt-level", "\"s\""),
                ("lto", "\"fat\""),
                ("codegen-units", "1"),
                ("debug", "false"),
                ("strip", "true"),
                ("panic", "\"abort\""),
            ],
            Profile::Dev => &[
                ("inherits", "\"dev\""),
                ("opt-level", "1"),
                ("incremental", "true"),
                ("debug", "false"),
                // Functions keep their names, so that a trap can be read.
                ("strip", "\"debuginfo\""),
                ("panic", "\"abort\""),
            ],
        }
    }
}

/// Arguments for the linker. The default stack of 1 MiB costs every fresh instance half of its time in page faults, each
/// further 64 KiB of memory some more, and a memory that must grow in the midst of a request costs as much as all of the
/// rest: so a small stack, and room for the heap of an ordinary page behind whatever static data the app has.
const LINK_ARGUMENTS: [&str; 2] = ["-Clink-arg=-zstack-size=65536", "-Clink-arg=--initial-heap=131072"];

/// Without the optimiser's help, the C library's parts that the SDK replaces are linked as well; the SDK's come first.
const QUICK_LINK_ARGUMENTS: [&str; 1] = ["-Clink-arg=--allow-multiple-definition"];

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CargoError {
    /// cargo ran and failed.
    #[error("{summary}")]
    Failed {
        /// One line.
        summary: String,
        /// What the compiler said, without colours.
        messages: String,
    },
    /// cargo could not be run.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Line {
    CompilerArtifact {
        target: Target,
        manifest_path: PathBuf,
        filenames: Vec<PathBuf>,
    },
    CompilerMessage {
        message: Message,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    rendered: Option<String>,
}

/// Compiles the app whose `Cargo.toml` lies in `dir` and returns the path of its component. cargo's own messages go to
/// standard error as they come. What is compiled goes into `shared`, unless the app belongs to a larger workspace or the
/// environment says otherwise: the apps of a site then compile the SDK once.
pub(crate) fn compile(dir: &Path, profile: Profile, shared: Option<&Path>) -> Result<PathBuf, CargoError> {
    let manifest = std::path::absolute(dir.join("Cargo.toml")).context("can't tell the current folder")?;
    let manifest = manifest.canonicalize().with_context(|| {
        format!("{} has no Cargo.toml; name an app's folder, or make an app: `bandstand new app NAME`", dir.display())
    })?;
    let coloured = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let mut command = command("cargo");
    command.current_dir(dir).args(["rustc", "--lib", "--target", TARGET, "--profile", profile.name()]);
    for (key, value) in profile.settings() {
        command.arg("--config").arg(format!("profile.{}.{key}={value}", profile.name()));
    }
    if let Some(shared) = shared.filter(|_| is_a_workspace(&manifest) && !is_target_dir_set()) {
        command.arg("--target-dir").arg(std::path::absolute(shared).context("can't tell the current folder")?);
    }
    let format = if coloured { "json-diagnostic-rendered-ansi" } else { "json" };
    command.args(["--message-format", format, "--crate-type", "cdylib"]);
    command.args(["--color", if coloured { "always" } else { "never" }]);
    command.arg("--").args(LINK_ARGUMENTS);
    if profile == Profile::Dev {
        command.args(QUICK_LINK_ARGUMENTS);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("can't start cargo; install Rust from https://rustup.rs")?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (own, read) = std::thread::scope(|scope| {
        let own = scope.spawn(|| stderr.map(pass_on).unwrap_or_default());
        let read = stdout.map(|stdout| read_messages(stdout, &manifest)).unwrap_or_default();
        (own.join().unwrap_or_default(), read)
    });
    let status = child.wait().context("can't wait for cargo")?;
    if !status.success() {
        let mut messages = read.messages;
        if messages.is_empty() {
            messages = own;
        }
        if messages.contains(&format!("`{TARGET}` target may not be installed")) {
            let hint = format!("\nInstall the target with: rustup target add {TARGET}\n");
            anstream::eprint!("{hint}");
            messages.push_str(&hint);
        }
        return Err(CargoError::Failed { summary: format!("{} doesn't compile", dir.display()), messages });
    }
    read.component.ok_or_else(|| {
        CargoError::Other(anyhow::anyhow!(
            "cargo made no component from {}; its Cargo.toml needs `[lib]` with `crate-type = [\"cdylib\"]`",
            dir.display()
        ))
    })
}

/// Whether the package is a workspace of its own, as `bandstand new app` makes it.
fn is_a_workspace(manifest: &Path) -> bool {
    let text = super::read(manifest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let table = text.and_then(|text| text.parse::<toml::Table>().ok());
    table.is_some_and(|table| table.contains_key("workspace"))
}

fn is_target_dir_set() -> bool {
    // cargo reads it, so it counts for what is handed to cargo.
    #[allow(clippy::disallowed_methods)]
    std::env::var_os("CARGO_TARGET_DIR").is_some()
}

/// A program to run, found by the operator's own PATH.
// Building is the one thing that this command line starts programs for.
#[allow(clippy::disallowed_methods)]
fn command(program: &str) -> Command {
    Command::new(program)
}

#[derive(Default)]
struct Said {
    component: Option<PathBuf>,
    messages: String,
}

fn read_messages(stdout: impl Read, manifest: &Path) -> Said {
    let mut result = Said::default();
    for line in BufReader::new(stdout).lines() {
        let Ok(line) = line else { break };
        match serde_json::from_str::<Line>(&line) {
            Ok(Line::CompilerMessage { message }) => {
                if let Some(rendered) = message.rendered {
                    anstream::eprint!("{rendered}");
                    append(&mut result.messages, &anstream::adapter::strip_str(&rendered).to_string());
                }
            }
            Ok(Line::CompilerArtifact { target, manifest_path, filenames }) => {
                let ours = manifest_path.canonicalize().is_ok_and(|path| path == manifest);
                if ours && target.crate_types.iter().any(|kind| kind == "cdylib") {
                    let wasm = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
                    result.component = filenames.into_iter().find(wasm).or(result.component);
                }
            }
            Ok(Line::Other) | Err(_) => {}
        }
    }
    result
}

/// Passes on what cargo itself says (what it compiles, how far it is) and keeps it, for errors that aren't the compiler's.
fn pass_on(mut stderr: impl Read) -> String {
    let mut kept = String::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        // Bytes, not text: a piece may end within a character.
        let _ = std::io::stderr().write_all(&buffer[..count]);
        append(&mut kept, &String::from_utf8_lossy(&buffer[..count]));
    }
    anstream::adapter::strip_str(&kept).to_string()
}

fn append(messages: &mut String, text: &str) {
    if messages.len() + text.len() <= MAX_MESSAGES {
        messages.push_str(text);
    }
}
