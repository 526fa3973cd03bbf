//! WHAT HAPPENED and what we know: runs, dead letters and ticks, kept through Diesel.
//!
//! One schema on two backends, `SQLite` and `PostgreSQL`. Callers see typed, async functions on [`Store`] and never a
//! connection or a row. Every call is one transaction on a small pool of blocking threads: a store that dies half-way
//! has done all of a call or none of it.

mod calendars;
mod connection;
mod dead_letters;
mod deliveries;
mod error;
mod examiner;
mod external_events;
mod facts;
mod holds;
mod identity;
mod integrations;
mod logs;
mod meetings;
mod migrations;
mod notifications;
mod oauth_states;
mod pool;
mod pruner;
mod record;
mod resealing;
mod reused_runs;
mod run_outcome;
mod run_rows;
mod runs;
mod schema;
mod sealing;
mod store;
mod ticks;
mod url;
mod video;
mod webhooks;

#[cfg(test)]
mod calendar_tests;
#[cfg(test)]
mod conflict_tests;
#[cfg(test)]
mod delivery_tests;
#[cfg(test)]
mod grant_tests;
#[cfg(test)]
mod keeping_tests;
#[cfg(test)]
mod odd_event_tests;
#[cfg(test)]
mod old_booking_tests;
#[cfg(test)]
mod recording_tests;
#[cfg(test)]
mod repeating_tests;
#[cfg(test)]
mod test_database;
#[cfg(test)]
mod test_postgres;

pub use calendars::{
    Applied, Block, BlockedTime, CalendarPlace, CalendarSync, Conflict, ConflictFilter, ConflictKind, ConflictStatus,
    EventTime, Kept, MirroredEvent, Observed, OpenRound, Portion, Resolved, RoundEnd, RoundKind, SyncFailure, SyncPage,
};
pub use dead_letters::{DeadCursor, DeadFilter, DeadLetter, Discarded, HeldLetter};
pub use deliveries::{Attempt, AttemptRow, Call, Delivery, DeliveryFilter, DeliveryStatus};
pub use error::StoreError;
pub use examiner::DatabaseFacts;
pub use external_events::{EventStatus, ExternalEvent, RemovedBooking};
pub use facts::Fact;
pub use holds::{Hold, HoldScope, UnknownScope};
pub use integrations::{
    AccountId, Added, Expiring, Grant, Integration, IntegrationFilter, IntegrationKind, NewIntegration, Stored, Tokens,
};
pub use logs::{Line, LogEntry, LogFilter, LogLine};
pub use meetings::{Meeting, MeetingFilter, MeetingStatus, SealedMeeting, UnknownStatus};
pub use migrations::{migrate, migration_status};
pub use notifications::{EndpointState, Notification, NotificationStatus, SuppressedAddress, Told};
pub use oauth_states::{OauthState, StateUse};
pub use pruner::{Class, Expired, ExpiredPage, Old, PruneCursor, Pruned, UnknownClass};
pub use record::{Burial, Exit, Recorded};
pub use resealing::{Closed, Resealed, SealedColumn, SealedCount};
pub use run_outcome::{RunOutcome, UnknownOutcome};
pub use runs::{History, Run, RunEnd, RunFilter};
pub use sealing::{KeyError, KeyRing};
pub use store::{Store, StoreOptions};
pub use ticks::{TickRow, TickStatus};
pub use url::{DatabaseUrl, PostgresUrl, UrlError};
pub use video::VideoAccount;
pub use webhooks::{Endpoint, EndpointChanges, EndpointFilter, EndpointSecrets};
