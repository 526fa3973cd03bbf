//! Events and blocked times on their way into their tables, as each backend takes many the fastest: `SQLite` one prepared
//! statement again and again, `PostgreSQL` an array for each column.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use diesel::pg::PgConnection;
use diesel::result::QueryResult;
use diesel::sql_types::{Array, Bool, Date, Integer, Nullable, Text, Timestamptz};
use diesel::sqlite::SqliteConnection;
use diesel::upsert::excluded;
use diesel::{ExpressionMethods as _, RunQueryDsl as _};

use super::blocks::Written;
use super::{EventTime, MirroredEvent};
use crate::connection::AnyConnection;
use crate::schema::{blocked_times, calendar_events};

/// An event, and whether its blocked time does not know it yet.
pub(super) type News<'a> = (&'a MirroredEvent, bool);

/// Put these into the mirror, as this round has seen them.
pub(super) fn events(
    connection: &mut AnyConnection,
    integration: &str,
    round: i32,
    news: &[News<'_>],
) -> QueryResult<()> {
    match connection {
        _ if news.is_empty() => Ok(()),
        AnyConnection::Sqlite(connection) => {
            news.iter().try_for_each(|news| upsert_event(connection, integration, round, news))
        }
        AnyConnection::Postgres(connection) => upsert_events(connection, integration, round, news),
    }
}

/// Put these where organizers are busy.
pub(super) fn blocks(
    connection: &mut AnyConnection,
    owner: (&str, &str),
    blocks: &[Written],
    now: DateTime<Utc>,
) -> QueryResult<()> {
    match connection {
        _ if blocks.is_empty() => Ok(()),
        AnyConnection::Sqlite(connection) => {
            blocks.iter().try_for_each(|block| upsert_block(connection, owner, block, now.naive_utc()))
        }
        AnyConnection::Postgres(connection) => upsert_blocks(connection, owner, blocks, now),
    }
}

impl EventTime {
    fn instants(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        match self {
            Self::Timed { start, end } => Some((*start, *end)),
            Self::AllDay { .. } => None,
        }
    }

    fn days(&self) -> Option<(NaiveDate, NaiveDate)> {
        match self {
            Self::Timed { .. } => None,
            Self::AllDay { first, after } => Some((*first, *after)),
        }
    }
}

fn upsert_event(
    connection: &mut SqliteConnection,
    integration: &str,
    round: i32,
    (event, changed): &News<'_>,
) -> QueryResult<()> {
    use calendar_events as columns;
    let (instants, days) = (event.when.instants(), event.when.days());
    let row = (
        columns::integration_id.eq(integration),
        columns::event_id.eq(&event.event_id),
        columns::series_id.eq(event.series_id.as_deref()),
        columns::uid.eq(event.uid.as_deref()),
        columns::starts_at.eq(instants.map(|(start, _)| start.naive_utc())),
        columns::ends_at.eq(instants.map(|(_, end)| end.naive_utc())),
        columns::first_day.eq(days.map(|(first, _)| first)),
        columns::after_day.eq(days.map(|(_, after)| after)),
        columns::title.eq(event.title.as_deref()),
        columns::shown.eq(&event.shown),
        columns::declined.eq(event.declined),
        columns::private.eq(event.private),
        columns::version.eq(event.version.as_deref()),
        columns::round.eq(round),
        columns::changed.eq(changed),
        columns::gone.eq(false),
    );
    let again = (
        columns::series_id.eq(excluded(columns::series_id)),
        columns::uid.eq(excluded(columns::uid)),
        columns::starts_at.eq(excluded(columns::starts_at)),
        columns::ends_at.eq(excluded(columns::ends_at)),
        columns::first_day.eq(excluded(columns::first_day)),
        columns::after_day.eq(excluded(columns::after_day)),
        columns::title.eq(excluded(columns::title)),
        columns::shown.eq(excluded(columns::shown)),
        columns::declined.eq(excluded(columns::declined)),
        columns::private.eq(excluded(columns::private)),
        columns::version.eq(excluded(columns::version)),
        columns::round.eq(excluded(columns::round)),
        columns::changed.eq(excluded(columns::changed)),
        columns::gone.eq(false),
    );
    let key = (columns::integration_id, columns::event_id);
    let upsert = diesel::insert_into(columns::table).values(row).on_conflict(key).do_update().set(again);
    upsert.execute(connection).map(drop)
}

fn upsert_events(connection: &mut PgConnection, integration: &str, round: i32, news: &[News<'_>]) -> QueryResult<()> {
    fn column<'a, T>(news: &'a [News<'a>], of: impl Fn(&'a MirroredEvent) -> T) -> Vec<T> {
        news.iter().map(|(event, _)| of(event)).collect()
    }
    diesel::sql_query(include_str!("upsert_events.sql"))
        .bind::<Text, _>(integration)
        .bind::<Integer, _>(round)
        .bind::<Array<Text>, _>(column(news, |event| event.event_id.as_str()))
        .bind::<Array<Nullable<Text>>, _>(column(news, |event| event.series_id.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(column(news, |event| event.uid.as_deref()))
        .bind::<Array<Nullable<Timestamptz>>, _>(column(news, |event| Some(event.when.instants()?.0)))
        .bind::<Array<Nullable<Timestamptz>>, _>(column(news, |event| Some(event.when.instants()?.1)))
        .bind::<Array<Nullable<Date>>, _>(column(news, |event| Some(event.when.days()?.0)))
        .bind::<Array<Nullable<Date>>, _>(column(news, |event| Some(event.when.days()?.1)))
        .bind::<Array<Nullable<Text>>, _>(column(news, |event| event.title.as_deref()))
        .bind::<Array<Text>, _>(column(news, |event| event.shown.as_str()))
        .bind::<Array<Bool>, _>(column(news, |event| event.declined))
        .bind::<Array<Bool>, _>(column(news, |event| event.private))
        .bind::<Array<Nullable<Text>>, _>(column(news, |event| event.version.as_deref()))
        .bind::<Array<Bool>, _>(news.iter().map(|(_, changed)| *changed).collect::<Vec<_>>())
        .execute(connection)
        .map(drop)
}

fn upsert_block(
    connection: &mut SqliteConnection,
    (organizer, integration): (&str, &str),
    block: &Written,
    now: NaiveDateTime,
) -> QueryResult<()> {
    use blocked_times as columns;
    let row = (
        columns::id.eq(&block.id),
        columns::organizer_id.eq(organizer),
        columns::integration_id.eq(Some(integration)),
        columns::external_event_id.eq(Some(&block.event_id)),
        columns::external_uid.eq(block.uid.as_deref()),
        columns::source.eq("synced"),
        columns::starts_at.eq(block.what.starts_at.naive_utc()),
        columns::ends_at.eq(block.what.ends_at.naive_utc()),
        columns::all_day.eq(block.what.all_day),
        columns::tentative.eq(block.what.tentative),
        columns::title.eq(block.what.title.as_deref()),
        columns::created_at.eq(now),
        columns::updated_at.eq(now),
    );
    let again = (
        columns::organizer_id.eq(excluded(columns::organizer_id)),
        columns::external_uid.eq(excluded(columns::external_uid)),
        columns::starts_at.eq(excluded(columns::starts_at)),
        columns::ends_at.eq(excluded(columns::ends_at)),
        columns::all_day.eq(excluded(columns::all_day)),
        columns::tentative.eq(excluded(columns::tentative)),
        columns::title.eq(excluded(columns::title)),
        columns::updated_at.eq(excluded(columns::updated_at)),
    );
    let upsert = diesel::insert_into(columns::table).values(row).on_conflict(columns::id).do_update().set(again);
    upsert.execute(connection).map(drop)
}

fn upsert_blocks(
    connection: &mut PgConnection,
    (organizer, integration): (&str, &str),
    blocks: &[Written],
    now: DateTime<Utc>,
) -> QueryResult<()> {
    fn column<'a, T>(blocks: &'a [Written], of: impl Fn(&'a Written) -> T) -> Vec<T> {
        blocks.iter().map(of).collect()
    }
    diesel::sql_query(include_str!("upsert_blocks.sql"))
        .bind::<Text, _>(organizer)
        .bind::<Text, _>(integration)
        .bind::<Timestamptz, _>(now)
        .bind::<Array<Text>, _>(column(blocks, |block| block.id.as_str()))
        .bind::<Array<Text>, _>(column(blocks, |block| block.event_id.as_str()))
        .bind::<Array<Nullable<Text>>, _>(column(blocks, |block| block.uid.as_deref()))
        .bind::<Array<Timestamptz>, _>(column(blocks, |block| block.what.starts_at))
        .bind::<Array<Timestamptz>, _>(column(blocks, |block| block.what.ends_at))
        .bind::<Array<Bool>, _>(column(blocks, |block| block.what.all_day))
        .bind::<Array<Bool>, _>(column(blocks, |block| block.what.tentative))
        .bind::<Array<Nullable<Text>>, _>(column(blocks, |block| block.what.title.as_deref()))
        .execute(connection)
        .map(drop)
}
