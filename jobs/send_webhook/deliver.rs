//! One attempt to deliver: ask for the right to go, call, write down what came back, and decide.

use liaison_queue::outcome::{Done, Failure, Outcome};
use liaison_store::{Attempt, Call as Made, Fact, LogEntry};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderName, RETRY_AFTER, SERVER};
use serde_json::json;
use tracing::warn;

use super::{parcel::Parcel, places::Row, request, trouble};
use crate::kit::{
    Context, digest,
    http::Decision,
    outbound::{Answer, CallFault},
    redact,
};

/// The specification of webhooks asks for less than this.
pub const NOTICE: usize = 20_000;
/// Headers of an answer worth keeping.
const KEPT: &[HeaderName] = &[CONTENT_TYPE, DATE, RETRY_AFTER, SERVER];
/// And those by which the other side finds the request in its own logs.
const ALSO_KEPT: &[&str] = &["x-request-id", "request-id", "cf-ray", "x-amzn-requestid"];

/// What came back of a call.
pub(super) struct Tried {
    pub(super) made: Made,
    pub(super) decision: Decision,
    /// It said that it is gone for good.
    pub(super) gone: bool,
}

pub(super) async fn deliver(ctx: &Context, row: Row, parcel: Parcel) -> Outcome {
    check_size(ctx, &parcel)?;
    if !row.0.is_active {
        return skip(ctx, &row, &parcel);
    }
    let webhooks = &ctx.services.webhooks;
    let pass = webhooks.admit(ctx, row).await?;
    let row = &pass.row;
    if !row.0.is_active {
        return skip(ctx, row, &parcel);
    }
    let tried = call(ctx, row, &parcel).await?;
    let well = tried.made.error_message.is_none();
    let quiet = match tried.decision {
        Decision::Again { after } => after,
        Decision::Done | Decision::Never => None,
    };
    webhooks.saw(ctx, &row.0, well, quiet);
    // Before what follows from it, so that it is recorded whatever becomes of that.
    note(ctx, row, &parcel, Some(tried.made.clone()))?;
    log(ctx, row, &parcel, &tried.made);
    let Some(error) = tried.made.error_message.as_deref() else {
        return Ok(Done(Some(json!({"delivery": parcel.id, "status": tried.made.response_status}))));
    };
    trouble::tell(ctx, &row.0, &tried).await?;
    Err(after_failure(ctx, row, &tried, error))
}

fn check_size(ctx: &Context, parcel: &Parcel) -> Result<(), Failure> {
    let (size, most) = (parcel.body.len(), ctx.services.webhooks.settings.max_request);
    if size > most {
        return Err(Failure::fatal(format!(
            "the body has {size} bytes, {} more than the {most} allowed ([webhooks] max_request); send a reference to \
             the data instead",
            size - most
        )));
    }
    if size > NOTICE && ctx.attempt == 1 {
        warn!(job.id = %ctx.id, bytes = size, "the body of {} has {size} bytes; receivers expect at most {NOTICE}", ctx.id);
    }
    Ok(())
}

/// Nothing is sent to a disabled endpoint. That is no failure, but it stays in the ledger, to be replayed.
fn skip(ctx: &Context, row: &Row, parcel: &Parcel) -> Outcome {
    let endpoint = &row.0;
    note(ctx, row, parcel, None)?;
    let why = endpoint.disabled_reason.as_deref().unwrap_or("no reason is known");
    let message = format!("{} was not sent: endpoint {} is disabled: {why}", parcel.event, endpoint.id);
    ctx.log(LogEntry { message: message.clone(), ..entry(row, parcel, "webhook_skipped", false) });
    let remedy = format!("liaison webhooks enable {}", endpoint.id);
    Ok(Done(Some(json!({"delivery": parcel.id, "skipped": message, "remedy": remedy}))))
}

async fn call(ctx: &Context, row: &Row, parcel: &Parcel) -> Result<Tried, Failure> {
    let (endpoint, secrets) = &**row;
    let attempted_at = ctx.now();
    let mut span = ctx.trace.child("webhook");
    let settings = &ctx.services.webhooks.settings;
    let when = (attempted_at.timestamp(), attempted_at);
    let call = request::call((endpoint, secrets), parcel, when, span.header(), settings)?;
    let answer = ctx.services.outbound.send(call).await;
    let duration_ms = (ctx.now() - attempted_at).num_milliseconds();
    let tried = match answer {
        Ok(answer) => answered(ctx, &answer),
        Err(fault) => unanswered(&fault),
    };
    if let Some(error) = &tried.made.error_message {
        span.failed(error);
    }
    Ok(Tried { made: Made { attempted_at, duration_ms, ..tried.made }, ..tried })
}

