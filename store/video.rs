//! What is known of an account for video conferences beside its grant: whether links are made by themselves, and how
//! much it was called.
//!
//! The counters are for people: what limits calls is in Redis. A count that is lost with its process is one too few.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::result::QueryResult;
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _};

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::schema::video_integrations::{self as t, table};
use crate::store::Store;

/// What an account for video conferences has beside its grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoAccount {
    pub auto_generate_links: bool,
    pub last_api_call: Option<DateTime<Utc>>,
    /// On the day, in UTC, of the last one.
    pub api_calls_today: i32,
    /// Until when its provider takes no more.
    pub rate_limit_reset_at: Option<DateTime<Utc>>,
}

impl Store {
    /// What this account has beside its grant.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn video_account(&self, id: &str) -> Result<Option<VideoAccount>, StoreError> {
        type Columns = (bool, Option<NaiveDateTime>, i32, Option<NaiveDateTime>);
        let id = id.to_owned();
        let columns = (t::auto_generate_links, t::last_api_call, t::api_calls_today, t::rate_limit_reset_at);
        let load = move |connection: &mut AnyConnection| {
            table.find(&id).select(columns).first::<Columns>(connection).optional()
        };
        let found = self.pool.read("read an account for video conferences", load).await?;
        let date = |at: Option<NaiveDateTime>| at.map(|at| at.and_utc());
        Ok(found.map(|(auto_generate_links, last, api_calls_today, reset)| VideoAccount {
            auto_generate_links,
            last_api_call: date(last),
            api_calls_today,
            rate_limit_reset_at: date(reset),
        }))
    }

    /// Count so many calls of this account, made by now; and until when its provider takes no more, if it said so.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn count_calls(
        &self,
        id: &str,
        calls: i32,
        resets_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let id = id.to_owned();
        let count = move |connection: &mut AnyConnection| count(connection, &id, calls, resets_at, now);
        self.pool.write("count calls of an account", count).await
    }

    /// Whether meetings are made by themselves with this account.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn make_links(&self, id: &str, by_themselves: bool) -> Result<bool, StoreError> {
        let id = id.to_owned();
        let set = move |connection: &mut AnyConnection| {
            diesel::update(table.find(&id)).set(t::auto_generate_links.eq(by_themselves)).execute(connection)
        };
        Ok(self.pool.write("switch the links of an account", set).await? > 0)
    }
}

fn count(
    connection: &mut AnyConnection,
    id: &str,
    calls: i32,
    resets_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let midnight = now.date_naive().and_time(chrono::NaiveTime::MIN);
    let at = now.naive_utc();
    let today = table.find(id).filter(t::last_api_call.ge(midnight));
    let counted = (t::api_calls_today.eq(t::api_calls_today + calls), t::last_api_call.eq(Some(at)));
    if diesel::update(today).set(counted).execute(connection)? == 0 {
        let first = (t::api_calls_today.eq(calls), t::last_api_call.eq(Some(at)));
        diesel::update(table.find(id)).set(first).execute(connection)?;
    }
    if let Some(resets_at) = resets_at {
        let reset = t::rate_limit_reset_at.eq(Some(resets_at.naive_utc()));
        diesel::update(table.find(id)).set(reset).execute(connection)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use crate::recording_tests::at;
    use crate::test_database::on_both;
    use crate::{IntegrationKind, LogEntry, NewIntegration, Tokens};

    #[test]
    fn calls_are_counted_for_each_day_of_utc() {
        on_both(&async |database| {
            let store = database.store().await;
            let tokens = Tokens { access_token: "a".to_owned(), refresh_token: None, expires_at: None, scope: None };
            let new = NewIntegration {
                kind: IntegrationKind::Video,
                id: Some("z".to_owned()),
                fresh_id: String::new(),
                organizer_id: "org".to_owned(),
                provider: "zoom".to_owned(),
                provider_user_id: None,
                provider_email: None,
                tokens,
            };
            let line = LogEntry { id: "l".to_owned(), created_at: at(0), ..LogEntry::default() };
            store.add_integration(new, at(0), line.into()).await.expect("add");
            assert_eq!(store.video_account("nobody").await.expect("read"), None);
            let day = TimeDelta::days(1);
            for (calls, now, reset, today) in
                [(1, at(0), None, 1), (2, at(1), Some(at(50)), 3), (1, at(0) + day, None, 1), (1, at(1) + day, None, 2)]
            {
                store.count_calls("z", calls, reset, now).await.expect("count");
                let account = store.video_account("z").await.expect("read").expect("an account");
                assert_eq!((account.api_calls_today, account.last_api_call), (today, Some(now)));
                assert!(account.auto_generate_links);
            }
            let account = store.video_account("z").await.expect("read").expect("an account");
            assert_eq!(account.rate_limit_reset_at, Some(at(50)));
            assert!(store.make_links("z", false).await.expect("switch"));
            assert!(!store.video_account("z").await.expect("read").expect("an account").auto_generate_links);
        });
    }
}
