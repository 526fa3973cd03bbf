//! What the ledger promises, stated once and held on both backends.

use chrono::{DateTime, Utc};

use crate::recording_tests::{at, exit, record};
use crate::test_database::on_both;
use crate::{
    Attempt, Call, Delivery, DeliveryFilter, DeliveryStatus, Endpoint, EndpointChanges, EndpointFilter,
    EndpointSecrets, Exit, Fact, Recorded, RunOutcome, Store,
};

fn endpoint(id: &str) -> Endpoint {
    Endpoint { max_per_second: Some(7), ..Endpoint::new(id, "o", "https://example.org/", at(0)) }
}

fn secrets() -> EndpointSecrets {
    let headers = vec![("X-Key".to_owned(), "value".to_owned())];
    EndpointSecrets { current: Some("first".to_owned()), old: None, headers }
}

/// A run of job `id` that tried delivery `id` of this endpoint at this second.
fn tried(store: &Store, id: &str, endpoint: &str, run: i32, outcome: RunOutcome) -> Exit {
    let error = (outcome != RunOutcome::Done).then(|| "answered 503: Service\0Unavailable".to_owned());
    let call = Call {
        attempted_at: at(i64::from(run)),
        duration_ms: 0,
        response_status: Some(if error.is_some() { 503 } else { 200 }),
        response_headers: Some("{}".to_owned()),
        response_body: None,
        error_message: error,
    };
    let attempt = Attempt {
        delivery_id: id.to_owned(),
        endpoint_id: endpoint.to_owned(),
        organizer_id: "o".to_owned(),
        event_type: "booking_created".to_owned(),
        subject: None,
        booking_id: Some("b".to_owned()),
        payload: store.seal_delivery(id, b"{}"),
        payload_bytes: 2,
        created_at: at(0),
        call: Some(call),
    };
    Exit { facts: vec![Fact::Attempt(Box::new(attempt))], ..exit(id, run, outcome) }
}

async fn ledger(store: &Store, id: &str) -> Delivery {
    store.delivery(id).await.expect("read").expect("a delivery")
}

async fn row(store: &Store, id: &str) -> Endpoint {
    store.endpoint(id).await.expect("read").expect("an endpoint")
}

#[test]
fn an_endpoint_reads_back_as_it_was_added_and_changed() {
    on_both(&async |database| {
        let store = database.store().await;
        assert!(store.add_endpoint(endpoint("a"), secrets()).await.expect("add"));
        assert!(!store.add_endpoint(endpoint("a"), EndpointSecrets::default()).await.expect("add"), "it is there");
        let expected = Endpoint { has_secret: true, has_headers: true, ..endpoint("a") };
        assert_eq!(row(&store, "a").await, expected);
        let (_, opened) = store.endpoint_with_secrets("a").await.expect("read").expect("an endpoint");
        assert_eq!(opened, secrets());

        let changes = EndpointChanges { max_per_second: Some(0), ordered: Some(true), ..EndpointChanges::default() };
        assert!(store.edit_endpoint("a", changes, at(5)).await.expect("edit"));
        let expected = Endpoint { max_per_second: None, ordered: true, updated_at: at(5), ..expected };
        assert_eq!(row(&store, "a").await, expected);
        assert!(!store.edit_endpoint("b", EndpointChanges::default(), at(5)).await.expect("edit"), "there is no b");
        let filter = EndpointFilter { organizer: Some("o".to_owned()), limit: 10, ..EndpointFilter::default() };
        assert_eq!(store.endpoints(filter).await.expect("list"), [expected]);
    });
}

#[test]
fn a_rotation_keeps_the_old_secret_for_a_while() {
    on_both(&async |database| {
        let store = database.store().await;
        store.add_endpoint(endpoint("a"), secrets()).await.expect("add");
        let rotated = store.rotate_endpoint_secret("a", Some("second".to_owned()), Some(at(60)), at(1)).await;
        assert!(rotated.expect("rotate"));
        let (found, opened) = store.endpoint_with_secrets("a").await.expect("read").expect("an endpoint");
        assert_eq!((opened.current.as_deref(), opened.old.as_deref()), (Some("second"), Some("first")));
        assert_eq!(found.old_secret_until, Some(at(60)));
        store.rotate_endpoint_secret("a", Some("third".to_owned()), None, at(2)).await.expect("rotate");
        let (found, opened) = store.endpoint_with_secrets("a").await.expect("read").expect("an endpoint");
        assert_eq!((opened.old, found.old_secret_until), (None, None));
    });
}

