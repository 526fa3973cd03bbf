//! Attempts on their way into the ledger, as each backend takes many the fastest, and into the counters of endpoints.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::dsl::{case_when, sql};
use diesel::pg::PgConnection;
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text, Timestamptz};
use diesel::sqlite::SqliteConnection;
use diesel::upsert::excluded;
use diesel::{ExpressionMethods as _, IntoSql as _, QueryDsl as _, RunQueryDsl as _};

use super::{Attempt, Call, DeliveryStatus};
use crate::connection::AnyConnection;
use crate::runs::{IDS_IN_A_QUERY, Run};
use crate::schema::{webhook_attempts, webhook_deliveries};
use crate::webhooks::{Answered, count};

/// An attempt with its run, and the number that this stands under.
pub(crate) type Tried<'a> = (&'a Run, i32, &'a Attempt);

/// Write these, deliveries first. Of several of one delivery the last says how it stands. In the order of their ids, so
/// that two daemons wait for each other instead of deadlocking.
pub(crate) fn write(connection: &mut AnyConnection, tried: &[Tried<'_>]) -> QueryResult<()> {
    let latest: BTreeMap<&str, &Tried<'_>> = tried.iter().map(|tried| (tried.2.delivery_id.as_str(), tried)).collect();
    let deliveries: Vec<&Tried<'_>> = latest.into_values().collect();
    let calls: Vec<(&Tried<'_>, &Call)> =
        tried.iter().filter_map(|tried| Some((tried, tried.2.call.as_ref()?))).collect();
    match connection {
        AnyConnection::Sqlite(connection) => {
            deliveries.iter().try_for_each(|tried| upsert_one(connection, tried))?;
            calls.iter().try_for_each(|(tried, call)| insert_one(connection, tried, call))?;
        }
        AnyConnection::Postgres(connection) => {
            upsert_all(connection, &deliveries)?;
            insert_all(connection, &calls)?;
        }
    }
    let ends = calls.iter().map(|(tried, call)| {
        let took = chrono::TimeDelta::milliseconds(call.duration_ms);
        let end = Answered { at: call.attempted_at + took, well: call.error_message.is_none() };
        (tried.2.endpoint_id.clone(), end)
    });
    count(connection, ends)
}

/// These jobs have ended without another attempt, as when somebody took them back: what waited for one waits no more.
pub(crate) fn close(connection: &mut AnyConnection, jobs: &[(&str, &str)]) -> QueryResult<()> {
    for jobs in jobs.chunks(IDS_IN_A_QUERY) {
        let ids = jobs.iter().map(|(id, _)| *id);
        // In these words the planner recognises the partial index.
        let waiting = webhook_deliveries::table
            .filter(webhook_deliveries::job_id.eq_any(ids))
            .filter(sql::<Bool>("status = 'retrying'"));
        let found: Vec<(String, String)> =
            waiting.select((webhook_deliveries::id, webhook_deliveries::job_id)).load(connection)?;
        for (id, job) in found {
            let why = jobs.iter().find(|(known, _)| *known == job).map(|(_, why)| *why);
            let closed = (
                webhook_deliveries::status.eq(DeliveryStatus::Failed.as_str()),
                webhook_deliveries::next_attempt_at.eq(None::<chrono::NaiveDateTime>),
                webhook_deliveries::error_message.eq(why),
            );
            diesel::update(webhook_deliveries::table.find(id)).set(closed).execute(connection)?;
        }
    }
    Ok(())
}

fn last_attempt((run, _, attempt): &Tried<'_>) -> DateTime<Utc> {
    attempt.call.as_ref().map_or(run.finished_at, |call| call.attempted_at)
}

fn why<'a>((_, _, attempt): &Tried<'a>) -> Option<&'a str> {
    match &attempt.call {
        Some(call) => call.error_message.as_deref(),
        None => Some("its endpoint was disabled"),
    }
}

fn upsert_one(connection: &mut SqliteConnection, tried: &Tried<'_>) -> QueryResult<()> {
    use webhook_deliveries as columns;
    let (run, _, attempt) = tried;
    let call = attempt.call.as_ref();
    let row = (
        columns::id.eq(&attempt.delivery_id),
        columns::endpoint_id.eq(&attempt.endpoint_id),
        columns::organizer_id.eq(&attempt.organizer_id),
        columns::event_type.eq(&attempt.event_type),
        columns::subject.eq(attempt.subject.as_deref()),
        columns::booking_id.eq(attempt.booking_id.as_deref()),
        columns::payload.eq(&attempt.payload),
        columns::payload_bytes.eq(attempt.payload_bytes),
        columns::status.eq(attempt.status(run.outcome).as_str()),
        columns::attempt_number.eq(run.attempt),
        columns::response_status.eq(call.and_then(|call| call.response_status)),
        columns::response_body.eq(call.and_then(|call| call.response_body.as_deref())),
        columns::error_message.eq(why(tried)),
        columns::job_id.eq(&run.job_id),
        columns::created_at.eq(attempt.created_at.naive_utc()),
        columns::last_attempt_at.eq(last_attempt(tried).naive_utc()),
        columns::next_attempt_at.eq(run.retry_at.map(|at| at.naive_utc())),
    );
    // Nearly every delivery goes well at once, and this form is kept prepared.
    if diesel::insert_or_ignore_into(columns::table).values(row).execute(connection)? == 1 {
        return Ok(());
    }
    // What was delivered once stays delivered, whatever becomes of a replay.
    let delivered = DeliveryStatus::Delivered.as_str();
    let stays = delivered.into_sql::<Text>();
    let status = case_when(columns::status.eq(delivered), stays).otherwise(excluded(columns::status));
    let again = (
        columns::status.eq(status),
        columns::attempt_number.eq(excluded(columns::attempt_number)),
        columns::response_status.eq(excluded(columns::response_status)),
        columns::response_body.eq(excluded(columns::response_body)),
        columns::error_message.eq(excluded(columns::error_message)),
        columns::job_id.eq(excluded(columns::job_id)),
        columns::last_attempt_at.eq(excluded(columns::last_attempt_at)),
        columns::next_attempt_at.eq(excluded(columns::next_attempt_at)),
    );
    let upsert = diesel::insert_into(columns::table).values(row).on_conflict(columns::id).do_update().set(again);
    upsert.execute(connection).map(drop)
}

