//! Events that were written into calendars for bookings: which booking is which event of which account.
//!
//! As with meetings, a row says what is wanted before a provider is asked, and changes by compare-and-set on `turn`,
//! never back to an older version of its booking. A booking whose events were taken out is remembered: whoever still is
//! on the way to write one finds that after noting what he wants, and writes none. Who takes events out remembers the
//! booking first and looks for rows after, so of any two at least one sees the other. Only whoever was never asked before
//! may call his row removed by himself: any other row may be that of an event whose answer was lost.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::result::QueryResult;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable,
    RunQueryDsl as _, Selectable, SelectableHelper as _,
};

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::schema::{external_events, removed_bookings};
use crate::store::Store;

/// How an event stands. The strings are in the database for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventStatus {
    /// The provider is asked, or was, and nobody knows what came of it.
    Intended,
    Created,
    /// The provider is asked to take it out.
    Removing,
    Removed,
    /// The provider will not have it.
    Failed,
}

impl EventStatus {
    pub const ALL: [Self; 5] = [Self::Intended, Self::Created, Self::Removing, Self::Removed, Self::Failed];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
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

/// An event of a booking in one calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalEvent {
    pub booking_id: String,
    pub integration_id: String,
    pub organizer_id: String,
    pub provider: String,
    /// Of the booking.
    pub version: i64,
    /// The provider's id of it.
    pub external_id: Option<String>,
    /// The provider's version of it.
    pub etag: Option<String>,
    pub status: EventStatus,
    pub reason: Option<String>,
    /// When its host asked for this version.
    pub asked_at: DateTime<Utc>,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    /// How often the row has changed; 0 of one that is not there yet.
    pub turn: i32,
    /// Who changed it last.
    pub job_id: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// That the events of a booking were taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedBooking {
    pub booking_id: String,
    /// Of this version and all before it. None: whatever was asked for before.
    pub version: Option<i64>,
    pub asked_at: DateTime<Utc>,
    pub job_id: String,
}

impl RemovedBooking {
    /// Whether it is the last word about what was asked for then, of a booking of this version.
    #[must_use]
    pub fn covers(&self, version: i64, asked_at: DateTime<Utc>) -> bool {
        match self.version {
            Some(removed) => version <= removed,
            None => asked_at <= self.asked_at,
        }
    }
}

impl ExternalEvent {
    fn make_storable(&mut self) {
        let Self { booking_id, integration_id, organizer_id, provider, job_id, external_id, etag, reason, .. } = self;
        let optional = [external_id, etag, reason].into_iter().flatten();
        for text in [booking_id, integration_id, organizer_id, provider, job_id].into_iter().chain(optional) {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{fffd}");
            }
        }
    }
}

impl Store {
    /// The event of a booking in one calendar.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn external_event(
        &self,
        booking_id: &str,
        integration_id: &str,
    ) -> Result<Option<ExternalEvent>, StoreError> {
        let id = (booking_id.to_owned(), integration_id.to_owned());
        let load = move |connection: &mut AnyConnection| {
            external_events::table.find(id).select(Row::as_select()).first::<Row>(connection).optional()
        };
        let row = self.pool.read("read an external event", load).await?;
        Ok(row.map(ExternalEvent::from))
    }

    /// All events of a booking, in the order of their accounts.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn external_events(&self, booking_id: &str) -> Result<Vec<ExternalEvent>, StoreError> {
        let id = booking_id.to_owned();
        let load = move |connection: &mut AnyConnection| {
            let of_it = external_events::table.filter(external_events::booking_id.eq(&id));
            of_it.order(external_events::integration_id).select(Row::as_select()).load::<Row>(connection)
        };
        let rows = self.pool.read("list the external events of a booking", load).await?;
        Ok(rows.into_iter().map(ExternalEvent::from).collect())
    }

    /// Put a row as it shall be, if it is still in the turn that was read, and not of a newer version: its next turn.
    /// None: somebody else has changed it, and nothing was written.
    ///
    /// # Errors
    /// When the database cannot be written to; then nothing was changed.
    pub async fn put_external_event(
        &self,
        mut event: ExternalEvent,
        now: DateTime<Utc>,
    ) -> Result<Option<i32>, StoreError> {
        event.make_storable();
        event.updated_at = now;
        let put = move |connection: &mut AnyConnection| put(connection, &event);
        self.pool.write("put an external event", put).await
    }

    /// Remember that the events of a booking are taken out. Of several such words the later holds.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn remember_removal(&self, mut removed: RemovedBooking) -> Result<(), StoreError> {
        for text in [&mut removed.booking_id, &mut removed.job_id] {
            *text = text.replace('\0', "\u{fffd}");
        }
        let remember = move |connection: &mut AnyConnection| remember(connection, &removed);
        self.pool.write("remember that a booking's events are taken out", remember).await
    }

    /// The last word that the events of this booking are taken out, if there was one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn removed_booking(&self, booking_id: &str) -> Result<Option<RemovedBooking>, StoreError> {
        let id = booking_id.to_owned();
        let load = move |connection: &mut AnyConnection| removed(connection, &id);
        self.pool.read("look whether a booking's events were taken out", load).await
    }
}

