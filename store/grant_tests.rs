//! What the grants of accounts promise, stated once and held on both backends.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{QueryDsl as _, RunQueryDsl as _};

use crate::connection::{AnyConnection, Purpose};
use crate::recording_tests::at;
use crate::schema::calendar_integrations;
use crate::test_database::{TestDatabase, on_both};
use crate::{
    AccountId, Added, IntegrationFilter, IntegrationKind, KeyRing, Line, LogEntry, LogFilter, NewIntegration, Store,
    StoreError, StoreOptions, Stored, Tokens,
};

fn tokens(name: &str, expires_at: Option<DateTime<Utc>>) -> Tokens {
    Tokens {
        access_token: format!("access-{name}"),
        refresh_token: Some(format!("refresh-{name}")),
        expires_at,
        scope: None,
    }
}

fn new(kind: IntegrationKind, id: &str, tokens: Tokens) -> NewIntegration {
    NewIntegration {
        kind,
        id: Some(id.to_owned()),
        fresh_id: "fresh".to_owned(),
        organizer_id: "org".to_owned(),
        provider: "zoom".to_owned(),
        provider_user_id: Some("user".to_owned()),
        provider_email: None,
        tokens,
    }
}

fn line(id: &str) -> Line {
    LogEntry { id: id.to_owned(), log_type: "test".to_owned(), created_at: at(0), ..LogEntry::default() }.into()
}

async fn add(store: &Store, kind: IntegrationKind, id: &str, expires_at: Option<DateTime<Utc>>) -> AccountId {
    let added = store.add_integration(new(kind, id, tokens(id, expires_at)), at(0), line(&format!("{kind:?}-{id}")));
    match added.await.expect("add") {
        Added::New(account) => account,
        other => panic!("{other:?}"),
    }
}

async fn lines(store: &Store) -> usize {
    store.logs(LogFilter { limit: 1000, ..LogFilter::default() }).await.expect("the log").len()
}

#[test]
fn tokens_change_only_for_the_version_that_they_were_got_from() {
    on_both(&async |database| {
        let store = database.store().await;
        for kind in IntegrationKind::ALL {
            let account = add(&store, kind, "a", Some(at(60))).await;
            let fresh = Tokens { refresh_token: None, ..tokens("new", Some(at(3600))) };
            let before = lines(&store).await;
            let put = |version, id: &str| store.store_tokens(&account, version, fresh.clone(), at(9), line(id));
            assert_eq!(put(1, &format!("{kind:?}-1")).await.expect("store"), Stored::Now { recovered: None });
            assert_eq!(put(1, &format!("{kind:?}-2")).await.expect("store"), Stored::Superseded);
            assert_eq!(lines(&store).await, before + 1, "what was not stored is not told");
            let grant = store.grant(&account).await.expect("read").expect("a grant");
            assert_eq!(grant.access_token.as_deref(), Some("access-new"));
            assert_eq!(grant.refresh_token.as_deref(), Some("refresh-a"), "none was given, so the old one stays");
            let row = grant.integration;
            assert_eq!((row.version, row.refreshed_at, row.token_expires_at), (2, Some(at(9)), Some(at(3600))));
        }
    });
}

#[test]
fn another_user_inherits_no_refresh_token() {
    on_both(&async |database| {
        let store = database.store().await;
        for kind in IntegrationKind::ALL {
            let account = add(&store, kind, "a", None).await;
            for (number, user, kept) in [(1, "user", Some("refresh-a")), (2, "another", None)] {
                let given = Tokens { refresh_token: None, ..tokens(user, None) };
                let again = NewIntegration { provider_user_id: Some(user.to_owned()), ..new(kind, "a", given) };
                store.add_integration(again, at(number), line(&format!("{kind:?}-{user}"))).await.expect("connect");
                let grant = store.grant(&account).await.expect("read").expect("a grant");
                assert_eq!(grant.refresh_token.as_deref(), kept, "{kind:?} {user}");
            }
        }
    });
}

#[test]
fn two_who_refreshed_the_same_version_store_one_pair() {
    on_both(&async |database| {
        let store = database.store().await;
        let account = add(&store, IntegrationKind::Video, "a", None).await;
        let put = |name: &str| store.store_tokens(&account, 1, tokens(name, None), at(1), line(name));
        let (one, two) = tokio::join!(put("one"), put("two"));
        let stored = [one.expect("store"), two.expect("store")];
        assert_eq!(stored.iter().filter(|stored| **stored == Stored::Superseded).count(), 1, "{stored:?}");
    });
}

