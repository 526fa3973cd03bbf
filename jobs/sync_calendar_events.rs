//! Bring what is known of a calendar up to date with its provider.
//!
//! Safe to run twice: every page is written in one step with where its round goes on, and whoever goes on from an older
//! step writes nothing. A process that dies in the middle of a round leaves it to the next one to go on; one that dies
//! right after it leaves marks in the mirror, by which the next run asks for what follows.

mod observing;
mod round;

#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use liaison_queue::{
    outcome::{Done, Failure, Outcome, RunOutcome},
    retry::Retry,
};
use liaison_store::{AccountId, CalendarSync, Fact, IntegrationKind, SyncFailure};
use serde::Deserialize;
use serde_json::json;

use self::round::{Asked, Halt, Report, Source};
use crate::{
    kit::{
        Called, Context, Job, Sample, Shared, again,
        calendars::{later, line, reconcile_envelope},
        has_password,
    },
    providers::{Calendar, Fault, Page, Window, entry},
};

/// What a run does not finish in this time it leaves to the next one, which comes at once: slots are for all.
const TURN: Duration = Duration::from_mins(4);
/// No date that a host asks for is further away.
const REACH: Duration = Duration::from_hours(5 * 365 * 24);

#[derive(Debug, Deserialize)]
pub(crate) struct SyncCalendarEvents {
    integration_id: String,
    /// All of it, whatever is known already.
    #[serde(default)]
    force: bool,
    /// What has to be covered, beyond what the configuration says.
    #[serde(default)]
    from: Option<DateTime<Utc>>,
    #[serde(default)]
    to: Option<DateTime<Utc>>,
}

impl Job for SyncCalendarEvents {
    const NAME: &'static str = "sync_calendar_events";
    const ABOUT: &'static str = "brings what is known of the calendar `integration_id` up to date with its provider";
    // A turn, with the last call of it and its page.
    const TIMEOUT: Duration = Duration::from_mins(6);
    // Short outages are over after half an hour; after longer ones the next tick goes on.
    const RETRY: Retry = Retry::doubling(Duration::from_secs(15)).cap(Duration::from_mins(15)).attempts(8);
    const SAMPLE: Option<Sample> = Some(Sample { args: r#"{"integration_id": "google"}"#, ends: RunOutcome::Done });
    const SAMPLE_LANE: Option<&'static str> = Some("sync:google");

    async fn run(self, ctx: &Context) -> Outcome {
        let (store, settings) = (ctx.store()?, &ctx.services.calendars);
        let asked = self.asked(ctx.now())?;
        let found = store.calendar_sync(&self.integration_id).await.map_err(|fault| again(&fault))?;
        let Some(calendar) = found else {
            let id = &self.integration_id;
            return Err(Failure::fatal(format!("there is no calendar integration {id}; `liaison integrations list`")));
        };
        if let Some(done) = standing(ctx, &calendar).await? {
            return Ok(done);
        }
        let (now, began) = (|| ctx.now(), ctx.now());
        let provider =
            Provider { ctx, calendar: &calendar, client: Shared::default(), settled: AtomicBool::new(false) };
        let work = round::Work { store, settings, calendar: &calendar, job_id: ctx.id.as_str(), now: &now };
        match work.run(&provider, &asked, later(began, TURN)).await {
            Ok(report) => finish(ctx, &calendar, &report).await,
            Err(halt) => {
                hand_on(ctx, &calendar).await;
                match halt {
                    Halt::Failure(failure) => stopped(ctx, &calendar, failure).await,
                    Halt::Fault(fault) => met(ctx, &calendar, fault).await,
                }
            }
        }
    }
}

impl SyncCalendarEvents {
    fn asked(&self, now: DateTime<Utc>) -> Result<Asked, Failure> {
        let far = |at: &DateTime<Utc>| (*at - now).abs().to_std().is_ok_and(|away| away > REACH);
        for (field, at) in [("from", &self.from), ("to", &self.to)] {
            if at.as_ref().is_some_and(far) {
                return Err(Failure::fatal(format!("args.{field}: more than five years away; ask for less")));
            }
        }
        if self.from.zip(self.to).is_some_and(|(from, to)| from >= to) {
            return Err(Failure::fatal("args.to: not after args.from; ask for a time that has a length"));
        }
        Ok(Asked { force: self.force, from: self.from, to: self.to })
    }
}

/// The provider of one calendar.
struct Provider<'a> {
    ctx: &'a Context,
    calendar: &'a CalendarSync,
    /// One for all pages: it knows where the calendar is, and what a list had.
    client: Shared,
    /// The calendar that was found is written down.
    settled: AtomicBool,
}

impl Source for Provider<'_> {
    async fn page(&self, at: Option<&str>, window: Window) -> Called<Page> {
        let at = at.map(str::to_owned);
        let ask = |client: Arc<dyn Calendar>| {
            let at = at.clone();
            async move { Ok((client.changes(at.as_deref(), window).await?, client.which())) }
        };
        Ok(match self.ctx.with_calendar(self.calendar, &self.client, ask).await? {
            Ok((page, found)) => {
                self.settle(found).await?;
                Ok(page)
            }
            Err(fault) => Err(fault),
        })
    }
}

impl Provider<'_> {
    /// The calendar that was found is the one from now on: a new one beside it takes not its place.
    async fn settle(&self, found: Option<String>) -> Result<(), Failure> {
        let Some(found) = found.filter(|_| self.calendar.calendar_id.is_none()) else { return Ok(()) };
        if self.settled.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let (calendar, server) = (self.calendar, self.calendar.server_url.as_deref());
        let of = (calendar.provider_user_id.as_deref(), server);
        let noted = self.ctx.store()?.calendar_was_found(&calendar.integration_id, of, &found).await;
        noted.map_err(|fault| again(&fault))
    }
}

