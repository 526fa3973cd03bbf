//! `liaison check`: what is configured, where each value came from, and all that is wrong with it. Every file that is
//! named is read; nobody is connected to.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::{Global, answer};
use crate::{config::mistake::ConfigError, offline};

#[derive(clap::Args)]
pub(crate) struct CheckArgs {
    /// Print nothing when nothing is wrong
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn run(global: &Global, args: &CheckArgs) -> Result<ExitCode> {
    let loaded = global.load(Vec::new(), None)?;
    for warning in &loaded.warnings {
        answer::note(&warning.to_string());
    }
    ConfigError::of(offline::mistakes(&loaded.config))?;
    if args.quiet {
        return Ok(ExitCode::SUCCESS);
    }
    if global.json {
        let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        answer::json(&json!({"file": loaded.file, "config": loaded.config.to_json(), "warnings": warnings}));
    } else {
        answer::line(loaded.config.print().trim_end());
    }
    Ok(ExitCode::SUCCESS)
}