#[test]
fn an_episode_begins_once_and_ends_with_new_tokens() {
    on_both(&async |database| {
        let store = database.store().await;
        let account = add(&store, IntegrationKind::Calendar, "a", Some(at(60))).await;
        let out = |version, id: &str| store.disconnect(&account, version, "invalid_grant", at(2), line(id));
        assert_eq!(out(7, "0").await.expect("disconnect"), None, "somebody has rotated it");
        assert_eq!(out(1, "1").await.expect("disconnect"), Some(1));
        assert_eq!(out(1, "2").await.expect("disconnect"), None, "told already");
        let row = store.integration(account.kind, &account.id).await.expect("read").expect("a row");
        assert_eq!((row.disconnected_at, row.disconnected_reason.as_deref()), (Some(at(2)), Some("invalid_grant")));
        assert_eq!(store.expiring(account.kind, at(1000), None, 10).await.expect("scan"), []);
        let again = store.add_integration(new(account.kind, "a", tokens("b", None)), at(3), line("3")).await;
        assert_eq!(again.expect("add"), Added::Renewed { account: account.clone(), recovered: Some(1) });
        assert_eq!(out(2, "4").await.expect("disconnect"), Some(2));
        // Who had refreshed it meanwhile ends it as well.
        let late = store.store_tokens(&account, 2, tokens("c", None), at(4), line("5")).await.expect("store");
        assert_eq!(late, Stored::Now { recovered: Some(2) });
    });
}

#[test]
fn a_grant_that_an_operator_forgot_does_not_come_back() {
    on_both(&async |database| {
        let store = database.store().await;
        let account = add(&store, IntegrationKind::Calendar, "a", Some(at(60))).await;
        assert_eq!(store.forget_grant(&account, "by ops", at(1), line("1")).await.expect("forget"), Some(1));
        let late = store.store_tokens(&account, 1, tokens("late", None), at(2), line("2")).await.expect("store");
        assert_eq!(late, Stored::Superseded);
        let grant = store.grant(&account).await.expect("read").expect("a row");
        assert_eq!((grant.access_token, grant.refresh_token), (None, None));
        assert_eq!(store.forget_grant(&account, "again", at(3), line("3")).await.expect("forget"), Some(1));
        let nobody = AccountId::new(IntegrationKind::Video, "a");
        assert_eq!(store.forget_grant(&nobody, "x", at(3), line("4")).await.expect("forget"), None);
    });
}

#[test]
fn grants_that_run_out_are_found_in_pages_the_most_urgent_first() {
    on_both(&async |database| {
        let store = database.store().await;
        let kind = IntegrationKind::Calendar;
        // Two end at the same instant.
        for (id, end) in [("d", 40), ("c", 30), ("b", 30), ("a", 20), ("late", 900)] {
            add(&store, kind, id, Some(at(end))).await;
        }
        add(&store, kind, "unknown", None).await;
        let off = add(&store, kind, "off", Some(at(10))).await;
        assert!(store.switch_integration(&off, false, at(1), line("off")).await.expect("switch"));
        add(&store, IntegrationKind::Video, "v", Some(at(10))).await;
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.expiring(kind, at(600), after, 2).await.expect("a page");
            let Some(last) = page.last() else { break };
            after = Some((last.expires_at, last.account.id.clone()));
            found.extend(page.into_iter().map(|grant| grant.account.id));
        }
        assert_eq!(found, ["a", "b", "c", "d"]);
    });
}

#[test]
fn failures_are_counted_until_new_tokens_come() {
    on_both(&async |database| {
        let store = database.store().await;
        let account = add(&store, IntegrationKind::Video, "a", None).await;
        for (number, version) in [(1, 1), (2, 1), (3, 9)] {
            let note = store.refresh_failed(&account, version, "502", at(number), line(&number.to_string()));
            note.await.expect("note");
        }
        let failing = IntegrationFilter { failing: true, limit: 10, ..IntegrationFilter::default() };
        let rows = store.integrations(failing.clone()).await.expect("list");
        assert_eq!((rows.len(), rows[0].refresh_errors, rows[0].refresh_error.as_deref()), (1, 2, Some("502")));
        store.store_tokens(&account, 1, tokens("b", None), at(4), line("4")).await.expect("store");
        assert!(store.integrations(failing).await.expect("list").is_empty());
    });
}

