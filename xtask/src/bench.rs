//! `cargo xtask bench`: the comparisons in `benches/`, with what they need built before.

use anyhow::Result;

use crate::run::cargo;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    cargo(["build", "--release", "--package", "bandstand-cli"]).run()?;
    crate::guests::run(&[])?;
    cargo(["run", "--release", "--package", "bandstand-benches", "--"]).args(arguments).run()
}
