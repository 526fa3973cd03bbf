//! Meetings for people who look: whether there are secrets, and never which. No key is needed for that.

use diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _, SelectableHelper as _};

use super::{Meeting, MeetingStatus, Row};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::runs::MAX_ROWS;
use crate::schema::meetings;
use crate::store::Store;

/// What to list, the last changed first.
#[derive(Clone, Debug, Default)]
pub struct MeetingFilter {
    pub organizer: Option<String>,
    pub booking: Option<String>,
    pub status: Option<MeetingStatus>,
    /// At most 10,000.
    pub limit: u32,
}

/// A meeting whose secrets stay sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedMeeting {
    /// Without its host's link and its passcode.
    pub meeting: Meeting,
    pub has_host_url: bool,
    pub has_passcode: bool,
}

impl Store {
    /// Meetings, with what is secret left sealed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn meetings(&self, filter: MeetingFilter) -> Result<Vec<SealedMeeting>, StoreError> {
        let load = move |connection: &mut AnyConnection| {
            let mut query = meetings::table.select(Row::as_select()).into_boxed();
            if let Some(wanted) = filter.organizer {
                query = query.filter(meetings::organizer_id.eq(wanted));
            }
            if let Some(wanted) = filter.booking {
                query = query.filter(meetings::booking_id.eq(wanted));
            }
            if let Some(wanted) = filter.status {
                query = query.filter(meetings::status.eq(wanted.as_str()));
            }
            let query = query.order((meetings::updated_at.desc(), meetings::booking_id.asc()));
            query.limit(filter.limit.min(MAX_ROWS).into()).load::<Row>(connection)
        };
        let rows = self.pool.read("list the meetings", load).await?;
        Ok(rows.into_iter().map(sealed).collect())
    }
}

fn sealed(mut row: Row) -> SealedMeeting {
    let (host_url, passcode) = (row.host_url.take(), row.passcode.take());
    let (has_host_url, has_passcode) = (host_url.is_some(), passcode.is_some());
    SealedMeeting { meeting: row.meeting(None, None), has_host_url, has_passcode }
}
