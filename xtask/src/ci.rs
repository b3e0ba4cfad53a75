//! `cargo xtask ci`: the whole check, the same on every machine. It stops at the first step that fails.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::guests::APPS;
use crate::run::{cargo, ensure_servers, ensure_wasm_target, program, root, step};
use crate::{demo, fuzz, guests, tidy};

/// The guests' workspace, which is apart from the main one.
const GUESTS: &str = "tests/guests/Cargo.toml";
type Step = (&'static str, fn() -> Result<()>);

const STEPS: [Step; 9] = [
    ("format", format),
    ("tidy", tidy::run),
    ("clippy", clippy),
    ("build", guests::build_all),
    ("guests", || guests::run(&[])),
    ("tests", || cargo(["test", "--workspace"]).run()),
    ("demo", demo::check),
    ("fuzz", || fuzz::run(&fuzz::Options::short())),
    ("dependencies", dependencies),
];

pub(crate) fn run() -> Result<()> {
    let begun = Instant::now();
    ensure_wasm_target()?;
    ensure_servers()?;
    let mut times = Vec::new();
    for (at, (name, check)) in STEPS.into_iter().enumerate() {
        let begun = Instant::now();
        step(&format!("{}/{} {name}", at + 1, STEPS.len()));
        check().with_context(|| format!("the step `{name}` failed"))?;
        times.push(format!("{name} {} s", begun.elapsed().as_secs()));
    }
    step(&format!("All is well, in {} s ({})", begun.elapsed().as_secs(), times.join(", ")));
    Ok(())
}

fn format() -> Result<()> {
    cargo(["fmt", "--all", "--check"]).run().context("run `cargo fmt --all`")?;
    cargo(["fmt", "--manifest-path", GUESTS, "--all", "--check"])
        .run()
        .with_context(|| format!("run `cargo fmt --manifest-path {GUESTS} --all`"))
}

fn clippy() -> Result<()> {
    let apart = APPS.iter().flat_map(|app| ["--exclude", app]);
    cargo(["clippy", "--workspace", "--all-targets"]).args(apart).args(["--", "-D", "warnings"]).run()?;
    let apps = APPS.iter().flat_map(|app| ["--package", app]);
    // The profile that they are built with anyway, so that nothing is compiled twice.
    cargo(["clippy", "--profile", "guest", "--target", "wasm32-wasip2", "--package", "bandstand"])
        .args(apps)
        .args(["--", "-D", "warnings"])
        .run()
}

fn dependencies() -> Result<()> {
    if program("cargo-deny").args(["--version"]).output().is_err() {
        step("Installing cargo-deny");
        cargo(["install", "cargo-deny", "--locked"]).run()?;
    }
    cargo(["deny", "check", "bans", "licenses", "sources"]).run()?;
    // The advisories live in a repository that not every machine reaches: what can't be asked is said, not guessed.
    let mut advisories = cargo(["deny", "check", "advisories"]).into_command();
    let output = advisories.current_dir(root()).output().context("can't start cargo deny")?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && text.contains("failed to fetch advisory database") {
        step("Advisories were not checked: their database can't be reached from here");
        return Ok(());
    }
    eprint!("{text}");
    anyhow::ensure!(output.status.success(), "`cargo deny check advisories` failed");
    Ok(())
}
