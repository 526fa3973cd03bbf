//! What an endpoint answers, and what becomes of its delivery.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Answer, Receiver, add, deliveries, delivery, endpoint, event, house, send, settled, until_they_are};
use crate::support::{House, on_both, until};

/// Send one event, and return its delivery once it is over.
fn over(house: &House, id: &str, endpoint: &str) -> Value {
    send(house, id, &event(endpoint, 1));
    let mut found = Value::Null;
    until("it is over", || {
        let of_job = |delivery: &&Value| delivery["job_id"] == id && delivery["status"] != "retrying";
        found = deliveries(house, endpoint).iter().find(of_job).cloned().unwrap_or_default();
        !found.is_null()
    });
    delivery(house, found["id"].as_str().expect("an id"))
}

#[test]
fn a_status_decides_whether_it_is_tried_again() {
    on_both(|house| {
        let house = settled(house).set("LIAISON_WEBHOOKS__BREAKER_AFTER", "1000");
        let receiver = Receiver::start();
        let worker = house.worker();
        for (status, attempts) in [(404, 1), (400, 1), (301, 2), (408, 2), (425, 2), (429, 2), (500, 2), (504, 2)] {
            let name = format!("e-{status}");
            receiver.always(&format!("/{status}"), Answer::status(status));
            add(&house, &name, &receiver.url(&format!("/{status}")), &["--max-retries", "1"]);
            let found = over(&house, &format!("j-{status}"), &name);
            assert_eq!(found["status"], "failed", "{found}");
            assert_eq!(found["attempts"].as_array().map(Vec::len), Some(attempts), "{status}: {found}");
            assert!(found["error_message"].as_str().unwrap_or_default().contains(&status.to_string()), "{found}");
            assert_eq!(house.runs(&format!("j-{status}")).last().expect("a run")["outcome"], "dead");
        }
        worker.stop();
    });
}

#[test]
fn an_endpoint_that_wants_no_retries_gets_none() {
    let house = house();
    let receiver = Receiver::start();
    receiver.always("/", Answer::status(500));
    add(&house, "crm", &receiver.url("/"), &["--retry-failed", "false"]);
    let worker = house.worker();
    let found = over(&house, "a", "crm");
    assert_eq!(found["attempts"].as_array().map(Vec::len), Some(1), "{found}");
    worker.stop();
}

#[test]
fn what_is_gone_is_disabled_and_can_be_enabled() {
    on_both(|house| {
        let house = settled(house);
        let receiver = Receiver::start();
        receiver.script([Answer::status(410)]);
        add(&house, "crm", &receiver.url("/"), &[]);
        let worker = house.worker();
        assert_eq!(over(&house, "first", "crm")["status"], "failed");
        let crm = endpoint(&house, "crm");
        assert_eq!((&crm["is_active"], &crm["disabled_reason"]), (&json!(false), &json!("it answered 410 Gone")));
        let second = over(&house, "second", "crm");
        assert_eq!((&second["status"], second["attempts"].as_array().map(Vec::len)), (&json!("skipped"), Some(0)));
        let runs = house.runs("second");
        assert_eq!(runs[0]["outcome"], "done", "nothing is wrong with a job that has nobody to go to: {runs:?}");
        assert!(runs[0]["result"].as_str().unwrap_or_default().contains("liaison webhooks enable crm"), "{runs:?}");
        house.json(&["webhooks", "enable", "crm"]);
        assert_eq!(house.json(&["webhooks", "replay", "--endpoint", "crm", "--dry-run"])["would_replay"], 2);
        assert_eq!(house.json(&["webhooks", "replay", "--endpoint", "crm", "--yes"])["replayed"], 2);
        until_they_are(&house, "crm", "delivered", 2);
        assert_eq!(receiver.received(3).len(), 3);
        worker.stop();
    });
}

#[test]
fn it_comes_back_no_sooner_than_it_was_asked_to() {
    let house = house();
    let receiver = Receiver::start();
    receiver.script([Answer::status(503).retry_after(Duration::from_secs(2))]);
    add(&house, "crm", &receiver.url("/"), &[]);
    let worker = house.worker();
    send(&house, "a", &event("crm", 1));
    receiver.received(1);
    let first = Instant::now();
    receiver.received(2);
    assert!(first.elapsed() >= Duration::from_millis(1900), "after {:?}", first.elapsed());
    until_they_are(&house, "crm", "delivered", 1);
    worker.stop();
}

#[test]
fn a_call_takes_no_longer_than_its_endpoint_allows() {
    let house = house();
    let receiver = Receiver::start();
    receiver.always("/", Answer::status(200).after(Duration::from_mins(5)));
    add(&house, "crm", &receiver.url("/"), &["--timeout", "1s", "--max-retries", "0"]);
    let worker = house.worker();
    let found = over(&house, "a", "crm");
    let took = found["attempts"][0]["duration_ms"].as_i64().expect("a time");
    assert!((1000..4000).contains(&took), "{found}");
    assert_eq!(found["status"], "failed");
    worker.stop();
}

