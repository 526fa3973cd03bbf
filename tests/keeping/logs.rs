//! The integration log as an operator reads it.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Stdio},
};

use chrono::TimeDelta;
use liaison_store::LogEntry;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Past, now};
use crate::support::{House, until};

fn line(id: &str, minutes_ago: i64) -> LogEntry {
    LogEntry {
        id: id.to_owned(),
        log_type: "webhook_sent".to_owned(),
        integration_type: "webhook".to_owned(),
        integration_id: Some("endpoint-1".to_owned()),
        organizer_id: Some("ada".to_owned()),
        booking_id: None,
        message: "said \"no\", twice\nand again".to_owned(),
        details: Some(r#"{"status": 500}"#.to_owned()),
        success: !id.starts_with("bad"),
        created_at: now() - TimeDelta::minutes(minutes_ago),
    }
}

fn ids(answer: &Value) -> Vec<&str> {
    answer.as_array().expect("a list").iter().filter_map(|line| line["id"].as_str()).collect()
}

#[test]
fn lines_are_filtered_and_come_newest_first() {
    for house in [House::sqlite(), House::postgres()] {
        let past = Past::of(&house);
        let other = LogEntry { organizer_id: Some("bob".to_owned()), ..line("other", 50) };
        past.write(vec![line("a", 3), line("bad-b", 2), line("c", 1), other]);
        assert_eq!(ids(&house.json(&["logs"])), ["c", "bad-b", "a", "other"]);
        assert_eq!(ids(&house.json(&["logs", "--limit", "2"])), ["c", "bad-b"]);
        assert_eq!(ids(&house.json(&["logs", "--failed"])), ["bad-b"]);
        assert_eq!(ids(&house.json(&["logs", "--organizer", "bob"])), ["other"]);
        assert_eq!(ids(&house.json(&["logs", "--since", "10m", "--integration", "endpoint-1"])), ["c", "bad-b", "a"]);
        assert!(ids(&house.json(&["logs", "--type", "error"])).is_empty());
        assert!(ids(&house.json(&["logs", "--booking", "7"])).is_empty());
    }
}

#[test]
fn an_export_holds_every_line_and_reads_as_csv() {
    let house = House::sqlite();
    let past = Past::of(&house);
    past.logs("many", 1, 2_500);
    let jsonl = String::from_utf8(house.cli(&["logs", "--export", "jsonl"]).stdout).expect("text");
    assert_eq!(jsonl.lines().count(), 2_500);
    let first: Value = serde_json::from_str(jsonl.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["id"], "many-1d-000000", "the oldest first");
    past.write(vec![line("quoted", 1)]);
    let csv = house.cli(&["logs", "--export", "csv", "--organizer", "ada"]).stdout;
    let csv = String::from_utf8(csv).expect("text");
    let (heading, rest) = csv.split_once('\n').expect("a heading");
    assert!(heading.starts_with("id,created_at,log_type,success,"), "{heading}");
    assert!(rest.ends_with(",\"said \"\"no\"\", twice\nand again\",\"{\"\"status\"\": 500}\"\n"), "{rest}");
}

fn follow(house: &House) -> (Child, BufReader<ChildStdout>) {
    let mut command = house.command(&["logs", "--follow", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("start liaison");
    let out = BufReader::new(child.stdout.take().expect("its answers"));
    (child, out)
}

fn next(out: &mut BufReader<ChildStdout>) -> String {
    let mut text = String::new();
    out.read_line(&mut text).expect("a line");
    let line: Value = serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{fault}: {text:?}"));
    line["id"].as_str().expect("an id").to_owned()
}

#[test]
fn each_line_is_followed_once_also_those_that_come_late() {
    for house in [House::sqlite(), House::postgres()] {
        let past = Past::of(&house);
        past.write(vec![line("first", 5)]);
        let (mut child, mut out) = follow(&house);
        assert_eq!(next(&mut out), "first");
        past.write(vec![line("second", 0)]);
        assert_eq!(next(&mut out), "second");
        // It was said before the second, and written after it.
        past.write(vec![line("late", 4)]);
        assert_eq!(next(&mut out), "late");
        past.write(vec![line("last", 0)]);
        assert_eq!(next(&mut out), "last");
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
        kill_process(pid, Signal::INT).expect("press Ctrl-C");
        let mut rest = String::new();
        out.read_line(&mut rest).expect("its end");
        assert_eq!(rest, "", "nothing comes twice");
        assert!(child.wait().expect("its status").success());
    }
}

#[test]
fn nobody_is_followed_for_a_reader_that_has_gone() {
    let house = House::sqlite();
    let (mut child, out) = follow(&house);
    drop(out);
    until("it ends by itself", || child.try_wait().expect("look at it").is_some());
    assert!(child.wait().expect("its status").success());
}