fn answered(ctx: &Context, answer: &Answer) -> Tried {
    let decision = answer.decision(ctx.now());
    let status = answer.status;
    let reason = status.canonical_reason().unwrap_or("a status without a name");
    let but = if status.is_redirection() { "; redirects are not followed" } else { "" };
    let error = (decision != Decision::Done).then(|| format!("answered {}: {reason}{but}", status.as_u16()));
    let also = ALSO_KEPT.iter().map(|name| HeaderName::from_static(name));
    let kept = KEPT.iter().cloned().chain(also).filter_map(|name| {
        let value = answer.header(&name)?;
        Some((name.as_str().to_owned(), json!(redact(value.as_bytes()))))
    });
    let headers: serde_json::Map<String, serde_json::Value> = kept.collect();
    let made = Made {
        attempted_at: ctx.now(),
        duration_ms: 0,
        response_status: Some(i32::from(status.as_u16())),
        response_headers: (!headers.is_empty()).then(|| serde_json::Value::Object(headers).to_string()),
        response_body: (!answer.body.is_empty()).then(|| redact(&answer.body)),
        error_message: error,
    };
    Tried { made, decision, gone: status.as_u16() == 410 }
}

fn unanswered(fault: &CallFault) -> Tried {
    let decision = if fault.is_permanent() { Decision::Never } else { Decision::Again { after: None } };
    let made = Made {
        attempted_at: chrono::DateTime::UNIX_EPOCH,
        duration_ms: 0,
        response_status: None,
        response_headers: None,
        response_body: None,
        error_message: Some(fault.to_string()),
    };
    Tried { made, decision, gone: false }
}

/// Again by the endpoint's schedule, or never.
fn after_failure(ctx: &Context, row: &Row, tried: &Tried, error: &str) -> Failure {
    let endpoint = &row.0;
    let retries = u32::try_from(endpoint.max_retries).unwrap_or(0);
    let after = match tried.decision {
        Decision::Again { after } => after,
        Decision::Done | Decision::Never => return Failure::fatal(format!("endpoint {} {error}", endpoint.id)),
    };
    if !endpoint.retry_failed || ctx.attempt > retries {
        let attempt = ctx.attempt;
        return Failure::fatal(format!("gave up after {attempt} attempts: endpoint {} {error}", endpoint.id));
    }
    let planned = ctx.services.webhooks.settings.wait(ctx.attempt);
    // Up to a tenth more, another part for each job.
    let draw = u32::from_str_radix(&digest(&[ctx.id.as_str()])[..4], 16).unwrap_or(0);
    let planned = planned + planned / 10 * draw / 0xffff;
    // What it asks for counts, but nobody is called again at once.
    let wait = after.map_or(planned, |asked| asked.max(ctx.services.webhooks.settings.wait(1)));
    Failure::retry_after(wait, format!("endpoint {} {error}", endpoint.id))
}

/// For the ledger, with the run.
fn note(ctx: &Context, row: &Row, parcel: &Parcel, call: Option<Made>) -> Result<(), Failure> {
    let endpoint = &row.0;
    ctx.note(Fact::Attempt(Box::new(Attempt {
        delivery_id: parcel.id.clone(),
        endpoint_id: endpoint.id.clone(),
        organizer_id: endpoint.organizer_id.clone(),
        event_type: parcel.event.clone(),
        subject: parcel.subject.clone(),
        booking_id: parcel.booking_id.clone(),
        payload: ctx.store()?.seal_delivery(&parcel.id, &parcel.body),
        payload_bytes: i32::try_from(parcel.body.len()).unwrap_or(i32::MAX),
        created_at: parcel.created_at,
        call,
    })));
    Ok(())
}

fn log(ctx: &Context, row: &Row, parcel: &Parcel, made: &Made) {
    let (event, id, took) = (&parcel.event, &row.0.id, made.duration_ms);
    let message = match &made.error_message {
        None => format!("{event} was delivered to endpoint {id} in {took} ms"),
        Some(error) => format!("{event} was not delivered: endpoint {id} {error}"),
    };
    let well = made.error_message.is_none();
    let mut details = json!({"delivery": parcel.id, "attempt": ctx.attempt, "duration_ms": took});
    if let Some(status) = made.response_status {
        details["status"] = status.into();
    }
    if parcel.body.len() > NOTICE {
        details["bytes"] = parcel.body.len().into();
    }
    ctx.log(LogEntry { message, details: Some(details.to_string()), ..entry(row, parcel, "webhook_sent", well) });
}

fn entry(row: &Row, parcel: &Parcel, log_type: &str, success: bool) -> LogEntry {
    LogEntry {
        log_type: log_type.to_owned(),
        integration_type: "webhook".to_owned(),
        integration_id: Some(row.0.id.clone()),
        organizer_id: Some(row.0.organizer_id.clone()),
        booking_id: parcel.booking_id.clone(),
        success,
        ..LogEntry::default()
    }
}
