//! A scene that leaves something in every place there is, because its daemons are killed in the middle of it. The name
//! of each job says how it is to end for whoever finds it.

use std::{net::TcpListener, thread};

use serde_json::{Value, json};

use crate::support::{House, until};

const FAR: &str = "2100-01-01T00:00:00Z";
const FAR_MS: u64 = 4_102_444_800_000;

/// What waits for a time that will not come.
pub(super) const LATER: &[&str] = &["done:later", "done:later-high", "done:later-low", "done:passing"];

/// An entry that has no tick within a scene, but a past.
const SCHEDULE: &str = "[[schedule]]\nname = 'yearly'\njob = 'noop'\ncron = '0 0 1 1 *'\n";

pub(super) fn settings(house: House) -> House {
    house.write("scheduler.toml", SCHEDULE);
    let queues = [("0", "default"), ("1", "second"), ("2", "third"), ("3", "parts")];
    let house =
        queues.iter().fold(house, |house, (number, name)| house.set(&format!("LIAISON_QUEUE__{number}__NAME"), name));
    house.set("LIAISON_QUEUE__3__SHARDS", "2").set("LIAISON_WORKER__LEASE", "3s")
}

/// The jobs of a record that say how they are to end.
pub(super) fn ids(commands: &[Vec<String>]) -> Vec<String> {
    let stored =
        commands.iter().filter(|words| words[1].ends_with(":jobs")).flat_map(|words| words.iter().skip(2).step_by(2));
    let lines = commands.iter().filter(|words| words[1].ends_with(":inbox")).flat_map(|words| words.iter().skip(2));
    let pushed =
        lines.filter_map(|line| serde_json::from_str::<Value>(line).ok()?["id"].as_str().map(ToOwned::to_owned));
    stored.cloned().chain(pushed).filter(|id| id.contains(':')).collect()
}

pub(super) fn play(house: &House) {
    let first = house.worker();
    leave_a_history(house);
    let pause = || house.json(&["schedule", "pause", "yearly", "--by", "ann", "--reason", "for the record"]);
    pause();
    house.redis.ask::<u64>(&["HSET", "liaison:{schedule:yearly}:state", "tick", "1672531200000"]);
    // What it left out meanwhile is a row.
    house.json(&["schedule", "resume", "yearly"]);
    pause();
    let doorman = limits(house);
    // It kills its daemon, with what is beside it.
    house.json(&["queues", "pause", "second"]);
    for id in ["done:held-1", "done:held-2"] {
        works_a_while(house, id, "default");
    }
    until("they run", || running(house, "default") >= 3);
    house.json(&["enqueue", "crash", "--id", "dead:bomb"]);
    suspects(house, first);
    drop(doorman);
}

fn running(house: &House, queue: &str) -> usize {
    let jobs = house.json(&["jobs", "list", "--state", "running", "--queue", queue]);
    jobs.as_array().map_or(0, Vec::len)
}

