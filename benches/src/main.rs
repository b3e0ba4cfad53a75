//! Bandstand beside what it is compared with, in one run on one machine: `cargo xtask bench`.
//!
//! Absolute numbers say more about the machine than about the program, so everything is measured in turn, several
//! times, and given as a ratio to a baseline of the same run. The server has one core, the load (wrk) another. Since
//! each wake-up of a sleeping client is charged to the server's time slice, processor time per request is given too.

// This program starts servers and reads what the kernel knows of them.
#![allow(clippy::disallowed_methods)]

mod baseline;
mod load;
mod neighbours;
mod report;
mod servers;
mod wall;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "Bandstand beside what it is compared with")]
struct Cli {
    #[command(subcommand)]
    task: Option<Task>,
    /// The host to measure
    #[arg(long, default_value = "target/release/bandstand")]
    bandstand: PathBuf,
    /// Where the built guests are
    #[arg(long, default_value = "target/guests")]
    guests: PathBuf,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Rounds; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Connections of the load
    #[arg(long, default_value_t = 32)]
    connections: u32,
    /// Where the table is written; printed only by default
    #[arg(long)]
    write: Option<PathBuf>,
    /// Only comparisons whose name contains this
    #[arg(long)]
    only: Option<String>,
}

#[derive(Subcommand)]
enum Task {
    /// Serves a baseline; started by the comparison itself
    #[command(hide = true)]
    Baseline {
        /// Which one
        kind: baseline::Kind,
        /// Where to listen
        address: std::net::SocketAddr,
        /// The database, for baselines with rows
        database: Option<PathBuf>,
    },
    /// Runs the queries of the wall's measurement without a guest; started by the comparison itself
    #[command(hide = true)]
    Native,
    /// Compiles a component; started by the site of the task below
    #[command(hide = true)]
    CompileWorker {
        /// Address space in bytes
        memory_bytes: u64,
        /// Processor time in seconds
        cpu_s: u64,
    },
    /// What one app's queries, transactions and writers cost another one, on each database
    Neighbours,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Task::CompileWorker { memory_bytes, cpu_s }) = cli.task {
        return host_engine::compile_worker(memory_bytes, cpu_s);
    }
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    if let Some(Task::Baseline { kind, address, database }) = cli.task {
        return baseline::serve(kind, address, database);
    }
    if let Some(Task::Native) = cli.task {
        return wall::native();
    }
    if let Some(Task::Neighbours) = cli.task {
        return neighbours::measure(&cli.guests, cli.seconds, cli.rounds.max(1), cli.only.as_deref());
    }
    let scratch = tempfile::tempdir().context("a scratch folder")?;
    let machine = servers::Machine::look()?;
    let plan =
        load::Plan { seconds: cli.seconds, rounds: cli.rounds.max(1), connections: cli.connections, only: cli.only };
    let candidates = servers::candidates(&cli.bandstand, &cli.guests, scratch.path())?;
    let results = load::measure(&plan, &machine, candidates)?;
    let wall = match plan.only.as_deref().is_none_or(|only| "wall".contains(only)) {
        true => Some(wall::measure(&plan, &machine, &cli.bandstand, &cli.guests, scratch.path())?),
        false => None,
    };
    let text = report::render(&plan, &machine, &results, wall.as_ref());
    println!("\n{text}");
    if let Some(path) = cli.write {
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        eprintln!("written to {}", path.display());
    }
    Ok(())
}
