//! Sends the node's log where its configuration says.

use btn_node::config::{LogConfig, LogFormat};
use eyre::{WrapErr as _, eyre};
use std::fs::OpenOptions;
use std::io::IsTerminal as _;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// Starts logging for the rest of the process.
///
/// # Errors
/// The log file cannot be opened, or the level is not understood.
pub fn start_logging(config: &LogConfig) -> eyre::Result<()> {
    let filter = EnvFilter::try_new(&config.level).wrap_err("log level is not understood")?;
    let writer = match &config.file {
        None => BoxMakeWriter::new(std::io::stderr),
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let file = file.wrap_err_with(|| format!("log file {} cannot be opened", path.display()))?;
            BoxMakeWriter::new(Mutex::new(file))
        }
    };
    let colour = config.file.is_none() && std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colour);
    let started = match config.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| eyre!("logging cannot start: {error}"))
}
