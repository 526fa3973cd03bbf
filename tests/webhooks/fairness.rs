//! A slow or dead endpoint delays only itself.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Answer, Receiver, add, deliveries, delivery, endpoint, event, house, send, settled, until_they_are};
use crate::support::{House, on_both, until};

fn attempted(house: &House, endpoint: &str) -> Vec<DateTime<Utc>> {
    let mut times: Vec<DateTime<Utc>> = deliveries(house, endpoint)
        .iter()
        .flat_map(|found| {
            let found = delivery(house, found["id"].as_str().expect("an id"));
            found["attempts"].as_array().expect("a list").clone()
        })
        .map(|attempt| attempt["attempted_at"].as_str().expect("a time").parse().expect("RFC 3339"))
        .collect();
    times.sort();
    times
}

#[test]
fn an_endpoint_that_hangs_delays_nobody_else() {
    let house = house().set("LIAISON_WORKER__CONCURRENCY", "4");
    let receiver = Receiver::start();
    receiver.always("/hangs", Answer::status(200).after(Duration::from_mins(5)));
    add(&house, "hangs", &receiver.url("/hangs"), &["--timeout", "30s"]);
    add(&house, "well", &receiver.url("/well"), &[]);
    let (worker, other) = (house.worker(), house.worker());
    for number in 0..20 {
        send(&house, &format!("hangs-{number}"), &event("hangs", number));
    }
    until("it hangs", || !receiver.of("/hangs").is_empty());
    for number in 0..20 {
        send(&house, &format!("well-{number}"), &event("well", number));
    }
    until_they_are(&house, "well", "delivered", 20);
    assert_eq!(receiver.of("/hangs").len(), 1, "what never took a delivery has one call at a time, over all daemons");
    assert!(deliveries(&house, "hangs").is_empty());
    worker.kill();
    other.kill();
}

#[test]
fn an_endpoint_that_began_to_hang_takes_no_more_than_its_share() {
    let house = house().set("LIAISON_WORKER__CONCURRENCY", "8").set("LIAISON_WEBHOOKS__PER_ENDPOINT", "3");
    let receiver = Receiver::start();
    for id in ["hangs", "well"] {
        add(&house, id, &receiver.url(&format!("/{id}")), &["--timeout", "30s"]);
    }
    let worker = house.worker();
    for id in ["hangs", "well"] {
        send(&house, &format!("{id}-proof"), &event(id, 0));
        until_they_are(&house, id, "delivered", 1);
    }
    receiver.always("/hangs", Answer::status(200).after(Duration::from_mins(5)));
    for number in 0..30 {
        send(&house, &format!("hangs-{number}"), &event("hangs", number));
    }
    until("it hangs", || receiver.of("/hangs").len() > 1);
    for number in 0..30 {
        send(&house, &format!("well-{number}"), &event("well", number));
    }
    until_they_are(&house, "well", "delivered", 31);
    let calls = receiver.of("/hangs").len() - 1;
    assert!((1..=3).contains(&calls), "{calls} calls of one endpoint at once");
    worker.kill();
}

#[test]
fn an_endpoint_has_limits_of_its_own() {
    let house = house();
    let receiver = Receiver::start();
    add(&house, "crm", &receiver.url("/"), &["--max-per-second", "2", "--max-concurrent", "1"]);
    let worker = house.worker();
    for number in 0..7 {
        send(&house, &format!("j-{number}"), &event("crm", number));
    }
    until_they_are(&house, "crm", "delivered", 7);
    let times = attempted(&house, "crm");
    assert!(times.windows(3).all(|three| three[2] - three[0] >= TimeDelta::milliseconds(990)), "{times:?}");
    assert!((0..7).all(|number| house.runs(&format!("j-{number}")).len() == 1), "to wait is no attempt");
    worker.stop();
}

#[test]
fn an_open_breaker_parks_deliveries_at_no_cost_and_one_tries_again() {
    on_both(|house| {
        let house =
            settled(house).set("LIAISON_WEBHOOKS__BREAKER_AFTER", "3").set("LIAISON_WEBHOOKS__BREAKER_WAIT", "1s");
        let receiver = Receiver::start();
        receiver.always("/", Answer::status(500));
        add(&house, "crm", &receiver.url("/"), &["--max-retries", "0"]);
        let worker = house.worker();
        for number in 0..12 {
            send(&house, &format!("j-{number}"), &event("crm", number));
        }
        until_they_are(&house, "crm", "failed", 5);
        receiver.inner.always("/", None);
        until_they_are(&house, "crm", "delivered", 7);
        let times = attempted(&house, "crm");
        let waits: Vec<TimeDelta> = times.windows(2).map(|two| two[1] - two[0]).collect();
        assert!(waits[2] >= TimeDelta::milliseconds(990), "after three failures nothing goes for a second: {waits:?}");
        assert!(waits[3] >= TimeDelta::milliseconds(1990), "one tries, and then nothing goes for two: {waits:?}");
        let ran: usize = (0..12).map(|number| house.runs(&format!("j-{number}")).len()).sum();
        assert_eq!((ran, times.len()), (12, 12), "to be parked is no attempt and leaves no row");
        let crm = endpoint(&house, "crm");
        assert_eq!(
            (&crm["success_count"], &crm["failure_count"], &crm["failures_in_a_row"]),
            (&json!(7), &json!(5), &json!(0))
        );
        worker.stop();
    });
}

#[test]
fn an_endpoint_that_fails_for_long_is_warned_of_disabled_and_told_once() {
    on_both(|house| {
        let house = settled(house)
            .set("LIAISON_WEBHOOKS__WARN_AFTER", "1s")
            .set("LIAISON_WEBHOOKS__DISABLE_AFTER", "3s")
            .set("LIAISON_WEBHOOKS__BREAKER_AFTER", "1000");
        let receiver = Receiver::start();
        receiver.always("/", Answer::status(500));
        add(&house, "crm", &receiver.url("/"), &["--max-retries", "20"]);
        let worker = house.worker();
        for number in 0..4 {
            send(&house, &format!("j-{number}"), &event("crm", number));
        }
        let mut sent = 4;
        until("it is disabled", || {
            send(&house, &format!("j-{sent}"), &event("crm", sent));
            sent += 1;
            endpoint(&house, "crm")["is_active"] == false
        });
        let crm = endpoint(&house, "crm");
        let since: DateTime<Utc> = crm["failing_since"].as_str().expect("a time").parse().expect("RFC 3339");
        for stage in ["warning-1", "warning-2", "disabled"] {
            let id = format!("webhook-{stage}:crm:{}", since.timestamp_millis());
            until(&format!("the organizer is told: {id}"), || !house.runs(&id).is_empty());
        }
        assert!(crm["disabled_reason"].as_str().unwrap_or_default().contains("no delivery succeeded since"), "{crm}");
        house.json(&["webhooks", "enable", "crm"]);
        let crm = endpoint(&house, "crm");
        assert_eq!(
            (&crm["is_active"], &crm["failures_in_a_row"], &crm["failing_since"]),
            (&json!(true), &json!(0), &Value::Null)
        );
        worker.stop();
    });
}
