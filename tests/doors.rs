//! Both doors judge alike: the script that hosts call, and the daemon that reads the inbox.

use liaison_queue::{
    JobId,
    envelope::{Envelope, Limits},
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::support::Redis;

/// What the scripted door answers to one envelope.
fn ask(script: &redis::Script, connection: &mut redis::Connection, envelope: &str) -> String {
    let mut call = script.prepare_invoke();
    for name in liaison_queue::door().1 {
        call.key(format!("liaison:{{default}}:{name}"));
    }
    call.arg("").arg("default").arg(Limits::default().max_args).arg(Limits::default().max_lane_depth);
    call.arg(JobId::generate().as_str()).arg(envelope);
    let answers: Vec<String> = call.invoke(connection).expect("the script answers");
    answers.into_iter().next().expect("one answer")
}

/// Field values that are right, nearly right, and wrong.
fn value() -> impl Strategy<Value = String> {
    const FIXED: &[&str] = &[
        "null",
        "true",
        "false",
        "0",
        "1",
        "-1",
        "1.5",
        "1e3",
        "1000",
        "1001",
        "86400000",
        "86400001",
        "\"\"",
        "\"a\"",
        "\"high\"",
        "\"normal\"",
        "\"low\"",
        "\"urgent\"",
        "\"default\"",
        "\"other\"",
        "\"a}b\"",
        "\"a b\"",
        "{}",
        "[]",
        "253402300799999",
        "253402300800000",
        "\"2030-01-31T08:00:00Z\"",
        "\"2030-01-31T08:00:00.5+02:00\"",
        "\"2030-02-30T08:00:00Z\"",
        "\"2032-02-29T23:59:59Z\"",
        "\"2030-01-31 08:00:00Z\"",
        "\"2030-01-31T08:00:60Z\"",
        "\"tomorrow\"",
        "\"a\\u0000b\"",
        "\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"",
        "\"2030-13-01T00:00:00Z\"",
        "\"2030-01-01T24:00:00Z\"",
        "\"2030-01-01T00:00:00\"",
        "\"1969-01-01T00:00:00Z\"",
        "{\"key\":\"a\"}",
        "{\"key\":\"a b\"}",
        "{\"key\":7}",
        "{\"key\":null,\"on_delay\":\"pass\"}",
        "{\"key\":\"a\",\"on_delay\":\"pass\"}",
        "{\"key\":\"a\",\"on_delay\":null,\"scope\":null,\"for_ms\":null,\"on_conflict\":null,\"due\":null}",
        "{\"key\":\"a\",\"on_delay\":\"wait\"}",
        "{\"key\":\"a\",\"on_delay\":7}",
        "{\"key\":\"a\",\"scope\":\"while_queued\",\"on_conflict\":\"replace\",\"due\":\"keep\"}",
        "{\"key\":\"a\",\"scope\":\"until_done\"}",
        "{\"key\":\"a\",\"scope\":\"for\",\"for_ms\":1}",
        "{\"key\":\"a\",\"scope\":\"for\",\"for_ms\":31536000000}",
        "{\"key\":\"a\",\"scope\":\"for\",\"for_ms\":31536000001}",
        "{\"key\":\"a\",\"scope\":\"for\"}",
        "{\"key\":\"a\",\"for_ms\":1}",
        "{\"key\":\"a\",\"on_conflict\":\"maybe\"}",
    ];
    prop_oneof![
        4 => prop::sample::select(FIXED).prop_map(str::to_owned),
        1 => "[a-zA-Z0-9_.:-]{1,140}".prop_map(|text| format!("\"{text}\"")),
        1 => (-5i64..2_000_000).prop_map(|number| number.to_string()),
    ]
}

fn envelope() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &[
        "id",
        "queue",
        "priority",
        "run_at",
        "expires_at",
        "max_attempts",
        "timeout_ms",
        "trace",
        "reply",
        "args",
        "lane",
        "unique",
        "batch",
        "later",
    ];
    let field = (prop::sample::select(NAMES), value());
    let job = prop_oneof![9 => Just("\"noop\"".to_owned()), 1 => value()];
    (job, prop::collection::vec(field, 0..3)).prop_map(|(job, fields)| {
        let mut seen = vec!["job"];
        let mut text = format!("{{\"job\":{job}");
        for (name, value) in fields {
            // The one case in which the two may differ: a name that stands twice, of which JSON says nothing.
            if !seen.contains(&name) {
                seen.push(name);
                text = text + ",\"" + name + "\":" + &value;
            }
        }
        text + "}"
    })
}

