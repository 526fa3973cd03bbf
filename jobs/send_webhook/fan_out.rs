//! An event for an organizer: one job for each of its active endpoints that wants it.

use liaison_queue::{
    LaneName,
    outcome::{Done, Failure, Outcome},
};
use liaison_store::{EndpointFilter, LogEntry};
use serde::Serialize;
use serde_json::{json, value::RawValue};

use super::{SendWebhook, args::Event, parcel, store_failure};
use crate::{
    events,
    kit::{Context, Job as _, digest},
};

/// An organizer with more endpoints has a host that makes them by mistake.
const MAX_ENDPOINTS: u32 = 10_000;
/// Jobs that are asked for at once: an event's data stands in each of them.
const AT_ONCE: usize = 100;

#[derive(Serialize)]
struct Child<'a> {
    id: String,
    job: &'static str,
    queue: &'a str,
    args: ChildArgs<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

#[derive(Serialize)]
struct ChildArgs<'a> {
    endpoint: &'a str,
    event: &'a str,
    data: &'a RawValue,
    timestamp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    booking_id: Option<&'a str>,
    /// The receivers know it by this, whichever job brings it.
    id: &'a str,
}

pub(super) async fn run(ctx: &Context, organizer: &str, event: &Event) -> Outcome {
    let filter =
        EndpointFilter { organizer: Some(organizer.to_owned()), limit: MAX_ENDPOINTS, ..EndpointFilter::default() };
    let mut endpoints = ctx.store()?.endpoints(filter).await.map_err(|fault| store_failure(&fault))?;
    endpoints.retain(|endpoint| events::wants(&endpoint.events, &event.name));
    let all = endpoints.len();
    endpoints.retain(|endpoint| endpoint.is_active);
    let disabled = all - endpoints.len();
    let (queue, timestamp, trace) = (ctx.queue(), parcel::time(ctx, event), ctx.trace.header());
    let children = endpoints.iter().map(|endpoint| {
        let subject = event.subject.as_deref().or(event.booking_id.as_deref());
        let args = ChildArgs {
            endpoint: &endpoint.id,
            event: &event.name,
            data: &event.data,
            timestamp: &timestamp,
            subject,
            booking_id: event.booking_id.as_deref(),
            id: event.id.as_deref().unwrap_or(ctx.id.as_str()),
        };
        let lane = endpoint.ordered.then(|| lane(&endpoint.id, subject));
        let id = child_id(ctx.id.as_str(), &endpoint.id);
        Child { id, job: SendWebhook::NAME, queue: queue.as_str(), args, lane, trace: trace.clone() }
    });
    let texts: Result<Vec<String>, _> = children.map(|child| serde_json::to_string(&child)).collect();
    let texts = texts.map_err(|fault| Failure::fatal(format!("the event cannot be written: {fault}")))?;
    for some in texts.chunks(AT_ONCE) {
        ctx.enqueue_texts(some).await?;
    }
    let count = texts.len();
    ctx.log(LogEntry {
        log_type: "webhook_fan_out".to_owned(),
        integration_type: "webhook".to_owned(),
        organizer_id: Some(organizer.to_owned()),
        booking_id: event.booking_id.clone(),
        message: said(&event.name, count, disabled),
        success: true,
        ..LogEntry::default()
    });
    Ok(Done(Some(json!({"endpoints": count, "disabled": disabled}))))
}

fn said(event: &str, count: usize, disabled: usize) -> String {
    let endpoints = if count == 1 { "endpoint" } else { "endpoints" };
    let off = match disabled {
        0 => String::new(),
        1 => "; 1 that wants it is disabled".to_owned(),
        _ => format!("; {disabled} that want it are disabled"),
    };
    format!("{event} goes to {count} {endpoints}{off}")
}

/// Readable where it fits, and one for each endpoint in any case.
fn child_id(parent: &str, endpoint: &str) -> String {
    let id = format!("{parent}:{endpoint}");
    if liaison_queue::JobId::parse(&id).is_ok() { id } else { format!("webhook:{}", digest(&[parent, endpoint])) }
}

/// In which lane the deliveries about one subject keep their order.
#[must_use]
pub fn lane(endpoint: &str, subject: Option<&str>) -> String {
    let lane = format!("webhook:{endpoint}:{}", subject.unwrap_or("all"));
    if LaneName::parse(&lane).is_ok() {
        return lane;
    }
    format!("webhook:{endpoint}:{}", digest(&[subject.unwrap_or_default()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_by_others_fits_the_wire() {
        assert_eq!(lane("e", Some("booking-1")), "webhook:e:booking-1");
        assert_eq!(lane("e", None), "webhook:e:all");
        for subject in ["two words", &"x".repeat(200), ""] {
            assert!(LaneName::parse(&lane("e", Some(subject))).is_ok(), "{subject}");
        }
        assert_eq!(said("a", 1, 0), "a goes to 1 endpoint");
        assert_eq!(said("a", 0, 2), "a goes to 0 endpoints; 2 that want it are disabled");
        assert_eq!(child_id("job", "e"), "job:e");
        assert!(liaison_queue::JobId::parse(&child_id(&"x".repeat(128), "e")).is_ok());
    }
}
