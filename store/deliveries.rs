//! The ledger of deliveries: one row for each event and endpoint, and one for each attempt to bring it there.
//!
//! Written in the transaction of the run that made the attempt (`deliveries/write.rs`). The body is sealed; it is opened
//! for whoever sends it again, and for nobody who lists.

mod attempt;
mod write;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::dsl::sql;
use diesel::result::QueryResult;
use diesel::sql_types::Bool;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, Queryable,
    RunQueryDsl as _, Selectable, SelectableHelper as _,
};
use serde::Serialize;

pub use self::attempt::{Attempt, Call, DeliveryStatus};
pub(crate) use self::write::{close, write};
use crate::connection::{AnyConnection, MultiBackend};
use crate::error::StoreError;
use crate::runs::MAX_ROWS;
use crate::schema::{webhook_attempts, webhook_deliveries};
use crate::store::Store;

/// A delivery, without its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// The `webhook-id` that the receiver sees.
    pub id: String,
    pub endpoint_id: String,
    pub organizer_id: String,
    pub event_type: String,
    pub subject: Option<String>,
    pub booking_id: Option<String>,
    pub payload_bytes: i32,
    /// `retrying`, `delivered`, `failed` or `skipped`.
    pub status: String,
    pub attempt_number: i32,
    pub response_status: Option<i32>,
    pub response_body: Option<String>,
    pub error_message: Option<String>,
    /// The job of the last attempt.
    pub job_id: String,
    pub created_at: DateTime<Utc>,
    pub last_attempt_at: DateTime<Utc>,
    pub next_attempt_at: Option<DateTime<Utc>>,
}

/// An attempt, as it stands there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttemptRow {
    pub job_id: String,
    pub run: i32,
    pub attempt: i32,
    pub attempted_at: DateTime<Utc>,
    pub duration_ms: i64,
    pub response_status: Option<i32>,
    /// A JSON object.
    pub response_headers: Option<String>,
    pub response_body: Option<String>,
    pub error_message: Option<String>,
    pub next_attempt_at: Option<DateTime<Utc>>,
}

/// What to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    pub endpoint: Option<String>,
    pub organizer: Option<String>,
    pub event: Option<String>,
    pub booking: Option<String>,
    /// With any of these; empty means all.
    pub statuses: Vec<DeliveryStatus>,
    /// Asked for then or later.
    pub since: Option<DateTime<Utc>>,
    /// Where the page before this one ended: older deliveries.
    pub before: Option<(DateTime<Utc>, String)>,
    /// At most 10,000.
    pub limit: u32,
}

type Filtered<'a> = webhook_deliveries::BoxedQuery<'a, MultiBackend>;

impl DeliveryFilter {
    fn apply(self) -> Filtered<'static> {
        use webhook_deliveries as columns;
        let mut query = columns::table.into_boxed();
        if let Some(wanted) = self.endpoint {
            query = query.filter(columns::endpoint_id.eq(wanted));
        }
        if let Some(wanted) = self.organizer {
            query = query.filter(columns::organizer_id.eq(wanted));
        }
        if let Some(wanted) = self.event {
            query = query.filter(columns::event_type.eq(wanted));
        }
        if let Some(wanted) = self.booking {
            query = query.filter(columns::booking_id.eq(wanted));
        }
        if !self.statuses.is_empty() {
            // In these words the planner recognises the partial index.
            if !self.statuses.contains(&DeliveryStatus::Delivered) {
                query = query.filter(sql::<Bool>("status <> 'delivered'"));
            }
            let wanted: Vec<&str> = self.statuses.iter().map(|status| status.as_str()).collect();
            query = query.filter(columns::status.eq_any(wanted));
        }
        if let Some(since) = self.since {
            query = query.filter(columns::created_at.ge(since.naive_utc()));
        }
        if let Some((at, id)) = self.before {
            let at = at.naive_utc();
            let same = columns::created_at.eq(at).and(columns::id.lt(id));
            query = query.filter(columns::created_at.lt(at).or(same));
        }
        query
    }
}

impl Store {
    /// Seal a body for the row of its delivery.
    #[must_use]
    pub fn seal_delivery(&self, delivery_id: &str, body: &[u8]) -> Vec<u8> {
        self.keys.seal(&place(delivery_id), body)
    }

