//! Order, for endpoints that want it.

use serde_json::json;

use super::{Answer, Receiver, add, body, header, house, send, settled, until_they_are};
use crate::support::on_both;

#[test]
fn deliveries_of_one_subject_keep_their_order_through_retries_and_a_death() {
    on_both(|house| {
        let house = settled(house);
        let receiver = Receiver::start();
        receiver.script([Answer::status(200), Answer::status(500), Answer::dropped(), Answer::status(503)]);
        add(&house, "crm", &receiver.url("/"), &["--ordered", "true", "--max-retries", "10"]);
        for number in 0..8 {
            let args =
                json!({"organizer": "o-1", "event": "booking_rescheduled", "subject": "b-1", "data": {"n": number}});
            let args = args.to_string();
            // The order begins with the lane of the events.
            let lane = ["--lane", "booking:b-1"];
            let id = format!("j-{number}");
            let words = ["enqueue", "send_webhook", "--id", &id, "--args", &args];
            house.json(&[&words[..], &lane].concat());
        }
        let worker = house.worker();
        until_they_are(&house, "crm", "delivered", 2);
        worker.kill();
        let worker = house.worker();
        until_they_are(&house, "crm", "delivered", 8);
        let mut seen: Vec<(String, i64)> = Vec::new();
        for request in receiver.received(8) {
            let pair =
                (header(&request, "webhook-id").to_owned(), body(&request)["data"]["n"].as_i64().expect("a number"));
            // A repeat under the same id is what a receiver drops.
            if seen.last() != Some(&pair) {
                seen.push(pair);
            }
        }
        let numbers: Vec<i64> = seen.iter().map(|(_, number)| *number).collect();
        assert_eq!(numbers, (0..8).collect::<Vec<_>>());
        worker.stop();
    });
}

#[test]
fn a_stuck_subject_holds_up_no_other_and_can_be_passed() {
    let house = house().set("LIAISON_WEBHOOKS__SCHEDULE", "1h");
    let receiver = Receiver::start();
    receiver.script([Answer::status(200), Answer::status(500)]);
    add(&house, "crm", &receiver.url("/"), &["--ordered", "true"]);
    let worker = house.worker();
    let ask = |id: &str, subject: &str| {
        let args = json!({"organizer": "o-1", "event": "booking_created", "subject": subject, "data": {"id": id}});
        send(&house, id, &args);
    };
    ask("proves", "other");
    until_they_are(&house, "crm", "delivered", 1);
    ask("stuck", "b-1");
    until_they_are(&house, "crm", "retrying", 1);
    ask("behind", "b-1");
    ask("beside", "b-2");
    until_they_are(&house, "crm", "delivered", 2);
    let last = receiver.received(3).remove(2);
    assert_eq!(body(&last)["data"]["id"], "beside");
    house.json(&["lanes", "skip", "webhook:crm:b-1"]);
    until_they_are(&house, "crm", "delivered", 3);
    worker.stop();
}