fn put(connection: &mut AnyConnection, row: &ExternalEvent) -> QueryResult<Option<i32>> {
    use external_events as t;
    let next = row.turn + 1;
    let values = (
        t::organizer_id.eq(&row.organizer_id),
        t::provider.eq(&row.provider),
        t::version.eq(row.version),
        t::external_id.eq(row.external_id.as_deref()),
        t::etag.eq(row.etag.as_deref()),
        t::status.eq(row.status.as_str()),
        t::reason.eq(row.reason.as_deref()),
        t::asked_at.eq(row.asked_at.naive_utc()),
        t::starts_at.eq(row.starts_at.naive_utc()),
        t::ends_at.eq(row.ends_at.naive_utc()),
        t::turn.eq(next),
        t::job_id.eq(&row.job_id),
        t::updated_at.eq(row.updated_at.naive_utc()),
    );
    let changed = if row.turn == 0 {
        let id = (t::booking_id.eq(&row.booking_id), t::integration_id.eq(&row.integration_id));
        let new = (id, values, t::created_at.eq(row.created_at.naive_utc()));
        let insert = diesel::insert_into(t::table).values(new).on_conflict_do_nothing();
        match connection {
            AnyConnection::Sqlite(connection) => insert.execute(connection)?,
            AnyConnection::Postgres(connection) => insert.execute(connection)?,
        }
    } else {
        let there = t::table.find((&row.booking_id, &row.integration_id));
        let there = there.filter(t::turn.eq(row.turn)).filter(t::version.le(row.version));
        diesel::update(there).set(values).execute(connection)?
    };
    Ok((changed > 0).then_some(next))
}

fn removed(connection: &mut AnyConnection, id: &str) -> QueryResult<Option<RemovedBooking>> {
    type Columns = (String, Option<i64>, NaiveDateTime, String);
    let found: Option<Columns> = removed_bookings::table.find(id).first(connection).optional()?;
    let of = |(booking_id, version, asked_at, job_id): Columns| RemovedBooking {
        booking_id,
        version,
        asked_at: asked_at.and_utc(),
        job_id,
    };
    Ok(found.map(of))
}

fn remember(connection: &mut AnyConnection, new: &RemovedBooking) -> QueryResult<()> {
    use removed_bookings as t;
    let values =
        (t::version.eq(new.version), t::asked_at.eq(new.asked_at.naive_utc()), t::job_id.eq(new.job_id.as_str()));
    let insert = diesel::insert_into(t::table).values((t::booking_id.eq(&new.booking_id), values));
    let insert = insert.on_conflict_do_nothing();
    let inserted = match connection {
        AnyConnection::Sqlite(connection) => insert.execute(connection)?,
        AnyConnection::Postgres(connection) => insert.execute(connection)?,
    };
    if inserted == 0 {
        // An older word does not go over a newer one.
        let later = t::table.find(&new.booking_id).filter(t::asked_at.le(new.asked_at.naive_utc()));
        match new.version {
            Some(version) => {
                let later = later.filter(t::version.is_null().or(t::version.le(version)));
                diesel::update(later).set(values).execute(connection)?;
            }
            None => drop(diesel::update(later).set(values).execute(connection)?),
        }
    }
    Ok(())
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = external_events)]
struct Row {
    booking_id: String,
    integration_id: String,
    organizer_id: String,
    provider: String,
    version: i64,
    external_id: Option<String>,
    etag: Option<String>,
    status: String,
    reason: Option<String>,
    asked_at: NaiveDateTime,
    starts_at: NaiveDateTime,
    ends_at: NaiveDateTime,
    turn: i32,
    job_id: String,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
}

