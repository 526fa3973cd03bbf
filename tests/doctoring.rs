//! The doctor finds what is wrong with a living system, on real servers on their bad days.

use std::{
    fs::{Permissions, set_permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{House, Redis, until};

/// What the doctor found, and its exit code.
struct Visit {
    findings: Vec<Value>,
    code: Option<i32>,
}

fn visit(house: &House, arguments: &[&str]) -> Visit {
    let output = house.cli(&[&["doctor", "--json"], arguments].concat());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|fault| panic!("{fault}: {output:?}"));
    let findings = answer["findings"].as_array().expect("a list").clone();
    let worst = findings.iter().any(|finding| finding["severity"] == "error");
    assert_eq!(answer["worst"] == "error", worst);
    Visit { findings, code: output.status.code() }
}

impl Visit {
    /// How bad the worst finding of a check is, and what all of them say.
    fn of(&self, check: &str) -> (&str, String) {
        let of_this = || self.findings.iter().filter(|finding| finding["check"] == check);
        let rank =
            |finding: &&Value| ["ok", "advice", "warning", "error"].iter().position(|s| finding["severity"] == *s);
        let worst = of_this().max_by_key(rank).unwrap_or_else(|| panic!("no {check} in {:#?}", self.findings));
        let texts: Vec<String> =
            of_this().map(|finding| format!("{} {}", finding["what"], finding["remedy"])).collect();
        (worst["severity"].as_str().expect("a word"), texts.join("\n"))
    }

    #[track_caller]
    fn shows(&self, check: &str, severity: &str, words: &str) {
        let (found, text) = self.of(check);
        assert!(found == severity && text.contains(words), "{check}: {found}: {text}");
    }

    /// What is worse than advice.
    fn bad(&self) -> Vec<&str> {
        let is_bad = |finding: &&Value| finding["severity"] == "warning" || finding["severity"] == "error";
        self.findings.iter().filter(is_bad).filter_map(|finding| finding["check"].as_str()).collect()
    }
}

#[test]
fn a_system_that_is_well_is_said_to_be_well() {
    for house in [House::sqlite(), House::postgres()] {
        let worker = house.worker();
        until("its card is there", || house.json(&["queues", "list"])[0]["workers"] == 1);
        let visit = visit(&house, &[]);
        assert_eq!((visit.bad(), visit.code), (vec![], Some(0)), "{:#?}", visit.findings);
        visit.shows("redis.memory", "advice", "has no limit");
        visit.shows("store.version", "ok", if house.postgres.is_some() { "PostgreSQL" } else { "SQLite" });
        visit.shows("clocks.skew", "ok", "within a second");
        worker.stop();
    }
}

#[test]
fn a_redis_that_forgets_is_an_error() {
    let redis = Redis::start_with(&["--appendonly", "no", "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"]);
    let visit = visit(&House::sqlite_and(redis), &[]);
    assert_eq!(visit.code, Some(1));
    visit.shows("redis.eviction", "error", "set `maxmemory-policy noeviction`");
    visit.shows("redis.persistence", "error", "appendonly yes");
    visit.shows("redis.memory", "ok", "% of its limit");
    visit.shows("queues.served", "warning", "systemctl start liaison");
}

#[test]
fn a_redis_that_waits_for_replicas_is_an_error() {
    let house = House::sqlite_and(Redis::start());
    house.redis.ask::<()>(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    visit(&house, &[]).shows("redis.replicas", "error", "takes no writes below 1");
}

#[test]
fn work_that_nobody_does_is_found() {
    let house = House::sqlite();
    let worker = house.worker();
    house.json(&["enqueue", "echo", "--queue", "mail", "--args", "1"]);
    let unknown = r#"{"job": "from_the_future", "id": "f", "run_at": "2099-01-01T00:00:00Z"}"#;
    house.redis.push("default", &[unknown.to_owned()]);
    until("it is admitted", || house.json(&["queues", "list"])[0]["due_later"] == 1);
    until("its card is there", || house.json(&["workers", "list"])[0]["alive"] == true);
    house.cli(&["queues", "pause", "default"]);
    house.redis.ask::<i64>(&["LPUSH", "liaison:{mail}:apart", "somebody"]);
    let visit = visit(&house, &[]);
    assert_eq!(visit.code, Some(1));
    visit.shows("queues.served", "error", "liaison worker --queues mail");
    visit.shows("jobs.known", "error", "from_the_future");
    visit.shows("queues.paused", "advice", "liaison queues resume default");
    visit.shows("queues.suspects", "warning", "run apart");
    visit.shows("workers.alive", "ok", "1 alive");
    worker.stop();
}

#[test]
fn keys_that_are_not_ours_are_found() {
    let house = House::sqlite();
    house.redis.ask::<i64>(&["SADD", "liaison:elsewhere", "1"]);
    visit(&house, &[]).shows("redis.keys", "advice", "liaison:elsewhere");
    house.redis.ask::<i64>(&["RPUSH", "liaison:{other}:verdicts", "1"]);
    visit(&house, &[]).shows("redis.keys", "error", "liaison:{other}:verdicts is a list and should be a hash");
}

#[test]
fn a_schema_that_does_not_fit_and_a_store_of_another_redis_are_found() {
    let house = House::sqlite();
    house.worker().stop();
    let house = house.set("LIAISON_DATABASE_URL", "sqlite:other.db");
    let bare = visit(&house, &[]);
    bare.shows("store.schema", "error", "run `liaison migrate`");
    bare.shows("redis.reachable", "ok", "answers");
    assert_eq!(bare.code, Some(1));
    house.json(&["migrate"]);
    let migrated = visit(&house, &[]);
    migrated.shows("store.schema", "ok", "up to date");
    migrated.shows("store.tie", "error", "use the same database everywhere");
}

#[test]
fn secrets_that_everybody_reads_and_letters_that_nobody_opens_are_found() {
    let house = House::sqlite();
    let worker = house.worker();
    for number in 0..12 {
        let id = format!("dead-{number}");
        house.cli(&[
            "enqueue",
            "fail",
            "--args",
            "{\"times\": 9}",
            "--max-attempts",
            "1",
            "--id",
            &id,
            "--wait",
            "60s",
        ]);
    }
    worker.stop();
    visit(&house, &[]).shows("dead.rising", "warning", "12 jobs were given up");
    visit(&house, &[]).shows("store.sealed", "ok", "letters open");
    house.write("key", "new:HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    set_permissions(house.path("key"), Permissions::from_mode(0o644)).expect("open it to all");
    let visit = visit(&house, &[]);
    visit.shows("files.modes", "error", "chmod o=");
    visit.shows("store.sealed", "error", "sealed with key `test`, which the key file does not hold");
    assert!(!format!("{:?}", visit.findings).contains("HwECAwQ"), "no key is shown");
}

#[test]
fn a_worker_that_died_and_one_that_could_not_reload_are_found() {
    let house = House::sqlite();
    house.write("good.toml", "[[queue]]\nname = \"default\"\n");
    house.write("liaison.toml", "[[queue]]\nname = \"default\"\n");
    let worker = house.worker();
    house.write("liaison.toml", "[worker]\nconcurrency = 0\n");
    worker.signal(Signal::HUP);
    worker.says("reload failed");
    until("it is told", || {
        let visit = visit(&house, &["--config", "good.toml"]);
        visit.of("workers.reload").0 == "warning"
    });
    visit(&house, &["--config", "good.toml"]).shows("workers.reload", "warning", "worker.concurrency");
    worker.kill();
    // Silent for ten seconds is dead; its card says when it spoke last.
    let key = "liaison:{default}:workers";
    let cards: Vec<String> = house.redis.ask(&["HGETALL", key]);
    let mut card: Value = serde_json::from_str(&cards[1]).expect("a card");
    card["beat_at"] = (card["beat_at"].as_i64().expect("a time") - 11_000).into();
    house.redis.ask::<i64>(&["HSET", key, &cards[0], &card.to_string()]);
    visit(&house, &["--config", "good.toml"]).shows("workers.alive", "warning", "died, or cannot reach Redis");
}

#[test]
fn what_cannot_be_looked_at_is_a_finding_and_the_rest_goes_on() {
    let mut house = House::sqlite();
    house.redis.kill();
    let away = visit(&house, &[]);
    away.shows("redis.reachable", "error", "see that it runs");
    away.shows("store.reachable", "ok", "answers");
    assert_eq!(away.code, Some(1));
    // Both accept a connection and never say a word.
    let (redis, postgres) = (TcpListener::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0"));
    let (redis, postgres) = (redis.expect("a port"), postgres.expect("a port"));
    let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
    let house = house
        .set("LIAISON_REDIS_URL", &format!("redis://127.0.0.1:{}", port(&redis)))
        .set("LIAISON_DATABASE_URL", &format!("postgres://nobody@127.0.0.1:{}/nothing", port(&postgres)));
    let begin = Instant::now();
    let silent = visit(&house, &[]);
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    silent.shows("redis.reachable", "error", "no answer within");
    silent.shows("store.reachable", "error", "see that it runs");
    silent.shows("files.modes", "ok", "nobody else");
}
