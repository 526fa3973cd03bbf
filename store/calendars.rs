//! Calendars of accounts: a mirror of what providers have, the times that it blocks, and the conflicts among these.
//!
//! Three steps, each a transaction. A page of a provider goes into the mirror, together with where the round goes on: the
//! cursor of the account changes only with the last page of a round. What changed in the mirror goes into blocked times,
//! portion by portion. Of those that changed, overlaps become conflicts. Who goes on from a step that somebody else has
//! taken writes nothing. A process that dies in between leaves marks in the rows, by which the next one goes on.

mod blocks;
mod clashes;
mod conflicts;
mod failing;
mod mirror;
mod pages;
mod placing;
mod rounds;
mod writing;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use diesel::result::QueryResult;
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, RunQueryDsl as _};
use sha2::{Digest as _, Sha256};

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::runs::MAX_ROWS;
use crate::schema::{calendar_events, calendar_integrations, calendar_syncs};
use crate::store::Store;

pub use blocks::{Block, BlockedTime, Portion};
pub use conflicts::{Conflict, ConflictFilter, ConflictKind, ConflictStatus, Kept, Resolved};
pub use failing::SyncFailure;
pub(crate) use failing::{count as count_failure, enable};
pub use pages::{Applied, Observed, SyncPage};
pub use placing::CalendarPlace;
pub use rounds::{OpenRound, RoundEnd, RoundKind};
pub(crate) use rounds::{begin_anew, lock};

/// What a calendar's account is like, and how far it is synchronised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarSync {
    pub integration_id: String,
    pub organizer_id: String,
    pub provider: String,
    pub provider_user_id: Option<String>,
    pub provider_email: Option<String>,
    pub calendar_id: Option<String>,
    pub server_url: Option<String>,
    /// By its IANA name.
    pub time_zone: Option<String>,
    pub is_active: bool,
    pub sync_enabled: bool,
    /// Of the tokens.
    pub version: i32,
    pub disconnected_at: Option<DateTime<Utc>>,
    pub disconnects: i32,
    /// Where the next incremental round begins.
    pub sync_token: Option<String>,
    pub sync_errors: i32,
    pub sync_error: Option<String>,
    pub last_sync_at: Option<DateTime<Utc>>,
    /// Counts the steps of its synchronisation.
    pub step: i32,
    /// The number of the last full round.
    pub round: i32,
    /// What the cursor is for.
    pub covers: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// When the round began that covered it.
    pub covered_at: Option<DateTime<Utc>>,
    /// How often it was disabled.
    pub disables: i32,
    pub blocks_version: i32,
    pub blocks_told: i32,
    /// The round that is under way.
    pub open: Option<OpenRound>,
    /// The mirror has changes that its blocked times do not know.
    pub changed: bool,
}

/// When an event takes place, as it stands in the mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventTime {
    Timed {
        start: DateTime<Utc>,
        end: DateTime<Utc>,
    },
    /// Whole days of the calendar's zone; the second is the first that is free again.
    AllDay {
        first: NaiveDate,
        after: NaiveDate,
    },
}

/// One instance of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirroredEvent {
    pub event_id: String,
    pub series_id: Option<String>,
    pub uid: Option<String>,
    pub when: EventTime,
    pub title: Option<String>,
    /// `busy`, `tentative`, `away` or `free`.
    pub shown: String,
    pub declined: bool,
    pub private: bool,
    pub version: Option<String>,
}

type Account = (
    (String, String, String, Option<String>, Option<String>, Option<String>, Option<String>, Option<String>),
    (bool, bool, i32, Option<NaiveDateTime>, i32),
    (Option<String>, i32, Option<String>, Option<NaiveDateTime>),
);

/// A row of `calendar_syncs`, in the order of its columns.
#[derive(Default, Queryable)]
struct SyncRow {
    _integration_id: String,
    step: i32,
    round: i32,
    covers_from: Option<NaiveDateTime>,
    covers_until: Option<NaiveDateTime>,
    disables: i32,
    blocks_version: i32,
    blocks_told: i32,
    kind: Option<String>,
    position: Option<String>,
    window_from: Option<NaiveDateTime>,
    window_until: Option<NaiveDateTime>,
    pages: i32,
    changes: i32,
    restarts: i32,
    landmark: Option<String>,
    job_id: Option<String>,
    started_at: Option<NaiveDateTime>,
    covered_at: Option<NaiveDateTime>,
}

