//! Logs: for people on a terminal, JSON lines everywhere else.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::log::{Format, Log};

/// Send all logs to standard error from now on; standard output belongs to answers.
pub(crate) fn start(log: &Log) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_target(false);
    // A log that cannot be written (a full disk, a closed pipe) must not take the daemon down.
    let builder = builder.log_internal_errors(false);
    let json = match log.format {
        Format::Json => true,
        Format::Human => false,
        Format::Auto => !stderr().is_terminal(),
    };
    // One line for a panic, in the form of all others, instead of a page on the terminal.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        let text = panic.payload_as_str().unwrap_or("with something that is no text");
        tracing::error!(place, "panicked at {place}: {text}; this is a bug");
    }));
    // A second start, as in a test, keeps the first.
    let _ = if json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_ansi(stderr().is_terminal()).try_init()
    };
}