#[test]
fn the_script_and_the_daemon_accept_the_same_envelopes() {
    let redis = Redis::start_with(&["--appendonly", "no"]);
    let connection = std::cell::RefCell::new(redis.connect());
    let script = redis::Script::new(liaison_queue::door().0);
    let mut runner = TestRunner::new(Config { cases: 3000, failure_persistence: None, ..Config::default() });
    let agree = runner.run(&envelope(), |text| {
        let connection = &mut *connection.borrow_mut();
        redis::cmd("FLUSHALL").exec(connection).expect("start afresh");
        let answer = ask(&script, connection, &text);
        let judged = Envelope::judge(text.as_bytes(), Limits::default());
        let elsewhere =
            judged.as_ref().is_ok_and(|e| e.queue.as_ref().is_some_and(|queue| queue.as_str() != "default"));
        match (&judged, answer.split_once(' ')) {
            (Ok(_), Some(("rejected", reason))) if elsewhere => {
                prop_assert!(reason.contains("this is the door of"), "{}", reason);
            }
            (Ok(judged), Some(("queued", _))) => {
                let due: Vec<(String, f64)> = redis::cmd("ZRANGE")
                    .arg("liaison:{default}:due")
                    .arg(0)
                    .arg(-1)
                    .arg("WITHSCORES")
                    .query(connection)
                    .expect("read the due set");
                if let Some((_, at)) = due.first() {
                    #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds")]
                    let at = *at as i64;
                    prop_assert_eq!(judged.run_at.map(|at| at.0), Some(at), "{}", text);
                }
            }
            (Ok(Envelope { batch: Some(_), .. }), Some(("rejected", reason))) => {
                prop_assert!(reason.contains("is open in this queue"), "{}", reason);
            }
            (Err(refusal), Some(("rejected", reason))) => {
                // The same field is named.
                if let (Some((ours, _)), Some((theirs, _))) = (refusal.0.split_once(": "), reason.split_once(": "))
                    && text.starts_with("{\"job\":\"noop\"")
                    && text.matches("\":").count() == 2
                {
                    prop_assert_eq!(ours, theirs, "{}: {} / {}", text, refusal.0, reason);
                }
            }
            (judged, answer) => prop_assert!(false, "{}: {:?} but {:?}", text, judged, answer),
        }
        Ok(())
    });
    agree.unwrap_or_else(|fault| panic!("{fault}"));
}

#[test]
fn what_no_field_holds_is_refused_by_the_script_too() {
    let redis = Redis::start_with(&["--appendonly", "no"]);
    let mut connection = redis.connect();
    let script = redis::Script::new(liaison_queue::door().0);
    let deep = format!(r#"{{"job":"a","args":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    let big = format!(r#"{{"job":"a","args":"{}"}}"#, "x".repeat(300_000));
    let long = format!(r#"{{"job":"a","id":"{}"}}"#, "x".repeat(10_000));
    for (line, words) in [
        ("nonsense", "not accepted"),
        ("[1]", "not a JSON object"),
        ("\"text\"", "not a JSON object"),
        ("{\"job\":\"a\0\"}", "not accepted"),
        ("{}", "job: missing"),
        (&deep, "too many nested"),
        (&big, "more than the"),
        (&long, "id: 10000 bytes long, 9872 more than the 128 allowed"),
    ] {
        let answer = ask(&script, &mut connection, line);
        assert!(answer.starts_with("rejected ") && answer.contains(words), "{line:.50}: {answer}");
    }
    assert_eq!(redis.ask::<i64>(&["DBSIZE"]), 0, "nothing of it was kept");
}