fn works_a_while(house: &House, id: &str, queue: &str) {
    house.json(&["enqueue", "sleep", "--args", r#"{"ms": 4000}"#, "--id", id, "--queue", queue]);
}

fn noop(house: &House, id: &str, more: &[&str]) {
    house.json(&[&["enqueue", "noop", "--id", id], more].concat());
}

fn push(house: &House, queue: &str, lines: &[Value]) {
    house.redis.push(queue, &lines.iter().map(ToString::to_string).collect::<Vec<_>>());
}

/// Every outcome in the store, and what outlives its job in Redis.
fn leave_a_history(house: &House) {
    push(
        house,
        "default",
        &[json!({"job": "echo", "args": {"a": 1}, "id": "done:replied", "reply": true, "trace": "00-a-b-01"})],
    );
    house.json(&["enqueue", "fail", "--args", r#"{"times": 9}"#, "--max-attempts", "1", "--id", "dead:letter"]);
    house.json(&["enqueue", "fail", "--args", r#"{"times": 1}"#, "--id", "done:retried"]);
    push(house, "default", &[json!({"job": "noop", "id": "expired:before", "expires_at": 1})]);
    noop(house, "cancelled:before", &["--at", FAR]);
    house.json(&["jobs", "cancel", "cancelled:before", "--reason", "wrong"]);
    noop(house, "replaced:before", &["--at", FAR, "--unique", "key:replace"]);
    noop(house, "done:replacing", &["--unique", "key:replace", "--replace"]);
    noop(house, "done:timed", &["--unique", "key:timed", "--unique-for", "365d"]);
    for (batch, then) in [("import:0", "done:then-before"), ("import:1", "done:then")] {
        let then = json!({"job": "echo", "id": then}).to_string();
        house.json(&["batches", "open", batch, "--then", &then]);
        noop(house, &format!("done:batched-{}", &batch[7..]), &["--batch", batch]);
    }
    house.json(&["batches", "seal", "import:0", "--size", "1"]);
    until("the history is made", || house.count("done") == 7 && house.count("cancelled") == 1);
    until("the others too", || ["dead", "expired", "replaced", "retry"].iter().all(|end| house.count(end) == 1));
}

/// One that holds a permit, and two that wait for it. Whoever finds them finds nobody at the door, and gives up.
fn limits(house: &House) -> TcpListener {
    let door = TcpListener::bind("127.0.0.1:0").expect("a door");
    let address = door.local_addr().expect("its address").to_string();
    let doorman = door.try_clone().expect("a doorman");
    // Ends with the listener's last connection; what knocks is killed, so nobody waits for it.
    thread::spawn(move || doorman.accept().map(|(stream, _)| std::io::Read::read(&mut &stream, &mut [0; 64])));
    let limit = json!({"key": "limit:a", "concurrent": 1, "per_second": 5, "per_day": 1000});
    let knock = |id: &str| {
        let args = json!({"address": address, "limit": limit, "hold_ms": 60000}).to_string();
        house.json(&["enqueue", "knock", "--args", &args, "--id", id]);
    };
    knock("dead:knock-1");
    until("it is inside", || house.redis.ask::<i64>(&["ZCARD", "liaison:{limit:limit:a}:permits"]) == 1);
    knock("dead:knock-2");
    knock("dead:knock-3");
    until("two wait", || house.redis.ask::<i64>(&["ZCARD", "liaison:{limit:limit:a}:line"]) == 2);
    door
}

/// Those that were there when a process died, and when the next one did too.
fn suspects(house: &House, mut first: crate::support::Daemon) {
    assert!(!first.end().success());
    house.json(&["queues", "pause", "default"]);
    let second = house.worker();
    until("those of the first are suspects", || list(house, "{default}:apart") >= 4);
    house.json(&["queues", "resume", "default"]);
    second.says("the process of the suspects ended with");
    house.json(&["queues", "pause", "default"]);
    until("they have to run alone", || list(house, "{default}:alone") >= 2);
    works_a_while(house, "done:beside", "second");
    house.json(&["queues", "resume", "second"]);
    until("it runs", || running(house, "second") == 1);
    house.json(&["queues", "pause", "second"]);
    second.kill();
    let third = house.worker();
    until("it is a suspect", || list(house, "{second}:apart") == 1);
    waiting(house);
    works_a_while(house, "done:running", "third");
    works_a_while(house, "cancelled:running", "third");
    house.json(&["enqueue", "fail", "--args", r#"{"times": 5}"#, "--queue", "third", "--id", "done:failing"]);
    until("they run", || running(house, "third") >= 2);
    third.kill();
    nobody_there(house);
}

fn list(house: &House, key: &str) -> i64 {
    house.redis.ask(&["LLEN", &format!("liaison:{key}")])
}

/// Every way to wait, in a queue from which nobody claims.
fn waiting(house: &House) {
    for band in ["high", "normal", "low"] {
        noop(house, &format!("done:{band}"), &["--priority", band]);
    }
    noop(house, "done:later", &["--at", FAR]);
    noop(house, "done:later-high", &["--at", FAR, "--priority", "high"]);
    noop(house, "done:later-low", &["--at", FAR, "--priority", "low"]);
    for id in ["done:lane-1", "done:lane-2", "done:lane-3"] {
        noop(house, id, &["--lane", "lane:a"]);
    }
    noop(house, "done:passing", &["--lane", "lane:b", "--lane-passes", "--at", FAR]);
    noop(house, "done:passed", &["--lane", "lane:b"]);
    noop(house, "done:unique-queued", &["--unique", "key:queued", "--unique-scope", "while_queued"]);
    noop(house, "done:unique-done", &["--unique", "key:done"]);
    noop(house, "done:batched-last", &["--batch", "import:1"]);
    push(
        house,
        "default",
        &[json!({"job": "noop", "id": "done:expiring", "expires_at": FAR_MS}), json!({"job": "noop"})],
    );
    for id in ["done:ghost-1", "cancelled:ghost", "done:ghost-2"] {
        noop(house, id, &[]);
    }
    house.json(&["jobs", "cancel", "cancelled:ghost", "--reason", "in the middle"]);
    until("it is recorded", || house.count("cancelled") == 2);
    until("the lines are taken in", || house.place("done:expiring")["state"] == "ready");
}

/// What daemons that died over ticks leave of them.
fn ticks(house: &House) {
    house.redis.ask::<u64>(&["HSET", "liaison:{schedule:yearly}:state", "last", "default done:tick"]);
    let envelope = json!({"id": "done:tick", "job": "noop", "queue": "third", "schedule": {"entry": "yearly"}});
    let fired = json!({"id": "done:tick", "queue": "third", "envelope": envelope.to_string()});
    let told = [
        ("1767225600000", json!({"status": "fired", "decided_at": 1_767_225_600_003_u64, "job": fired})),
        (
            "1735689600000",
            json!({"status": "missed", "decided_at": 1_767_225_600_003_u64, "ticks": 2,
            "until": 1_751_328_000_000_u64, "reason": "no daemon was there in time"}),
        ),
        (
            "1609459200000",
            json!({"status": "skipped", "decided_at": 1_609_459_200_003_u64, "reason": "it is not over"}),
        ),
    ];
    for (tick, what) in told {
        house.redis.ask::<u64>(&["HSET", "liaison:{schedule:yearly}:left", tick, &what.to_string()]);
    }
}

/// What happens while there is no daemon.
fn nobody_there(house: &House) {
    ticks(house);
    noop(house, "cancelled:departing", &[]);
    for id in ["cancelled:departing", "cancelled:running"] {
        house.json(&["jobs", "cancel", id, "--reason", "too late"]);
    }
    for number in 1..=4 {
        noop(house, &format!("done:part-{number}"), &["--queue", "parts", "--lane", &format!("lane:{number}")]);
    }
    push(house, "parts", &[json!({"job": "noop", "id": "done:sent-on", "lane": "lane:5"})]);
    push(
        house,
        "default",
        &[
            json!({"job": "echo", "id": "done:inbox", "args": [1, "é", null], "later": "unknown fields are kept"}),
            json!({"job": "nobody_knows_it", "id": "dead:unknown"}),
            json!({"job": "noop", "id": "expired:inbox", "expires_at": 1}),
            json!("not an envelope"),
        ],
    );
}