impl Store {
    /// How far a calendar is synchronised; none if there is no such account.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn calendar_sync(&self, integration_id: &str) -> Result<Option<CalendarSync>, StoreError> {
        let id = integration_id.to_owned();
        self.pool.read("read how far a calendar is", move |connection| find(connection, &id)).await
    }

    /// The calendars that are synchronised, in the order of their ids after this one, with their providers. Whoever is
    /// switched off, disabled or disconnected is left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn calendars_to_sync(
        &self,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<(String, String)>, StoreError> {
        use calendar_integrations as columns;
        let load = move |connection: &mut AnyConnection| {
            let mut query = columns::table
                .filter(columns::is_active.eq(true))
                .filter(columns::sync_enabled.eq(true))
                .filter(columns::disconnected_at.is_null())
                .into_boxed();
            if let Some(after) = after {
                query = query.filter(columns::id.gt(after));
            }
            query
                .order(columns::id.asc())
                .limit(limit.min(MAX_ROWS).into())
                .select((columns::id, columns::provider))
                .load(connection)
        };
        self.pool.read("list the calendars to synchronise", load).await
    }

    /// How many calendars are not synchronised any more, because it failed too often.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_disabled_calendars(&self) -> Result<u64, StoreError> {
        use calendar_integrations as columns;
        let load = |connection: &mut AnyConnection| {
            columns::table
                .filter(columns::is_active.eq(true))
                .filter(columns::sync_enabled.eq(false))
                .filter(columns::disconnected_at.is_null())
                .count()
                .get_result::<i64>(connection)
        };
        Ok(self.pool.read("count the calendars that are disabled", load).await?.unsigned_abs())
    }

    /// Hosts were told of the blocked times up to this version.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn blocks_were_told(&self, integration_id: &str, version: i32) -> Result<(), StoreError> {
        use calendar_syncs as columns;
        let id = integration_id.to_owned();
        let note = move |connection: &mut AnyConnection| {
            let row = columns::table.find(id).filter(columns::blocks_told.lt(version));
            diesel::update(row).set(columns::blocks_told.eq(version)).execute(connection)
        };
        self.pool.write("note who was told of blocked times", note).await.map(drop)
    }
}

fn find(connection: &mut AnyConnection, id: &str) -> QueryResult<Option<CalendarSync>> {
    use calendar_integrations as columns;
    let account: Option<Account> = columns::table
        .find(id)
        .select((
            (
                columns::id,
                columns::organizer_id,
                columns::provider,
                columns::provider_user_id,
                columns::provider_email,
                columns::calendar_id,
                columns::server_url,
                columns::time_zone,
            ),
            (
                columns::is_active,
                columns::sync_enabled,
                columns::version,
                columns::disconnected_at,
                columns::disconnects,
            ),
            (columns::sync_token, columns::sync_errors, columns::sync_error, columns::last_sync_at),
        ))
        .first(connection)
        .optional()?;
    let Some((who, how, sync)) = account else { return Ok(None) };
    let row: SyncRow = calendar_syncs::table.find(id).first(connection).optional()?.unwrap_or_default();
    // In these words the planner recognises the partial index.
    let changed: Option<String> = calendar_events::table
        .filter(calendar_events::integration_id.eq(id))
        .filter(calendar_events::changed)
        .select(calendar_events::event_id)
        .first(connection)
        .optional()?;
    let (integration_id, organizer_id, provider, provider_user_id, provider_email, calendar_id, server_url, zone) = who;
    let (is_active, sync_enabled, version, disconnected_at, disconnects) = how;
    let (sync_token, sync_errors, sync_error, last_sync_at) = sync;
    let utc = |at: NaiveDateTime| at.and_utc();
    Ok(Some(CalendarSync {
        integration_id,
        organizer_id,
        provider,
        provider_user_id,
        provider_email,
        calendar_id,
        server_url,
        time_zone: zone,
        is_active,
        sync_enabled,
        version,
        disconnected_at: disconnected_at.map(utc),
        disconnects,
        sync_token,
        sync_errors,
        sync_error,
        last_sync_at: last_sync_at.map(utc),
        step: row.step,
        round: row.round,
        covers: row.covers_from.zip(row.covers_until).map(|(from, until)| (utc(from), utc(until))),
        covered_at: row.covered_at.map(utc),
        disables: row.disables,
        blocks_version: row.blocks_version,
        blocks_told: row.blocks_told,
        open: row.open(),
        changed: changed.is_some(),
    }))
}

/// An id that follows from these, the same on every daemon.
fn id_of(prefix: &str, parts: &[&str]) -> String {
    use std::fmt::Write as _;
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).fold(format!("{prefix}_"), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// `PostgreSQL`'s text cannot hold U+0000.
fn storable(text: &mut String) {
    if text.contains('\0') {
        *text = text.replace('\0', "\u{fffd}");
    }
}
