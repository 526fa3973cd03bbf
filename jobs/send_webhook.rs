//! Send an event to whom it concerns: to one endpoint, or to every endpoint of an organizer that wants it.
//!
//! Safe to run twice: the receiver gets the same `webhook-id` and the same bytes on every attempt, so it can tell a repeat.
//! Dies half-way: before the call, nothing was sent; after it, the attempt is not in the ledger and is made again. An event
//! for many is one job for each, under ids that follow from this one: to ask for them twice is to ask once.

mod admission;
mod args;
mod deliver;
mod fan_out;
mod parcel;
mod places;
mod request;
mod settings;
mod trouble;

use std::{sync::Arc, time::Duration};

use liaison_queue::{
    outcome::{Failure, Outcome, RunOutcome},
    retry::Retry,
};
use liaison_store::{Endpoint, EndpointSecrets, StoreError};

pub(crate) use self::args::SendWebhook;
pub use self::{
    admission::Webhooks,
    deliver::NOTICE,
    fan_out::lane,
    request::{check_header, check_signature_header},
    settings::{MAX_RETRIES, MAX_TIMEOUT, WebhookSettings},
};
use self::{args::Target, deliver::deliver, parcel::Parcel, places::Row};
use crate::kit::{Context, Job, Sample, digest};

impl Job for SendWebhook {
    const NAME: &'static str = "send_webhook";
    const ABOUT: &'static str = "sends an event, signed, to an endpoint or to all that want it";
    // The longest call, with the time to ask the store and the limiter.
    const TIMEOUT: Duration = Duration::from_secs(50);
    // Endpoints have a schedule of their own, and say how often. The base is the jitter on top of that; the rest is for
    // what goes wrong on our own side.
    const RETRY: Retry = Retry::doubling(Duration::from_millis(250)).cap(Duration::from_mins(5)).attempts(50);
    const SAMPLE: Option<Sample> = Some(Sample {
        args: r#"{"organizer": "example", "event": "booking_created", "data": {"booking_id": "b-1"}}"#,
        ends: RunOutcome::Done,
    });

    async fn run(self, ctx: &Context) -> Outcome {
        let Self { target, event } = self;
        match (target, event) {
            (Target::Organizer(organizer), Some(event)) => fan_out::run(ctx, &organizer, &event).await,
            (Target::Endpoint(id), Some(event)) => {
                let row = find(ctx, &id).await?;
                let parcel = Parcel::of(ctx, &id, &event);
                deliver(ctx, row, parcel).await
            }
            (Target::Url { url, secret_of }, Some(event)) => {
                let row = elsewhere(&*find(ctx, &secret_of).await?, url);
                let parcel = Parcel::of(ctx, &row.0.id, &event);
                deliver(ctx, row, parcel).await
            }
            (Target::Delivery(id), _) => {
                let parcel = Parcel::again(ctx, &id).await?;
                let row = find(ctx, &parcel.endpoint_id).await?;
                deliver(ctx, row, parcel).await
            }
            // Refused when the arguments were read.
            (_, None) => Err(Failure::fatal("args.event: missing; name the event")),
        }
    }
}

async fn find(ctx: &Context, id: &str) -> Result<Row, Failure> {
    let found = ctx.services.webhooks.endpoint(ctx, id).await.map_err(|fault| store_failure(&fault))?;
    found.ok_or_else(|| {
        Failure::fatal(format!("there is no endpoint {id}; `liaison webhooks list` shows those that there are"))
    })
}

fn store_failure(fault: &StoreError) -> Failure {
    let reason = liaison_queue::chain(fault);
    if fault.is_outage() { Failure::retry(reason) } else { Failure::fatal(reason) }
}

/// The same settings and the same secret for another address, which has a health of its own.
fn elsewhere((endpoint, secrets): &(Endpoint, EndpointSecrets), url: String) -> Row {
    let endpoint = Endpoint {
        id: format!("url_{}", &digest(&[&url])[..24]),
        webhook_url: url,
        failures_in_a_row: 0,
        failing_since: None,
        last_success_at: None,
        last_triggered_at: None,
        ..endpoint.clone()
    };
    Arc::new((endpoint, secrets.clone()))
}