#[test]
fn runs_leave_attempts_a_delivery_and_counters_once() {
    on_both(&async |database| {
        let store = database.store().await;
        for id in ["a", "b"] {
            store.add_endpoint(endpoint(id), secrets()).await.expect("add");
        }
        let batch = vec![
            tried(&store, "y", "b", 1, RunOutcome::Dead),
            tried(&store, "x", "a", 1, RunOutcome::Retry),
            tried(&store, "x", "a", 2, RunOutcome::Retry),
            tried(&store, "z", "a", 5, RunOutcome::Done),
            tried(&store, "w", "a", 6, RunOutcome::Dead),
        ];
        assert_eq!(record(&store, batch.clone()).await, vec![Recorded::New; 5]);
        assert_eq!(record(&store, batch).await, vec![Recorded::Known; 5], "a repeat leaves nothing twice");
        let x = ledger(&store, "x").await;
        assert_eq!((x.status.as_str(), x.attempt_number, x.next_attempt_at), ("retrying", 2, Some(at(60))));
        assert_eq!(x.error_message.as_deref(), Some("answered 503: Service\u{fffd}Unavailable"));
        assert_eq!(store.attempts_of("x").await.expect("attempts").len(), 2);
        assert_eq!(
            (ledger(&store, "y").await.status, ledger(&store, "z").await.status),
            ("failed".into(), "delivered".into())
        );
        let (a, b) = (row(&store, "a").await, row(&store, "b").await);
        assert_eq!((a.success_count, a.failure_count, a.failures_in_a_row), (1, 3, 1));
        assert_eq!((a.failing_since, a.last_success_at, a.last_triggered_at), (Some(at(6)), Some(at(5)), Some(at(6))));
        assert_eq!((b.failures_in_a_row, b.failing_since), (1, Some(at(1))));
        record(&store, vec![tried(&store, "v", "b", 9, RunOutcome::Dead)]).await;
        let b = row(&store, "b").await;
        assert_eq!((b.failures_in_a_row, b.failing_since), (2, Some(at(1))), "since the first");
        let opened = store.delivery_with_body("x").await.expect("read").expect("a delivery");
        assert_eq!(opened.1, b"{}");
    });
}

#[test]
fn what_was_delivered_stays_delivered() {
    on_both(&async |database| {
        let store = database.store().await;
        record(&store, vec![tried(&store, "x", "a", 1, RunOutcome::Done)]).await;
        let mut replay = tried(&store, "x", "a", 2, RunOutcome::Dead);
        replay.run.job_id = "replay".to_owned();
        record(&store, vec![replay]).await;
        let x = ledger(&store, "x").await;
        assert_eq!((x.status.as_str(), x.job_id.as_str(), x.response_status), ("delivered", "replay", Some(503)));
        assert_eq!(store.attempts_of("x").await.expect("attempts").len(), 2);
    });
}

#[test]
fn a_job_that_ends_without_an_attempt_closes_its_delivery() {
    on_both(&async |database| {
        let store = database.store().await;
        record(&store, vec![tried(&store, "x", "a", 1, RunOutcome::Retry)]).await;
        record(&store, vec![exit("x", 2, RunOutcome::Cancelled)]).await;
        let x = ledger(&store, "x").await;
        assert_eq!((x.status.as_str(), x.next_attempt_at), ("failed", None));
        assert_eq!(x.error_message.as_deref(), Some("503 from the receiver"));
    });
}

#[test]
fn deliveries_are_listed_counted_and_paged() {
    on_both(&async |database| {
        let store = database.store().await;
        let one = |second: i64, id: &str, outcome| {
            let mut exit = tried(&store, id, "a", 1, outcome);
            if let Some(Fact::Attempt(attempt)) = exit.facts.first_mut() {
                attempt.created_at = at(second);
            }
            exit
        };
        record(
            &store,
            vec![one(1, "x", RunOutcome::Dead), one(2, "y", RunOutcome::Done), one(3, "z", RunOutcome::Dead)],
        )
        .await;
        let ids = async |filter: DeliveryFilter| -> Vec<String> {
            let found = store.deliveries(DeliveryFilter { limit: 10, ..filter }).await.expect("list");
            found.into_iter().map(|delivery| delivery.id).collect()
        };
        assert_eq!(ids(DeliveryFilter::default()).await, ["z", "y", "x"]);
        let failed = || DeliveryFilter { statuses: vec![DeliveryStatus::Failed], ..DeliveryFilter::default() };
        assert_eq!(ids(failed()).await, ["z", "x"]);
        assert_eq!(store.count_deliveries(failed()).await.expect("count"), 2);
        let since: Option<DateTime<Utc>> = Some(at(2));
        assert_eq!(ids(DeliveryFilter { since, ..DeliveryFilter::default() }).await, ["z", "y"]);
        let before = Some((at(3), "z".to_owned()));
        assert_eq!(ids(DeliveryFilter { before, ..failed() }).await, ["x"]);
    });
}

#[test]
fn an_endpoint_is_disabled_warned_of_and_enabled_once() {
    on_both(&async |database| {
        let store = database.store().await;
        store.add_endpoint(endpoint("a"), secrets()).await.expect("add");
        record(&store, vec![tried(&store, "x", "a", 1, RunOutcome::Dead)]).await;
        assert!(store.note_endpoint_warning("a", 1).await.expect("warn"));
        assert!(!store.note_endpoint_warning("a", 1).await.expect("warn"), "once");
        assert!(store.disable_endpoint("a", "it is gone", at(9)).await.expect("disable"));
        assert!(!store.disable_endpoint("a", "again", at(9)).await.expect("disable"), "once");
        let a = row(&store, "a").await;
        assert_eq!((a.is_active, a.disabled_reason.as_deref(), a.warnings), (false, Some("it is gone"), 1));
        assert!(store.enable_endpoint("a", at(10)).await.expect("enable"));
        let a = row(&store, "a").await;
        assert_eq!((a.is_active, a.failures_in_a_row, a.failing_since, a.warnings), (true, 0, None, 0));
        assert_eq!(a.failure_count, 1, "the statistics stay");
    });
}
