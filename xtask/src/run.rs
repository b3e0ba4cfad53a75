//! Starting programs and saying so.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The checkout's root.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.parent().unwrap_or(here).to_path_buf()
    })
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let json = cargo(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: Metadata = serde_json::from_str(&json).context("cargo metadata")?;
    Ok(metadata.target_directory)
}

/// A program with its arguments, run in the checkout's root.
pub(crate) struct Program {
    command: Command,
    shown: String,
}

/// cargo with these arguments.
pub(crate) fn cargo<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(arguments: I) -> Program {
    program("cargo").args(arguments)
}

/// The program called `name`.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Program {
    let name = name.as_ref();
    let mut command = Command::new(name);
    command.current_dir(root());
    let shown = Path::new(name).file_name().unwrap_or(name).to_string_lossy().into_owned();
    Program { command, shown }
}

impl Program {
    /// Adds arguments.
    pub(crate) fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, arguments: I) -> Self {
        for argument in arguments {
            self.shown.push(' ');
            self.shown.push_str(&argument.as_ref().to_string_lossy());
            self.command.arg(argument);
        }
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Says what it runs, runs it, and fails if it fails.
    pub(crate) fn run(mut self) -> Result<()> {
        eprintln!("    $ {}", self.shown);
        let status = self.command.status().with_context(|| format!("can't start `{}`", self.shown))?;
        if !status.success() {
            bail!("`{}` failed ({status})", self.shown);
        }
        Ok(())
    }

    /// Runs it quietly and returns what it wrote to standard output; what it wrote to standard error is in the error.
    pub(crate) fn output(mut self) -> Result<String> {
        let output =
            self.command.stdin(Stdio::null()).output().with_context(|| format!("can't start `{}`", self.shown))?;
        if !output.status.success() {
            bail!("`{}` failed ({}):\n{}", self.shown, output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        String::from_utf8(output.stdout).with_context(|| format!("`{}` wrote something that isn't UTF-8", self.shown))
    }

    /// Says what it runs, runs it with its progress shown, and returns what it wrote to standard output.
    pub(crate) fn stdout(mut self) -> Result<String> {
        eprintln!("    $ {}", self.shown);
        let output = self
            .command
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("can't start `{}`", self.shown))?;
        if !output.status.success() {
            bail!("`{}` failed ({})", self.shown, output.status);
        }
        String::from_utf8(output.stdout).with_context(|| format!("`{}` wrote something that isn't UTF-8", self.shown))
    }

    /// The command itself, for what is neither.
    pub(crate) fn into_command(self) -> Command {
        self.command
    }
}

/// Announces a step.
pub(crate) fn step(text: &str) {
    use anstyle::{AnsiColor, Style};
    const STEP: Style = AnsiColor::Cyan.on_default().bold();
    anstream::eprintln!("{STEP}==>{STEP:#} {text}");
}

/// Says why a task ended.
pub(crate) fn failure(text: &str) {
    use anstyle::{AnsiColor, Style};
    const BAD: Style = AnsiColor::Red.on_default().bold();
    anstream::eprintln!("{BAD}error{BAD:#}: {text}");
}

/// Adds the target that apps are compiled for, where rustup knows that it is missing.
pub(crate) fn ensure_wasm_target() -> Result<()> {
    const TARGET: &str = "wasm32-wasip2";
    let Ok(installed) = program("rustup").args(["target", "list", "--installed"]).output() else {
        // Without rustup the toolchain comes from elsewhere, and cargo will say what is missing.
        return Ok(());
    };
    if installed.lines().any(|line| line.trim() == TARGET) {
        return Ok(());
    }
    step(&format!("Installing the Rust target {TARGET}"));
    program("rustup").args(["target", "add", TARGET]).run()
}

/// Makes sure that the database servers are there which the tests start for themselves. They needn't run as services.
pub(crate) fn ensure_servers() -> Result<()> {
    let there = |test: &str| program("sh").args(["-c", test]).output().is_ok();
    let servers = [
        ("postgresql", "command -v initdb || ls /usr/lib/postgresql/*/bin/initdb"),
        ("mariadb-server", "command -v mariadbd || ls /usr/sbin/mariadbd"),
    ];
    let missing: Vec<&str> = servers.iter().filter(|(_, test)| !there(test)).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !there("test \"$(id -u)\" = 0 && command -v apt-get") {
        bail!("the tests need database servers: install what Debian calls {list}");
    }
    step(&format!("Installing {list}"));
    program("apt-get").args(["update", "-qq"]).run()?;
    let install = ["install", "-y", "-qq", "--no-install-recommends"];
    program("apt-get").args(install).args(missing).env("DEBIAN_FRONTEND", "noninteractive").run()
}
