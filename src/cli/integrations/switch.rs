//! `liaison integrations enable`, `disable` and `disconnect`: what an operator does to an account, and why.

use std::process::ExitCode;

use anyhow::{Result, bail};
use liaison_queue::clock::Clock;
use serde_json::json;

use super::{Which, find, line};
use crate::{
    app::App,
    cli::{answer, typed::Because},
};

#[derive(clap::Args)]
pub(crate) struct SwitchArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    because: Because,
}

#[derive(clap::Args)]
pub(crate) struct DisconnectArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    because: Because,
    /// Tell the provider as well, if it can be told; the tokens are forgotten whatever it answers
    #[arg(long)]
    revoke: bool,
    /// Tell its owner as well
    #[arg(long)]
    notify: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(app: &App, args: &SwitchArgs, on: bool, json: bool) -> Result<ExitCode> {
    let store = app.store().await?;
    let row = find(&store, &args.which).await?;
    let (account, now) = (row.account(), Clock::wall().date());
    let (log_type, status) = if on { ("enabled", "on") } else { ("disabled", "off") };
    let message = with_reason(&format!("switched {status}"), &args.because);
    let line = line(&row, now, log_type, message, &args.because.by());
    if !store.switch_integration(&account, on, now, line).await? {
        bail!("{account} is gone by now");
    }
    if json {
        answer::json(&json!({"status": log_type, "kind": account.kind, "id": account.id}));
    } else {
        answer::line(&format!("{account}: {log_type}"));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn disconnect(app: &App, args: &DisconnectArgs, json: bool) -> Result<ExitCode> {
    // Only to tell the provider its tokens have to be opened.
    let store = if args.revoke { app.store_with_keys().await? } else { app.store().await? };
    let row = find(&store, &args.which).await?;
    let (account, now) = (row.account(), Clock::wall().date());
    let question = format!("Forget the tokens of {account}? Its owner has to connect it again.");
    if !args.yes && !answer::confirm(&question)? {
        return Ok(ExitCode::FAILURE);
    }
    let mut revoked = None;
    if args.revoke {
        let outbound = App::outbound_of(&app.config)?;
        let keeper = crate::tokens::keeper(&app.config, store.clone(), outbound, app.producer())?;
        let said = keeper.revoke(&account).await;
        if let Err(why) = &said {
            answer::note(&format!("{account}: the provider was not told: {why}"));
        }
        revoked = Some(said.is_ok());
    }
    let by = args.because.by();
    let reason = with_reason(&format!("disconnected by {by}"), &args.because);
    let line = line(&row, now, "disconnected", reason.clone(), &by);
    let Some(episode) = store.forget_grant(&account, &reason, now, line).await? else {
        bail!("{account} is gone by now");
    };
    if args.notify {
        let notice =
            liaison_jobs::tokens::notice(&account, episode, "disconnected", &crate::tokens::queue(&app.config));
        app.producer().enqueue(&[notice]).await?;
    }
    if json {
        let (kind, id) = (account.kind, &account.id);
        answer::json(&json!({
            "status": "disconnected", "kind": kind, "id": id, "episode": episode, "revoked": revoked,
        }));
    } else {
        answer::line(&format!("{account}: disconnected, its tokens are forgotten"));
    }
    Ok(ExitCode::SUCCESS)
}

fn with_reason(what: &str, because: &Because) -> String {
    if because.reason.is_empty() { what.to_owned() } else { format!("{what}: {}", because.reason) }
}