#[test]
fn the_same_user_there_is_the_same_account_and_an_id_has_one_owner() {
    on_both(&async |database| {
        let store = database.store().await;
        let account = add(&store, IntegrationKind::Video, "a", None).await;
        let found = NewIntegration { id: None, ..new(account.kind, "", tokens("b", None)) };
        let renewed = store.add_integration(found.clone(), at(1), line("1")).await.expect("add");
        assert_eq!(renewed, Added::Renewed { account: account.clone(), recovered: None });
        let other = NewIntegration { provider_user_id: Some("other".to_owned()), ..found };
        let added = store.add_integration(other, at(1), line("2")).await.expect("add");
        assert_eq!(added, Added::New(AccountId::new(account.kind, "fresh")));
        let taken = NewIntegration { organizer_id: "thief".to_owned(), ..new(account.kind, "a", tokens("c", None)) };
        let taken = store.add_integration(taken, at(1), line("3")).await.expect("add");
        assert!(matches!(taken, Added::Taken { .. }), "{taken:?}");
        let grant = store.grant(&account).await.expect("read").expect("a grant");
        assert_eq!(grant.access_token.as_deref(), Some("access-b"));
        assert!(!format!("{grant:?}").contains("access-b"), "a grant is not shown with its tokens");
    });
}

#[test]
fn tokens_are_sealed_for_their_row_and_a_lost_key_is_an_error_of_that_row() {
    on_both(&async |database: &TestDatabase| {
        let store = database.store().await;
        let account = add(&store, IntegrationKind::Calendar, "a", None).await;
        let mut raw = AnyConnection::open(&database.url, Purpose::Write).expect("connect");
        let sealed: Option<Vec<u8>> =
            calendar_integrations::table.select(calendar_integrations::access_token).first(&mut raw).expect("a row");
        let sealed = sealed.expect("a token");
        assert!(!String::from_utf8_lossy(&sealed).contains("access-a"));
        let identity = "calendar_integrations:a:access_token";
        assert_eq!(store.keys().open(identity, &sealed).expect("open"), b"access-a");
        let keys = KeyRing::parse(&KeyRing::generate_line("other")).expect("a key");
        let stranger = Store::open(&database.url, keys, StoreOptions::default()).await.expect("open");
        let fault = stranger.grant(&account).await.expect_err("no key");
        assert!(matches!(fault, StoreError::SealedColumn { .. }) && !fault.is_outage(), "{fault:?}");
        assert!(fault.to_string().contains(identity), "{fault}");
        let listed = stranger.integrations(IntegrationFilter { limit: 10, ..IntegrationFilter::default() }).await;
        assert_eq!(listed.expect("no key is needed").len(), 1);
    });
}

#[test]
fn accounts_are_listed_newest_first_over_both_tables() {
    on_both(&async |database| {
        let store = database.store().await;
        for (number, kind) in [(1, IntegrationKind::Video), (2, IntegrationKind::Calendar), (3, IntegrationKind::Video)]
        {
            let id = number.to_string();
            let added = new(kind, &id, tokens(&id, None));
            store.add_integration(added, at(0) + TimeDelta::seconds(number), line(&id)).await.expect("add");
        }
        let of = async |filter: IntegrationFilter| -> Vec<String> {
            store.integrations(filter).await.expect("list").into_iter().map(|row| row.id).collect()
        };
        let all = IntegrationFilter { limit: 10, ..IntegrationFilter::default() };
        assert_eq!(of(all.clone()).await, ["3", "2", "1"]);
        assert_eq!(of(IntegrationFilter { limit: 2, ..all.clone() }).await, ["3", "2"]);
        assert_eq!(of(IntegrationFilter { kind: Some(IntegrationKind::Video), ..all.clone() }).await, ["3", "1"]);
        assert_eq!(of(IntegrationFilter { disconnected: Some(true), ..all }).await, [""; 0]);
    });
}
