//! What a run says of the delivery that it tried.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::run_outcome::RunOutcome;

/// An attempt to deliver, or the decision not to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub delivery_id: String,
    pub endpoint_id: String,
    pub organizer_id: String,
    pub event_type: String,
    pub subject: Option<String>,
    pub booking_id: Option<String>,
    /// The body, sealed by [`crate::Store::seal_delivery`].
    pub payload: Vec<u8>,
    pub payload_bytes: i32,
    /// When the delivery was asked for.
    pub created_at: DateTime<Utc>,
    /// None when the endpoint is disabled: then nothing was sent.
    pub call: Option<Call>,
}

/// One call of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub attempted_at: DateTime<Utc>,
    pub duration_ms: i64,
    pub response_status: Option<i32>,
    /// A JSON object of those worth keeping.
    pub response_headers: Option<String>,
    pub response_body: Option<String>,
    /// What went wrong, in plain words; none when it was delivered.
    pub error_message: Option<String>,
}

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryStatus {
    Retrying,
    Delivered,
    Failed,
    /// Its endpoint was disabled: it can be replayed once that is enabled.
    Skipped,
}

impl DeliveryStatus {
    pub const ALL: [Self; 4] = [Self::Retrying, Self::Delivered, Self::Failed, Self::Skipped];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for DeliveryStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for DeliveryStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| format!("no status of a delivery is called `{text}`"))
    }
}

impl Attempt {
    /// How the delivery stands, when the run of this attempt ended so.
    pub(super) fn status(&self, outcome: RunOutcome) -> DeliveryStatus {
        match (&self.call, outcome) {
            (None, _) => DeliveryStatus::Skipped,
            (Some(Call { error_message: None, .. }), _) => DeliveryStatus::Delivered,
            (Some(_), RunOutcome::Retry) => DeliveryStatus::Retrying,
            (
                Some(_),
                RunOutcome::Done
                | RunOutcome::Dead
                | RunOutcome::Expired
                | RunOutcome::Cancelled
                | RunOutcome::Replaced,
            ) => DeliveryStatus::Failed,
        }
    }

    /// `PostgreSQL`'s text cannot hold U+0000.
    pub(crate) fn make_storable(&mut self) {
        let Self { delivery_id, endpoint_id, organizer_id, event_type, subject, booking_id, call, .. } = self;
        let mut texts = vec![delivery_id, endpoint_id, organizer_id, event_type];
        texts.extend([subject, booking_id].into_iter().flatten());
        if let Some(Call { response_headers, response_body, error_message, .. }) = call {
            texts.extend([response_headers, response_body, error_message].into_iter().flatten());
        }
        for text in texts {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{fffd}");
            }
        }
    }
}
