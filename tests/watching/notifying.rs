//! systemd's notify protocol, over real sockets.

use std::time::Duration;

use rustix::process::Signal;

use super::impatient;
use crate::support::{House, http::Front, systemd::Systemd, until};

/// How often systemd asks for a sign of life; it gets one twice as often.
const WATCHDOG: Duration = Duration::from_millis(400);
/// A silence that no load of the machine explains.
const SILENCE: Duration = Duration::from_secs(3);

#[test]
fn ready_comes_when_redis_is_there_and_not_before() {
    let mut house = House::sqlite();
    house.redis.kill();
    let (mut house, front) = Front::of(house);
    let systemd = Systemd::at(&house.path("notify"));
    let worker = systemd.start(&house, None);
    systemd.hears("STATUS=Redis does not answer since ");
    systemd.hears("EXTEND_TIMEOUT_USEC=");
    let (status, answer) = front.json("/readyz");
    assert_eq!((status, &answer["reasons"][0]["what"]), (503, &"starting".into()), "{answer}");
    assert_eq!(front.get("/healthz").status, 200, "it waits, and is well");
    assert!(systemd.heard("READY=1").is_empty());
    house.redis.resume();
    systemd.hears("READY=1");
    systemd.hears("STATUS=default: 0 waiting, 0 due, 0 running");
    assert_eq!(front.get("/readyz").status, 200);
    let log = worker.stop();
    assert!(log.contains("what was away is back after"), "{log}");
}

#[test]
fn a_start_that_nothing_will_mend_is_an_error_at_once() {
    let house = House::sqlite().set("LIAISON_DATABASE_URL", "sqlite:/nowhere/at/all.db");
    let mut worker = house.spawn(&["worker"]);
    assert_eq!(worker.end().code(), Some(1), "{}", worker.log());
}

