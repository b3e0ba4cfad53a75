//! `bandstand inspectdb`: models for the tables of a database that is there already.

mod names;
mod plan;
mod source;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use host_core::text::one_line;
use host_db::inspect::Schema;
use host_store::Target;

use crate::args::Inspect;
use crate::config::{DatabaseSection, DatabaseUrl, Override};
use crate::site::Folder;
use crate::terminal;

/// `bandstand inspectdb [DIR]`.
pub(crate) fn run(options: &Inspect, overrides: &[Override]) -> Result<()> {
    let schema = match database(options, overrides)? {
        Database::File(path) if !path.exists() => bail!("there is no database at {}", path.display()),
        Database::File(path) => {
            Schema::of_sqlite(&path).with_context(|| format!("can't read the tables of {}", path.display()))?
        }
        Database::Server(target) => {
            let shown = target.to_string();
            Schema::of_server(target).with_context(|| format!("can't read the tables of {shown}"))?
        }
    };
    let chosen = chosen(&schema, &options.table)?;
    if chosen.is_empty() {
        terminal::note("the database has no tables");
        return Ok(());
    }
    let source = source::source(&schema, &chosen, options.managed);
    anstream::print!("{source}");
    Ok(())
}

/// What to read.
enum Database {
    File(PathBuf),
    Server(Target),
}

fn database(options: &Inspect, overrides: &[Override]) -> Result<Database> {
    const WHERE: &str = "the database's URL";
    const MEMORY: &str = "a database in memory has no tables to read; name a file with --url sqlite:PATH";
    if let Some(url) = &options.url {
        // What the command line says is relative to where it was typed.
        return match DatabaseSection::at(url).parse().map_err(anyhow::Error::msg).context(WHERE)? {
            DatabaseUrl::Memory => bail!(MEMORY),
            DatabaseUrl::Sqlite(path) => Ok(Database::File(path)),
            DatabaseUrl::Server(target) => Ok(Database::Server(target)),
        };
    }
    let folder = Folder::read(&options.dir, overrides)?;
    let section = match &options.database {
        None => &folder.config.database,
        Some(name) => folder.config.databases.get(name).with_context(|| {
            let near = host_core::name::nearest(name, folder.config.databases.keys().map(String::as_str));
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            format!("there is no [databases.{}] in the configuration{hint}", one_line(name, 200))
        })?,
    };
    match section.parse().map_err(anyhow::Error::msg).context(WHERE)? {
        DatabaseUrl::Memory => bail!(MEMORY),
        DatabaseUrl::Sqlite(path) => Ok(Database::File(folder.shown(&path))),
        DatabaseUrl::Server(target) => {
            let store = section.on_server(target, &folder.path).map_err(anyhow::Error::msg)?;
            Ok(Database::Server(store.server.context(WHERE)?.target))
        }
    }
}

/// The names of the tables to speak of: those that were asked for, or all but the host's own.
fn chosen<'s>(schema: &'s Schema, asked: &[String]) -> Result<Vec<&'s str>> {
    if asked.is_empty() {
        let all = schema.tables.iter().map(|table| table.name.as_str());
        return Ok(all.filter(|name| !name.starts_with("bandstand__")).collect());
    }
    let mut chosen = Vec::new();
    for name in asked {
        let Some(table) = schema.table(name) else {
            let known = schema.tables.iter().map(|table| table.name.as_str());
            let near = host_core::name::nearest(name, known);
            let hint = near.map(|near| format!("; did you mean `{}`?", one_line(near, 200))).unwrap_or_default();
            bail!("the database has no table `{}`{hint}", one_line(name, 200));
        };
        if !chosen.contains(&table.name.as_str()) {
            chosen.push(&table.name);
        }
    }
    chosen.sort_unstable();
    Ok(chosen)
}

#[cfg(test)]
mod tests;
