//! `cargo xtask chinook`: the database of the example of that name.

#[path = "../../examples/chinook/data/load.rs"]
mod load;

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::run::{root, step};

/// What to make.
#[derive(Args)]
pub(crate) struct Options {
    /// The file to make
    #[arg(default_value = "demo/chinook.db")]
    file: PathBuf,
    /// Print the statements for this database instead
    #[arg(long, value_enum)]
    sql: Option<Dialect>,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Dialect {
    Sqlite,
    Postgres,
    Mariadb,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(dialect) = options.sql {
        let database = match dialect {
            Dialect::Sqlite => load::Database::Sqlite,
            Dialect::Postgres => load::Database::Postgres,
            Dialect::Mariadb => load::Database::Mariadb,
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "BEGIN;")?;
        for statement in load::statements(database) {
            writeln!(out, "{statement};")?;
        }
        return writeln!(out, "COMMIT;").context("printing");
    }
    let path = root().join(&options.file);
    if path.exists() {
        if !options.force {
            bail!("{} is there already; --force replaces it", path.display());
        }
        fs::remove_file(&path).with_context(|| format!("can't remove {}", path.display()))?;
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("can't make {}", parent.display()))?;
    }
    let mut file = rusqlite::Connection::open(&path).with_context(|| format!("can't make {}", path.display()))?;
    let all = file.transaction()?;
    for statement in load::statements(load::Database::Sqlite) {
        all.execute_batch(&statement)?;
    }
    all.commit()?;
    step(&format!("The Chinook database is in {}", path.display()));
    Ok(())
}
