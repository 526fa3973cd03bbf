//! `liaison logs hold`, `release` and `holds`: what no cleanup deletes.

use std::process::ExitCode;

use anyhow::{Result, bail};
use liaison_queue::{JobId, clock::Clock};
use liaison_store::{Hold, HoldScope, Store};
use serde_json::json;

use crate::cli::{
    answer,
    typed::{self, Because},
    words,
};

/// A key longer than any id that hosts use.
const MAX_KEY: usize = 512;

#[derive(clap::Subcommand)]
pub(crate) enum HoldCommand {
    /// Keep all rows of an organizer, a booking, an integration or a job, whatever their age
    Hold {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        because: Because,
    },
    /// Let their age count again; exit code 1 if there is no such hold
    Release {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        because: Because,
    },
    /// Every hold
    Holds,
}

#[derive(clap::Args)]
pub(crate) struct Whose {
    /// Whose rows
    #[arg(value_parser = typed::one_of::<HoldScope>(HoldScope::ALL.into_iter().map(HoldScope::as_str)))]
    scope: HoldScope,
    /// Its id
    #[arg(value_name = "ID")]
    key: String,
}

pub(super) async fn run(store: &Store, command: &HoldCommand, json: bool) -> Result<ExitCode> {
    let (now, line) = (Clock::wall().date(), JobId::generate().to_string());
    match command {
        HoldCommand::Hold { whose: Whose { scope, key }, because } => {
            if key.is_empty() || key.len() > MAX_KEY {
                bail!(answer::Usage(format!("ID: empty, or longer than {MAX_KEY} bytes")));
            }
            let (reason, placed_by) = (because.reason.clone(), because.by());
            let hold = Hold { scope: *scope, key: key.clone(), reason, placed_by, placed_at: now };
            let placed = store.hold(hold, line).await?;
            tell(*scope, key, if placed { "held" } else { "was held already" }, json);
        }
        HoldCommand::Release { whose: Whose { scope, key }, because } => {
            let why = (because.by(), because.reason.clone());
            if store.release(*scope, key, why, now, line).await?.is_none() {
                bail!("no hold on {} {key}; `liaison logs holds` lists them", scope.as_str());
            }
            tell(*scope, key, "released", json);
        }
        HoldCommand::Holds => list(&store.holds().await?, json),
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(scope: HoldScope, key: &str, status: &str, json: bool) {
    if json {
        answer::json(&json!({"scope": scope, "key": key, "status": status}));
    } else {
        answer::line(&words::plain(&format!("{} {key}: {status}", scope.as_str())));
    }
}

fn list(holds: &[Hold], json: bool) {
    if json {
        return answer::json(&holds);
    }
    if holds.is_empty() {
        return answer::line("no holds");
    }
    let row = |hold: &Hold| {
        let Hold { scope, key, reason, placed_by, placed_at } = hold;
        vec![scope.as_str().to_owned(), key.clone(), words::date(*placed_at), placed_by.clone(), reason.clone()]
    };
    answer::table(&["SCOPE", "ID", "SINCE", "BY", "REASON"], &holds.iter().map(row).collect::<Vec<_>>());
}
