//! `docs/wire-protocol.md` alone is enough for a host: followed from Python's standard library, with the rights it names.

pub(crate) mod access;

use std::process::Command;

use crate::{
    documents::{WIRE_PROTOCOL, blocks, section},
    support::{House, Redis},
};

/// The example of the document, and what the document says that it prints.
fn example() -> (&'static str, &'static str) {
    let part = section(WIRE_PROTOCOL, "## Complete example");
    let (code, answers) = (blocks(part, "python"), blocks(part, "text"));
    (code.first().expect("the example"), answers.first().expect("what it prints"))
}

/// Run a Python program beside a server; what it printed.
fn python(program: &str, redis: &Redis) -> String {
    let script = redis.socket().with_file_name("enqueue.lua");
    std::fs::write(&script, liaison_queue::door().0).expect("keep the script");
    let output = Command::new("python3")
        .args(["-I", "-c", program])
        .arg(redis.socket())
        .arg(script)
        .output()
        .expect("run python3: install it with `make deps`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_example_of_the_protocol_prints_what_it_says() {
    let house = House::sqlite();
    let daemon = house.worker();
    let (program, expected) = example();
    assert_eq!(python(program, &house.redis), expected);
    assert_eq!(house.count("done"), 2);
    daemon.stop();
    assert_eq!(house.redis.leftovers("default"), Vec::<String>::new());
}

#[test]
fn a_host_loads_the_script_again_when_redis_forgot_it() {
    let house = House::sqlite();
    let daemon = house.worker();
    let (program, expected) = example();
    // As if Redis restarted between the loading and the call.
    let forgetful = program.replacen(
        "    try:\n        return redis(\"EVALSHA\", sha",
        "    redis(\"SCRIPT\", \"FLUSH\")\n    try:\n        return redis(\"EVALSHA\", sha",
        1,
    );
    assert_ne!(forgetful, program);
    assert_eq!(python(&forgetful, &house.redis), expected);
    daemon.stop();
}

#[test]
fn the_line_of_the_plain_door_is_a_job() {
    let house = House::sqlite();
    let daemon = house.worker();
    let line = blocks(section(WIRE_PROTOCOL, "## The plain door"), "sh").concat();
    let line = line.replacen("redis-cli", &format!("redis-cli -s {}", house.redis.socket().display()), 1);
    let pushed = Command::new("sh").args(["-c", &line]).output().expect("run a shell");
    assert_eq!(String::from_utf8_lossy(&pushed.stdout).trim(), "1", "{}", String::from_utf8_lossy(&pushed.stderr));
    crate::support::until("the job is done", || house.count("done") == 1);
    assert_eq!(house.runs("hello-1")[0]["outcome"], "done");
    daemon.stop();
}

#[test]
fn what_stands_in_redis_is_what_the_protocol_says() {
    let redis = Redis::start();
    let (program, _) = example();
    // No daemon runs: nothing is waited for, and everything stays where the doors put it.
    let (before, _) = program.split_once("told = reply(redis, \"example:1\")").expect("the plain door comes first");
    let (_, after) = program.split_once("job = {").expect("then the scripted one");
    let (middle, _) = after.split_once("told = ").expect("and a reply");
    let bare = r#"enqueue(redis, script, [{"job": "noop", "id": "bare"}])"#;
    python(&format!("{before}job = {{{middle}\n{bare}\n"), &redis);
    let stored: String = redis.ask(&["HGET", "liaison:{default}:jobs", "example:2"]);
    assert!(WIRE_PROTOCOL.contains("A value of `jobs` begins with 15 bytes"));
    let (header, rest) = stored.split_at(15);
    assert!(header[..13].bytes().all(|byte| byte.is_ascii_digit()), "{header}");
    assert_eq!(&header[13..], "1#");
    let envelope =
        r#"{"job": "echo", "args": {"door": "scripted"}, "id": "example:2", "reply": true, "unique": "example"}"#;
    assert_eq!(rest.split_once('\n'), Some(("Udexample", envelope)));
    let bare: String = redis.ask(&["HGET", "liaison:{default}:jobs", "bare"]);
    assert_eq!(&bare[13..], r#"1+{"job": "noop", "id": "bare"}"#);
    let ready = redis.ask::<Vec<String>>(&["LRANGE", "liaison:{default}:ready:normal", "0", "-1"]);
    assert_eq!(ready, ["example:2", "bare"]);
    let line = r#"{"job": "echo", "args": {"door": "plain"}, "id": "example:1", "reply": true}"#;
    assert_eq!(redis.ask::<Vec<String>>(&["LRANGE", "liaison:{default}:inbox", "0", "-1"]), [line]);
}
