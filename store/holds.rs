//! Legal holds: what must be kept whatever its age. `pruner.rs` asks for each row whether one covers it.
//!
//! A hold counts for every deletion that begins after it was placed. Placing and releasing leave a line in the
//! integration log, in the same transaction, so that who held what and why outlives the hold.

use chrono::{DateTime, NaiveDateTime, SubsecRound as _, Utc};
use diesel::result::QueryResult;
use diesel::{ExpressionMethods as _, QueryDsl as _, Queryable, RunQueryDsl as _, Selectable, SelectableHelper as _};
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::logs::{self, LogEntry};
use crate::runs::MAX_ROWS;
use crate::schema::legal_holds;
use crate::store::Store;

/// Whose rows a hold keeps. The words are in the database for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HoldScope {
    Organizer,
    Booking,
    Integration,
    Job,
}

/// A word that is no scope.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is no scope of a hold; known are organizer, booking, integration and job")]
pub struct UnknownScope(pub String);

impl HoldScope {
    pub const ALL: [Self; 4] = [Self::Organizer, Self::Booking, Self::Integration, Self::Job];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organizer => "organizer",
            Self::Booking => "booking",
            Self::Integration => "integration",
            Self::Job => "job",
        }
    }
}

impl std::str::FromStr for HoldScope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

impl Serialize for HoldScope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What is kept, why, and by whose word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    pub scope: HoldScope,
    pub key: String,
    pub reason: String,
    pub placed_by: String,
    pub placed_at: DateTime<Utc>,
}

impl Hold {
    /// The line that the log keeps of what was done with it.
    fn line(&self, id: String, done: &str, by: &str, why: &str, at: DateTime<Utc>) -> LogEntry {
        let whose = |scope: HoldScope| (self.scope == scope).then(|| self.key.clone());
        let because = if why.is_empty() { String::new() } else { format!(": {why}") };
        LogEntry {
            id,
            log_type: "legal_hold".to_owned(),
            integration_type: "none".to_owned(),
            integration_id: whose(HoldScope::Integration),
            organizer_id: whose(HoldScope::Organizer),
            booking_id: whose(HoldScope::Booking),
            message: format!("hold on {} {} {done} by {by}{because}", self.scope.as_str(), self.key),
            details: None,
            success: true,
            created_at: at,
        }
    }
}

impl Store {
    /// Place a hold, unless there is one already; `line` is the id of what the log keeps of it. Whether it is new.
    ///
    /// # Errors
    /// When the database cannot be written to; then there is no new hold.
    pub async fn hold(&self, mut hold: Hold, line: String) -> Result<bool, StoreError> {
        hold.placed_at = hold.placed_at.trunc_subsecs(6);
        for text in [&mut hold.key, &mut hold.reason, &mut hold.placed_by] {
            *text = text.replace('\0', "\u{fffd}");
        }
        let place = move |connection: &mut AnyConnection| {
            let row = (
                legal_holds::scope.eq(hold.scope.as_str()),
                legal_holds::key.eq(&hold.key),
                legal_holds::reason.eq(&hold.reason),
                legal_holds::placed_by.eq(&hold.placed_by),
                legal_holds::placed_at.eq(hold.placed_at.naive_utc()),
            );
            let insert = diesel::insert_into(legal_holds::table).values(row).on_conflict_do_nothing();
            let placed = match connection {
                AnyConnection::Sqlite(connection) => insert.execute(connection)?,
                AnyConnection::Postgres(connection) => insert.execute(connection)?,
            } == 1;
            if placed {
                let line = hold.line(line, "placed", &hold.placed_by, &hold.reason, hold.placed_at);
                logs::insert(connection, &[(&line, None)])?;
            }
            Ok(placed)
        };
        self.pool.write("place a hold", place).await
    }

    /// Let go of a hold; `by`, `why`, `at` and the id `line` are for the log. The hold that there was, if there was one.
    ///
    /// # Errors
    /// When the database cannot be written to; then it still holds.
    pub async fn release(
        &self,
        scope: HoldScope,
        key: &str,
        (by, why): (String, String),
        at: DateTime<Utc>,
        line: String,
    ) -> Result<Option<Hold>, StoreError> {
        let key = key.to_owned();
        let release = move |connection: &mut AnyConnection| {
            let this = || legal_holds::table.find((scope.as_str(), &key));
            let row: Option<HoldRow> = this().select(HoldRow::as_select()).load(connection)?.into_iter().next();
            let Some(hold) = row.and_then(HoldRow::read) else { return Ok(None) };
            diesel::delete(this()).execute(connection)?;
            let (by, why) = (by.replace('\0', "\u{fffd}"), why.replace('\0', "\u{fffd}"));
            logs::insert(connection, &[(&hold.line(line, "released", &by, &why, at), None)])?;
            Ok(Some(hold))
        };
        self.pool.write("release a hold", release).await
    }

    /// Every hold, in order of scope and key; at most 10,000.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        let load = |connection: &mut AnyConnection| -> QueryResult<Vec<HoldRow>> {
            let all = legal_holds::table.order((legal_holds::scope, legal_holds::key)).limit(MAX_ROWS.into());
            all.select(HoldRow::as_select()).load(connection)
        };
        Ok(self.pool.read("list the holds", load).await?.into_iter().filter_map(HoldRow::read).collect())
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = legal_holds)]
struct HoldRow {
    scope: String,
    key: String,
    reason: String,
    placed_by: String,
    placed_at: NaiveDateTime,
}

impl HoldRow {
    /// What a newer release wrote and this one does not know is left out of lists; it holds all the same.
    fn read(self) -> Option<Hold> {
        let Self { scope, key, reason, placed_by, placed_at } = self;
        Some(Hold { scope: scope.parse().ok()?, key, reason, placed_by, placed_at: placed_at.and_utc() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strings_in_the_database_stay() {
        assert_eq!(HoldScope::ALL.map(HoldScope::as_str), ["organizer", "booking", "integration", "job"]);
        for scope in HoldScope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
    }
}
