//! `liaison mail`: whether mail gets out, and whom nothing is sent to any more.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use liaison_queue::clock::Clock;
use liaison_store::SuppressedAddress;
use serde_json::json;

use super::{Global, answer, block_on, typed::Limit, words};
use crate::app::{App, host_name};

#[derive(clap::Subcommand)]
pub(crate) enum MailCommand {
    /// Send a mail that says where it came from, now and from here; exit code 1 if it is not taken
    Test {
        /// Whom it goes to
        address: String,
    },
    /// Addresses that a server knew nobody of: nothing is sent there
    #[command(subcommand)]
    Suppressed(SuppressedCommand),
}

#[derive(clap::Subcommand)]
pub(crate) enum SuppressedCommand {
    /// The addresses, the newest first, and what the server said
    List {
        #[command(flatten)]
        limit: Limit,
    },
    /// Let mail go there again; exit code 1 if one was not suppressed
    Remove {
        #[arg(required = true, value_name = "ADDRESS", help = "The addresses")]
        addresses: Vec<String>,
    },
}

pub(crate) fn run(global: &Global, command: &MailCommand) -> Result<ExitCode> {
    let app = App { aside: global.json, ..global.app()? };
    block_on(async {
        match command {
            MailCommand::Test { address } => test(&app, address, global.json).await,
            MailCommand::Suppressed(SuppressedCommand::List { limit }) => list(&app, limit, global.json).await,
            MailCommand::Suppressed(SuppressedCommand::Remove { addresses }) => {
                remove(&app, addresses, global.json).await
            }
        }
    })
}

async fn test(app: &App, address: &str, json: bool) -> Result<ExitCode> {
    let mailer = app.mailer()?;
    let sent = mailer.test(address, &host_name(), Clock::wall().date()).await;
    let message_id = sent.map_err(|reason| anyhow!("the mail did not get out: {reason}"))?;
    if json {
        answer::json(&json!({"status": "sent", "by": mailer.place(), "message_id": message_id}));
    } else {
        answer::line(&format!("sent by {}, as {message_id}", mailer.place()));
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(app: &App, limit: &Limit, json: bool) -> Result<ExitCode> {
    let mut found = app.store().await?.suppressed_addresses(limit.ask()).await?;
    limit.cut(&mut found);
    if json {
        answer::json(&found);
    } else if found.is_empty() {
        answer::line("no suppressed addresses");
    } else {
        let row = |entry: &SuppressedAddress| {
            vec![words::date(entry.created_at), entry.address.clone(), entry.reason.clone()]
        };
        answer::table(&["SINCE", "ADDRESS", "REASON"], &found.iter().map(row).collect::<Vec<_>>());
    }
    Ok(ExitCode::SUCCESS)
}

async fn remove(app: &App, addresses: &[String], json: bool) -> Result<ExitCode> {
    let store = app.store().await?;
    let mut missing = 0;
    for address in addresses {
        let was_there = store.unsuppress(address).await?;
        missing += usize::from(!was_there);
        match (json, was_there) {
            (true, _) => {
                let status = if was_there { "removed" } else { "unknown" };
                answer::json(&json!({"address": address, "status": status}));
            }
            (false, true) => answer::line(&format!("{}: mail goes there again", words::plain(address))),
            (false, false) => answer::note(&format!("{}: is not suppressed", words::plain(address))),
        }
    }
    Ok(if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
