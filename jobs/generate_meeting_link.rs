//! See that a booking has a video conference, or none any more: by the provider that is wanted most and can be had.
//!
//! Safe to run twice: a row for each booking says what is wanted before a provider is asked and what came of it after, and
//! changes by compare-and-set. Of one booking one job runs at a time, whoever asked. What is of an older version of its
//! booking than what was done does nothing. Dies half-way: whoever finds a meeting that was asked for and is not known
//! looks for it before asking again. Who falls back on another provider has what was left at the first one taken away.

mod accounts;
mod args;
mod ledger;
mod making;
mod removing;
mod telling;

use std::time::Duration;

use liaison_queue::{
    Limit,
    outcome::{Outcome, RunOutcome},
    retry::Retry,
};

pub(crate) use self::args::GenerateMeetingLink;
use self::{args::Wanted, ledger::Ledger, making::Making};
use crate::kit::{Context, Job, Sample, meeting_lock};

impl Job for GenerateMeetingLink {
    const NAME: &'static str = "generate_meeting_link";
    const ABOUT: &'static str = "makes, changes or removes the video conference of a booking";
    // Two providers that are silent for as long as we wait, one after the other.
    const TIMEOUT: Duration = Duration::from_mins(3);
    // An outage is left for the next provider after `[meetings] give_up_after`; without one, these last for an hour.
    const RETRY: Retry = Retry::doubling(Duration::from_secs(5)).cap(Duration::from_mins(5)).attempts(30);
    const SAMPLE: Option<Sample> = Some(Sample {
        args: r#"{"booking": {"id": "sample", "version": 1, "organizer_id": "example", "title": "A first meeting",
            "starts_at": "2030-01-31T09:00:00+01:00", "ends_at": "2030-01-31T09:30:00+01:00",
            "timezone": "Europe/Berlin", "attendees": ["guest@example.org"]}, "providers": ["zoom", "webex"]}"#,
        ends: RunOutcome::Done,
    });

    async fn run(self, ctx: &Context) -> Outcome {
        let Self { wanted, providers, settings } = self;
        let _one = ctx.limits.pass(&meeting_lock(wanted.booking_id()), &[Limit::concurrent(1)]).await?;
        match wanted {
            Wanted::Meeting(booking) => {
                let ledger = Ledger::open(ctx, &booking.id, booking.version, &booking.organizer_id).await?;
                Making { ctx, booking: &booking, providers: &providers, settings: &settings }.run(ledger).await
            }
            Wanted::None { booking_id, version, organizer_id } => {
                let ledger =
                    Ledger::open(ctx, &booking_id, version, organizer_id.as_deref().unwrap_or_default()).await?;
                removing::run(ctx, version, ledger).await
            }
        }
    }
}
