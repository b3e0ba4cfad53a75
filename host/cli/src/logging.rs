//! The log: to standard error, in one of two forms.

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;

/// Libraries that tell more than anybody wants who looks for a fault in a site; a filter that names them is heard.
const QUIET: &str = "cranelift=warn,cranelift_codegen=warn,cranelift_frontend=warn,regalloc2=warn,wasmtime=warn,\
                     wasmtime_internal_cranelift=warn,hyper=warn,h2=warn,mio=warn,notify=warn";

/// Starts the log with a filter such as `info` or `info,host_db=debug`.
pub(crate) fn start(filter: &str, format: LogFormat) -> Result<()> {
    let filter: EnvFilter = EnvFilter::builder().parse(format!("{QUIET},{filter}")).with_context(|| {
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
