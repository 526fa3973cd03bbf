//! What is known of bookings: their meetings, their events, and the words that took these out.

use super::Kind::{Number, Sealed, Text, Time};
use super::Shape;

// One that stands is old when its booking has ended, and one that was taken out when it was.
pub(super) const EVENTS: Shape = Shape {
    key: &[("booking_id", Text), ("integration_id", Text)],
    time: "updated_at",
    held_by: &[("organizer", "organizer_id"), ("booking", "booking_id"), ("integration", "integration_id")],
    needed: "t.status <> 'removed' AND t.ends_at >= $1",
    columns: &[
        ("booking_id", Text),
        ("integration_id", Text),
        ("organizer_id", Text),
        ("provider", Text),
        ("version", Number),
        ("external_id", Text),
        ("etag", Text),
        ("status", Text),
        ("reason", Text),
        ("asked_at", Time),
        ("starts_at", Time),
        ("ends_at", Time),
        ("turn", Number),
        ("job_id", Text),
        ("created_at", Time),
        ("updated_at", Time),
    ],
};

// While there is an event of the booking, the word that it is taken out holds for whoever still wants to write it.
pub(super) const REMOVED: Shape = Shape {
    key: &[("booking_id", Text)],
    time: "asked_at",
    held_by: &[("booking", "booking_id")],
    needed: "EXISTS (SELECT 1 FROM external_events e WHERE e.booking_id = t.booking_id)",
    columns: &[("booking_id", Text), ("version", Number), ("asked_at", Time), ("job_id", Text)],
};

// As of events. One without times was never asked for at a provider.
pub(super) const MEETINGS: Shape = Shape {
    key: &[("booking_id", Text)],
    time: "updated_at",
    held_by: &[("organizer", "organizer_id"), ("booking", "booking_id"), ("integration", "integration_id")],
    needed: "t.status <> 'removed' AND COALESCE(t.ends_at, t.updated_at) >= $1",
    columns: &[
        ("booking_id", Text),
        ("version", Number),
        ("made_for", Number),
        ("organizer_id", Text),
        ("provider", Text),
        ("integration_id", Text),
        ("external_id", Text),
        ("join_url", Text),
        ("host_url", Sealed),
        ("passcode", Sealed),
        ("status", Text),
        ("reason", Text),
        ("starts_at", Time),
        ("ends_at", Time),
        ("fell_back", Text),
        ("trouble_since", Time),
        ("turn", Number),
        ("job_id", Text),
        ("created_at", Time),
        ("updated_at", Time),
    ],
};
