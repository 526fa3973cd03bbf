//! The video conference of each booking: one row for each booking, whatever became of it.
//!
//! A row says what is wanted before a provider is asked, and what came of it after: who finds one that is intended and
//! has no meeting yet must look at the provider before asking again. Rows change by compare-and-set on `turn`, and never
//! back to an older version of their booking, so nobody who was late writes over what is newer.

mod listing;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::result::QueryResult;
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable, RunQueryDsl as _, Selectable,
    SelectableHelper as _,
};
use thiserror::Error;

pub use self::listing::{MeetingFilter, SealedMeeting};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::schema::meetings;
use crate::sealing::KeyError;
use crate::store::Store;

/// How the meeting of a booking stands. The strings are in the database for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MeetingStatus {
    /// It is to be made by somebody who was not asked yet.
    Waiting,
    /// A provider is asked, or was, and nobody knows what came of it.
    Intended,
    Created,
    /// A provider is asked to take it away.
    Removing,
    Removed,
    /// Nobody would make it.
    Failed,
}

impl MeetingStatus {
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Intended, Self::Created, Self::Removing, Self::Removed, Self::Failed];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Intended => "intended",
            Self::Created => "created",
            Self::Removing => "removing",
            Self::Removed => "removed",
            Self::Failed => "failed",
        }
    }

    /// A word that no release wrote is one that nothing is known of: whoever asks must look.
    fn of(text: &str) -> Self {
        Self::ALL.into_iter().find(|status| status.as_str() == text).unwrap_or(Self::Intended)
    }
}

/// A word that is no status.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is no status of a meeting; known are {known}", known = MeetingStatus::ALL.map(MeetingStatus::as_str).join(", "))]
pub struct UnknownStatus(pub String);

impl FromStr for MeetingStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        let of = |status: &Self| status.as_str() == text;
        Self::ALL.into_iter().find(of).ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

/// A row, opened. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Meeting {
    pub booking_id: String,
    /// Of the booking.
    pub version: i64,
    /// For which version it was made; what came after changed it.
    pub made_for: Option<i64>,
    pub organizer_id: String,
    pub provider: Option<String>,
    pub integration_id: Option<String>,
    /// The provider's id of it.
    pub external_id: Option<String>,
    pub join_url: Option<String>,
    /// Who has it is the host.
    pub host_url: Option<String>,
    pub passcode: Option<String>,
    pub status: MeetingStatus,
    pub reason: Option<String>,
    pub starts_at: Option<DateTime<Utc>>,
    pub ends_at: Option<DateTime<Utc>>,
    /// Who was given up, and why: a JSON array.
    pub fell_back: String,
    pub trouble_since: Option<DateTime<Utc>>,
    /// How often the row has changed; 0 of one that is not there yet.
    pub turn: i32,
    /// Who changed it last.
    pub job_id: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl fmt::Debug for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meeting")
            .field("booking_id", &self.booking_id)
            .field("version", &self.version)
            .field("provider", &self.provider)
            .field("integration_id", &self.integration_id)
            .field("external_id", &self.external_id)
            .field("status", &self.status)
            .field("turn", &self.turn)
            .finish_non_exhaustive()
    }
}

impl Meeting {
    /// One that is not there yet.
    #[must_use]
    pub fn new(booking_id: &str, version: i64, organizer_id: &str, now: DateTime<Utc>) -> Self {
        Self {
            booking_id: booking_id.to_owned(),
            version,
            made_for: None,
            organizer_id: organizer_id.to_owned(),
            provider: None,
            integration_id: None,
            external_id: None,
            join_url: None,
            host_url: None,
            passcode: None,
            status: MeetingStatus::Waiting,
            reason: None,
            starts_at: None,
            ends_at: None,
            fell_back: "[]".to_owned(),
            trouble_since: None,
            turn: 0,
            job_id: String::new(),
            created_at: now,
            updated_at: now,
        }
    }

    fn make_storable(&mut self) {
        let Self { booking_id, organizer_id, provider, integration_id, external_id, .. } = self;
        let Self { join_url, reason, fell_back, job_id, .. } = self;
        let optional = [provider, integration_id, external_id, join_url, reason].into_iter().flatten();
        optional.for_each(replace_nul);
        [booking_id, organizer_id, fell_back, job_id].into_iter().for_each(replace_nul);
    }
}

fn replace_nul(text: &mut String) {
    if text.contains('\0') {
        *text = text.replace('\0', "\u{fffd}");
    }
}

/// What a value in this column is sealed for.
fn sealed_for(booking_id: &str, column: &str) -> String {
    format!("meetings:{booking_id}:{column}")
}

impl Store {
    /// The meeting of this booking, opened.
    ///
    /// # Errors
    /// When the database cannot be read; [`StoreError::SealedColumn`] when no key opens its secrets.
    pub async fn meeting(&self, booking_id: &str) -> Result<Option<Meeting>, StoreError> {
        let id = booking_id.to_owned();
        let load = move |connection: &mut AnyConnection| {
            meetings::table.find(&id).select(Row::as_select()).first::<Row>(connection).optional()
        };
        let row = self.pool.read("read a meeting", load).await?;
        row.map(|row| self.opened(row)).transpose()
    }

