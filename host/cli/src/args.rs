//! The words of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Serves web sites made of sandboxed apps.
#[derive(Debug, Parser)]
#[command(
    name = "bandstand",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "Begin with:\n  bandstand new site mysite\n  cd mysite\n  bandstand new app notes\n  bandstand dev"
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves a site
    #[command(after_help = "Examples:\n  bandstand serve\n  bandstand serve mysite --bind 0.0.0.0:80\n  \
        BANDSTAND__DATABASE__URL=sqlite:/var/lib/mysite/site.db bandstand serve mysite")]
    Serve(Running),
    /// Builds a site's apps, serves it, and starts over at every save
    #[command(after_help = "Example:\n  bandstand dev")]
    Dev(Running),
    /// Says what is wrong with a site and what to do about it
    #[command(after_help = "The exit code is 1 if anything is wrong. Nothing is changed.")]
    Check {
        /// The site's folder
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Lists every address of a site
    Routes {
        /// The site's folder
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Prints models for the tables of a database that is there already
    #[command(after_help = "Examples:\n  bandstand inspectdb > apps/shop/src/models.rs\n  \
        bandstand inspectdb --url sqlite:old.db --table Customer --table Invoice")]
    Inspectdb(Inspect),
    /// Makes a backup of a site: its files and its SQLite databases, also while it serves
    #[command(after_help = "Examples:\n  bandstand backup\n  bandstand backup /var/backups/ --site /srv/mysite\n  \
        bandstand backup --check mysite-2026-01-31-040000.tar.zst")]
    Backup(Backup),
    /// Makes a site of a backup again
    #[command(after_help = "Examples:\n  bandstand restore mysite-2026-01-31-040000.tar.zst --into mysite\n  \
        bandstand restore mysite-2026-01-31-040000.tar.zst --into mysite --replace")]
    Restore(Restore),
    /// Makes a new site or a new app
    #[command(subcommand, arg_required_else_help = true)]
    New(New),
    /// Builds an app into one .wasm file with its templates and static files
    #[command(
        after_help = "Examples:\n  bandstand build notes\n  bandstand build ../polls --out plugins/polls.wasm\n  \
        bandstand build            (in a site's folder: every app that has a `source`)"
    )]
    Build {
        /// An app's folder, or a site's
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// Where to write the file; NAME.wasm in the app's folder by default
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Compile quickly rather than small, as `bandstand dev` does
        #[arg(long)]
        quick: bool,
    },
    /// Compiles a component from standard input to machine code on standard output: the host starts itself so
    #[command(hide = true)]
    CompileWorker {
        /// Address space in bytes
        memory_bytes: u64,
        /// Processor time in seconds
        cpu_s: u64,
    },
}

/// What can be made.
#[derive(Debug, Subcommand)]
pub(crate) enum New {
    /// Makes a folder with a site: its configuration, a page to begin with, a place for plugins
    #[command(after_help = "Example:\n  bandstand new site mysite")]
    Site {
        /// The folder to make; its last part becomes the site's name
        folder: PathBuf,
    },
    /// Makes a folder with an app: one model, one page, one template
    #[command(after_help = "Example, in a site's folder:\n  bandstand new app notes")]
    App(NewApp),
}

/// Arguments of `new app`.
#[derive(Debug, Args)]
pub(crate) struct NewApp {
    /// The folder to make; its last part becomes the app's name: a-z, 0-9 and single underscores
    pub(crate) folder: PathBuf,
    /// The folder of the SDK (sdk/sdk in Bandstand's source); by default the one this command was built from
    #[arg(long, value_name = "FOLDER")]
    pub(crate) sdk: Option<PathBuf>,
}

/// Arguments of `inspectdb`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The site's folder
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The database under [databases.NAME] instead of the one under [database]
    #[arg(long, value_name = "NAME", conflicts_with = "url")]
    pub(crate) database: Option<String>,
    /// Another database than the site's: sqlite:PATH, postgres://USER@HOST/NAME or mariadb://USER@HOST/NAME
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Only this table; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) table: Vec<String>,
    /// Let the host change the tables as the models change
    #[arg(long)]
    pub(crate) managed: bool,
}

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The archive to make, or a folder to make it in; SITE-YYYY-MM-DD-HHMMSS.tar.zst by default, in UTC
    pub(crate) file: Option<PathBuf>,
    /// The site's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) site: PathBuf,
    /// Put databases on servers in as well, copied by pg_dump or mariadb-dump
    #[arg(long)]
    pub(crate) servers: bool,
    /// Make nothing, but read FILE to its end and say whether it is whole
    #[arg(long, requires = "file", conflicts_with_all = ["site", "no_verify", "servers"])]
    pub(crate) check: bool,
    /// Don't read the archive back after writing it
    #[arg(long)]
    pub(crate) no_verify: bool,
    /// No progress bar, as where nobody sits at a terminal
    #[arg(long)]
    pub(crate) plain: bool,
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The archive
    pub(crate) file: PathBuf,
    /// The site's folder: a new one, or one that is empty
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) into: PathBuf,
    /// Take the place of a site that is there and that no host serves; it is kept beside, under another name
    #[arg(long)]
    pub(crate) replace: bool,
    /// No progress bar, as where nobody sits at a terminal
    #[arg(long)]
    pub(crate) plain: bool,
}

/// Arguments of `serve` and `dev`.
#[derive(Debug, Args)]
pub(crate) struct Running {
    /// The site's folder
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Where to listen instead of `bind` in [server]; may be given several times
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) bind: Vec<std::net::SocketAddr>,
    /// What to log: error, warn, info, debug, trace, or a filter such as info,host_db=debug
    #[arg(long, value_name = "FILTER", env = "BANDSTAND_LOG", default_value = "info")]
    pub(crate) log: String,
    /// How to log
    #[arg(long, value_name = "FORMAT", value_enum, env = "BANDSTAND_LOG_FORMAT", default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// Forms of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    Text,
    /// A JSON object in each line, for programs
    Json,
}
