//! The rights that `docs/wire-protocol.md` names are enough, and none is there for nothing.

use std::collections::BTreeSet;

use redis::Connection;

use crate::{
    documents::{WIRE_PROTOCOL, blocks, file, section},
    support::{House, Redis, until},
};

pub(crate) const PASSWORD: &str = "secret";

/// The lines of the document, as words: a host at the plain door, one at the scripted door, the daemon, and the daemon
/// at the sentinels.
pub(crate) fn users() -> [Vec<String>; 4] {
    let lines: Vec<Vec<String>> = blocks(section(WIRE_PROTOCOL, "## Access"), "acl")
        .iter()
        .map(|line| line.split_whitespace().map(|word| word.replace("SECRET", PASSWORD)).collect())
        .collect();
    lines.try_into().expect("four users")
}

/// Make the user, and log in.
fn log_in(redis: &Redis, user: &[String]) -> Connection {
    redis.ask::<String>(&user.iter().map(String::as_str).collect::<Vec<_>>());
    let mut connection = redis.connect();
    redis::cmd("AUTH").arg(&user[2]).arg(PASSWORD).exec(&mut connection).expect("log in");
    connection
}

fn refused<T: redis::FromRedisValue + std::fmt::Debug>(connection: &mut Connection, words: &[&str]) {
    let answer = redis::cmd(words[0]).arg(&words[1..]).query::<T>(connection);
    let fault = answer.expect_err("it may not do that");
    assert_eq!(fault.code(), Some("NOPERM"), "{words:?}: {fault}");
}