impl From<Row> for ExternalEvent {
    fn from(row: Row) -> Self {
        Self {
            booking_id: row.booking_id,
            integration_id: row.integration_id,
            organizer_id: row.organizer_id,
            provider: row.provider,
            version: row.version,
            external_id: row.external_id,
            etag: row.etag,
            status: EventStatus::of(&row.status),
            reason: row.reason,
            asked_at: row.asked_at.and_utc(),
            starts_at: row.starts_at.and_utc(),
            ends_at: row.ends_at.and_utc(),
            turn: row.turn,
            job_id: row.job_id,
            created_at: row.created_at.and_utc(),
            updated_at: row.updated_at.and_utc(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording_tests::at;
    use crate::test_database::on_both;

    fn event(integration: &str, version: i64, status: EventStatus) -> ExternalEvent {
        ExternalEvent {
            booking_id: "b".to_owned(),
            integration_id: integration.to_owned(),
            organizer_id: "org".to_owned(),
            provider: "google".to_owned(),
            version,
            external_id: None,
            etag: None,
            status,
            reason: None,
            asked_at: at(0),
            starts_at: at(60),
            ends_at: at(120),
            turn: 0,
            job_id: "job".to_owned(),
            created_at: at(0),
            updated_at: at(0),
        }
    }

    fn removal(version: Option<i64>, asked: i64) -> RemovedBooking {
        RemovedBooking { booking_id: "b".to_owned(), version, asked_at: at(asked), job_id: "job".to_owned() }
    }

    #[test]
    fn the_strings_in_the_database_stay() {
        let words = EventStatus::ALL.map(EventStatus::as_str);
        assert_eq!(words, ["intended", "created", "removing", "removed", "failed"]);
        assert!(EventStatus::ALL.into_iter().all(|status| EventStatus::of(status.as_str()) == status));
    }

    #[test]
    fn an_event_changes_by_turns_and_never_back_to_an_older_version() {
        on_both(&async |database| {
            let store = database.store().await;
            for integration in ["one", "two"] {
                let intended = event(integration, 2, EventStatus::Intended);
                assert_eq!(store.put_external_event(intended, at(1)).await.expect("put"), Some(1));
            }
            let again = event("one", 2, EventStatus::Intended);
            assert_eq!(store.put_external_event(again, at(2)).await.expect("put"), None);
            let read = store.external_event("b", "one").await.expect("read").expect("an event");
            let older = ExternalEvent { version: 1, ..read.clone() };
            assert_eq!(store.put_external_event(older, at(3)).await.expect("put"), None);
            let made = ExternalEvent {
                status: EventStatus::Created,
                external_id: Some("e\u{0}1".to_owned()),
                etag: Some("\"1\"".to_owned()),
                ..read
            };
            assert_eq!(store.put_external_event(made.clone(), at(4)).await.expect("put"), Some(2));
            assert_eq!(store.put_external_event(made, at(5)).await.expect("put"), None);
            let all = store.external_events("b").await.expect("list");
            let seen: Vec<_> = all.iter().map(|event| (event.integration_id.as_str(), event.status)).collect();
            assert_eq!(seen, [("one", EventStatus::Created), ("two", EventStatus::Intended)]);
            assert_eq!(all[0].external_id.as_deref(), Some("e\u{fffd}1"));
            assert_eq!(store.external_events("other").await.expect("list"), []);
        });
    }

    #[test]
    fn the_later_word_about_a_removed_booking_holds() {
        on_both(&async |database| {
            let store = database.store().await;
            assert_eq!(store.removed_booking("b").await.expect("read"), None);
            for (said, holds) in [
                (removal(Some(3), 10), removal(Some(3), 10)),
                (removal(Some(2), 5), removal(Some(3), 10)),
                (removal(Some(2), 15), removal(Some(3), 10)),
                (removal(None, 20), removal(None, 20)),
            ] {
                store.remember_removal(said).await.expect("remember");
                assert_eq!(store.removed_booking("b").await.expect("read"), Some(holds));
            }
        });
    }

    #[test]
    fn a_removal_covers_versions_up_to_its_own_or_what_was_asked_for_before() {
        assert!(removal(Some(3), 10).covers(3, at(99)) && !removal(Some(3), 10).covers(4, at(1)));
        assert!(removal(None, 10).covers(9, at(10)) && !removal(None, 10).covers(1, at(11)));
    }
}
