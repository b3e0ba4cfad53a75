//! The fuzz targets in `fuzz/`, built by the compiler that builds everything else.
//!
//! `cargo fuzz run TARGET` works as well, with a nightly compiler and a sanitizer; this needs neither.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::run::{cargo, program, root, step, target_dir};

/// All of them.
const TARGETS: [&str; 4] = ["shapes", "queries", "manifests", "sql"];

/// What an input may take, in seconds: more is a finding.
const LONGEST: &str = "20";

#[derive(Args)]
pub(crate) struct Options {
    /// Only these targets: shapes, queries, manifests, sql
    targets: Vec<String>,
    /// How long each of them runs
    #[arg(long, default_value_t = 60, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

impl Options {
    /// All targets, for as long as a check may take that everybody waits for.
    pub(crate) fn short() -> Self {
        Self { targets: Vec::new(), seconds: 30 }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let known = |name: &String| TARGETS.contains(&name.as_str());
    if let Some(other) = options.targets.iter().find(|name| !known(name)) {
        anyhow::bail!("there is no fuzz target `{other}`; there are {}", TARGETS.join(", "));
    }
    let wanted = |name: &&str| options.targets.is_empty() || options.targets.iter().any(|target| target == name);
    let folder = root().join("fuzz");
    let target = target_dir()?.join("fuzz");
    cargo(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target-dir"])
        .args([&target])
        .env("RUSTC_WRAPPER", folder.join("rustc.sh"))
        .run()?;
    for name in TARGETS.iter().filter(|name| wanted(name)) {
        step(&format!("Fuzzing {name} for {} s", options.seconds));
        let corpus = folder.join("corpus").join(name);
        sow(&folder.join("seeds"), name, &corpus)?;
        let found = folder.join("artifacts").join(name);
        fs::create_dir_all(&found)?;
        let done = program(target.join("release").join(name))
            .args([&corpus])
            .args([
                format!("-max_total_time={}", options.seconds),
                format!("-timeout={LONGEST}"),
                format!("-artifact_prefix={}/", found.display()),
                "-max_len=8192".into(),
                "-rss_limit_mb=4096".into(),
                "-print_final_stats=1".into(),
                "-verbosity=0".into(),
            ])
            .run();
        done.with_context(|| {
            format!("fuzzing {name} found something: the input is in {}; make a test of it", found.display())
        })?;
    }
    Ok(())
}

/// Writes the seeds of a target into its corpus, one file each, beside what earlier runs found interesting.
fn sow(seeds: &Path, name: &str, corpus: &Path) -> Result<()> {
    fs::create_dir_all(corpus)?;
    let read = |file: &str| fs::read_to_string(seeds.join(file)).with_context(|| format!("fuzz/seeds/{file}"));
    let texts: Vec<String> = match name {
        "manifests" => vec![read("shop.json")?, read("user.json")?],
        "sql" => read("sql.txt")?.lines().map(str::to_owned).collect(),
        // Values stand behind a zero byte.
        "queries" => read("shapes.txt")?.lines().map(|line| format!("{line}\0\u{1}\u{2}\u{3}\u{4}")).collect(),
        _ => read("shapes.txt")?.lines().map(str::to_owned).collect(),
    };
    ensure!(!texts.is_empty(), "fuzz/seeds has nothing for {name}");
    for (at, text) in texts.iter().enumerate() {
        let file = corpus.join(format!("seed-{at:04}"));
        fs::write(&file, text).with_context(|| file.display().to_string())?;
    }
    Ok(())
}