#[test]
fn a_host_at_the_plain_door_can_push_and_nothing_else() {
    let redis = Redis::start();
    let [host, ..] = users();
    let mut connection = log_in(&redis, &host);
    let inbox = "liaison:{default}:inbox";
    redis::cmd("RPUSH").arg(inbox).arg(r#"{"job":"noop"}"#).exec(&mut connection).expect("push");
    for words in [
        &["RPUSH", "liaison:{default}:ready:normal", "x"][..],
        &["RPUSH", "liaison:{other}:inbox", "x"],
        &["LRANGE", inbox, "0", "-1"],
        &["LPOP", inbox],
        &["DEL", inbox],
        &["HGETALL", "liaison:{default}:jobs"],
        &["EVAL", "return 1", "0"],
        &["KEYS", "*"],
        &["FLUSHALL"],
        &["CONFIG", "GET", "*"],
    ] {
        refused::<redis::Value>(&mut connection, words);
    }
}

#[test]
fn a_host_at_the_scripted_door_can_enqueue() {
    let redis = Redis::start();
    let [_, host, ..] = users();
    let mut connection = log_in(&redis, &host);
    let (script, keys) = liaison_queue::door();
    let sha: String = redis::cmd("SCRIPT").arg("LOAD").arg(script).query(&mut connection).expect("load the script");
    // A sleeper is woken too, and a delay is parked.
    redis.ask::<String>(&["SET", "liaison:{default}:idle", "1"]);
    let mut enqueue = |pairs: &[(&str, &str)]| -> Vec<String> {
        let mut call = redis::cmd("EVALSHA");
        call.arg(&sha).arg(keys.len());
        for name in keys {
            call.arg(format!("liaison:{{default}}:{name}"));
        }
        call.arg("").arg("default").arg(1024).arg(10_000);
        for (id, envelope) in pairs {
            call.arg(id).arg(envelope);
        }
        call.query(&mut connection).expect("enqueue")
    };
    let answers = enqueue(&[
        ("a", r#"{"job":"noop"}"#),
        ("-", r#"{"job":"noop","id":"b","run_at":"2999-01-01T00:00:00Z"}"#),
        ("c", r#"{"job":"noop","priority":"low"}"#),
        ("-", r#"{"job":"noop","id":"b"}"#),
    ]);
    assert_eq!(answers, ["queued a", "queued b", "queued c", "duplicate b"]);
    // Whatever ties jobs: lanes, all scopes of keys and their end, what is replaced wherever it waits, and batches.
    redis.ask::<i64>(&["HSET", "liaison:{default}:batches", "x opened", "1"]);
    redis.ask::<i64>(&["HSET", "liaison:{default}:uniques", "past", "t 1 gone"]);
    let replace = r#""on_conflict":"replace""#;
    let mut tied = vec![r#"{"job":"noop","lane":"l","batch":"x","expires_at":"2999-01-01T00:00:00Z"}"#.to_owned()];
    tied.push(r#"{"job":"noop","unique":{"key":"past","scope":"for","for_ms":9}}"#.to_owned());
    for (key, more) in [("k", ""), ("l", r#","lane":"l""#), ("m", r#","run_at":"2999-01-01T00:00:00Z""#)] {
        tied.push(format!(r#"{{"job":"noop","unique":"{key}"{more}}}"#));
        tied.push(format!(r#"{{"job":"noop","unique":{{"key":"{key}",{replace}}}{more}}}"#));
    }
    let ids: Vec<String> = (0..tied.len()).map(|n| format!("tied-{n}")).collect();
    let pairs: Vec<_> = ids.iter().map(String::as_str).zip(tied.iter().map(String::as_str)).collect();
    assert_eq!(enqueue(&pairs), ids.iter().map(|id| format!("queued {id}")).collect::<Vec<_>>());
    refused::<redis::Value>(&mut connection, &["HSET", "liaison:{other}:jobs", "a", "b"]);
    refused::<redis::Value>(&mut connection, &["FLUSHALL"]);
}

#[test]
fn the_daemon_and_the_command_line_work_with_the_rights_of_the_protocol() {
    let house = House::sqlite();
    let [.., daemon, _] = users();
    log_in(&house.redis, &daemon);
    let url = format!("redis+{}?user=liaison&pass={PASSWORD}", house.redis.url());
    let house = house.set("LIAISON_REDIS_URL", &url);
    house.redis.ask::<redis::Value>(&["ACL", "LOG", "RESET"]);

    let worker = house.worker();
    let lines = [
        r#"{"job":"fail","args":{"times":1},"id":"fails"}"#,
        r#"{"job":"noop","id":"here"}"#,
        r#"{"job":"noop","id":"there","queue":"other"}"#,
        "not json",
    ];
    house.redis.push("default", &lines.map(String::from));
    until("the jobs have ended", || house.count("done") == 2 && house.count("dead") == 1);
    let told = house.json(&["enqueue", "echo", "--args", "[1]", "--wait", "60s"]);
    assert_eq!(told["outcome"], "done");
    let dead = house.json(&["dead", "list"]);
    let dead = dead[0]["job_id"].as_str().or(dead[0]["id"].as_str()).expect("its id").to_owned();
    for command in [
        &["queues", "list"][..],
        &["queues", "pause", "default"],
        &["queues", "resume", "default"],
        &["workers", "list"],
        &["jobs", "list"],
        &["jobs", "show", "there"],
        &["dead", "revive", &dead],
        &["enqueue", "noop", "--id", "later", "--delay", "1h", "--lane", "l", "--unique", "k"],
        &["enqueue", "noop", "--id", "latest", "--delay", "1h", "--unique", "k", "--replace"],
        &["enqueue", "noop", "--id", "late", "--delay", "1h", "--lane", "l", "--expires", "1h"],
        &["enqueue", "noop", "--id", "behind", "--lane", "l"],
        &["jobs", "reprioritise", "behind", "high"],
        &["lanes", "list"],
        &["lanes", "show", "l"],
        &["lanes", "skip", "l"],
        &["jobs", "run-now", "late"],
        &["jobs", "cancel", "latest"],
        &["batches", "open", "b", "--then", r#"{"job":"noop"}"#],
        &["batches", "list"],
        &["batches", "show", "b"],
        &["batches", "seal", "b", "--size", "0"],
        &["enqueue", "noop", "--delay", "1h"],
        &["queues", "purge", "default", "--yes"],
    ] {
        house.json(command);
    }
    // A limited job, that calls nobody.
    let limited = r#"{"job":"pair","args":{"address":"127.0.0.1:1"},"id":"limited","max_attempts":1}"#;
    house.redis.push("default", &[limited.to_owned()]);
    until("it has passed", || house.cli(&["limits", "show", "job:pair"]).status.success());
    house.json(&["limits", "list"]);
    // One that is held while its worker dies is reaped by the next.
    house.redis.push("default", &[r#"{"job":"sleep","args":{"ms":500},"id":"survivor"}"#.to_owned()]);
    until("it runs", || house.redis.ask::<bool>(&["HEXISTS", "liaison:{default}:held", "survivor"]));
    worker.kill();
    let worker = house.worker();
    until("it has ended", || house.json(&["runs", "list", "--outcome", "done"]).to_string().contains("survivor"));
    worker.stop();

    let log: Vec<Vec<redis::Value>> = house.redis.ask(&["ACL", "LOG"]);
    assert_eq!(denied(&log), [""; 0]);
}

/// What a server refused, but for the command by which clients introduce themselves: they go on without. Redis 6.2 does
/// not know it, and logs only its first word.
pub(crate) fn denied(log: &[Vec<redis::Value>]) -> Vec<String> {
    let introduces = |entry: &Vec<redis::Value>| {
        let shown = format!("{:?}", entry.get(7));
        shown.contains("client|setinfo") || shown.contains("\"client\"")
    };
    log.iter().filter(|entry| !introduces(entry)).map(|entry| format!("{entry:?}")).collect()
}

/// The commands in a source: what stands in quotes after one of these.
fn named(source: &str, before: &str) -> BTreeSet<String> {
    let words = source.split(before).skip(1).filter_map(|rest| rest.split(['"', '\'']).next());
    words.map(str::to_lowercase).collect()
}

#[test]
fn the_daemons_rights_are_the_commands_in_the_code() {
    let [.., daemon, asker] = users();
    let rights = |user: &[String]| -> BTreeSet<String> {
        user.iter().filter_map(|word| word.strip_prefix('+')).map(String::from).collect()
    };
    let granted: BTreeSet<String> = rights(&daemon).union(&rights(&asker)).cloned().collect();
    let mut used = BTreeSet::new();
    for (folder, before) in [
        ("queue", "cmd(\""),
        ("queue/inspector", "cmd(\""),
        ("queue/link", "cmd(\""),
        ("queue/scripts", "cmd(\""),
        ("queue/lua", "call('"),
        ("queue/lua/parts", "call('"),
    ] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in std::fs::read_dir(folder).expect("the sources").filter_map(Result::ok) {
            // The benchmark has a server of its own.
            if entry.path().is_file() && entry.file_name() != "bench.rs" {
                used.extend(named(&std::fs::read_to_string(entry.path()).expect("a source"), before));
            }
        }
    }
    let several = [("script", "script|load"), ("config", "config|get"), ("cluster", "cluster|slots")];
    let mut used: BTreeSet<String> = used
        .into_iter()
        .map(|word| several.iter().find(|(command, _)| *command == word).map_or(word, |(_, right)| (*right).to_owned()))
        .collect();
    // A pipeline that is atomic says so by two commands of the client's.
    if file("queue/inspector.rs").contains(".atomic()") {
        used.extend(["multi".to_owned(), "exec".to_owned()]);
    }
    if used.remove("sentinel") {
        used.extend(["sentinel|get-master-addr-by-name".to_owned(), "sentinel|master".to_owned()]);
    }
    assert_eq!(granted, used);
}
