//! The project's own tasks: `cargo xtask --help`.

// These tasks work on the checkout that they belong to: they read its files, write below `target/` and start cargo.
#![allow(clippy::disallowed_methods)]

mod bench;
mod chinook;
mod ci;
mod demo;
mod fuzz;
mod guests;
mod http;
mod reference;
mod run;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own tasks", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// The whole check: format, tidy, clippy, build, tests, dependencies
    Ci,
    /// Builds the example apps and the tests' guests into target/guests/NAME.wasm
    Guests {
        /// Only these; all by default
        names: Vec<String>,
    },
    /// Checks what the compiler can't: dependency rule, documentation of the contract, sizes, words, links
    Tidy,
    /// Writes docs/reference/queries.md from the code
    Reference,
    /// Builds everything, makes the site demo/ with some polls in it, and serves it
    Demo(demo::Options),
    /// Makes the Chinook sample database: a SQLite file, or SQL for another database
    Chinook(chinook::Options),
    /// Runs the fuzz targets in fuzz/ for a while
    Fuzz(fuzz::Options),
    /// Runs the comparisons in benches/
    Bench {
        /// Handed on
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Ci => ci::run(),
        Task::Guests { names } => guests::run(&names),
        Task::Tidy => tidy::run(),
        Task::Reference => reference::run(),
        Task::Demo(options) => demo::run(&options),
        Task::Chinook(options) => chinook::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Bench { arguments } => bench::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::failure(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
