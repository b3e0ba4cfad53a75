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
    /// Makes a new site or a new app
    #[command(subcommand, arg_required_else_help = true)]
    New(New),
    /// Builds an app into one .wasm file with its templates and static files
    #[command(after_help = "Examples:\n  bandstand build notes\n  bandstand build ../polls --out plugins/polls.wasm\n  \
        bandstand build            (in a site's folder: every app that has a `source`)")]
    Build {
        /// An app's folder, or a site's
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// Where to write the file; NAME.wasm in the app's folder by default
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
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