/// Why nothing is done with this calendar, if that is so.
async fn standing(ctx: &Context, calendar: &CalendarSync) -> Result<Option<Done>, Failure> {
    if calendar.disconnected_at.is_some() {
        ctx.tell_of_disconnection(calendar).await?;
        return Ok(Some(Done(Some(json!({"status": "disconnected"})))));
    }
    if !calendar.is_active {
        return Ok(Some(Done(Some(json!({"status": "off"})))));
    }
    if !calendar.sync_enabled {
        return Ok(Some(Done(Some(json!({"status": "disabled", "reason": calendar.sync_error})))));
    }
    Ok(None)
}

async fn finish(ctx: &Context, calendar: &CalendarSync, report: &Report) -> Outcome {
    // Also what a run before this one has changed, that died before it could ask.
    if report.changed > 0 || calendar.changed {
        ctx.enqueue(&[reconcile_envelope(&calendar.integration_id, &ctx.queue())]).await?;
    }
    let Report { kind, pages, changed, odd, restarts } = report;
    let kind = kind.as_str();
    let result = json!({
        "status": "synced", "round": kind, "pages": pages, "changed": changed, "odd": odd, "restarts": restarts,
    });
    if *changed > 0 || kind == "full" {
        let (page, event) =
            (if *pages == 1 { "page" } else { "pages" }, if *changed == 1 { "event" } else { "events" });
        let message = format!("{kind} round of {pages} {page}: {changed} {event} changed, {odd} cannot be understood");
        ctx.log(line(calendar, message, true, &result));
    }
    Ok(Done(Some(result)))
}

/// It ends early, perhaps for long: pages that were written before count all the same. Whoever cannot ask leaves marks in
/// the mirror, by which the next run does.
async fn hand_on(ctx: &Context, calendar: &CalendarSync) {
    let Ok(store) = ctx.store() else { return };
    let id = &calendar.integration_id;
    if store.calendar_sync(id).await.is_ok_and(|now| now.is_some_and(|now| now.changed)) {
        let _ = ctx.enqueue(&[reconcile_envelope(id, &ctx.queue())]).await;
    }
}

/// It ended before the provider could say anything.
async fn stopped(ctx: &Context, calendar: &CalendarSync, failure: Failure) -> Outcome {
    if !matches!(failure, Failure::Fatal { .. }) {
        return Err(failure);
    }
    // The keeper of tokens may have found out that they are taken no more, and told its owner.
    let now = ctx.store()?.calendar_sync(&calendar.integration_id).await.map_err(|fault| again(&fault))?;
    if let Some(now) = now
        && let Some(done) = standing(ctx, &now).await?
    {
        return Ok(done);
    }
    // What is no fault of the provider's, as a database that cannot be written to, is none of the account's either.
    Err(failure)
}

/// The provider said no.
async fn met(ctx: &Context, calendar: &CalendarSync, fault: Fault) -> Outcome {
    let (why, reconnect) = (fault.why().to_owned(), matches!(fault, Fault::Reconnect { .. }));
    // What the provider or the operator has to mend is not this account's fault.
    let is_its_own = match &fault {
        Fault::Gone { .. } | Fault::Refused { .. } | Fault::Unauthorized { .. } => true,
        // A server that its owner chose, and that is away for longer than all tries take: nobody else can mend that.
        // If nobody else answers either, it is our own way out that is broken.
        Fault::Retry { .. } => ctx.is_last_attempt && has_own_server(calendar) && ctx.hears_others(calendar),
        Fault::Limited { .. }
        | Fault::Reconnect { .. }
        | Fault::Expired { .. }
        | Fault::Conflict { .. }
        | Fault::Misconfigured { .. } => false,
    };
    let failure = ctx.met(calendar, fault).await;
    if reconnect && matches!(failure, Failure::Fatal { .. }) {
        return Ok(Done(Some(json!({"status": "disconnected", "reason": why}))));
    }
    if is_its_own {
        count(ctx, calendar, &why).await?;
    }
    Err(failure)
}

/// Whether its owner said where the calendar is.
fn has_own_server(calendar: &CalendarSync) -> bool {
    calendar.server_url.is_some() && entry(&calendar.provider).is_some_and(has_password)
}

/// Count this on the account, with the run. The last one that it may have disables it: its owner is told first, under an
/// id that follows from the occasion, so that whoever dies in between tells once.
async fn count(ctx: &Context, calendar: &CalendarSync, why: &str) -> Result<(), Failure> {
    let most = i32::try_from(ctx.services.calendars.disable_after).unwrap_or(i32::MAX);
    let number = calendar.sync_errors.saturating_add(1);
    if number >= most {
        let account = AccountId::new(IntegrationKind::Calendar, calendar.integration_id.clone());
        ctx.tell(&account, calendar.disables.saturating_add(1), "disabled").await?;
    }
    let reason: String = why.chars().take(500).collect();
    let message = if number >= most {
        format!("synchronisation failed for the {number}th time in a row and is disabled: {reason}")
    } else {
        format!("synchronisation failed: {reason}")
    };
    ctx.log(line(calendar, message, false, &json!({"errors": number})));
    let integration_id = calendar.integration_id.clone();
    ctx.note(Fact::SyncFailed(SyncFailure { integration_id, reason, disable_after: most, at: ctx.now() }));
    Ok(())
}
