//! The `bandstand` command.

mod args;
mod build;
mod config;
mod dev;
mod new;
mod plugins;
mod problem;
mod terminal;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use args::{Cli, Command, New};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            terminal::error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    // The one place where the environment is read.
    #[allow(clippy::disallowed_methods)]
    let overrides = config::overrides(std::env::vars_os());
    match cli.command {
        Command::New(New::Site { folder }) => new::site(&folder)?,
        Command::New(New::App(app)) => new::app(&app.folder, app.sdk.as_deref())?,
        Command::Build { dir, out } => build::run(&dir, out.as_deref(), &overrides)?,
    }
    Ok(ExitCode::SUCCESS)
}
