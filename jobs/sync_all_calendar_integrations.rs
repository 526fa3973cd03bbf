//! Have every calendar brought up to date, each by a job of its own at a time of its own, and say how that went.
//!
//! Safe to run twice: the jobs have ids that follow from this one, and of each calendar there waits one at most. They are
//! one batch: when all have ended, however they ended, this job comes again and writes the sum. A process that dies
//! before the batch is sealed begins again, and asks for nothing twice.

use std::time::Duration;

use chrono::{DateTime, Utc};
use liaison_queue::{
    BatchId, JobId, Receipt,
    batches::Batches,
    bonds::BatchEnd,
    outcome::{Done, Failure, Outcome, RunOutcome},
    retry::Retry,
};
use liaison_store::LogEntry;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    kit::{
        Context, Job, Sample, again,
        calendars::{later, part_of, sync_envelope},
        digest,
    },
    providers::entry,
};

/// Read and enqueued in one step.
const PAGE: u32 = 500;

#[derive(Debug, Deserialize)]
pub(crate) struct SyncAllCalendarIntegrations {
    /// When the batch began that this run follows.
    #[serde(default)]
    began: Option<DateTime<Utc>>,
}

impl Job for SyncAllCalendarIntegrations {
    const NAME: &'static str = "sync_all_calendar_integrations";
    const ABOUT: &'static str = "has every calendar brought up to date, spread over a while, and sums up";
    // A hundred thousand calendars, with a slow database.
    const TIMEOUT: Duration = Duration::from_mins(5);
    // The next tick does all of it anyway.
    const RETRY: Retry = Retry::doubling(Duration::from_secs(5)).attempts(3);
    const SAMPLE: Option<Sample> = Some(Sample { args: "{}", ends: RunOutcome::Done });

    async fn run(self, ctx: &Context) -> Outcome {
        match &ctx.batch {
            Some(end) => Ok(sum_up(ctx, end, self.began)),
            None => fan_out(ctx).await,
        }
    }
}

async fn fan_out(ctx: &Context) -> Outcome {
    let (store, now) = (ctx.store()?, ctx.enqueued_at.max(DateTime::UNIX_EPOCH));
    let batch = BatchId::parse(&format!("sync_all:{}", ctx.id))
        .or_else(|_| BatchId::parse(&format!("sync_all:{}", digest(&[ctx.id.as_str()]))))
        .map_err(Failure::fatal)?;
    let batches = ctx.services.producer.batches(ctx.queue());
    let (mut found, mut asked, mut unknown, mut after) = (0_usize, 0_u64, 0_usize, None);
    loop {
        let page = store.calendars_to_sync(after.take(), PAGE).await.map_err(|fault| again(&fault))?;
        let (count, last) = (page.len(), page.last().map(|(id, _)| id.clone()));
        if found == 0 && count > 0 {
            open(&batches, &batch, now).await?;
        }
        found += count;
        let reads = |provider: &String| entry(provider).is_some_and(|entry| entry.reads.is_some());
        let (known, others): (Vec<_>, Vec<_>) = page.into_iter().partition(|(_, provider)| reads(provider));
        unknown += others.len();
        asked += ask(ctx, &batch, &known).await?;
        if count < PAGE as usize {
            break;
        }
        after = last;
    }
    if found > 0 {
        let sealed = batches.seal(&batch, asked).await;
        sealed.map_err(|fault| Failure::retry(format!("seal the batch of calendars: {fault}")))?;
    }
    let known = found - unknown;
    Ok(Done(Some(json!({
        "calendars": known,
        "enqueued": asked,
        "under_way": u64::try_from(known).unwrap_or(u64::MAX).saturating_sub(asked),
        "without_client": unknown,
        "batch": (found > 0).then(|| batch.to_string()),
    }))))
}

async fn open(batches: &Batches, batch: &BatchId, began: DateTime<Utc>) -> Result<(), Failure> {
    let follow_up = json!({"job": SyncAllCalendarIntegrations::NAME, "args": {"began": began}}).to_string();
    let opened = batches.open(batch, Some(follow_up.as_bytes())).await;
    opened.map(drop).map_err(|fault| Failure::retry(format!("open the batch of calendars: {fault}")))
}

/// How many of these wait now by our asking. Those that waited already are somebody else's.
async fn ask(ctx: &Context, batch: &BatchId, calendars: &[(String, String)]) -> Result<u64, Failure> {
    let spread = ctx.services.calendars.spread;
    let envelopes: Vec<(String, String)> = calendars
        .iter()
        .map(|(calendar, _)| {
            let id = child_id(ctx.id.as_str(), calendar);
            let mut envelope = sync_envelope(calendar, &ctx.queue());
            envelope["id"] = id.as_str().into();
            envelope["batch"] = batch.as_str().into();
            envelope["run_at"] = later(ctx.enqueued_at, spread.mul_f64(part_of(calendar))).timestamp_millis().into();
            (id, envelope.to_string())
        })
        .collect();
    let texts: Vec<&str> = envelopes.iter().map(|(_, text)| text.as_str()).collect();
    let receipts = ctx.services.producer.enqueue(&texts).await;
    let receipts = receipts.map_err(|fault| Failure::retry(format!("enqueue calendars: {fault}")))?;
    let mut ours = 0;
    for (receipt, (id, _)) in receipts.into_iter().zip(&envelopes) {
        match receipt {
            Receipt::Rejected { reason } => {
                return Err(Failure::fatal(format!("a calendar was refused by the queue: {reason}")));
            }
            Receipt::Queued { .. } => ours += 1,
            // A run before this one has asked for it.
            Receipt::Duplicate { of, .. } if of == *id => ours += 1,
            Receipt::Duplicate { .. } => {}
        }
    }
    Ok(ours)
}

/// Readable where it fits, and one for each calendar in any case.
fn child_id(parent: &str, calendar: &str) -> String {
    let id = format!("{parent}:{calendar}");
    if JobId::parse(&id).is_ok() { id } else { format!("sync:{}", digest(&[parent, calendar])) }
}

/// All of them have ended.
fn sum_up(ctx: &Context, end: &BatchEnd, began: Option<DateTime<Utc>>) -> Done {
    // One that was replaced has a successor, which its host asked for.
    let failed = end.dead + end.expired + end.cancelled;
    let took = began.map(|began| (ctx.now() - began).num_milliseconds().max(0));
    let result: Value = json!({
        "calendars": end.size, "done": end.done, "failed": failed, "replaced": end.replaced, "duration_ms": took, "batch": end.batch,
    });
    let seconds = took.map_or_else(String::new, |millis| format!(" in {} s", millis / 1000));
    ctx.log(LogEntry {
        log_type: "calendar_sync".to_owned(),
        integration_type: "calendar".to_owned(),
        message: format!("all calendars: {} synchronised, {failed} failed{seconds}", end.done),
        details: Some(result.to_string()),
        success: failed == 0,
        ..LogEntry::default()
    });
    Done(Some(result))
}
