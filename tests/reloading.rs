//! A running daemon takes another configuration whole, or not at all, and loses nothing over it.

use std::os::unix::process::ExitStatusExt as _;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Daemon, House, until};

const TWO: &str = "[[queue]]\nname = \"default\"\n[[queue]]\nname = \"mail\"\n";
const ONE: &str = "[[queue]]\nname = \"default\"\n";

/// A house whose configuration is a file, beside the settings that all tests have.
fn house(file: &str) -> House {
    let house = House::sqlite();
    house.write("liaison.toml", file);
    house
}

fn reload(house: &House, file: &str) {
    house.write("liaison.toml", file);
    let answer = house.json(&["reload"]);
    assert_eq!(answer[0]["reloaded"], true, "{answer}");
}

fn depths(house: &House, queue: &str) -> Value {
    let all = house.json(&["queues", "list"]);
    let found = all.as_array().expect("a list").iter().find(|depths| depths["queue"] == queue);
    found.cloned().unwrap_or(Value::Null)
}

fn cards(house: &House, queue: &str) -> usize {
    let all = house.json(&["workers", "list"]);
    all.as_array().expect("a list").iter().filter(|card| card["queue"] == queue && card["alive"] == true).count()
}

fn nap(house: &House, queue: &str, id: &str, ms: u32) {
    house.json(&["enqueue", "sleep", "--queue", queue, "--args", &format!("{{\"ms\": {ms}}}"), "--id", id]);
}

#[test]
fn a_queue_that_is_added_is_served_and_one_that_is_removed_ends_what_it_runs() {
    let house = house(ONE);
    let worker = house.worker();
    reload(&house, TWO);
    worker.says("serving mail too");
    house.json(&["enqueue", "echo", "--queue", "mail", "--args", "1", "--wait", "60s"]);
    // Longer than its lease, so that it ends well only if that is kept.
    nap(&house, "mail", "long", 5000);
    until("it runs", || depths(&house, "mail")["running"] == 1);
    reload(&house, ONE);
    worker.says("claiming no more from mail");
    nap(&house, "mail", "later", 1);
    worker.says("this worker has left it");
    let runs = house.runs("long");
    assert_eq!((runs.len(), &runs[0]["outcome"]), (1, &"done".into()), "{runs:?}");
    until("its card is gone", || cards(&house, "mail") == 0);
    assert_eq!(
        depths(&house, "mail")["inbox"].as_u64().unwrap_or(0) + depths(&house, "mail")["normal"].as_u64().unwrap_or(0),
        1
    );
    assert!(house.runs("later").is_empty(), "nothing is claimed any more");
    // And once more, as another worker in its old place.
    reload(&house, TWO);
    until("it is served again", || house.runs("later").len() == 1);
    assert_eq!(cards(&house, "mail"), 1);
    worker.stop();
}

#[test]
fn a_queue_may_come_back_while_its_last_jobs_still_run() {
    let house = house(TWO);
    let worker = house.worker();
    nap(&house, "mail", "long", 4000);
    until("it runs", || depths(&house, "mail")["running"] == 1);
    reload(&house, ONE);
    reload(&house, TWO);
    house.json(&["enqueue", "echo", "--queue", "mail", "--args", "1", "--wait", "60s"]);
    worker.says("this worker has left it");
    assert_eq!(house.runs("long").len(), 1);
    until("one card is left", || cards(&house, "mail") == 1);
    worker.stop();
    assert_eq!(house.count("done"), 2);
}

#[test]
fn a_process_that_dies_while_it_leaves_a_queue_loses_nothing() {
    let house = house(TWO);
    let worker = house.worker();
    nap(&house, "mail", "long", 3000);
    until("it runs", || depths(&house, "mail")["running"] == 1);
    reload(&house, ONE);
    worker.kill();
    let worker = house.worker_with(&["--queues", "mail"]);
    until("it is done", || house.runs("long").len() == 1);
    assert_eq!(house.runs("long")[0]["outcome"], "done");
    worker.stop();
}

