//! Which calendar of an account is meant, where it is, and in which zone: as its owner or the host says.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _};

use super::{mirror, rounds};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::schema::calendar_integrations::{self as columns, table};
use crate::schema::calendar_syncs;
use crate::store::Store;

/// None: as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CalendarPlace {
    pub calendar_id: Option<String>,
    pub server_url: Option<String>,
    /// By its IANA name. What the provider says counts for more.
    pub time_zone: Option<String>,
}

impl Store {
    /// Say where the calendar of an account is; whether there is such an account. Another calendar is read from its
    /// beginning; days of another zone block other times.
    ///
    /// # Errors
    /// When the database cannot be written to; then nothing was changed.
    pub async fn place_calendar(
        &self,
        integration_id: &str,
        place: CalendarPlace,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let id = integration_id.to_owned();
        let work = move |connection: &mut AnyConnection| {
            let found: Option<(Option<String>, Option<String>, Option<String>)> = table
                .find(&id)
                .select((columns::calendar_id, columns::server_url, columns::time_zone))
                .first(connection)
                .optional()?;
            let Some((calendar, server, zone)) = found else { return Ok(false) };
            let is_new = |new: &Option<String>, old: &Option<String>| new.is_some() && new != old;
            let is_another = is_new(&place.calendar_id, &calendar) || is_new(&place.server_url, &server);
            let is_elsewhere = is_new(&place.time_zone, &zone);
            diesel::update(table.find(&id))
                .set((
                    columns::calendar_id.eq(place.calendar_id.or(calendar)),
                    columns::server_url.eq(place.server_url.or(server)),
                    columns::time_zone.eq(place.time_zone.or(zone)),
                    columns::updated_at.eq(now.naive_utc()),
                ))
                .execute(connection)?;
            if is_another {
                diesel::update(table.find(&id)).set(columns::sync_token.eq(None::<String>)).execute(connection)?;
                rounds::close(connection, &id)?;
                // Whoever is at a page of the old calendar has been overtaken.
                diesel::update(calendar_syncs::table.find(&id))
                    .set((
                        calendar_syncs::step.eq(calendar_syncs::step + 1),
                        calendar_syncs::covers_from.eq(None::<NaiveDateTime>),
                    ))
                    .execute(connection)?;
            }
            if is_elsewhere {
                mirror::move_days(connection, &id)?;
            }
            Ok(true)
        };
        self.pool.write("place a calendar", work).await
    }
}
