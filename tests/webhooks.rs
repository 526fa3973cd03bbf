//! Webhooks: what a receiver sees, what the ledger says, and what a bad receiver can do to others.

mod answers;
mod dying;
mod fairness;
mod ordering;
mod replaying;
mod secrecy;
mod signing;

use liaison_sandbox::{Answer, Request, WebhookReceiver};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::{House, PATIENCE, until};

/// A house that may call this machine, and does not wait long between attempts.
fn house() -> House {
    settled(House::sqlite())
}

fn settled(house: House) -> House {
    house
        .set("LIAISON_OUTBOUND__ALLOW", "127.0.0.0/8")
        .set("LIAISON_WEBHOOKS__SCHEDULE", "50ms")
        .set("LIAISON_WORKER__LEASE", "1s")
}

/// Somebody's endpoint, with a runtime of its own.
struct Receiver {
    runtime: Runtime,
    inner: WebhookReceiver,
}

impl Receiver {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let inner = runtime.block_on(WebhookReceiver::start()).expect("a receiver");
        Self { runtime, inner }
    }

    fn url(&self, path: &str) -> String {
        self.inner.url(path)
    }

    fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.inner.script(answers);
    }

    fn always(&self, path: &str, answer: Answer) {
        self.inner.always(path, Some(answer));
    }

    /// Wait for so many requests; all that there are.
    fn received(&self, at_least: usize) -> Vec<Request> {
        let waited = async { tokio::time::timeout(PATIENCE, self.inner.received(at_least)).await };
        self.runtime.block_on(waited).unwrap_or_else(|_| panic!("waited for {at_least} requests"))
    }

    /// Those for this path so far.
    fn of(&self, path: &str) -> Vec<Request> {
        let all = self.inner.remembered();
        all.into_iter().filter(|request| request.path == path).collect()
    }
}

/// Add an endpoint; its secret.
fn add(house: &House, id: &str, url: &str, more: &[&str]) -> String {
    let args = ["webhooks", "add", "--organizer", "o-1", "--id", id, "--url", url];
    let answer = house.json(&[&args[..], more].concat());
    answer["secret"].as_str().unwrap_or_default().to_owned()
}

/// Ask for a job with these arguments, under this id.
fn send(house: &House, id: &str, args: &Value) {
    house.json(&["enqueue", "send_webhook", "--id", id, "--args", &args.to_string()]);
}

/// An event for one endpoint.
fn event(endpoint: &str, number: usize) -> Value {
    json!({"endpoint": endpoint, "event": "booking_created", "data": {"number": number}})
}

fn deliveries(house: &House, endpoint: &str) -> Vec<Value> {
    let listed = house.json(&["webhooks", "deliveries", "--endpoint", endpoint, "--limit", "10000"]);
    listed.as_array().expect("a list").clone()
}

/// Wait until so many deliveries of an endpoint stand so.
fn until_they_are(house: &House, endpoint: &str, status: &str, count: usize) {
    until(&format!("{count} deliveries of {endpoint} are {status}"), || {
        deliveries(house, endpoint).iter().filter(|delivery| delivery["status"] == status).count() >= count
    });
}

/// One delivery, with its attempts.
fn delivery(house: &House, id: &str) -> Value {
    house.json(&["webhooks", "delivery", id])
}

fn endpoint(house: &House, id: &str) -> Value {
    house.json(&["webhooks", "show", id])
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.header(name).unwrap_or_else(|| panic!("no {name} in {:?}", request.headers))
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).expect("JSON")
}