    /// The deliveries that `filter` lets through, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        let limit = filter.limit.min(MAX_ROWS).into();
        let load = move |connection: &mut AnyConnection| {
            let query = filter.apply().order((webhook_deliveries::created_at.desc(), webhook_deliveries::id.desc()));
            query.limit(limit).select(DeliveryRow::as_select()).load(connection)
        };
        let rows: Vec<DeliveryRow> = self.pool.read("list deliveries", load).await?;
        Ok(rows.into_iter().map(Delivery::from).collect())
    }

    /// How many deliveries `filter` lets through.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_deliveries(&self, filter: DeliveryFilter) -> Result<u64, StoreError> {
        let count = move |connection: &mut AnyConnection| filter.apply().count().get_result::<i64>(connection);
        Ok(self.pool.read("count deliveries", count).await?.unsigned_abs())
    }

    /// One delivery.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn delivery(&self, id: &str) -> Result<Option<Delivery>, StoreError> {
        let id = id.to_owned();
        let find = move |connection: &mut AnyConnection| DeliveryRow::find(connection, &id);
        Ok(self.pool.read("read a delivery", find).await?.map(Delivery::from))
    }

    /// One delivery with its body, as it was sent.
    ///
    /// # Errors
    /// When the database cannot be read, or the body cannot be opened.
    pub async fn delivery_with_body(&self, id: &str) -> Result<Option<(Delivery, Vec<u8>)>, StoreError> {
        let wanted = id.to_owned();
        let find = move |connection: &mut AnyConnection| {
            let columns = (DeliveryRow::as_select(), webhook_deliveries::payload);
            webhook_deliveries::table.find(&wanted).select(columns).first(connection).optional()
        };
        let row: Option<(DeliveryRow, Vec<u8>)> = self.pool.read("read a delivery", find).await?;
        let Some((row, sealed)) = row else { return Ok(None) };
        let opened = self.keys.open(&place(id), &sealed);
        let body = opened.map_err(|source| StoreError::SealedColumn { place: place(id), source })?;
        Ok(Some((row.into(), body)))
    }

    /// Every attempt of one delivery, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn attempts_of(&self, delivery_id: &str) -> Result<Vec<AttemptRow>, StoreError> {
        let id = delivery_id.to_owned();
        let load = move |connection: &mut AnyConnection| {
            let of_this = webhook_attempts::table.filter(webhook_attempts::delivery_id.eq(id));
            let in_order = of_this.order((webhook_attempts::attempted_at, webhook_attempts::run));
            in_order.limit(MAX_ROWS.into()).select(TriedRow::as_select()).load(connection)
        };
        let rows: Vec<TriedRow> = self.pool.read("list the attempts of a delivery", load).await?;
        Ok(rows.into_iter().map(AttemptRow::from).collect())
    }
}

/// What a sealed body is bound to.
fn place(delivery_id: &str) -> String {
    format!("webhook_deliveries:{delivery_id}:payload")
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = webhook_deliveries)]
struct DeliveryRow {
    id: String,
    endpoint_id: String,
    organizer_id: String,
    event_type: String,
    subject: Option<String>,
    booking_id: Option<String>,
    payload_bytes: i32,
    status: String,
    attempt_number: i32,
    response_status: Option<i32>,
    response_body: Option<String>,
    error_message: Option<String>,
    job_id: String,
    created_at: NaiveDateTime,
    last_attempt_at: NaiveDateTime,
    next_attempt_at: Option<NaiveDateTime>,
}

impl DeliveryRow {
    fn find(connection: &mut AnyConnection, id: &str) -> QueryResult<Option<Self>> {
        webhook_deliveries::table.find(id).select(Self::as_select()).first(connection).optional()
    }
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            endpoint_id: row.endpoint_id,
            organizer_id: row.organizer_id,
            event_type: row.event_type,
            subject: row.subject,
            booking_id: row.booking_id,
            payload_bytes: row.payload_bytes,
            status: row.status,
            attempt_number: row.attempt_number,
            response_status: row.response_status,
            response_body: row.response_body,
            error_message: row.error_message,
            job_id: row.job_id,
            created_at: row.created_at.and_utc(),
            last_attempt_at: row.last_attempt_at.and_utc(),
            next_attempt_at: row.next_attempt_at.map(|at| at.and_utc()),
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = webhook_attempts)]
struct TriedRow {
    job_id: String,
    run: i32,
    attempt: i32,
    attempted_at: NaiveDateTime,
    duration_ms: i64,
    response_status: Option<i32>,
    response_headers: Option<String>,
    response_body: Option<String>,
    error_message: Option<String>,
    next_attempt_at: Option<NaiveDateTime>,
}

impl From<TriedRow> for AttemptRow {
    fn from(row: TriedRow) -> Self {
        Self {
            job_id: row.job_id,
            run: row.run,
            attempt: row.attempt,
            attempted_at: row.attempted_at.and_utc(),
            duration_ms: row.duration_ms,
            response_status: row.response_status,
            response_headers: row.response_headers,
            response_body: row.response_body,
            error_message: row.error_message,
            next_attempt_at: row.next_attempt_at.map(|at| at.and_utc()),
        }
    }
}
