//! The `bandstand` command.

// The server's futures stand in one another; laying them out takes the compiler this deep.
#![recursion_limit = "256"]

mod apps;
mod args;
mod backup;
mod build;
mod check;
mod config;
mod dev;
mod inspect;
mod lock;
mod logging;
mod new;
mod plugins;
mod problem;
mod routes;
mod serve;
mod site;
mod terminal;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use args::{Cli, Command, New, Running};
use build::cargo::Profile;
use config::Override;

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
    let mut overrides = config::overrides(std::env::vars_os());
    match cli.command {
        Command::CompileWorker { memory_bytes, cpu_s } => return Ok(host_engine::compile_worker(memory_bytes, cpu_s)),
        Command::Serve(running) => {
            prepare(&running, &mut overrides)?;
            serve::run(&running.dir, &overrides)?;
        }
        Command::Dev(running) => {
            prepare(&running, &mut overrides)?;
            dev::run(&running.dir, &overrides)?;
        }
        Command::Check { dir } => {
            logging::start("error", args::LogFormat::Text)?;
            if !check::run(&dir, &overrides)? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Routes { dir } => {
            logging::start("warn", args::LogFormat::Text)?;
            routes::run(&dir, &overrides)?;
        }
        Command::Inspectdb(options) => {
            logging::start("warn", args::LogFormat::Text)?;
            inspect::run(&options, &overrides)?;
        }
        Command::Backup(options) => {
            logging::start("warn", args::LogFormat::Text)?;
            backup::run(options, overrides)?;
        }
        Command::Restore(options) => {
            logging::start("warn", args::LogFormat::Text)?;
            backup::restore::run(options, overrides)?;
        }
        Command::New(New::Site { folder }) => new::site(&folder)?,
        Command::New(New::App(app)) => new::app(&app.folder, app.sdk.as_deref())?,
        Command::Build { dir, out, quick } => {
            let profile = if quick { Profile::Dev } else { Profile::Guest };
            build::run(&dir, out.as_deref(), profile, &overrides)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts the log. An address on the command line is one more override.
fn prepare(running: &Running, overrides: &mut Vec<Override>) -> Result<()> {
    logging::start(&running.log, running.log_format)?;
    if !running.bind.is_empty() {
        let addresses: Vec<String> = running.bind.iter().map(ToString::to_string).collect();
        overrides.retain(|variable| variable.name != config::BIND);
        overrides.push(Override { name: config::BIND.into(), value: Some(addresses.join(",")) });
    }
    Ok(())
}
