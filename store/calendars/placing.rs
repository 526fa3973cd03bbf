//! Which calendar of an account is meant, where it is, and in which zone: as its owner or the host says.

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _};

use super::{mirror, rounds};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::schema::calendar_integrations::{self as columns, table};
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
            rounds::lock(connection, &id)?;
            let found: Option<(Option<String>, Option<String>, Option<String>)> = table
                .find(&id)
                .select((columns::calendar_id, columns::server_url, columns::time_zone))
                .first(connection)
                .optional()?;
            let Some((calendar, server, zone)) = found else { return Ok(false) };
            let is_new = |new: &Option<String>, old: &Option<String>| new.is_some() && new != old;
            let is_another = is_new(&place.calendar_id, &calendar) || is_new(&place.server_url, &server);
            let is_moved = is_new(&place.server_url, &server);
            let is_elsewhere = is_new(&place.time_zone, &zone);
            diesel::update(table.find(&id))
                .set((
                    // One that was found on another server is not on this one.
                    columns::calendar_id.eq(place.calendar_id.or(calendar.filter(|_| !is_moved))),
                    columns::server_url.eq(place.server_url.or(server)),
                    columns::time_zone.eq(place.time_zone.or(zone)),
                    columns::updated_at.eq(now.naive_utc()),
                ))
                .execute(connection)?;
            if is_another {
                rounds::begin_anew(connection, &id)?;
            }
            if is_elsewhere {
                mirror::move_days(connection, &id)?;
            }
            Ok(true)
        };
        self.pool.write("place a calendar", work).await
    }

    /// Nobody said which calendar of this user at this server is meant, and this one was found: it is the one from now on.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn calendar_was_found(
        &self,
        integration_id: &str,
        (user, server_url): (Option<&str>, Option<&str>),
        calendar_id: &str,
    ) -> Result<(), StoreError> {
        let (id, calendar) = (integration_id.to_owned(), calendar_id.to_owned());
        let of = (user.map(str::to_owned), server_url.map(str::to_owned));
        let work = move |connection: &mut AnyConnection| {
            rounds::lock(connection, &id)?;
            let row = || table.find(&id).filter(columns::calendar_id.is_null());
            let now = row().select((columns::provider_user_id, columns::server_url)).first(connection).optional()?;
            if now == Some(of) {
                diesel::update(row()).set(columns::calendar_id.eq(Some(calendar))).execute(connection)?;
            }
            Ok(())
        };
        self.pool.write("note which calendar was found", work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar_tests::{add, busy, event, full, is, line, page_after, reconcile, whole};
    use crate::recording_tests::at;
    use crate::test_database::on_both;
    use crate::{Applied, IntegrationKind, NewIntegration, RoundKind, Tokens};

    #[test]
    fn the_calendar_that_was_found_first_stays_until_its_account_moves() {
        on_both(&async |database| {
            let store = database.store().await;
            add(&store, "a").await;
            let place = async |server: &str| {
                let place = CalendarPlace { server_url: Some(server.to_owned()), ..CalendarPlace::default() };
                assert!(store.place_calendar("a", place, at(1)).await.expect("place"));
                there(&store).await
            };
            let found = async |server: Option<&str>, calendar: &str| {
                store.calendar_was_found("a", (None, server), calendar).await.expect("note");
                there(&store).await
            };
            assert_eq!(place("s1").await, None);
            assert_eq!(found(Some("s2"), "of s2").await, None, "it is not on this server");
            assert_eq!(found(None, "of none").await, None);
            store.calendar_was_found("a", (Some("another"), Some("s1")), "of another").await.expect("note");
            assert_eq!(there(&store).await, None, "it is another user's");
            assert_eq!(found(Some("s1"), "first").await.as_deref(), Some("first"));
            assert_eq!(found(Some("s1"), "other").await.as_deref(), Some("first"));
            assert_eq!(place("s1").await.as_deref(), Some("first"));
            assert_eq!(place("s2").await, None);
        });
    }

    async fn connect(store: &Store, user: Option<&str>, number: i64) {
        let new = NewIntegration {
            kind: IntegrationKind::Calendar,
            id: Some("a".to_owned()),
            fresh_id: String::new(),
            organizer_id: "org".to_owned(),
            provider: "google".to_owned(),
            provider_user_id: user.map(str::to_owned),
            provider_email: None,
            tokens: Tokens { access_token: "t".to_owned(), refresh_token: None, expires_at: None, scope: None },
        };
        store.add_integration(new, at(number), line(&format!("connect-{number}"))).await.expect("connect");
    }

    #[test]
    fn another_user_of_an_account_has_another_calendar_and_the_same_one_keeps_his() {
        on_both(&async |database| {
            let store = database.store().await;
            connect(&store, None, 0).await;
            store.calendar_was_found("a", (None, None), "of one").await.expect("note");
            full(&store, "a", vec![is(event("e1", 1)), is(event("e2", 2))]).await;
            reconcile(&store, "a").await;
            for (number, user) in [(1, Some("one")), (2, Some("one")), (3, None)] {
                connect(&store, user, number).await;
                let sync = store.calendar_sync("a").await.expect("read").expect("an account");
                let known = (sync.calendar_id.as_deref(), sync.sync_token.as_deref(), sync.covers.is_some());
                assert_eq!(known, (Some("of one"), Some("c"), true), "{user:?}");
            }
            let before = store.calendar_sync("a").await.expect("read").expect("an account").step;
            connect(&store, Some("other"), 4).await;
            let sync = store.calendar_sync("a").await.expect("read").expect("an account");
            assert_eq!((sync.calendar_id, sync.sync_token, sync.covers), (None, None, None));
            assert!(sync.step > before, "whoever is at a page of the old one has been overtaken");
            assert_eq!(busy(&store).await.len(), 2, "what was blocked stays until the next round is whole");
            full(&store, "a", vec![is(event("f1", 1))]).await;
            reconcile(&store, "a").await;
            assert_eq!(busy(&store).await, ["f1"]);
        });
    }

    #[test]
    fn who_waits_for_the_first_page_of_all_is_overtaken_by_another_user() {
        on_both(&async |database| {
            let store = database.store().await;
            connect(&store, Some("one"), 0).await;
            let before = store.calendar_sync("a").await.expect("read").expect("an account");
            let late = page_after(&before, RoundKind::Full, vec![is(event("e1", 1))], whole("c"));
            connect(&store, Some("other"), 1).await;
            assert_eq!(store.apply_page(late).await.expect("apply"), Applied::Overtaken);
            full(&store, "a", vec![is(event("f1", 1))]).await;
            reconcile(&store, "a").await;
            assert_eq!(busy(&store).await, ["f1"], "nothing of the former user's");
        });
    }

    async fn there(store: &Store) -> Option<String> {
        store.calendar_sync("a").await.expect("read").expect("an account").calendar_id
    }
}
