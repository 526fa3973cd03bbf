//! Rounds of synchronisation: one of an account at a time, page by page.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::result::QueryResult;
use diesel::sql_types::Text;
use diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};

use super::SyncRow;
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::schema::calendar_syncs::{self as columns, table};
use crate::store::Store;

/// Whether all of a window is asked for, or what has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundKind {
    Full,
    Incremental,
}

impl RoundKind {
    pub const ALL: [Self; 2] = [Self::Full, Self::Incremental];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
        }
    }
}

/// A round that is under way, as it stands before its next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRound {
    pub kind: RoundKind,
    /// Of a full one its own number; of an incremental one that of the last full round.
    pub number: i32,
    /// Where it goes on; none before the first page of a full round.
    pub position: Option<String>,
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub pages: i32,
    pub changes: i32,
    /// How often it had to begin anew.
    pub restarts: i32,
    /// What one of its pages looked like.
    pub landmark: Option<String>,
    pub job_id: String,
    pub started_at: DateTime<Utc>,
}

/// What becomes of the round after a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoundEnd {
    /// There are more pages, from here.
    Goes(String),
    /// It is whole; the next one begins with this.
    Whole(Option<String>),
}

impl SyncRow {
    pub(super) fn open(&self) -> Option<OpenRound> {
        let kind = self.kind.as_deref()?;
        Some(OpenRound {
            kind: RoundKind::ALL.into_iter().find(|known| known.as_str() == kind)?,
            number: self.round,
            position: self.position.clone(),
            from: self.window_from?.and_utc(),
            until: self.window_until?.and_utc(),
            pages: self.pages,
            changes: self.changes,
            restarts: self.restarts,
            landmark: self.landmark.clone(),
            job_id: self.job_id.clone()?,
            started_at: self.started_at?.and_utc(),
        })
    }
}

impl Store {
    /// Give up the round that is under way: the next one begins anew. Nothing happens if somebody has taken another step
    /// meanwhile.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn abandon_round(&self, integration_id: &str, step: i32) -> Result<(), StoreError> {
        let id = integration_id.to_owned();
        let abandon = move |connection: &mut AnyConnection| {
            if take_step(connection, &id, step)? {
                close(connection, &id)?;
            }
            Ok(())
        };
        self.pool.write("abandon a round of synchronisation", abandon).await
    }
}

/// Take the step after this one; whether nobody else has. Whoever comes meanwhile waits for the end of this transaction.
pub(super) fn take_step(connection: &mut AnyConnection, id: &str, step: i32) -> QueryResult<bool> {
    if step == 0 {
        let first = "INSERT INTO calendar_syncs (integration_id) VALUES ($1) ON CONFLICT DO NOTHING";
        diesel::sql_query(first).bind::<Text, _>(id).execute(connection)?;
    }
    let row = table.find(id).filter(columns::step.eq(step));
    Ok(diesel::update(row).set(columns::step.eq(step + 1)).execute(connection)? == 1)
}

/// Remember where the round goes on.
pub(super) fn keep(connection: &mut AnyConnection, id: &str, round: &OpenRound) -> QueryResult<()> {
    let row = (
        columns::round.eq(round.number),
        columns::kind.eq(Some(round.kind.as_str())),
        columns::position.eq(round.position.as_deref()),
        columns::window_from.eq(Some(round.from.naive_utc())),
        columns::window_until.eq(Some(round.until.naive_utc())),
        columns::pages.eq(round.pages),
        columns::changes.eq(round.changes),
        columns::restarts.eq(round.restarts),
        columns::landmark.eq(round.landmark.as_deref()),
        columns::job_id.eq(Some(&round.job_id)),
        columns::started_at.eq(Some(round.started_at.naive_utc())),
    );
    diesel::update(table.find(id)).set(row).execute(connection).map(drop)
}

/// No round is under way.
pub(super) fn close(connection: &mut AnyConnection, id: &str) -> QueryResult<()> {
    let row = (
        columns::kind.eq(None::<String>),
        columns::position.eq(None::<String>),
        columns::landmark.eq(None::<String>),
        columns::pages.eq(0),
        columns::changes.eq(0),
        columns::restarts.eq(0),
    );
    diesel::update(table.find(id)).set(row).execute(connection).map(drop)
}

/// A full round is whole: the cursor of its account is for this part of the calendar.
pub(super) fn cover(connection: &mut AnyConnection, id: &str, round: &OpenRound) -> QueryResult<()> {
    let row = (
        columns::round.eq(round.number),
        columns::covers_from.eq(Some(round.from.naive_utc())),
        columns::covers_until.eq(Some(round.until.naive_utc())),
        columns::covered_at.eq(Some(round.started_at.naive_utc())),
    );
    diesel::update(table.find(id)).set(row).execute(connection).map(drop)
}

/// Another calendar is read from its beginning, and whoever is at a page of this one has been overtaken.
pub(crate) fn begin_anew(connection: &mut AnyConnection, id: &str) -> QueryResult<()> {
    use crate::schema::calendar_integrations as accounts;
    let account = accounts::table.find(id);
    diesel::update(account).set(accounts::sync_token.eq(None::<String>)).execute(connection)?;
    // Also whoever waits for the first page of all.
    let first = "INSERT INTO calendar_syncs (integration_id) VALUES ($1) ON CONFLICT DO NOTHING";
    diesel::sql_query(first).bind::<Text, _>(id).execute(connection)?;
    close(connection, id)?;
    diesel::update(table.find(id))
        .set((columns::step.eq(columns::step + 1), columns::covers_from.eq(None::<NaiveDateTime>)))
        .execute(connection)
        .map(drop)
}

/// Nobody changes the mirror of this account, nor its zone, until the end of this transaction. `SQLite` has one writer
/// anyway.
pub(crate) fn lock(connection: &mut AnyConnection, id: &str) -> QueryResult<()> {
    match connection {
        AnyConnection::Sqlite(_) => Ok(()),
        AnyConnection::Postgres(connection) => {
            let row = "SELECT integration_id FROM calendar_syncs WHERE integration_id = $1 FOR UPDATE";
            diesel::sql_query(row).bind::<Text, _>(id).execute(connection).map(drop)
        }
    }
}
