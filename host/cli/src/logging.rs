//! The log: to standard error, in one of two forms.

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;

/// Starts the log with a filter such as `info` or `info,host_db=debug`.
pub(crate) fn start(filter: &str, format: LogFormat) -> Result<()> {
    let filter: EnvFilter = EnvFilter::builder().parse(filter).with_context(|| {
        format!("`{}` is no filter for the log; write `info` or `info,host_db=debug`", filter.escape_debug())
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started = match format {
        LogFormat::Text => {
            let coloured = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
            builder.compact().with_ansi(coloured).try_init()
        }
        LogFormat::Json => builder.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("the log can't be started: {error}"))
}
