//! What is sent: the bytes that were signed, under an id that stays, with the headers of both conventions.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{Answer, Receiver, Request, add, body, deliveries, delivery, endpoint, event, header, house, send};
use super::{settled, until_they_are};
use crate::support::{House, until};

/// A receiver of its own kind, written from the two conventions with Python's standard library.
const VERIFIER: &str = r#"
import base64, hashlib, hmac, json, sys
sent = json.load(sys.stdin)
headers, body = sent["headers"], base64.b64decode(sent["body"])
for secret in sent["secrets"]:
    plain = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = (headers["webhook-id"] + "." + headers["webhook-timestamp"] + ".").encode() + body
    standard = "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    print(int(plain == headers["x-webhook-signature"]), int(standard in headers["webhook-signature"].split(" ")))
"#;

/// The reference library of the specification.
const LIBRARY: &str = r#"
import base64, json, sys
from standardwebhooks.webhooks import Webhook
sent = json.load(sys.stdin)
print(json.dumps(Webhook(sent["secrets"][0]).verify(base64.b64decode(sent["body"]), sent["headers"])))
"#;

fn python(program: &str, request: &Request, secrets: &[&str]) -> String {
    use base64::Engine as _;
    let headers: serde_json::Map<String, Value> =
        request.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let body = base64::engine::general_purpose::STANDARD.encode(&request.body);
    let sent = json!({"headers": headers, "body": body, "secrets": secrets});
    let libraries = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python");
    let mut python = Command::new("python3");
    python.args(["-c", program]).env("PYTHONPATH", libraries).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut python = python.stderr(Stdio::piped()).spawn().expect("start python3");
    python.stdin.take().expect("its input").write_all(sent.to_string().as_bytes()).expect("write");
    let output = python.wait_with_output().expect("python3 ends");
    assert!(output.status.success(), "{}\nmake deps installs it", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

fn delivered_on(house: &House) {
    let receiver = Receiver::start();
    let secret = add(house, "crm", &receiver.url("/hook"), &[]);
    let worker = house.worker();
    let args = json!({
        "endpoint": "crm", "event": "booking_created", "data": {"b": 1.50, "a": "ä"}, "booking_id": 7,
        "timestamp": "2027-01-11T10:00:00Z",
    });
    let done = house.json(&["enqueue", "send_webhook", "--args", &args.to_string(), "--wait", "30s"]);
    assert_eq!((&done["outcome"], &done["result"]["status"]), (&json!("done"), &json!(200)), "{done}");
    let request = receiver.received(1).remove(0);
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook"));
    let text = String::from_utf8(request.body.clone()).expect("UTF-8");
    let start = r#"{"type":"booking_created","event":"booking_created","timestamp":"2027-01-11T10:00:00Z","data":"#;
    assert_eq!(text, format!("{start}{}}}", args["data"]));
    assert_eq!(header(&request, "content-type"), "application/json");
    assert_eq!(header(&request, "x-webhook-event"), "booking_created");
    assert_eq!(header(&request, "x-webhook-delivery"), header(&request, "webhook-id"));
    assert_eq!(header(&request, "x-webhook-timestamp"), header(&request, "webhook-timestamp"));
    assert_eq!(python(VERIFIER, &request, &[&secret]), "1 1");

    let found = delivery(house, header(&request, "webhook-id"));
    assert_eq!((&found["status"], &found["booking_id"]), (&json!("delivered"), &json!("7")), "{found}");
    assert_eq!(found["payload_bytes"], request.body.len());
    let attempts = found["attempts"].as_array().expect("a list");
    assert_eq!((attempts.len(), &attempts[0]["response_status"]), (1, &json!(200)));
    assert_eq!(attempts[0]["response_body"], "answered\n");
    let crm = endpoint(house, "crm");
    assert_eq!((&crm["success_count"], &crm["failure_count"]), (&json!(1), &json!(0)), "{crm}");
    assert_eq!(crm["last_success_at"], crm["last_triggered_at"]);
    worker.stop();
}

#[test]
fn a_delivery_is_signed_in_both_forms_and_recorded() {
    delivered_on(&house());
}

#[test]
fn a_delivery_is_signed_in_both_forms_and_recorded_in_postgres() {
    delivered_on(&settled(House::postgres()));
}

#[test]
fn the_reference_library_verifies_a_delivery() {
    let house = house();
    let receiver = Receiver::start();
    let secret = add(&house, "crm", &receiver.url("/"), &[]);
    let worker = house.worker();
    let answer = house.json(&["webhooks", "test", "crm"]);
    assert_eq!(answer["outcome"], "done", "{answer}");
    let request = receiver.received(1).remove(0);
    let verified: Value = serde_json::from_str(&python(LIBRARY, &request, &[&secret])).expect("JSON");
    assert_eq!((verified, &body(&request)["type"]), (body(&request), &json!("webhook.test")));
    worker.stop();
}

#[test]
fn id_and_bytes_stay_the_same_over_retries() {
    let house = house();
    let receiver = Receiver::start();
    receiver.script([Answer::status(503), Answer::dropped(), Answer::status(302), Answer::status(204)]);
    add(&house, "crm", &receiver.url("/"), &[]);
    let worker = house.worker();
    send(&house, "a.job", &event("crm", 1));
    let requests = receiver.received(4);
    until_they_are(&house, "crm", "delivered", 1);
    let ids: Vec<_> = requests.iter().map(|request| header(request, "webhook-id")).collect();
    assert!(ids.iter().all(|id| *id == ids[0] && !id.contains('.')), "{ids:?}");
    assert!(requests.iter().all(|request| request.body == requests[0].body));
    let found = delivery(&house, ids[0]);
    let attempts = found["attempts"].as_array().expect("a list");
    let answers: Vec<_> = attempts.iter().map(|attempt| attempt["response_status"].clone()).collect();
    assert_eq!(answers, [json!(503), json!(null), json!(302), json!(204)], "{found}");
    assert_eq!(house.runs("a.job").len(), 4);
    worker.stop();
}

#[test]
fn an_event_with_an_id_of_its_own_is_one_for_the_receiver() {
    let house = house();
    let receiver = Receiver::start();
    add(&house, "crm", &receiver.url("/"), &[]);
    let worker = house.worker();
    let mut args = event("crm", 1);
    args["id"] = json!("event-7");
    send(&house, "first", &args);
    send(&house, "second", &args);
    let requests = receiver.received(2);
    assert_eq!(header(&requests[0], "webhook-id"), header(&requests[1], "webhook-id"));
    until("both are recorded", || delivery(&house, header(&requests[0], "webhook-id"))["attempts"][1].is_object());
    assert_eq!(deliveries(&house, "crm").len(), 1);
    worker.stop();
}

#[test]
fn after_a_rotation_both_secrets_sign() {
    let house = house();
    let receiver = Receiver::start();
    let old = add(&house, "crm", &receiver.url("/"), &[]);
    let rotated = house.json(&["webhooks", "rotate-secret", "crm", "--grace", "1h"]);
    let new = rotated["secret"].as_str().expect("a secret").to_owned();
    assert_ne!(old, new);
    let worker = house.worker();
    send(&house, "a", &event("crm", 1));
    let request = receiver.received(1).remove(0);
    assert_eq!(python(VERIFIER, &request, &[&new, &old]), "1 1\n0 1", "the plain form has room for one");
    house.json(&["webhooks", "rotate-secret", "crm", "--grace", "0s"]);
    house.json(&["webhooks", "test", "crm"]);
    worker.stop();
    let worker = house.worker();
    house.json(&["webhooks", "test", "crm"]);
    let last = receiver.received(3).remove(2);
    assert_eq!(header(&last, "webhook-signature").split(' ').count(), 1, "without a grace only the new one signs");
    assert_eq!(python(VERIFIER, &last, &[&new, &old]), "0 0\n0 0");
    worker.stop();
}

#[test]
fn an_endpoint_has_its_own_headers_and_form_of_signature() {
    let house = house();
    let receiver = Receiver::start();
    let headers = house.write("headers", "Authorization: Bearer abc\nX-Tenant: 7\n");
    let more = ["--signature", "plain", "--signature-header", "X-Hub-Signature", "--signature-prefix", "false"];
    add(&house, "crm", &receiver.url("/"), &[&more[..], &["--method", "PUT", "--headers-file", &headers]].concat());
    let worker = house.worker();
    send(&house, "a", &event("crm", 1));
    let request = receiver.received(1).remove(0);
    assert_eq!((request.method.as_str(), header(&request, "x-tenant")), ("PUT", "7"));
    assert_eq!(header(&request, "authorization"), "Bearer abc");
    assert_eq!(header(&request, "x-hub-signature").len(), 64);
    assert_eq!((request.header("webhook-id"), request.header("x-webhook-signature")), (None, None));
    worker.stop();
    let bad = house.write("bad", "Host: elsewhere\n");
    let refused = house.cli(&["webhooks", "edit", "crm", "--headers-file", &bad]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
}

#[test]
fn the_trace_of_the_host_goes_on_to_the_receiver() {
    let house = house();
    let receiver = Receiver::start();
    add(&house, "crm", &receiver.url("/"), &[]);
    let worker = house.worker();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let envelope = json!({"job": "send_webhook", "trace": trace,
        "args": {"organizer": "o-1", "event": "booking_created", "data": {}}});
    house.redis.push("default", &[envelope.to_string()]);
    let request = receiver.received(1).remove(0);
    assert_eq!(header(&request, "traceparent").split('-').nth(1), trace.split('-').nth(1));
    worker.stop();
}
