//! A daemon that dies in the middle of a delivery.

use serde_json::json;

use super::{Answer, Receiver, add, body, deliveries, delivery, event, header, house, send, settled, until_they_are};
use crate::support::{Daemon, House};

fn dying(house: &House, plan: &str) -> Daemon {
    let mut command = house.command(&["worker"]);
    command.env("LIAISON_FAULTS", plan);
    Daemon::spawn(command)
}

#[test]
fn a_delivery_survives_its_daemon_with_one_id_and_a_whole_ledger() {
    let points = ["before_handler", "after_handler", "before_commit", "after_commit", "before_park"];
    for (at, point) in points.iter().enumerate() {
        // Each backend has its turn at every other point.
        let house = settled(if at % 2 == 0 { House::postgres() } else { House::sqlite() });
        let receiver = Receiver::start();
        receiver.script([Answer::status(500)]);
        add(&house, "crm", &receiver.url("/"), &[]);
        send(&house, "a", &event("crm", at));
        let mut first = dying(&house, &format!("{point}:kill"));
        first.end();
        let worker = house.worker();
        until_they_are(&house, "crm", "delivered", 1);
        let requests = receiver.received(1);
        let id = header(&requests[0], "webhook-id").to_owned();
        assert!(requests.iter().all(|request| header(request, "webhook-id") == id), "{point}");
        assert!(requests.iter().all(|request| request.body == requests[0].body), "{point}");
        let found = delivery(&house, &id);
        let last = found["attempts"].as_array().expect("a list").last().cloned().unwrap_or_default();
        assert_eq!(last["response_status"], 200, "{point}: {found}");
        assert_eq!(deliveries(&house, "crm").len(), 1, "{point}");
        let crm = super::endpoint(&house, "crm");
        let attempts = found["attempts"].as_array().map(Vec::len);
        let counted = crm["success_count"].as_u64().zip(crm["failure_count"].as_u64()).map(|(one, two)| one + two);
        assert_eq!(counted, attempts.map(|count| count as u64), "{point}: the counters are those of the ledger: {crm}");
        worker.stop();
    }
}

#[test]
fn an_event_for_many_is_sent_to_each_although_its_daemon_dies() {
    let house = house();
    let receiver = Receiver::start();
    for number in 0..5 {
        add(&house, &format!("e-{number}"), &receiver.url(&format!("/{number}")), &[]);
    }
    send(&house, "all", &json!({"organizer": "o-1", "event": "booking_created", "data": {"n": 1}}));
    // All five are asked for, and nobody has recorded it.
    let mut first = dying(&house, "after_handler:kill");
    first.end();
    let worker = house.worker();
    for number in 0..5 {
        until_they_are(&house, &format!("e-{number}"), "delivered", 1);
        let requests = receiver.of(&format!("/{number}"));
        let ids: std::collections::HashSet<_> = requests.iter().map(|request| header(request, "webhook-id")).collect();
        assert_eq!(ids.len(), 1, "{number}");
        assert_eq!(body(&requests[0])["data"]["n"], 1);
    }
    worker.stop();
}
