//! What is delivered: an id, and bytes that stay the same over all attempts and replays.

use chrono::{DateTime, SecondsFormat, Utc};
use liaison_queue::outcome::Failure;
use serde_json::value::RawValue;

use super::{args::Event, store_failure};
use crate::kit::{Context, digest};

/// One event for one endpoint.
#[derive(Debug)]
pub(super) struct Parcel {
    /// The `webhook-id`.
    pub(super) id: String,
    pub(super) endpoint_id: String,
    pub(super) event: String,
    pub(super) subject: Option<String>,
    pub(super) booking_id: Option<String>,
    pub(super) body: Vec<u8>,
    pub(super) created_at: DateTime<Utc>,
}

impl Parcel {
    pub(super) fn of(ctx: &Context, endpoint_id: &str, event: &Event) -> Self {
        Self {
            id: webhook_id(event.id.as_deref().unwrap_or(ctx.id.as_str()), endpoint_id),
            endpoint_id: endpoint_id.to_owned(),
            event: event.name.clone(),
            subject: event.subject.clone().or_else(|| event.booking_id.clone()),
            booking_id: event.booking_id.clone(),
            body: body(&event.name, &time(ctx, event), &event.data),
            created_at: ctx.enqueued_at,
        }
    }

    /// What was delivered before, or should have been.
    pub(super) async fn again(ctx: &Context, id: &str) -> Result<Self, Failure> {
        let found = ctx.store()?.delivery_with_body(id).await.map_err(|fault| store_failure(&fault))?;
        let (delivery, body) = found.ok_or_else(|| {
            Failure::fatal(format!(
                "there is no delivery {id}; `liaison webhooks deliveries` shows those that there are"
            ))
        })?;
        if delivery.endpoint_id.starts_with("url_") {
            let reason = format!("the delivery {id} went to an address that is not kept; send the event again");
            return Err(Failure::fatal(reason));
        }
        Ok(Self {
            id: delivery.id,
            endpoint_id: delivery.endpoint_id,
            event: delivery.event_type,
            subject: delivery.subject,
            booking_id: delivery.booking_id,
            body,
            created_at: delivery.created_at,
        })
    }
}

/// When the event happened.
pub(super) fn time(ctx: &Context, event: &Event) -> String {
    let enqueued = || ctx.enqueued_at.to_rfc3339_opts(SecondsFormat::Millis, true);
    event.timestamp.clone().unwrap_or_else(enqueued)
}

/// Unique for each event and endpoint, the same whenever it is sent, and without a full stop, which the signature uses.
/// An event whose id is a ULID, as those that we make are, gives ids in order of time: rows that are written together
/// then lie together, and a ledger of millions takes new ones as fast as an empty one.
fn webhook_id(event: &str, endpoint_id: &str) -> String {
    let hash = digest(&[event, endpoint_id]);
    if is_ulid(event) { format!("msg_{event}{}", &hash[..16]) } else { format!("msg_{hash}") }
}

fn is_ulid(id: &str) -> bool {
    id.len() == 26 && id.bytes().all(|b| b.is_ascii_digit() || (b.is_ascii_uppercase() && !b"ILOU".contains(&b)))
}

/// The body: `type` for readers of Standard Webhooks, `event` for those of the plain form. The data stays as the host
/// wrote it. The name of an event needs no escaping, and neither does a time.
fn body(event: &str, timestamp: &str, data: &RawValue) -> Vec<u8> {
    let data = data.get();
    format!(r#"{{"type":"{event}","event":"{event}","timestamp":"{timestamp}","data":{data}}}"#).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_stays_as_the_host_wrote_it() {
        let data = RawValue::from_string(r#"{"b": 1.0e2, "a": 123456789012345678901234567890}"#.to_owned()).unwrap();
        let text = String::from_utf8(body("a.b", "2030-01-31T08:00:00Z", &data)).unwrap();
        let expected = r#"{"type":"a.b","event":"a.b","timestamp":"2030-01-31T08:00:00Z","data":{"b": 1.0e2, "a": 123456789012345678901234567890}}"#;
        assert_eq!(text, expected);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }

    #[test]
    fn an_id_follows_from_the_event_and_the_endpoint() {
        let id = webhook_id("job.1", "e");
        assert_eq!(id, webhook_id("job.1", "e"));
        assert!(id != webhook_id("job.1", "f") && id != webhook_id("job.", "1e") && !id.contains('.'));
        assert_eq!(id.len(), 36);
        let (first, then) = ("01KB3P8ZJ4Q0V5T6W7X8Y9ZABC", "01KB3P8ZJ5Q0V5T6W7X8Y9ZABC");
        assert!(webhook_id(first, "z") < webhook_id(then, "a"), "in order of time");
        assert_ne!(webhook_id(first, "a"), webhook_id(first, "b"));
    }
}