#[test]
fn a_stop_is_told_with_the_time_that_it_takes() {
    let house = House::sqlite().set("LIAISON_WORKER__GRACE", "20s");
    let systemd = Systemd::nowhere("liaison-stop");
    let mut worker = systemd.start(&house, None);
    systemd.hears("READY=1");
    house.json(&["enqueue", "sleep", "--args", r#"{"ms": 2500}"#, "--id", "runs"]);
    until("it runs", || house.json(&["jobs", "show", "runs"])["state"] == "running");
    worker.signal(Signal::TERM);
    systemd.hears("STOPPING=1");
    // The grace and the last steps.
    systemd.hears("EXTEND_TIMEOUT_USEC=25000000");
    systemd.hears("STATUS=draining: 1 jobs still run");
    assert!(worker.end().success(), "{}", worker.log());
    assert_eq!(house.count("done"), 1);
}

/// systemd 253 and newer know by the time that it is the reload that they asked for, and wait for its end.
#[test]
fn a_reload_is_told_with_its_time_and_with_its_end_whether_it_is_taken_or_refused() {
    let house = House::sqlite();
    house.write("liaison.toml", "");
    let systemd = Systemd::at(&house.path("notify"));
    let worker = systemd.start(&house, None);
    systemd.hears("READY=1");
    let mut before = 0;
    for (round, file) in ["[worker]\nconcurrency = 3\n", "[worker]\nconcurrency = 0\n", ""].iter().enumerate() {
        house.write("liaison.toml", file);
        worker.signal(Signal::HUP);
        until("the reload is over", || systemd.heard("READY=1").len() == round + 2);
        let told = systemd.heard("RELOADING=1");
        assert_eq!(told.len(), round + 1);
        let (at, text) = &told[round];
        let usec = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|usec| usec.parse::<u64>().ok());
        let usec = usec.unwrap_or_else(|| panic!("no time in one message with the reload: {text}"));
        assert!(usec > before, "{usec} is no later than the one before, {before}");
        before = usec;
        assert!(*at <= systemd.heard("READY=1")[round + 1].0, "the end comes after the beginning");
        let failed = round == 1;
        systemd.hears_last("STATUS=", |status| status.contains("the last reload failed") == failed);
    }
    worker.stop();
}

#[test]
fn an_outage_is_calm_and_the_signs_of_life_go_on() {
    let mut house = impatient(House::own_postgres());
    let systemd = Systemd::at(&house.path("notify"));
    let worker = systemd.start(&house, Some(WATCHDOG));
    systemd.hears("READY=1");
    // Ten seconds each: longer than any part may be silent.
    house.redis.kill();
    systemd.hears("STATUS=Redis does not answer since ");
    systemd.hears_life(50);
    house.redis.resume();
    worker.says("Redis is back");
    let postgres = house.postgres.clone().expect("a postgres");
    house.json(&["enqueue", "echo", "--args", "1", "--wait", "30s"]);
    postgres.stop();
    // One to record, and one whose past is asked for: the recorder and the claimer wait.
    house.redis.push("default", &[r#"{"job":"noop"}"#.to_owned(), r#"{"job":"noop","id":"given"}"#.to_owned()]);
    systemd.hears("the store is away since ");
    systemd.hears_life(50);
    postgres.resume();
    until("all are done", || house.count("done") == 3);
    // Frozen, not refused: every call takes its whole time.
    house.redis.signal(Signal::STOP);
    systemd.hears_life(50);
    house.redis.signal(Signal::CONT);
    assert_eq!(house.json(&["enqueue", "echo", "--args", "1", "--wait", "30s"])["outcome"], "done");
    assert!(systemd.longest_silence() < SILENCE, "{:?}", systemd.longest_silence());
    let log = worker.stop();
    assert!(!log.contains("has not come round"), "{log}");
}

#[test]
fn jobs_that_take_every_thread_end_the_signs_of_life_until_they_are_over() {
    let (house, front) = Front::of(impatient(House::sqlite()));
    let systemd = Systemd::at(&house.path("notify"));
    let threads = std::thread::available_parallelism().expect("their number").get();
    let worker = systemd.start(&house, Some(WATCHDOG));
    systemd.hears("READY=1");
    systemd.hears_life(5);
    let lines: Vec<_> = (0..threads).map(|_| r#"{"job":"sleep","args":{"ms":15000,"hog":true}}"#.to_owned()).collect();
    house.redis.push("default", &lines);
    worker.says("the claimer of queue default has not come round for");
    // The attendant is not among those threads.
    let (status, answer) = front.json("/healthz");
    assert_eq!(status, 503, "{answer}");
    let parts: Vec<_> = answer["stuck"].as_array().expect("parts").iter().map(|part| &part["part"]).collect();
    assert!(parts.contains(&&"the claimer of queue default".into()), "{answer}");
    assert!(!parts.contains(&&"the keeper".into()), "nobody takes its thread: {answer}");
    systemd.hears("the claimer of queue default has been stuck for");
    let (status, answer) = front.json("/readyz");
    assert_eq!(status, 503, "{answer}");
    worker.says("the claimer of queue default comes round again");
    systemd.hears_life(5);
    assert_eq!(front.get("/healthz").status, 200);
    assert!(systemd.longest_silence() > SILENCE, "{:?}", systemd.longest_silence());
    until("all are done", || house.count("done") == threads);
    let log = worker.stop();
    assert!(!log.contains("lost the lease"), "{log}");
}

#[test]
fn the_process_of_suspects_does_not_speak_for_the_daemon() {
    let house = House::sqlite().set("LIAISON_WORKER__LEASE", "1s");
    let first = house.worker();
    house.json(&["enqueue", "sleep", "--args", r#"{"ms": 4000}"#, "--id", "suspect"]);
    until("it runs", || house.json(&["jobs", "show", "suspect"])["state"] == "running");
    first.kill();
    let systemd = Systemd::at(&house.path("notify"));
    let worker = systemd.start(&house, Some(WATCHDOG));
    systemd.hears("READY=1");
    let mut pid = None;
    until("a process for it", || {
        let workers = house.json(&["workers", "list"]);
        let apart = workers.as_array().expect("a list").iter().find(|worker| worker["isolation"] == "apart");
        pid = apart.and_then(|worker| worker["pid"].as_i64());
        pid.is_some()
    });
    let environment = std::fs::read(format!("/proc/{}/environ", pid.expect("its id"))).expect("its environment");
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains("LIAISON_REDIS_URL="), "{environment}");
    assert!(!environment.contains("NOTIFY_SOCKET") && !environment.contains("WATCHDOG"), "{environment}");
    until("it is done", || house.count("done") == 1);
    assert_eq!(systemd.heard("READY=1").len(), 1);
    worker.stop();
}
