//! Replays: the same delivery again.

use serde_json::json;

use super::{Answer, Receiver, add, delivery, event, header, house, send, settled, until_they_are};
use crate::support::{on_both, until};

#[test]
fn a_replay_is_the_same_delivery_with_the_same_bytes() {
    on_both(|house| {
        let house = settled(house);
        let receiver = Receiver::start();
        receiver.script([Answer::status(404)]);
        add(&house, "crm", &receiver.url("/"), &[]);
        let worker = house.worker();
        send(&house, "a", &event("crm", 1));
        until_they_are(&house, "crm", "failed", 1);
        let first = receiver.received(1).remove(0);
        let id = header(&first, "webhook-id").to_owned();
        // Another address, to be sure that the row of the endpoint counts and not what was.
        house.json(&["webhooks", "edit", "crm", "--url", &receiver.url("/moved")]);
        assert_eq!(house.json(&["webhooks", "replay", &id])["replayed"], 1);
        until_they_are(&house, "crm", "delivered", 1);
        let second = receiver.received(2).remove(1);
        assert_eq!((header(&second, "webhook-id"), &second.body), (id.as_str(), &first.body));
        assert_eq!(second.path, "/moved");
        assert_eq!(delivery(&house, &id)["attempts"].as_array().map(Vec::len), Some(2));
        // What was delivered is sent again only when somebody says so, and stays delivered.
        assert_eq!(house.json(&["webhooks", "replay", "--endpoint", "crm", "--dry-run"])["would_replay"], 0);
        receiver.script([Answer::status(404)]);
        let again = ["webhooks", "replay", "--endpoint", "crm", "--status", "delivered", "--yes"];
        assert_eq!(house.json(&again)["replayed"], 1);
        until("it was tried", || delivery(&house, &id)["attempts"].as_array().map(Vec::len) == Some(3));
        assert_eq!(delivery(&house, &id)["status"], "delivered");
        worker.stop();
    });
}

#[test]
fn an_address_of_the_job_is_signed_by_an_endpoint_and_not_kept() {
    let house = house();
    let receiver = Receiver::start();
    add(&house, "crm", &receiver.url("/crm"), &[]);
    let worker = house.worker();
    let args =
        json!({"url": receiver.url("/else"), "secret_of": "crm", "event": "invoice.paid", "data": {}}).to_string();
    let done = house.json(&["enqueue", "send_webhook", "--args", &args, "--wait", "30s"]);
    assert_eq!(done["outcome"], "done", "{done}");
    let request = receiver.received(1).remove(0);
    assert_eq!(request.path, "/else");
    assert!(header(&request, "webhook-signature").starts_with("v1,"));
    let id = header(&request, "webhook-id");
    assert_eq!(delivery(&house, id)["status"], "delivered");
    let again = json!({"delivery": id}).to_string();
    let refused = house.cli(&["enqueue", "send_webhook", "--args", &again, "--wait", "30s", "--json"]);
    let refused = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(refused.contains("an address that is not kept"), "{refused}");
    worker.stop();
}

#[test]
fn a_replay_of_nothing_says_so() {
    let house = house();
    let output = house.cli(&["webhooks", "replay", "msg_unknown"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no delivery msg_unknown"));
    assert_eq!(house.cli(&["webhooks", "replay"]).status.code(), Some(2), "all of them are not meant by accident");
}

#[test]
fn a_delivery_whose_job_is_taken_back_waits_no_more() {
    on_both(|house| {
        let house = settled(house).set("LIAISON_WEBHOOKS__SCHEDULE", "1h");
        let receiver = Receiver::start();
        receiver.script([Answer::status(500)]);
        add(&house, "crm", &receiver.url("/"), &[]);
        let worker = house.worker();
        send(&house, "a", &event("crm", 1));
        until_they_are(&house, "crm", "retrying", 1);
        house.json(&["jobs", "cancel", "a"]);
        until_they_are(&house, "crm", "failed", 1);
        worker.stop();
    });
}
