//! Health over HTTP, of the real daemon.

use std::{io::Write as _, time::Duration};

use rustix::process::Signal;

use super::impatient;
use crate::support::{
    House,
    http::{Front, send},
    until,
};

#[test]
fn a_daemon_that_works_is_healthy_and_ready() {
    let (house, front) = Front::of(House::sqlite());
    let worker = house.worker();
    let answer = front.get("/healthz");
    assert_eq!((answer.status, answer.body.as_str()), (200, "healthy\n"), "{answer:?}");
    assert!(answer.head.to_lowercase().contains("content-type: text/plain"), "{answer:?}");
    assert_eq!(front.json("/healthz"), (200, serde_json::json!({"healthy": true, "stuck": []})));
    let answer = front.get("/readyz");
    assert_eq!((answer.status, answer.body.as_str()), (200, "ready\n"), "{answer:?}");
    assert_eq!(front.json("/readyz"), (200, serde_json::json!({"ready": true, "reasons": []})));
    let (status, answer) = front.json("/nothing?secret=1");
    assert_eq!((status, &answer["error"]), (404, &"nothing is at /nothing".into()), "{answer}");
    let answer = front.ask("POST", "/metrics", "*/*").expect("an answer");
    assert!(answer.status == 405 && answer.body.contains("only GET and HEAD"), "{answer:?}");
    let answer = front.ask("HEAD", "/healthz", "*/*").expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    worker.stop();
    assert!(!front.path().exists(), "the socket goes with the daemon");
}

