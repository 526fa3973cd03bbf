//! `docs/envelope.schema.json` lets through what the judge lets through, and nothing else that a schema could catch.

use std::{
    collections::BTreeSet,
    io::Write as _,
    process::{Command, Stdio},
};

use liaison_queue::{
    BatchId, JobId, JobName, LaneName, QueueName, UniqueKey,
    bonds::MAX_UNIQUE_FOR,
    envelope::{Envelope, Limits, MAX_ATTEMPTS, MAX_TIME, MAX_TIMEOUT, MAX_TRACE},
    state::Priority,
};
use serde_json::Value;

use super::{WIRE_PROTOCOL, file, rows, section};

fn schema() -> Value {
    serde_json::from_str(&file("docs/envelope.schema.json")).expect("the schema is JSON")
}

#[test]
fn the_schema_has_the_fields_of_the_judge_and_of_the_page() {
    let source = file("queue/envelope.rs");
    let written = source.split_once("struct Written<'a> {").and_then(|(_, rest)| rest.split_once("\n}"));
    let judged: BTreeSet<String> = written
        .expect("the fields as they are written")
        .0
        .lines()
        .filter_map(|line| line.trim().split_once(": Option<"))
        .map(|(field, _)| field.to_owned())
        .collect();
    let schema = schema();
    let properties = schema["properties"].as_object().expect("properties");
    assert_eq!(properties.keys().cloned().collect::<BTreeSet<_>>(), judged);
    let page = rows(section(WIRE_PROTOCOL, "## The envelope")).into_iter().map(|row| row[0].clone());
    assert_eq!(page.collect::<BTreeSet<_>>(), judged);
}

#[test]
fn the_schema_has_the_limits_of_the_judge() {
    let schema = schema();
    let of = |field: &str, limit: &str| schema["properties"][field][limit].as_u64();
    assert_eq!(of("job", "maxLength"), Some(JobName::MAX_LEN as u64));
    assert_eq!(of("id", "maxLength"), Some(JobId::MAX_LEN as u64));
    assert_eq!(of("queue", "maxLength"), Some(QueueName::MAX_LEN as u64));
    assert_eq!(of("trace", "maxLength"), Some(MAX_TRACE as u64));
    for (field, most) in [("lane", LaneName::MAX_LEN), ("unique", UniqueKey::MAX_LEN), ("batch", BatchId::MAX_LEN)] {
        assert_eq!(of(field, "maxLength"), Some(most as u64));
    }
    assert_eq!(schema["$defs"]["key"]["maxLength"].as_u64(), Some(LaneName::MAX_LEN as u64));
    let longest = schema["properties"]["unique"]["properties"]["for_ms"]["maximum"].as_u64();
    assert_eq!(longest.map(u128::from), Some(MAX_UNIQUE_FOR.as_millis()));
    assert_eq!(of("max_attempts", "maximum"), Some(MAX_ATTEMPTS.into()));
    assert_eq!(of("timeout_ms", "maximum").map(u128::from), Some(MAX_TIMEOUT.as_millis()));
    assert_eq!(schema["$defs"]["time"]["maximum"].as_i64(), Some(MAX_TIME));
    let bands: Vec<_> = Priority::ALL.iter().map(|band| Value::from(band.as_str())).chain([Value::Null]).collect();
    assert_eq!(schema["properties"]["priority"]["enum"].as_array(), Some(&bands));
}

/// The same for objects that stand for a lane or a unique key.
const OBJECTS: &[&str] = &[
    r#"{"key":"a"}"#,
    r#"{"key":"a b"}"#,
    r#"{"key":null}"#,
    r#"{"key":7}"#,
    r#"{"on_delay":"pass"}"#,
    r#"{"key":"a","on_delay":"pass","from_the_future":1}"#,
    r#"{"key":"a","on_delay":"wait"}"#,
    r#"{"key":"a","on_delay":null,"scope":null,"for_ms":null,"on_conflict":null,"due":null}"#,
    r#"{"key":"a","scope":"while_queued","on_conflict":"replace","due":"keep"}"#,
    r#"{"key":"a","scope":"until_done","on_conflict":"reject","due":"move"}"#,
    r#"{"key":"a","scope":"never"}"#,
    r#"{"key":"a","on_conflict":"merge"}"#,
    r#"{"key":"a","due":7}"#,
    r#"{"key":"a","scope":"for"}"#,
    r#"{"key":"a","scope":"for","for_ms":null}"#,
    r#"{"key":"a","scope":"for","for_ms":1}"#,
    r#"{"key":"a","scope":"for","for_ms":0}"#,
    r#"{"key":"a","scope":"for","for_ms":31536000000}"#,
    r#"{"key":"a","scope":"for","for_ms":31536000001}"#,
    r#"{"key":"a","scope":"until_done","for_ms":1}"#,
    r#"{"key":"a","for_ms":1}"#,
];