    fn opened(&self, row: Row) -> Result<Meeting, StoreError> {
        let open = |column: &'static str, sealed: Option<&Vec<u8>>| {
            let identity = sealed_for(&row.booking_id, column);
            let opened = sealed.map(|sealed| self.keys.open(&identity, sealed).and_then(text)).transpose();
            opened.map_err(|source| StoreError::SealedColumn { place: identity, source })
        };
        let (host_url, passcode) = (open("host_url", row.host_url.as_ref())?, open("passcode", row.passcode.as_ref())?);
        Ok(row.meeting(host_url, passcode))
    }

    /// Put a row as it shall be, if it is still in the turn that was read, and not of a newer version: its next turn.
    /// None: somebody else has changed it, and nothing was written.
    ///
    /// # Errors
    /// When the database cannot be written to; then nothing was changed.
    pub async fn put_meeting(&self, mut meeting: Meeting, now: DateTime<Utc>) -> Result<Option<i32>, StoreError> {
        meeting.make_storable();
        meeting.updated_at = now;
        let seal = |column: &str, secret: Option<&String>| {
            secret.map(|secret| self.keys.seal(&sealed_for(&meeting.booking_id, column), secret.as_bytes()))
        };
        let sealed = (seal("host_url", meeting.host_url.as_ref()), seal("passcode", meeting.passcode.as_ref()));
        let put = move |connection: &mut AnyConnection| put(connection, &meeting, sealed);
        self.pool.write("put a meeting", put).await
    }
}

type SealedPair = (Option<Vec<u8>>, Option<Vec<u8>>);

fn put(connection: &mut AnyConnection, row: &Meeting, (host_url, passcode): SealedPair) -> QueryResult<Option<i32>> {
    use meetings as t;
    let naive = |at: Option<DateTime<Utc>>| at.map(|at| at.naive_utc());
    let next = row.turn + 1;
    let values = (
        t::version.eq(row.version),
        t::made_for.eq(row.made_for),
        t::organizer_id.eq(&row.organizer_id),
        t::provider.eq(row.provider.as_deref()),
        t::integration_id.eq(row.integration_id.as_deref()),
        t::external_id.eq(row.external_id.as_deref()),
        t::join_url.eq(row.join_url.as_deref()),
        t::host_url.eq(host_url),
        t::passcode.eq(passcode),
        t::status.eq(row.status.as_str()),
        t::reason.eq(row.reason.as_deref()),
        t::starts_at.eq(naive(row.starts_at)),
        t::ends_at.eq(naive(row.ends_at)),
        t::fell_back.eq(&row.fell_back),
        t::trouble_since.eq(naive(row.trouble_since)),
        t::turn.eq(next),
        t::job_id.eq(&row.job_id),
        t::updated_at.eq(row.updated_at.naive_utc()),
    );
    let changed = if row.turn == 0 {
        let new = (t::booking_id.eq(&row.booking_id), values, t::created_at.eq(row.created_at.naive_utc()));
        let insert = diesel::insert_into(t::table).values(new).on_conflict_do_nothing();
        match connection {
            AnyConnection::Sqlite(connection) => insert.execute(connection)?,
            AnyConnection::Postgres(connection) => insert.execute(connection)?,
        }
    } else {
        let there = t::table.find(&row.booking_id).filter(t::turn.eq(row.turn)).filter(t::version.le(row.version));
        diesel::update(there).set(values).execute(connection)?
    };
    Ok((changed > 0).then_some(next))
}

fn text(opened: Vec<u8>) -> Result<String, KeyError> {
    String::from_utf8(opened).map_err(|_| KeyError::Malformed)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = meetings)]
struct Row {
    booking_id: String,
    version: i64,
    made_for: Option<i64>,
    organizer_id: String,
    provider: Option<String>,
    integration_id: Option<String>,
    external_id: Option<String>,
    join_url: Option<String>,
    host_url: Option<Vec<u8>>,
    passcode: Option<Vec<u8>>,
    status: String,
    reason: Option<String>,
    starts_at: Option<NaiveDateTime>,
    ends_at: Option<NaiveDateTime>,
    fell_back: String,
    trouble_since: Option<NaiveDateTime>,
    turn: i32,
    job_id: String,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
}