#[test]
fn not_ready_names_what_is_away_and_since_when_while_health_is_good() {
    let (mut house, front) = Front::of(impatient(House::own_postgres()));
    let worker = house.worker();
    until("it is ready", || front.get("/readyz").status == 200);
    house.redis.kill();
    until("it is not ready", || front.get("/readyz").status == 503);
    let answer = front.get("/readyz");
    assert!(answer.body.starts_with("Redis does not answer since 20"), "{answer:?}");
    assert!(answer.body.contains("the keeper") || answer.body.contains("the claimer of queue default"), "{answer:?}");
    assert_eq!(front.get("/healthz").status, 200);
    house.redis.resume();
    until("it is ready again", || front.get("/readyz").status == 200);

    let postgres = house.postgres.clone().expect("a postgres");
    postgres.stop();
    house.redis.push("default", &[r#"{"job":"noop"}"#.to_owned()]);
    until("it is not ready", || front.get("/readyz").status == 503);
    let (_, answer) = front.json("/readyz");
    let reason = &answer["reasons"][0];
    assert_eq!(
        (&reason["what"], &reason["parts"][0]),
        (&"the store is away".into(), &"the recorder".into()),
        "{answer}"
    );
    assert!(reason["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{answer}");
    assert_eq!(front.get("/healthz").status, 200);
    let metrics = front.get("/metrics").body;
    assert!(
        metrics.contains("\nliaison_ready 0\n") && metrics.contains("\nliaison_store_outages_total 1\n"),
        "{metrics}"
    );
    postgres.resume();
    until("it is ready again", || front.get("/readyz").status == 200);
    worker.stop();
}

#[test]
fn a_disk_without_room_under_sqlite_is_named() {
    let (house, front) = Front::of(House::sqlite());
    let worker = house.worker();
    house.json(&["enqueue", "noop", "--wait", "30s"]);
    // What the log of the database holds now is all that it may ever hold.
    let log = std::fs::metadata(house.path("liaison.db-wal")).expect("the log of the database").len();
    worker.leave_room(Some(log));
    house.redis.push("default", &[r#"{"job":"noop"}"#.to_owned()]);
    until("it is named", || front.get("/readyz").body.starts_with("the store cannot write to its disk since 20"));
    worker.leave_room(None);
    until("it is ready again", || front.get("/readyz").status == 200);
    worker.stop();
}

#[test]
fn a_daemon_that_drains_says_so_to_its_last_job() {
    let (house, front) = Front::of(House::sqlite());
    let worker = house.worker();
    house.json(&["enqueue", "sleep", "--args", r#"{"ms": 2000}"#, "--id", "runs"]);
    until("it runs", || house.json(&["jobs", "show", "runs"])["state"] == "running");
    worker.signal(Signal::TERM);
    worker.says("stopping:");
    let answer = front.get("/readyz");
    assert_eq!((answer.status, answer.body.as_str()), (503, "draining: nothing more is claimed\n"), "{answer:?}");
    assert_eq!(front.get("/healthz").status, 200);
    worker.stop();
}

#[test]
fn who_is_slow_or_sends_too_much_keeps_nobody_else_waiting() {
    let (house, front) = Front::of(House::sqlite().set("LIAISON_HTTP__TIMEOUT", "1m"));
    let worker = house.worker();
    // More than there are places, each with a request that never ends.
    let slow: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = front.connect().expect("a connection");
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: he").expect("half a request");
            stream
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(front.get("/healthz").status, 200);
    }
    let long = format!("GET /healthz HTTP/1.1\r\nHost: here\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let answer = send(front.connect().expect("a connection"), long.as_bytes());
    assert!(answer.as_ref().is_ok_and(|answer| answer.status == 431), "{answer:?}");
    let many = "X: 1\r\n".repeat(100);
    let answer = send(front.connect().expect("a connection"), format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes());
    assert!(answer.as_ref().is_ok_and(|answer| answer.status == 431), "{answer:?}");
    let answer = send(front.connect().expect("a connection"), b"\x16\x03\x01 no http at all\r\n\r\n");
    assert!(answer.as_ref().is_ok_and(|answer| answer.status == 400), "{answer:?}");
    drop(slow);
    worker.stop();
}

#[test]
fn a_request_that_takes_too_long_is_cut_off() {
    let (house, front) = Front::of(House::sqlite().set("LIAISON_HTTP__TIMEOUT", "200ms"));
    let worker = house.worker();
    let begin = std::time::Instant::now();
    let answer = send(front.connect().expect("a connection"), b"GET /healthz HTTP/1.1\r\n");
    assert!(begin.elapsed() < Duration::from_secs(20), "{answer:?}");
    worker.stop();
}

#[test]
fn an_address_that_is_taken_is_refused_by_its_key() {
    let (house, front) = Front::of(House::sqlite());
    let worker = house.worker();
    let mut second = house.spawn(&["worker"]);
    assert_eq!(second.end().code(), Some(1));
    let log = second.log();
    assert!(log.contains("[http] listen: cannot listen at unix:") && log.contains("another process has it"), "{log}");
    assert_eq!(front.get("/healthz").status, 200, "the first one still answers");
    worker.stop();
    let house = house.set("LIAISON_HTTP__LISTEN", "127.0.0.1:0");
    let worker = house.worker();
    worker.says("health and metrics are answered at 127.0.0.1:");
    worker.stop();
}

#[test]
fn the_command_line_asks_whether_it_is_ready_and_answers_with_its_exit_code() {
    let (mut house, _front) = Front::of(House::sqlite());
    let ready = |house: &House| {
        let output = house.cli(&["ready"]);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let (code, said) = ready(&house);
    assert!(code == Some(1) && said.contains("no daemon answers at unix:"), "{code:?}: {said}");
    let worker = house.worker();
    assert_eq!(ready(&house), (Some(0), "ready\n".to_owned()));
    assert_eq!(house.json(&["ready"])["ready"], true);
    house.redis.kill();
    until("it waits", || {
        let (code, said) = ready(&house);
        code == Some(1) && said.contains("not ready: Redis does not answer since ")
    });
    house.redis.resume();
    until("it is ready again", || ready(&house).0 == Some(0));
    worker.stop();
    let (code, said) = ready(&house.set("LIAISON_HTTP__LISTEN", "off"));
    assert!(code == Some(1) && said.contains("[http] listen is \"off\""), "{code:?}: {said}");
}