#[test]
fn the_suspects_of_a_queue_that_is_added_have_a_process_of_their_own() {
    let house = house(TWO);
    let mut first = house.worker();
    house.json(&["enqueue", "crash", "--queue", "mail", "--id", "killer"]);
    assert!(!first.end().success());
    house.write("liaison.toml", ONE);
    let worker = house.worker();
    reload(&house, TWO);
    // What runs is what was taken, and not what stands there now.
    house.write("liaison.toml", "[worker]\nconcurrency = 0\n");
    let count =
        || house.json(&["--config", &house.write("good.toml", TWO), "dead", "list"]).as_array().map_or(0, Vec::len);
    until("the killer is found out", || count() == 1);
    let log = worker.stop();
    assert!(!log.contains("exit status: 2"), "{log}");
    assert!(log.contains("in a process of their own"), "{log}");
}

#[test]
fn the_number_of_slots_changes_while_jobs_run() {
    let with = |slots: u32| format!("[worker]\nconcurrency = {slots}\n{ONE}");
    let house = house(&with(1));
    let worker = house.worker();
    for number in 0..12 {
        nap(&house, "default", &format!("s{number}"), 3000);
    }
    let running = || house.json(&["workers", "list"])[0]["running"].as_u64().unwrap_or(0);
    until("one runs", || running() == 1);
    reload(&house, &with(5));
    until("five run", || running() == 5);
    reload(&house, &with(2));
    until("two run", || running() == 2);
    until("all are done", || house.count("done") == 12);
    worker.stop();
}

#[test]
fn the_level_of_the_log_changes() {
    let house = house("[log]\nlevel = \"warn\"\n");
    let worker = house.spawn(&["worker"]);
    until("it is there", || cards(&house, "default") == 1);
    reload(&house, "[log]\nlevel = \"debug\"\n");
    worker.says("log.level is \"debug\" now, it was \"warn\"");
    house.json(&["enqueue", "fail", "--args", "{\"times\": 1}", "--id", "f"]);
    worker.says("failed, again at");
    reload(&house, "[log]\nlevel = \"error\"\n");
    house.json(&["enqueue", "fail", "--args", "{\"times\": 1}", "--wait", "60s"]);
    let log = worker.stop();
    assert_eq!(log.matches("failed, again at").count(), 1, "{log}");
}

