//! `liaison integrations`: accounts at providers, and how good their grants are.

mod add;
mod connect;
mod list;
mod show;
mod switch;

use std::process::ExitCode;

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use liaison_queue::JobId;
use liaison_store::{Integration, IntegrationKind, Line, LogEntry, Store};
use serde_json::json;

use super::{Global, answer::Usage, block_on, typed};

#[derive(clap::Subcommand)]
pub(crate) enum IntegrationsCommand {
    /// Add an account with its tokens, or connect one again that was disconnected
    Add(Box<add::AddArgs>),
    /// Ask an account's owner for consent, and add the account with what that brings
    Connect(Box<connect::ConnectArgs>),
    /// Accounts, newest first
    List(list::ListArgs),
    /// One account: the health of its grant, and what was done with it lately
    Show(Which),
    /// Switch an account on
    Enable(switch::SwitchArgs),
    /// Switch an account off: its tokens are kept, and not refreshed
    Disable(switch::SwitchArgs),
    /// Forget the tokens of an account
    Disconnect(switch::DisconnectArgs),
}

/// An account by its id.
#[derive(clap::Args)]
pub(crate) struct Which {
    /// Its id
    id: String,
    /// If both kinds have one of this id
    #[arg(long, value_parser = kinds())]
    kind: Option<IntegrationKind>,
}

fn kinds() -> impl clap::builder::TypedValueParser<Value = IntegrationKind> {
    typed::one_of::<IntegrationKind>(IntegrationKind::ALL.into_iter().map(IntegrationKind::as_str))
}

pub(crate) fn run(global: &Global, command: &IntegrationsCommand) -> Result<ExitCode> {
    let (app, json) = (global.app()?, global.json);
    match command {
        IntegrationsCommand::Add(args) => {
            let tokens = args.tokens()?;
            block_on(add::run(&app, args, tokens, json))
        }
        IntegrationsCommand::Connect(args) => block_on(connect::run(&app, args, json)),
        IntegrationsCommand::List(args) => block_on(list::run(&app, args, json)),
        IntegrationsCommand::Show(which) => block_on(show::run(&app, which, json)),
        IntegrationsCommand::Enable(args) => block_on(switch::run(&app, args, true, json)),
        IntegrationsCommand::Disable(args) => block_on(switch::run(&app, args, false, json)),
        IntegrationsCommand::Disconnect(args) => block_on(switch::disconnect(&app, args, json)),
    }
}

/// The one account that is meant.
async fn find(store: &Store, which: &Which) -> Result<Integration> {
    let kinds = IntegrationKind::ALL.into_iter().filter(|kind| which.kind.is_none_or(|wanted| wanted == *kind));
    let mut found = Vec::new();
    for kind in kinds {
        found.extend(store.integration(kind, &which.id).await?);
    }
    match (found.pop(), found.is_empty()) {
        (Some(row), true) => Ok(row),
        (Some(_), false) => bail!(Usage(format!("{}: there are two of this id; add --kind", which.id))),
        (None, _) => bail!("{}: no such integration; `liaison integrations list` shows those there are", which.id),
    }
}

/// In one word how an account is.
fn state(row: &Integration, now: DateTime<Utc>) -> &'static str {
    if row.disconnected_at.is_some() {
        "disconnected"
    } else if !row.is_active {
        "off"
    } else if row.refresh_errors > 0 {
        "failing"
    } else if row.token_expires_at.is_some_and(|at| at <= now) {
        "expired"
    } else {
        "connected"
    }
}

/// What an operator did, for the log of integrations.
fn line(row: &Integration, now: DateTime<Utc>, log_type: &str, message: String, by: &str) -> Line {
    let entry = LogEntry {
        id: JobId::generate().to_string(),
        log_type: log_type.to_owned(),
        integration_type: row.kind.as_str().to_owned(),
        integration_id: Some(row.id.clone()),
        organizer_id: Some(row.organizer_id.clone()),
        message,
        details: Some(json!({"by": by, "provider": row.provider}).to_string()),
        success: true,
        created_at: now,
        ..LogEntry::default()
    };
    entry.into()
}