#[test]
fn what_is_too_large_is_refused_with_how_much() {
    let house = house().set("LIAISON_WEBHOOKS__MAX_REQUEST", "1KiB");
    let receiver = Receiver::start();
    add(&house, "crm", &receiver.url("/"), &[]);
    let worker = house.worker();
    send(&house, "a", &json!({"endpoint": "crm", "event": "booking_created", "data": "x".repeat(2000)}));
    until("it is over", || house.runs("a").len() == 1);
    let reason = house.runs("a")[0]["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.contains("more than the 1024 allowed"), "{reason}");
    assert!(receiver.of("/").is_empty());
    worker.stop();
}

#[test]
fn an_address_of_this_machine_is_not_called_unless_that_is_allowed() {
    let house = House::sqlite();
    let refused = house.cli(&["webhooks", "add", "--organizer", "o", "--url", "http://127.0.0.1:9000/"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let allowed = super::settled(House::sqlite());
    let receiver = Receiver::start();
    add(&allowed, "crm", &receiver.url("/"), &[]);
    let forbidding = allowed.set("LIAISON_OUTBOUND__ALLOW", "10.0.0.0/8");
    let worker = forbidding.worker();
    let found = over(&forbidding, "a", "crm");
    assert_eq!((&found["status"], found["attempts"].as_array().map(Vec::len)), (&json!("failed"), Some(1)), "{found}");
    assert!(receiver.of("/").is_empty());
    worker.stop();
}

#[test]
fn an_event_goes_to_every_active_endpoint_that_wants_it_once_over_two_daemons() {
    let house = house();
    let receiver = Receiver::start();
    for (id, events) in [
        ("all", "*"),
        ("bookings", "booking_*"),
        ("created", "booking_created"),
        ("custom", "custom_events"),
        ("off", "*"),
    ] {
        add(&house, id, &receiver.url(&format!("/{id}")), &["--event", events]);
    }
    house.json(&["webhooks", "disable", "off"]);
    let (one, other) = (house.worker(), house.worker());
    let sent = |id: &str, event: &str| {
        let args = json!({"organizer": "o-1", "event": event, "data": {}}).to_string();
        house.json(&["enqueue", "send_webhook", "--id", id, "--args", &args, "--wait", "30s"])["result"].clone()
    };
    assert_eq!(sent("a", "booking_created"), json!({"endpoints": 3, "disabled": 1}));
    assert_eq!(sent("b", "booking_cancelled"), json!({"endpoints": 2, "disabled": 1}));
    assert_eq!(sent("c", "invoice.paid"), json!({"endpoints": 2, "disabled": 1}));
    for (id, count) in [("all", 3), ("bookings", 2), ("created", 1), ("custom", 1)] {
        until_they_are(&house, id, "delivered", count);
        assert_eq!(receiver.of(&format!("/{id}")).len(), count, "{id}");
    }
    assert!(receiver.of("/off").is_empty());
    let ids: std::collections::HashSet<_> =
        receiver.received(7).iter().map(|request| super::header(request, "webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 7, "one for each event and endpoint");
    one.stop();
    other.stop();
}

#[test]
fn counters_and_ledger_agree_over_two_daemons_in_postgres() {
    let house = super::settled(House::postgres());
    let receiver = Receiver::start();
    for id in ["a", "b", "c"] {
        add(&house, id, &receiver.url(&format!("/{id}")), &["--max-retries", "0"]);
    }
    // Every now and then one fails, whichever that is.
    receiver.script((0..300).map(|at| Answer::status(if at % 50 == 49 { 500 } else { 200 })));
    let (one, other) = (house.worker(), house.worker());
    let lines: Vec<String> = (0..300)
        .map(|at| {
            let args = event(["a", "b", "c"][at % 3], at);
            json!({"id": format!("j-{at}"), "job": "send_webhook", "args": args}).to_string()
        })
        .collect();
    house.redis.push("default", &lines);
    let all = |house: &House| -> Vec<Value> {
        house.json(&["webhooks", "deliveries", "--limit", "1000"]).as_array().expect("a list").clone()
    };
    until("all are over", || all(&house).len() == 300);
    let (mut well, mut badly) = (0, 0);
    for id in ["a", "b", "c"] {
        let found = endpoint(&house, id);
        well += found["success_count"].as_u64().expect("a count");
        badly += found["failure_count"].as_u64().expect("a count");
    }
    assert_eq!((well, badly), (294, 6));
    let failed = all(&house).iter().filter(|delivery| delivery["status"] == "failed").count();
    assert_eq!(failed, 6);
    one.stop();
    other.stop();
}