#[test]
fn an_invalid_file_changes_nothing_and_tells_every_mistake() {
    let house = house(ONE);
    let worker = house.worker();
    house.write("liaison.toml", "[worker]\nconcurrency = 0\nleese = \"1s\"\n[[queue]]\nname = \"mail\"\n");
    let output = house.cli(&["reload"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("worker.concurrency") && text.contains("worker.leese"), "{text}");
    assert!(!worker.log().contains("reload"), "nobody was disturbed");
    worker.signal(Signal::HUP);
    worker.says("reload failed, the configuration stays as it was: the configuration has 2 mistakes:");
    worker.says("did you mean lease?");
    until("its card tells", || {
        // No command of ours runs on this file.
        let cards: Vec<String> = house.redis.ask(&["HVALS", "liaison:{default}:workers"]);
        cards.iter().any(|card| card.contains("worker.leese"))
    });
    house.redis.push("default", &[r#"{"job": "echo", "id": "on"}"#.to_owned()]);
    reload(&house, TWO);
    until("it went on", || house.runs("on").len() == 1);
    until("the next one counts", || cards(&house, "mail") == 1);
    assert_eq!(house.json(&["workers", "list"])[0]["configuration"]["problem"], Value::Null);
    worker.stop();
}

#[test]
fn what_needs_a_restart_is_named_and_what_redis_refuses_changes_nothing() {
    let house = house(ONE);
    let worker = house.worker();
    reload(&house, &format!("[store]\nconnections = 9\n[worker]\ngrace = \"7s\"\n{ONE}shards = 3\n"));
    worker.says("changed, but takes effect with a restart: store.connections");
    worker.says("changed, but takes effect with a restart: shards of queue default");
    worker.says("worker.grace is \"7s\" now");
    // A queue with jobs has as many parts as Redis says.
    house.json(&["enqueue", "echo", "--queue", "mail", "--args", "1"]);
    house.write("liaison.toml", &format!("[worker]\ngrace = \"9s\"\n{TWO}shards = 2\n"));
    let output = house.cli(&["reload"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("queue mail has 1 shards in Redis"), "{text}");
    assert!(!worker.log().contains("worker.grace is \"9s\""), "all of it, or nothing");
    worker.stop();
}

#[test]
fn queues_that_the_command_line_names_are_the_only_ones() {
    let house = house(TWO);
    let worker = house.worker_with(&["--queues", "mail"]);
    reload(&house, &format!("{ONE}[[queue]]\nname = \"mail\"\nweight = 3\n[[queue]]\nname = \"more\"\n"));
    worker.says("other weights or slots for mail");
    let log = worker.stop();
    assert!(!log.contains("serving default") && !log.contains("serving more"), "{log}");
}

#[test]
fn a_storm_of_signals_under_load_loses_nothing() {
    let house = house(TWO);
    let worker = house.worker();
    let lines = |queue: &str| -> Vec<String> {
        (0..1000).map(|n| format!(r#"{{"job": "noop", "id": "{queue}-{n}"}}"#)).collect()
    };
    house.redis.push("default", &lines("default"));
    house.redis.push("mail", &lines("mail"));
    for number in 0..100 {
        let slots = 1 + number % 7;
        let queues = if number % 3 == 0 { ONE } else { TWO };
        house.write("liaison.toml", &format!("[worker]\nconcurrency = {slots}\n{queues}"));
        worker.signal(Signal::HUP);
        // One at a time, at first: signals that come together are one.
        if number < 10 {
            worker.says_times("reloaded the configuration", number + 1);
        }
    }
    reload(&house, TWO);
    until("all are done", || house.count("done") == 2000);
    worker.stop();
    assert_eq!(house.redis.leftovers("default"), Vec::<String>::new());
    assert_eq!(house.redis.leftovers("mail"), Vec::<String>::new());
}

#[test]
fn a_signal_during_the_start_or_the_drain_does_no_harm() {
    let house = house(ONE);
    let mut worker = house.spawn(&["worker"]);
    signal_until_ready(&worker);
    nap(&house, "default", "long", 2000);
    until("it runs", || depths(&house, "default")["running"] == 1);
    worker.signal(Signal::TERM);
    worker.says("stopping:");
    for _ in 0..20 {
        worker.signal(Signal::HUP);
    }
    let status = worker.end();
    assert!(status.success() && status.signal().is_none(), "{status}: {}", worker.log());
    assert_eq!(house.runs("long").len(), 1);
}

/// From the moment at which it can hear, which is before it has read its configuration.
fn signal_until_ready(worker: &Daemon) {
    until("it hears", || worker.hears(Signal::HUP));
    until("it is ready", || {
        worker.signal(Signal::HUP);
        worker.log().contains("ready:")
    });
}

#[test]
fn only_the_worker_of_the_card_is_signalled() {
    let house = house(ONE);
    let mut bystander = std::process::Command::new("sleep").arg("600").spawn().expect("a bystander");
    let worker = house.worker();
    until("it is there", || cards(&house, "default") == 1);
    let key = "liaison:{default}:workers";
    let all: Vec<String> = house.redis.ask(&["HVALS", key]);
    let mut card: Value = serde_json::from_str(&all[0]).expect("a card");
    card["worker"] = "elsewhere-1-ABCDEFGH".into();
    card["pid"] = bystander.id().into();
    card["beat_at"] = 9_999_999_999_999_i64.into();
    house.redis.ask::<i64>(&["HSET", key, "elsewhere-1-ABCDEFGH", &card.to_string()]);
    let output = house.cli(&["reload", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).expect("an answer");
    assert!(answers.len() == 1 && answers[0]["worker"] != "elsewhere-1-ABCDEFGH", "{answers:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("elsewhere-1-ABCDEFGH is silent") && said.contains("was not signalled"), "{said}");
    assert_eq!(bystander.try_wait().expect("look at it"), None, "it lives");
    bystander.kill().and_then(|()| bystander.wait()).expect("end the bystander");
    worker.stop();
}
