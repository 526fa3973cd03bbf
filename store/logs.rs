//! The integration log: what was done with integrations, in words.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::result::QueryResult;
use diesel::sqlite::SqliteConnection;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, Insertable, QueryDsl as _, Queryable, RunQueryDsl as _,
    Selectable, SelectableHelper as _,
};
use serde::Serialize;

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::runs::MAX_ROWS;
use crate::schema::integration_logs::{self, table};
use crate::store::Store;

/// A line to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEntry {
    /// In order of time, and unique.
    pub id: String,
    /// `calendar_sync`, `video_link_created`, `webhook_sent`, `token_refreshed`, `error` …
    pub log_type: String,
    /// `calendar`, `video` or `webhook`.
    pub integration_type: String,
    pub integration_id: Option<String>,
    pub organizer_id: Option<String>,
    pub booking_id: Option<String>,
    pub message: String,
    /// A JSON object.
    pub details: Option<String>,
    pub success: bool,
    pub created_at: DateTime<Utc>,
}

/// A line that is written together with what it tells, and which job it is of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    pub entry: LogEntry,
    pub job_id: Option<String>,
}

impl Line {
    pub(crate) fn write(mut self, connection: &mut AnyConnection) -> QueryResult<()> {
        self.entry.make_storable();
        insert(connection, &[(&self.entry, self.job_id.as_deref())])
    }
}

impl From<LogEntry> for Line {
    fn from(entry: LogEntry) -> Self {
        Self { entry, job_id: None }
    }
}

/// A line as it stands there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLine {
    pub id: String,
    pub log_type: String,
    pub integration_type: String,
    pub integration_id: Option<String>,
    pub organizer_id: Option<String>,
    pub booking_id: Option<String>,
    pub message: String,
    pub details: Option<String>,
    pub success: bool,
    pub job_id: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// What to list, newest first unless the oldest are asked for first.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    pub organizer: Option<String>,
    pub integration: Option<String>,
    /// `calendar`, `video` or `webhook`: ids are told apart by it.
    pub integration_type: Option<String>,
    pub booking: Option<String>,
    pub log_type: Option<String>,
    /// Only what did not go well.
    pub failed: bool,
    pub since: Option<DateTime<Utc>>,
    /// Where the page before this one ended: lines older than this one.
    pub before: Option<(DateTime<Utc>, String)>,
    /// Only what is newer than this line.
    pub after: Option<(DateTime<Utc>, String)>,
    pub oldest_first: bool,
    /// At most 10,000.
    pub limit: u32,
}

impl LogLine {
    /// Where a list goes on after this line.
    #[must_use]
    pub fn cursor(&self) -> (DateTime<Utc>, String) {
        (self.created_at, self.id.clone())
    }
}

impl LogEntry {
    pub(crate) fn make_storable(&mut self) {
        let Self { id, log_type, integration_type, integration_id, organizer_id, booking_id, message, details, .. } =
            self;
        let optional = [integration_id, organizer_id, booking_id, details].into_iter().flatten();
        for text in [id, log_type, integration_type, message].into_iter().chain(optional) {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{fffd}");
            }
        }
    }
}

/// Lines in one statement: far below the 65,535 variables of `PostgreSQL`.
const LINES: usize = 1_000;

/// Lines with the jobs that leave them. Those that are there already are left alone.
pub(crate) fn insert(connection: &mut AnyConnection, lines: &[(&LogEntry, Option<&str>)]) -> QueryResult<()> {
    match connection {
        // One prepared statement again and again is what it takes the fastest.
        AnyConnection::Sqlite(connection) => {
            lines.iter().try_for_each(|line| insert_one(connection, line))?;
        }
        AnyConnection::Postgres(connection) => {
            for lines in lines.chunks(LINES) {
                let rows: Vec<NewRow<'_>> = lines.iter().map(NewRow::of).collect();
                diesel::insert_into(table).values(&rows).on_conflict_do_nothing().execute(connection)?;
            }
        }
    }
    Ok(())
}

/// Every column each time: of a row that leaves some out there is one statement for each choice, and none stays prepared.
fn insert_one(connection: &mut SqliteConnection, (entry, job_id): &(&LogEntry, Option<&str>)) -> QueryResult<()> {
    let row = (
        integration_logs::id.eq(&entry.id),
        integration_logs::log_type.eq(&entry.log_type),
        integration_logs::integration_type.eq(&entry.integration_type),
        integration_logs::integration_id.eq(entry.integration_id.as_deref()),
        integration_logs::organizer_id.eq(entry.organizer_id.as_deref()),
        integration_logs::booking_id.eq(entry.booking_id.as_deref()),
        integration_logs::message.eq(&entry.message),
        integration_logs::details.eq(entry.details.as_deref()),
        integration_logs::success.eq(entry.success),
        integration_logs::job_id.eq(*job_id),
        integration_logs::created_at.eq(entry.created_at.naive_utc()),
    );
    diesel::insert_or_ignore_into(table).values(row).execute(connection).map(drop)
}

