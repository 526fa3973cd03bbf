//! Accounts at providers: calendars and video conferences, with the grant that lets us act for their owners.
//!
//! Tokens are sealed for the row and the column they stand in. They change by compare-and-set on `version`: who read an
//! older pair stores nothing over a newer one. Every change and its line in the integration log are one transaction, so
//! a process that dies half-way leaves both or neither.

mod changing;
mod grants;
mod row;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use diesel::result::QueryResult;
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _};
use serde::{Deserialize, Serialize};

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::runs::MAX_ROWS;
use crate::store::Store;

pub use changing::{Added, NewIntegration};
pub use grants::{Expiring, Grant, Stored, Tokens};
use row::{Row, columns, in_table};

/// Which table an account stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

    const fn table(self) -> &'static str {
        match self {
            Self::Calendar => "calendar_integrations",
            Self::Video => "video_integrations",
        }
    }
}

impl FromStr for IntegrationKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let of = |kind: &Self| kind.as_str() == text;
        Self::ALL.into_iter().find(of).ok_or_else(|| "neither calendar nor video".to_owned())
    }
}

/// One account of all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountId {
    pub kind: IntegrationKind,
    pub id: String,
}

impl AccountId {
    #[must_use]
    pub fn new(kind: IntegrationKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }

    /// What a value in this column is sealed for.
    fn sealed_for(&self, column: &str) -> String {
        format!("{}:{}:{column}", self.kind.table(), self.id)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.id)
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

impl Integration {
    #[must_use]
    pub fn account(&self) -> AccountId {
        AccountId::new(self.kind, self.id.clone())
    }
}

/// What to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct IntegrationFilter {
    /// None: of both tables.
    pub kind: Option<IntegrationKind>,
    pub organizer: Option<String>,
    pub provider: Option<String>,
    /// Only those that are switched on, or off.
    pub active: Option<bool>,
    /// Only those whose tokens are taken no more, or still are.
    pub disconnected: Option<bool>,
    /// Only those whose last refresh failed.
    pub failing: bool,
    /// At most 10,000.
    pub limit: u32,
}

impl Store {
    /// One account.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn integration(&self, kind: IntegrationKind, id: &str) -> Result<Option<Integration>, StoreError> {
        let id = id.to_owned();
        let find = move |connection: &mut AnyConnection| find(connection, kind, &id);
        self.pool.read("read an integration", find).await
    }

    /// Accounts, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn integrations(&self, filter: IntegrationFilter) -> Result<Vec<Integration>, StoreError> {
        let limit = filter.limit.min(MAX_ROWS) as usize;
        let load = move |connection: &mut AnyConnection| {
            let kinds =
                IntegrationKind::ALL.into_iter().filter(|kind| filter.kind.is_none_or(|wanted| wanted == *kind));
            let mut all = Vec::new();
            for kind in kinds {
                all.extend(list(connection, kind, &filter)?);
            }
            Ok(all)
        };
        let mut all = self.pool.read("list the integrations", load).await?;
        all.sort_by(|one, other| other.created_at.cmp(&one.created_at).then_with(|| one.id.cmp(&other.id)));
        all.truncate(limit);
        Ok(all)
    }
}

fn find(connection: &mut AnyConnection, kind: IntegrationKind, id: &str) -> QueryResult<Option<Integration>> {
    let row: Option<Row> = in_table!(kind, t => t::table.find(id).select(columns!(t)).first(connection).optional())?;
    Ok(row.map(|row| row.of(kind)))
}

fn list(
    connection: &mut AnyConnection,
    kind: IntegrationKind,
    filter: &IntegrationFilter,
) -> QueryResult<Vec<Integration>> {
    let rows: Vec<Row> = in_table!(kind, t => {
        let mut query = t::table.select(columns!(t)).into_boxed();
        if let Some(wanted) = &filter.organizer {
            query = query.filter(t::organizer_id.eq(wanted));
        }
        if let Some(wanted) = &filter.provider {
            query = query.filter(t::provider.eq(wanted));
        }
        if let Some(wanted) = filter.active {
            query = query.filter(t::is_active.eq(wanted));
        }
        match filter.disconnected {
            Some(true) => query = query.filter(t::disconnected_at.is_not_null()),
            Some(false) => query = query.filter(t::disconnected_at.is_null()),
            None => {}
        }
        if filter.failing {
            query = query.filter(t::refresh_errors.gt(0));
        }
        query.order((t::created_at.desc(), t::id.asc())).limit(filter.limit.min(MAX_ROWS).into()).load(connection)
    })?;
    Ok(rows.into_iter().map(|row| row.of(kind)).collect())
}
