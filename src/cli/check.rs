//! `liaison check`: what is configured, where each value came from, and all that is wrong with it. Nothing is
//! connected to.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::{Global, answer, answer::Usage};
use crate::app::App;

pub(crate) fn run(global: &Global) -> Result<ExitCode> {
    let loaded = global.load(Vec::new(), None)?;
    for warning in &loaded.warnings {
        answer::note(&warning.to_string());
    }
    let (shown, text) = (loaded.config.to_json(), loaded.config.print());
    usable(loaded.config)?;
    if global.json {
        let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        answer::json(&json!({"file": loaded.file, "config": shown, "warnings": warnings}));
    } else {
        answer::line(text.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// What only shows when the values are used: still a mistake of the configuration.
fn usable(config: crate::config::Config) -> Result<(), Usage> {
    let mistakes: Vec<String> = match App::new(config) {
        Err(fault) => vec![format!("redis: {fault:#}")],
        Ok(app) => {
            let database = app.database().err().map(|fault| format!("store.url: {fault:#}"));
            let keys = app.keys().err().map(|fault| format!("{fault:#}"));
            database.into_iter().chain(keys).collect()
        }
    };
    if mistakes.is_empty() { Ok(()) } else { Err(Usage(mistakes.join("\n"))) }
}