#[derive(Insertable)]
#[diesel(table_name = integration_logs)]
struct NewRow<'a> {
    id: &'a str,
    log_type: &'a str,
    integration_type: &'a str,
    integration_id: Option<&'a str>,
    organizer_id: Option<&'a str>,
    booking_id: Option<&'a str>,
    message: &'a str,
    details: Option<&'a str>,
    success: bool,
    job_id: Option<&'a str>,
    created_at: NaiveDateTime,
}

impl<'a> NewRow<'a> {
    fn of((entry, job_id): &(&'a LogEntry, Option<&'a str>)) -> Self {
        Self {
            id: &entry.id,
            log_type: &entry.log_type,
            integration_type: &entry.integration_type,
            integration_id: entry.integration_id.as_deref(),
            organizer_id: entry.organizer_id.as_deref(),
            booking_id: entry.booking_id.as_deref(),
            message: &entry.message,
            details: entry.details.as_deref(),
            success: entry.success,
            job_id: *job_id,
            created_at: entry.created_at.naive_utc(),
        }
    }
}

impl Store {
    /// Write lines that belong to no run, as what an operator did.
    ///
    /// # Errors
    /// When the database cannot be written to; then none is there.
    pub async fn log(&self, mut entries: Vec<LogEntry>) -> Result<(), StoreError> {
        entries.iter_mut().for_each(LogEntry::make_storable);
        let write = move |connection: &mut AnyConnection| {
            let lines: Vec<_> = entries.iter().map(|entry| (entry, None)).collect();
            insert(connection, &lines)
        };
        self.pool.write("write the integration log", write).await
    }

    /// Lines of the log, in the order that was asked for.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn logs(&self, filter: LogFilter) -> Result<Vec<LogLine>, StoreError> {
        let load = move |connection: &mut AnyConnection| {
            let mut query = table.into_boxed();
            if let Some(wanted) = filter.organizer {
                query = query.filter(integration_logs::organizer_id.eq(wanted));
            }
            if let Some(wanted) = filter.integration {
                query = query.filter(integration_logs::integration_id.eq(wanted));
            }
            if let Some(wanted) = filter.integration_type {
                query = query.filter(integration_logs::integration_type.eq(wanted));
            }
            if let Some(wanted) = filter.booking {
                query = query.filter(integration_logs::booking_id.eq(wanted));
            }
            if let Some(wanted) = filter.log_type {
                query = query.filter(integration_logs::log_type.eq(wanted));
            }
            if filter.failed {
                query = query.filter(integration_logs::success.eq(false));
            }
            if let Some(since) = filter.since {
                query = query.filter(integration_logs::created_at.ge(since.naive_utc()));
            }
            if let Some((at, id)) = filter.before {
                let at = at.naive_utc();
                let same = integration_logs::created_at.eq(at).and(integration_logs::id.lt(id));
                query = query.filter(integration_logs::created_at.lt(at).or(same));
            }
            if let Some((at, id)) = filter.after {
                let at = at.naive_utc();
                let same = integration_logs::created_at.eq(at).and(integration_logs::id.gt(id));
                query = query.filter(integration_logs::created_at.gt(at).or(same));
            }
            query = if filter.oldest_first {
                query.order((integration_logs::created_at.asc(), integration_logs::id.asc()))
            } else {
                query.order((integration_logs::created_at.desc(), integration_logs::id.desc()))
            };
            query.limit(filter.limit.min(MAX_ROWS).into()).select(LogRow::as_select()).load(connection)
        };
        let rows: Vec<LogRow> = self.pool.read("read the integration log", load).await?;
        Ok(rows.into_iter().map(LogLine::from).collect())
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = integration_logs)]
struct LogRow {
    id: String,
    log_type: String,
    integration_type: String,
    integration_id: Option<String>,
    organizer_id: Option<String>,
    booking_id: Option<String>,
    message: String,
    details: Option<String>,
    success: bool,
    job_id: Option<String>,
    created_at: NaiveDateTime,
}

impl From<LogRow> for LogLine {
    fn from(row: LogRow) -> Self {
        Self {
            id: row.id,
            log_type: row.log_type,
            integration_type: row.integration_type,
            integration_id: row.integration_id,
            organizer_id: row.organizer_id,
            booking_id: row.booking_id,
            message: row.message,
            details: row.details,
            success: row.success,
            job_id: row.job_id,
            created_at: row.created_at.and_utc(),
        }
    }
}
