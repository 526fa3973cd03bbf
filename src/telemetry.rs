//! Logs: for people on a terminal, JSON lines everywhere else.

use std::{
    io::{IsTerminal, stderr},
    sync::OnceLock,
};

use tracing_subscriber::EnvFilter;

use crate::config::log::{Format, Log};

/// Changes what is logged, once there is a log.
static LEVEL: OnceLock<Box<dyn Fn(EnvFilter) + Send + Sync>> = OnceLock::new();

/// Log this much from now on.
pub(crate) fn set_level(level: &str) {
    if let (Some(set), Ok(filter)) = (LEVEL.get(), EnvFilter::try_new(level)) {
        set(filter);
    }
}

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
    // A second start, as in a test, keeps the first. A log that is gone has no level to change.
    if json {
        let builder = builder.json().flatten_event(true).with_filter_reloading();
        let handle = builder.reload_handle();
        let _ = LEVEL.set(Box::new(move |filter| drop(handle.reload(filter))));
        let _ = builder.try_init();
    } else {
        let builder = builder.with_ansi(stderr().is_terminal()).with_filter_reloading();
        let handle = builder.reload_handle();
        let _ = LEVEL.set(Box::new(move |filter| drop(handle.reload(filter))));
        let _ = builder.try_init();
    }
}