/// What is tried in each field: right, nearly right, and wrong.
fn envelopes() -> Vec<String> {
    let long = |length: usize| format!("\"{}\"", "a".repeat(length));
    let names: Vec<String> =
        ["\"a\"", "\"a.b_c-1\"", "\"A\"", "\"-a\"", "\"a:b@c/d+e=f~\"", "\"a b\"", "\"\"", "\"ü\"", "\"a\\n\""]
            .map(String::from)
            .into_iter()
            .chain([64, 65, 100, 101, 128, 129].map(long))
            .collect();
    let others = ["null", "true", "7", "1.5", "[]", "{}"].map(String::from);
    let times = [
        "\"2030-01-31T08:00:00Z\"",
        "\"2030-01-31T08:00:00.123456+05:30\"",
        "\"2030-01-31t08:00:00Z\"",
        "\"2030-01-31 08:00:00Z\"",
        "\"2030-01-31T08:00:00\"",
        "\"2030-01-31T08:00Z\"",
        "\"2030-13-01T08:00:00Z\"",
        "\"2030-01-31T24:00:00Z\"",
        "\"2030-01-31T08:00:60Z\"",
        "\"2030-01-31T08:00:00z\"",
        "\"2030-01-31T08:00:00.Z\"",
        "\"2030-01-31T08:00:00+0530\"",
        "\"tomorrow\"",
        "\"\"",
        "0",
        "-1",
        "1e3",
        "253402300799999",
        "253402300800000",
    ]
    .map(String::from);
    let numbers = ["1", "1000", "1001", "0", "-1", "86400000", "86400001", "1e3", "\"1\""].map(String::from);
    let traces =
        ["\"00-abc\"", "\"\"", "\"ä\"", "\"a\\u0007\""].map(String::from).into_iter().chain([256, 257].map(long));
    let words = ["\"high\"", "\"normal\"", "\"low\"", "\"High\"", "\"urgent\""].map(String::from);
    let mut values: Vec<String> = names
        .into_iter()
        .chain(others)
        .chain(times)
        .chain(numbers)
        .chain(traces)
        .chain(words)
        .chain(OBJECTS.iter().map(ToString::to_string))
        .collect();
    values.dedup();
    let fields = [
        "args",
        "id",
        "queue",
        "priority",
        "run_at",
        "expires_at",
        "max_attempts",
        "timeout_ms",
        "trace",
        "reply",
        "lane",
        "unique",
        "batch",
        "from_the_future",
    ];
    let one = |field: &str, value: &String| format!(r#"{{"job":"noop","{field}":{value}}}"#);
    let mut envelopes: Vec<String> =
        fields.iter().flat_map(|field| values.iter().map(|value| one(field, value))).collect();
    envelopes.extend(values.iter().map(|value| format!(r#"{{"job":{value}}}"#)));
    envelopes.extend(["{}", "[]", "7", "null", "\"job\""].map(String::from));
    envelopes
}

#[test]
fn the_schema_and_the_judge_agree() {
    let envelopes = envelopes();
    let mut python = Command::new("python3")
        .args(["-c", include_str!("../wire_protocol/validate.py"), "docs/envelope.schema.json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("run python3: install it with `make deps`");
    let mut input = python.stdin.take().expect("its input");
    let lines = envelopes.join("\n");
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = python.wait_with_output().expect("its answer");
    writing.join().expect("a thread").expect("write the envelopes");
    let answers = String::from_utf8(output.stdout).expect("text");
    assert_eq!(answers.lines().count(), envelopes.len(), "one answer for each");
    let (mut good, mut wrong) = (0, Vec::new());
    for (envelope, answer) in envelopes.iter().zip(answers.lines()) {
        let judged = Envelope::judge(envelope.as_bytes(), Limits::default());
        good += usize::from(judged.is_ok());
        if judged.is_ok() != (answer == "valid") {
            wrong.push(format!("{envelope:.200}: {answer} by the schema, by the judge {:?}", judged.map(drop)));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(good > 100 && envelopes.len() - good > 100, "both sorts are tried");
}
