//! Rows of the mirror: read to be compared, and marked.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};
use diesel::result::QueryResult;
use diesel::{ExpressionMethods as _, QueryDsl as _, Queryable, RunQueryDsl as _};

use super::{EventTime, MirroredEvent, storable};
use crate::connection::AnyConnection;
use crate::runs::IDS_IN_A_QUERY;
use crate::schema::calendar_events::{self as columns, table};

/// A row, in the order of its columns.
#[derive(Queryable)]
#[expect(clippy::struct_excessive_bools, reason = "so many columns say yes or no")]
pub(super) struct Row {
    _integration_id: String,
    pub(super) event_id: String,
    pub(super) series_id: Option<String>,
    uid: Option<String>,
    starts_at: Option<NaiveDateTime>,
    ends_at: Option<NaiveDateTime>,
    first_day: Option<NaiveDate>,
    after_day: Option<NaiveDate>,
    title: Option<String>,
    shown: String,
    declined: bool,
    private: bool,
    version: Option<String>,
    pub(super) round: i32,
    pub(super) changed: bool,
    pub(super) gone: bool,
}

impl Row {
    /// None if it has no times, which nothing of ours writes.
    pub(super) fn event(self) -> Option<MirroredEvent> {
        let when = match (self.starts_at, self.ends_at, self.first_day, self.after_day) {
            (Some(start), Some(end), ..) => EventTime::Timed { start: start.and_utc(), end: end.and_utc() },
            (_, _, Some(first), Some(after)) => EventTime::AllDay { first, after },
            _ => return None,
        };
        Some(MirroredEvent {
            event_id: self.event_id,
            series_id: self.series_id,
            uid: self.uid,
            when,
            title: self.title,
            shown: self.shown,
            declined: self.declined,
            private: self.private,
            version: self.version,
        })
    }
}

impl MirroredEvent {
    /// As it can be written, and read back the same.
    pub(super) fn make_storable(&mut self) {
        use chrono::SubsecRound as _;
        let Self { event_id, series_id, uid, title, shown, version, when, .. } = self;
        let optional = [series_id, uid, title, version].into_iter().flatten();
        [event_id, shown].into_iter().chain(optional).for_each(storable);
        if let EventTime::Timed { start, end } = when {
            (*start, *end) = (start.trunc_subsecs(6), end.trunc_subsecs(6));
        }
    }

    /// Whether its blocked time is the same as that of the other one. All but the version counts.
    pub(super) fn blocks_as(&self, other: &Self) -> bool {
        let unversioned = |event: &Self| Self { version: None, ..event.clone() };
        self == other || unversioned(self) == unversioned(other)
    }
}

/// What is known of these events, and of all instances of these series.
pub(super) fn known(
    connection: &mut AnyConnection,
    integration: &str,
    events: &[&str],
    series: &[&str],
) -> QueryResult<BTreeMap<String, Row>> {
    let mut found = BTreeMap::new();
    for ids in events.chunks(IDS_IN_A_QUERY) {
        let rows = table.filter(columns::integration_id.eq(integration)).filter(columns::event_id.eq_any(ids));
        found.extend(rows.load::<Row>(connection)?.into_iter().map(|row| (row.event_id.clone(), row)));
    }
    for ids in series.chunks(IDS_IN_A_QUERY) {
        let rows = table.filter(columns::integration_id.eq(integration)).filter(columns::series_id.eq_any(ids));
        found.extend(rows.load::<Row>(connection)?.into_iter().map(|row| (row.event_id.clone(), row)));
    }
    Ok(found)
}

/// This round has seen these, as they are.
pub(super) fn see(connection: &mut AnyConnection, integration: &str, ids: &[String], round: i32) -> QueryResult<()> {
    for ids in ids.chunks(IDS_IN_A_QUERY) {
        let rows = table.filter(columns::integration_id.eq(integration)).filter(columns::event_id.eq_any(ids));
        diesel::update(rows).set(columns::round.eq(round)).execute(connection)?;
    }
    Ok(())
}

/// These take place no more.
pub(super) fn take_out(connection: &mut AnyConnection, integration: &str, ids: &[String]) -> QueryResult<()> {
    for ids in ids.chunks(IDS_IN_A_QUERY) {
        let rows = table.filter(columns::integration_id.eq(integration)).filter(columns::event_id.eq_any(ids));
        diesel::update(rows).set((columns::gone.eq(true), columns::changed.eq(true))).execute(connection)?;
    }
    Ok(())
}

/// A full round is whole: what it has not seen takes place no more. How many these are.
pub(super) fn sweep(connection: &mut AnyConnection, integration: &str, round: i32) -> QueryResult<usize> {
    let unseen = table
        .filter(columns::integration_id.eq(integration))
        .filter(columns::round.lt(round))
        .filter(columns::gone.eq(false));
    diesel::update(unseen).set((columns::gone.eq(true), columns::changed.eq(true))).execute(connection)
}

/// The days of the calendar are others.
pub(super) fn move_days(connection: &mut AnyConnection, integration: &str) -> QueryResult<usize> {
    let days = table.filter(columns::integration_id.eq(integration)).filter(columns::first_day.is_not_null());
    diesel::update(days).set(columns::changed.eq(true)).execute(connection)
}

/// Those that their blocked times do not know yet, in the order of their ids.
pub(super) fn changed(connection: &mut AnyConnection, integration: &str, limit: u32) -> QueryResult<Vec<Row>> {
    // In these words the planner recognises the partial index.
    let rows = table.filter(columns::integration_id.eq(integration)).filter(columns::changed);
    rows.order(columns::event_id.asc()).limit(limit.into()).load(connection)
}

/// Their blocked times are as they are; those that are gone go for good.
pub(super) fn settle(
    connection: &mut AnyConnection,
    integration: &str,
    there: &[String],
    gone: &[String],
) -> QueryResult<()> {
    for ids in there.chunks(IDS_IN_A_QUERY) {
        let rows = table.filter(columns::integration_id.eq(integration)).filter(columns::event_id.eq_any(ids));
        diesel::update(rows).set(columns::changed.eq(false)).execute(connection)?;
    }
    for ids in gone.chunks(IDS_IN_A_QUERY) {
        let rows = table.filter(columns::integration_id.eq(integration)).filter(columns::event_id.eq_any(ids));
        diesel::delete(rows).execute(connection)?;
    }
    Ok(())
}
