//! `liaison migrate`: bring the database up to date, or say how far it is. Running it twice is as good as once.

use std::process::ExitCode;

use anyhow::{Result, bail};
use serde::Serialize;
use serde_json::json;

use super::{Global, answer, block_on};
use crate::app::App;

#[derive(clap::Args)]
pub(crate) struct MigrateArgs {
    #[command(subcommand)]
    command: Option<MigrateCommand>,
}

#[derive(clap::Subcommand)]
enum MigrateCommand {
    /// List the migrations, and which were applied
    Status,
}

#[derive(Serialize)]
struct Migration {
    name: String,
    applied: bool,
}

pub(crate) fn run(global: &Global, args: &MigrateArgs) -> Result<ExitCode> {
    let app = global.app()?;
    block_on(async {
        match args.command {
            None => apply(&app, global.json).await,
            Some(MigrateCommand::Status) => status(&app, global.json).await,
        }
    })
}

async fn apply(app: &App, json: bool) -> Result<ExitCode> {
    let url = app.database()?;
    let applied = liaison_store::migrate(&url).await?;
    let newer: Vec<String> = liaison_store::migration_status(&url)
        .await?
        .into_iter()
        .map(|(name, _)| name)
        .filter(|n| is_foreign(n))
        .collect();
    if !newer.is_empty() {
        let database = url.redacted();
        bail!(
            "{database} has migrations that this release does not know ({}); run the newer release",
            newer.join(", ")
        );
    }
    if json {
        answer::json(&json!({"applied": applied}));
    } else if applied.is_empty() {
        answer::line("nothing to do");
    } else {
        for name in &applied {
            answer::line(&format!("applied {name}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Our own have names; of those of a newer release the database knows the version only.
fn is_foreign(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

async fn status(app: &App, json: bool) -> Result<ExitCode> {
    let all = liaison_store::migration_status(&app.database()?).await?;
    let all: Vec<_> = all.into_iter().map(|(name, applied)| Migration { name, applied }).collect();
    if json {
        answer::json(&all);
        return Ok(ExitCode::SUCCESS);
    }
    let state = |one: &Migration| match (one.applied, is_foreign(&one.name)) {
        (true, true) => "applied by a newer release",
        (true, false) => "applied",
        (false, _) => "missing: run `liaison migrate`",
    };
    let rows: Vec<_> = all.iter().map(|one| vec![one.name.clone(), state(one).to_owned()]).collect();
    answer::table(&["MIGRATION", "STATE"], &rows);
    Ok(ExitCode::SUCCESS)
}
