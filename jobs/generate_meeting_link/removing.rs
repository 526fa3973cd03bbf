//! A booking was cancelled: its meeting is taken away, and none is made any more for this or an older version.

use liaison_queue::outcome::{Done, Failure, Outcome};
use liaison_store::{Integration, IntegrationKind, Meeting, MeetingStatus};
use serde_json::json;

use super::{ledger::Ledger, telling};
use crate::{
    kit::{Booking, Context, Trouble, store_failure},
    providers::{Meetings, What, Window},
};

pub(super) async fn run(ctx: &Context, version: i64, mut ledger: Ledger<'_>) -> Outcome {
    let row = &ledger.row;
    if row.version > version {
        let newer = row.version;
        return Ok(Done(Some(json!({"skipped": format!("version {newer} of the booking came before")}))));
    }
    if row.status == MeetingStatus::Removed && row.turn > 0 {
        if ledger.row.job_id == ctx.id.as_str() {
            return told(ctx, &mut ledger).await;
        }
        if ledger.row.version < version {
            ledger.row.version = version;
            ledger.put().await?;
        }
        // Whoever removed it may have died before that.
        ledger.clean_up().await?;
        return Ok(Done(Some(json!({"skipped": "it was removed before"}))));
    }
    let is_there = ledger.may_be_there();
    ledger.row.version = version;
    if is_there {
        // Before anybody is asked: who still wants to make it finds that it is not wanted.
        ledger.row.status = MeetingStatus::Removing;
        ledger.put().await?;
        // What is left elsewhere does not wait for the one that there is.
        ledger.clean_up().await?;
        if let Err(trouble) = remove(ctx, &ledger).await {
            let failure = trouble.failure(ctx.now());
            if let Failure::Fatal { reason } = &failure {
                ledger.row.reason = Some(reason.clone());
                ledger.put().await?;
                telling::not_removed(ctx, &ledger, reason);
            }
            return Err(failure);
        }
    }
    (ledger.row.status, ledger.row.reason) = (MeetingStatus::Removed, None);
    // Nobody joins it any more.
    (ledger.row.host_url, ledger.row.passcode) = (None, None);
    ledger.put().await?;
    if is_there {
        told(ctx, &mut ledger).await
    } else {
        ledger.clean_up().await?;
        Ok(Done(Some(json!({"skipped": "there was no meeting"}))))
    }
}

/// Its id is kept, so that a run that comes again knows that there was one.
async fn told(ctx: &Context, ledger: &mut Ledger<'_>) -> Outcome {
    ledger.clean_up().await?;
    if ledger.row.external_id.is_none() {
        return Ok(Done(Some(json!({"skipped": "there was no meeting"}))));
    }
    telling::removed(ctx, ledger).await?;
    Ok(Done(Some(json!({"removed": ledger.row.external_id, "provider": ledger.row.provider}))))
}

async fn remove(ctx: &Context, ledger: &Ledger<'_>) -> Result<(), Trouble> {
    let row = &ledger.row;
    let Some(integration) = &row.integration_id else { return Ok(()) };
    let store = ctx.store().map_err(Trouble::NotAsked)?;
    let found = store.integration(IntegrationKind::Video, integration).await;
    let Some(account) = found.map_err(|fault| Trouble::NotAsked(store_failure(&fault)))? else {
        // Whoever deletes an account has it forgotten with all that was made with it.
        return Ok(());
    };
    let id = match row.external_id.clone() {
        Some(id) => Some(id),
        None => find(ctx, &account, row).await?,
    };
    let Some(id) = &id else { return Ok(()) };
    ctx.meetings(&account, What::Calls, |desk| async move { desk.remove(id).await }).await
}

/// What may have been made by somebody who never got to know.
async fn find(ctx: &Context, account: &Integration, row: &Meeting) -> Result<Option<String>, Trouble> {
    let key = &Booking::key(&row.booking_id);
    let (from, to) = (row.starts_at.unwrap_or(ctx.now()), row.ends_at.unwrap_or(ctx.now()));
    let around = Window { from, to };
    let find = |desk: Box<dyn Meetings>| async move { desk.find(key, around).await };
    Ok(ctx.meetings(account, What::Calls, find).await?.map(|meeting| meeting.id))
}
