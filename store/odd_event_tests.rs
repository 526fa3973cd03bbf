//! What is promised of events that cannot be understood, stated once and held on both backends.

use diesel::{QueryDsl as _, RunQueryDsl as _};

use crate::calendar_tests::{add, busy, connection, event, full, is, more, of_series, page, reconcile};
use crate::schema::odd_events;
use crate::test_database::{TestDatabase, on_both};
use crate::{Applied, Observed, RoundEnd, RoundKind, Store};

fn odd(id: &str) -> Observed {
    Observed::Odd { id: id.to_owned(), reason: "it ends before it begins".to_owned() }
}

/// All of the series `s`, at these hours.
fn series(hours: &[i64]) -> Observed {
    let events = hours.iter().map(|hour| of_series(&format!("s-{hour}"), "s", *hour)).collect();
    Observed::Series { id: "s".to_owned(), events }
}

fn kept(database: &TestDatabase) -> Vec<String> {
    let rows = odd_events::table.select(odd_events::event_id).order(odd_events::event_id);
    rows.load(&mut connection(database)).expect("rows")
}

async fn now_busy(store: &Store) -> Vec<String> {
    reconcile(store, "a").await;
    busy(store).await
}

#[test]
fn what_cannot_be_understood_is_kept_aside_until_it_can() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        full(&store, "a", vec![odd("x"), is(event("e1", 1)), odd("y")]).await;
        more(&store, "a", vec![odd("x")]).await;
        assert_eq!(kept(database), ["x", "y"]);
        more(&store, "a", vec![is(event("x", 2)), Observed::Gone("y".to_owned())]).await;
        assert!(kept(database).is_empty());
        let many = (0..1_010).map(|n| odd(&format!("z{n}"))).collect();
        more(&store, "a", many).await;
        assert_eq!(kept(database).len(), 1_000, "there is a limit to it");
    });
}

#[test]
fn a_series_that_cannot_be_understood_any_more_takes_place_as_it_was_understood() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        full(&store, "a", vec![series(&[1, 2]), is(event("other", 9))]).await;
        assert_eq!(more(&store, "a", vec![odd("s")]).await, Applied::Changed(0));
        let goes = RoundEnd::Goes("p".to_owned());
        page(&store, "a", RoundKind::Full, vec![odd("s")], goes).await;
        assert_eq!(full(&store, "a", vec![is(event("other", 9))]).await, Applied::Changed(0), "it was seen");
        assert_eq!(now_busy(&store).await, ["s-1", "s-2", "other"]);
        more(&store, "a", vec![odd("s"), Observed::Gone("s".to_owned())]).await;
        assert_eq!(now_busy(&store).await, ["other"], "it is gone by the last word");
    });
}

#[test]
fn an_instance_that_cannot_be_understood_stays_when_the_rest_of_its_series_is_told() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        full(&store, "a", vec![series(&[1, 2, 3])]).await;
        // Before or after the others, as providers have it.
        more(&store, "a", vec![odd("s-2"), series(&[1])]).await;
        assert_eq!(now_busy(&store).await, ["s-1", "s-2"]);
        full(&store, "a", vec![series(&[1]), odd("s-2")]).await;
        assert_eq!(now_busy(&store).await, ["s-1", "s-2"]);
        assert_eq!(kept(database), ["s-2"]);
        more(&store, "a", vec![series(&[1])]).await;
        assert_eq!(now_busy(&store).await, ["s-1"]);
        assert!(kept(database).is_empty(), "it is none of the series any more");
    });
}

#[test]
fn a_series_that_can_be_understood_again_is_kept_aside_no_more() {
    on_both(&async |database| {
        let store = database.store().await;
        add(&store, "a").await;
        full(&store, "a", vec![odd("s")]).await;
        assert_eq!(kept(database), ["s"]);
        more(&store, "a", vec![odd("s"), series(&[1])]).await;
        assert!(kept(database).is_empty());
        assert_eq!(now_busy(&store).await, ["s-1"]);
        more(&store, "a", vec![odd("s")]).await;
        more(&store, "a", vec![series(&[])]).await;
        assert!(kept(database).is_empty(), "a series without instances is understood as well");
    });
}