fn insert_one(connection: &mut SqliteConnection, (run, number, attempt): &Tried<'_>, call: &Call) -> QueryResult<()> {
    use webhook_attempts as columns;
    let row = (
        columns::delivery_id.eq(&attempt.delivery_id),
        columns::job_id.eq(&run.job_id),
        columns::run.eq(number),
        columns::attempt.eq(run.attempt),
        columns::attempted_at.eq(call.attempted_at.naive_utc()),
        columns::duration_ms.eq(call.duration_ms),
        columns::response_status.eq(call.response_status),
        columns::response_headers.eq(call.response_headers.as_deref()),
        columns::response_body.eq(call.response_body.as_deref()),
        columns::error_message.eq(call.error_message.as_deref()),
        columns::next_attempt_at.eq(run.retry_at.map(|at| at.naive_utc())),
    );
    diesel::insert_or_ignore_into(columns::table).values(row).execute(connection).map(drop)
}

fn upsert_all(connection: &mut PgConnection, tried: &[&Tried<'_>]) -> QueryResult<()> {
    fn column<'a, T>(tried: &'a [&'a Tried<'a>], of: impl Fn(&'a Tried<'a>) -> T) -> Vec<T> {
        tried.iter().map(|tried| of(tried)).collect()
    }
    fn called<'a, T>(tried: &'a [&'a Tried<'a>], of: impl Fn(&'a Call) -> Option<T>) -> Vec<Option<T>> {
        tried.iter().map(|tried| tried.2.call.as_ref().and_then(&of)).collect()
    }
    diesel::sql_query(include_str!("upsert_deliveries.sql"))
        .bind::<Array<Text>, _>(column(tried, |tried| tried.2.delivery_id.as_str()))
        .bind::<Array<Text>, _>(column(tried, |tried| tried.2.endpoint_id.as_str()))
        .bind::<Array<Text>, _>(column(tried, |tried| tried.2.organizer_id.as_str()))
        .bind::<Array<Text>, _>(column(tried, |tried| tried.2.event_type.as_str()))
        .bind::<Array<Nullable<Text>>, _>(column(tried, |tried| tried.2.subject.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(column(tried, |tried| tried.2.booking_id.as_deref()))
        .bind::<Array<Binary>, _>(column(tried, |tried| tried.2.payload.as_slice()))
        .bind::<Array<Integer>, _>(column(tried, |tried| tried.2.payload_bytes))
        .bind::<Array<Text>, _>(column(tried, |tried| tried.2.status(tried.0.outcome).as_str()))
        .bind::<Array<Integer>, _>(column(tried, |tried| tried.0.attempt))
        .bind::<Array<Nullable<Integer>>, _>(called(tried, |call| call.response_status))
        .bind::<Array<Nullable<Text>>, _>(called(tried, |call| call.response_body.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(column(tried, why))
        .bind::<Array<Text>, _>(column(tried, |tried| tried.0.job_id.as_str()))
        .bind::<Array<Timestamptz>, _>(column(tried, |tried| tried.2.created_at))
        .bind::<Array<Timestamptz>, _>(column(tried, last_attempt))
        .bind::<Array<Nullable<Timestamptz>>, _>(column(tried, |tried| tried.0.retry_at))
        .execute(connection)
        .map(drop)
}

fn insert_all(connection: &mut PgConnection, calls: &[(&Tried<'_>, &Call)]) -> QueryResult<()> {
    fn column<'a, T>(calls: &'a [(&'a Tried<'a>, &'a Call)], of: impl Fn(&'a Tried<'a>, &'a Call) -> T) -> Vec<T> {
        calls.iter().map(|(tried, call)| of(tried, call)).collect()
    }
    diesel::sql_query(include_str!("insert_attempts.sql"))
        .bind::<Array<Text>, _>(column(calls, |tried, _| tried.2.delivery_id.as_str()))
        .bind::<Array<Text>, _>(column(calls, |tried, _| tried.0.job_id.as_str()))
        .bind::<Array<Integer>, _>(column(calls, |tried, _| tried.1))
        .bind::<Array<Integer>, _>(column(calls, |tried, _| tried.0.attempt))
        .bind::<Array<Timestamptz>, _>(column(calls, |_, call| call.attempted_at))
        .bind::<Array<BigInt>, _>(column(calls, |_, call| call.duration_ms))
        .bind::<Array<Nullable<Integer>>, _>(column(calls, |_, call| call.response_status))
        .bind::<Array<Nullable<Text>>, _>(column(calls, |_, call| call.response_headers.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(column(calls, |_, call| call.response_body.as_deref()))
        .bind::<Array<Nullable<Text>>, _>(column(calls, |_, call| call.error_message.as_deref()))
        .bind::<Array<Nullable<Timestamptz>>, _>(column(calls, |tried, _| tried.0.retry_at))
        .execute(connection)
        .map(drop)
}
