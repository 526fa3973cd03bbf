//! Accounts at providers: calendars and video conferences, with the grant that lets us act for their owners.
//!
//! Tokens are sealed for the row and the column they stand in. They change by compare-and-set on `version`: who read an
//! older pair stores nothing over a newer one.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::result::QueryResult;
use diesel::{OptionalExtension as _, QueryDsl as _, Queryable, RunQueryDsl as _, Selectable, SelectableHelper as _};
use serde::Serialize;

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::schema::{calendar_integrations, video_integrations};
use crate::store::Store;

/// Which table an account stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IntegrationKind {
    Calendar,
    Video,
}

impl IntegrationKind {
    pub const ALL: [Self; 2] = [Self::Calendar, Self::Video];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calendar => "calendar",
            Self::Video => "video",
        }
    }
}

/// An account, without its tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Integration {
    pub kind: IntegrationKind,
    pub id: String,
    pub organizer_id: String,
    pub provider: String,
    pub provider_user_id: Option<String>,
    pub provider_email: Option<String>,
    pub is_active: bool,
    pub token_expires_at: Option<DateTime<Utc>>,
    pub scope: Option<String>,
    /// Counts the changes of the tokens.
    pub version: i32,
    pub refreshed_at: Option<DateTime<Utc>>,
    /// Attempts to refresh that failed in a row, and why the last one did.
    pub refresh_errors: i32,
    pub refresh_error: Option<String>,
    /// Since when the provider takes its tokens no more.
    pub disconnected_at: Option<DateTime<Utc>>,
    pub disconnected_reason: Option<String>,
    /// How often that has happened.
    pub disconnects: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A row of either table, as far as both have the same columns.
macro_rules! account {
    ($row:ident, $table:ident, $kind:expr) => {
        #[derive(Queryable, Selectable)]
        #[diesel(table_name = $table)]
        struct $row {
            id: String,
            organizer_id: String,
            provider: String,
            provider_user_id: Option<String>,
            provider_email: Option<String>,
            is_active: bool,
            token_expires_at: Option<NaiveDateTime>,
            scope: Option<String>,
            version: i32,
            refreshed_at: Option<NaiveDateTime>,
            refresh_errors: i32,
            refresh_error: Option<String>,
            disconnected_at: Option<NaiveDateTime>,
            disconnected_reason: Option<String>,
            disconnects: i32,
            created_at: NaiveDateTime,
            updated_at: NaiveDateTime,
        }

        impl From<$row> for Integration {
            fn from(row: $row) -> Self {
                Self {
                    kind: $kind,
                    id: row.id,
                    organizer_id: row.organizer_id,
                    provider: row.provider,
                    provider_user_id: row.provider_user_id,
                    provider_email: row.provider_email,
                    is_active: row.is_active,
                    token_expires_at: row.token_expires_at.map(|at| at.and_utc()),
                    scope: row.scope,
                    version: row.version,
                    refreshed_at: row.refreshed_at.map(|at| at.and_utc()),
                    refresh_errors: row.refresh_errors,
                    refresh_error: row.refresh_error,
                    disconnected_at: row.disconnected_at.map(|at| at.and_utc()),
                    disconnected_reason: row.disconnected_reason,
                    disconnects: row.disconnects,
                    created_at: row.created_at.and_utc(),
                    updated_at: row.updated_at.and_utc(),
                }
            }
        }

        impl $row {
            fn find(connection: &mut AnyConnection, id: &str) -> QueryResult<Option<Integration>> {
                let row: Option<Self> =
                    $table::table.find(id).select(Self::as_select()).first(connection).optional()?;
                Ok(row.map(Integration::from))
            }
        }
    };
}

account!(CalendarRow, calendar_integrations, IntegrationKind::Calendar);
account!(VideoRow, video_integrations, IntegrationKind::Video);

impl Store {
    /// One account.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn integration(&self, kind: IntegrationKind, id: &str) -> Result<Option<Integration>, StoreError> {
        let id = id.to_owned();
        let find = move |connection: &mut AnyConnection| match kind {
            IntegrationKind::Calendar => CalendarRow::find(connection, &id),
            IntegrationKind::Video => VideoRow::find(connection, &id),
        };
        self.pool.read("read an integration", find).await
    }
}