impl Row {
    fn meeting(self, host_url: Option<String>, passcode: Option<String>) -> Meeting {
        Meeting {
            booking_id: self.booking_id,
            version: self.version,
            made_for: self.made_for,
            organizer_id: self.organizer_id,
            provider: self.provider,
            integration_id: self.integration_id,
            external_id: self.external_id,
            join_url: self.join_url,
            host_url,
            passcode,
            status: MeetingStatus::of(&self.status),
            reason: self.reason,
            starts_at: self.starts_at.map(|at| at.and_utc()),
            ends_at: self.ends_at.map(|at| at.and_utc()),
            fell_back: self.fell_back,
            trouble_since: self.trouble_since.map(|at| at.and_utc()),
            turn: self.turn,
            job_id: self.job_id,
            created_at: self.created_at.and_utc(),
            updated_at: self.updated_at.and_utc(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording_tests::at;
    use crate::test_database::on_both;

    #[test]
    fn the_strings_in_the_database_stay() {
        let words = MeetingStatus::ALL.map(MeetingStatus::as_str);
        assert_eq!(words, ["waiting", "intended", "created", "removing", "removed", "failed"]);
        assert!(MeetingStatus::ALL.into_iter().all(|status| MeetingStatus::of(status.as_str()) == status));
        assert!("gone".parse::<MeetingStatus>().unwrap_err().to_string().contains("waiting, intended"));
    }

    fn made(version: i64) -> Meeting {
        Meeting {
            made_for: Some(version),
            provider: Some("zoom".to_owned()),
            integration_id: Some("z".to_owned()),
            external_id: Some("123".to_owned()),
            join_url: Some("https://zoom.example/j/123".to_owned()),
            host_url: Some("https://zoom.example/s/123?zak=hunter2".to_owned()),
            passcode: Some("hunter2".to_owned()),
            status: MeetingStatus::Created,
            starts_at: Some(at(60)),
            ends_at: Some(at(120)),
            job_id: "job".to_owned(),
            ..Meeting::new("b", version, "org", at(0))
        }
    }

    #[test]
    fn a_meeting_is_as_it_was_put_and_its_secrets_are_sealed() {
        on_both(&async |database| {
            let store = database.store().await;
            assert_eq!(store.meeting("b").await.expect("read"), None);
            assert_eq!(store.put_meeting(made(1), at(1)).await.expect("put"), Some(1));
            let found = store.meeting("b").await.expect("read").expect("a meeting");
            assert_eq!(found, Meeting { turn: 1, updated_at: at(1), ..made(1) });
            assert!(!format!("{found:?}").contains("hunter2"));
            let counts = store.sealed_counts().await.expect("count");
            let of_meetings: u64 =
                counts.iter().filter(|count| count.column.table == "meetings").map(|count| count.values).sum();
            assert_eq!(of_meetings, 2);
        });
    }

    #[test]
    fn meetings_are_listed_by_what_was_asked_for_and_tell_no_secret() {
        on_both(&async |database| {
            let store = database.store().await;
            store.put_meeting(made(1), at(1)).await.expect("put");
            let other = Meeting { booking_id: "c".to_owned(), organizer_id: "other".to_owned(), ..made(1) };
            let removed = Meeting { status: MeetingStatus::Removed, host_url: None, passcode: None, ..other };
            store.put_meeting(removed, at(2)).await.expect("put");
            let list = async |filter: MeetingFilter| store.meetings(filter).await.expect("list");
            let all = list(MeetingFilter { limit: 10, ..MeetingFilter::default() }).await;
            let seen: Vec<_> = all.iter().map(|one| (one.meeting.booking_id.as_str(), one.has_host_url)).collect();
            assert_eq!(seen, [("c", false), ("b", true)], "the last changed comes first");
            assert!(all.iter().all(|one| one.meeting.host_url.is_none() && one.meeting.passcode.is_none()));
            for (filter, found) in [
                (MeetingFilter { organizer: Some("org".to_owned()), limit: 10, ..MeetingFilter::default() }, "b"),
                (MeetingFilter { booking: Some("c".to_owned()), limit: 10, ..MeetingFilter::default() }, "c"),
                (MeetingFilter { status: Some(MeetingStatus::Created), limit: 10, ..MeetingFilter::default() }, "b"),
                (MeetingFilter { limit: 1, ..MeetingFilter::default() }, "c"),
            ] {
                let ids: Vec<_> = list(filter).await.into_iter().map(|one| one.meeting.booking_id).collect();
                assert_eq!(ids, [found]);
            }
        });
    }

    #[test]
    fn who_was_late_writes_nothing() {
        on_both(&async |database| {
            let store = database.store().await;
            assert_eq!(store.put_meeting(made(2), at(1)).await.expect("put"), Some(1));
            assert_eq!(store.put_meeting(made(2), at(2)).await.expect("put"), None, "another was the first");
            let read = store.meeting("b").await.expect("read").expect("a meeting");
            let older = Meeting { version: 1, ..read.clone() };
            assert_eq!(store.put_meeting(older, at(3)).await.expect("put"), None, "of an older version");
            let newer = Meeting { version: 3, status: MeetingStatus::Removed, ..read.clone() };
            assert_eq!(store.put_meeting(newer, at(4)).await.expect("put"), Some(2));
            assert_eq!(store.put_meeting(read, at(5)).await.expect("put"), None, "its turn is over");
            let stands = store.meeting("b").await.expect("read").expect("a meeting");
            assert_eq!((stands.version, stands.status, stands.turn), (3, MeetingStatus::Removed, 2));
        });
    }
}
