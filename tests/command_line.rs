//! What the command line says when something is wrong, and that its help is what it was.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixListener,
    process::Output,
};

use crate::support::House;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// It must fail with this code, and say these words in one sentence, not a page.
fn refused(house: &House, arguments: &[&str], code: i32, words: &[&str]) {
    let output = house.cli(arguments);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments:?} does not say {word:?}: {said}");
    }
}

#[test]
fn every_help_is_what_it_was() {
    let house = House::sqlite();
    let help = |path: &[String]| {
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let output = house.cli(&arguments);
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let mut open: Vec<Vec<String>> = vec![Vec::new()];
    let mut all = String::new();
    while let Some(path) = open.pop() {
        let text = help(&path);
        all = all + "$ liaison " + &path.join(" ") + " --help\n" + &text + "\n";
        let commands = text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        // Names stand two spaces in; what follows further in is the end of a longer description.
        let names = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let mut below: Vec<_> = names
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help")
            .map(|name| [path.clone(), vec![name.to_owned()]].concat())
            .collect();
        below.reverse();
        open.extend(below);
    }
    insta::assert_snapshot!("help", all);
}

#[test]
fn wrong_usage_and_wrong_configuration_end_with_two_and_failures_with_one() {
    let house = House::sqlite();
    refused(&house, &["conquer"], 2, &["unrecognized subcommand 'conquer'"]);
    refused(&house, &["enqueue", "noop", "--args", "{nonsense"], 2, &["--args"]);
    refused(&house, &["enqueue", "sleep", "--args", r#"{"ms":"long"}"#], 2, &["args.ms"]);
    refused(&house, &["enqueue", "noop", "--id", &"x".repeat(10_000)], 2, &["id", "9872 more than the 128 allowed"]);
    refused(&house, &["enqueue", "noop", "--queue", "a}b"], 2, &["queue"]);
    refused(&house, &["enqueue", "noop", "--at", "tomorrow"], 2, &["tomorrow"]);
    refused(&house, &["jobs", "show", "nobody"], 1, &["nobody"]);
    refused(&house, &["dead", "show", "nobody"], 1, &["nobody"]);
    refused(&house, &["queues", "pause", "nowhere"], 1, &["nowhere"]);
}

#[test]
fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
    let house = House::sqlite();
    for arguments in [
        ["--redis-url", "redis://:hunter2@localhost", "queues", "list"],
        ["--database-url", "postgres://me:hunter2@localhost/db", "runs", "list"],
    ] {
        let output = house.cli(&arguments);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("password") && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn all_mistakes_of_a_configuration_come_at_once_each_with_its_place() {
    let house = House::sqlite()
        .set("LIAISON_WORKER__CONCURRENCY", "many")
        .set("LIAISON_WORKER__LEESE", "1s")
        .set("LIAISON_WORKER__LEASE", "soon");
    let file = house.write("liaison.toml", "[worker]\ngrace = \"1s\"\n[quues]\nid_memory = \"1m\"\n");
    let words =
        ["quues", "LIAISON_WORKER__CONCURRENCY", "LIAISON_WORKER__LEESE", "LIAISON_WORKER__LEASE", "liaison.toml:3"];
    refused(&house, &["--config", &file, "check"], 2, &words);
}

#[test]
fn check_reads_every_file_that_is_named_and_tells_all_mistakes_at_once() {
    let house = House::sqlite();
    let text = "[redis]\nca_file = \"/nowhere/ca\"\ncert_file = \"/nowhere/cert\"\nkey_file = \"/nowhere/key\"\n";
    let (file, keys) = (house.write("bad.toml", text), house.write("badkeys", "no key at all\n"));
    let house = house.set("LIAISON_STORE__KEY_FILE", &keys).set("LIAISON_REDIS_URL", "rediss://localhost");
    let output = house.cli(&["--config", &file, "check", "--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("an answer");
    let mistakes = answer["mistakes"].as_array().expect("a list");
    let named: Vec<_> = mistakes.iter().map(|mistake| mistake["key"].as_str().unwrap_or_default()).collect();
    assert_eq!(named, ["redis.ca_file", "redis.cert_file", "redis.key_file", "store.key_file"]);
    assert_eq!((output.status.code(), &mistakes[0]["origin"]), (Some(2), &format!("{file}:2").into()));
    assert!(!answer.to_string().contains("no key at all"), "{answer}");
}

#[test]
fn check_tries_the_way_out_before_the_worker_needs_it() {
    let house = House::sqlite();
    let (ca, login) = (house.write("ca.pem", "no certificate\n"), house.write("login", "me\u{7}:hunter2\n"));
    let set = |house: House| house.set("LIAISON_OUTBOUND__PROXY", "http://127.0.0.1:3128");
    let house = set(house).set("LIAISON_OUTBOUND__CA_FILE", &ca);
    refused(&house, &["check"], 2, &["outbound.ca_file", "holds no certificate in PEM", &ca]);
    let house = house.set("LIAISON_OUTBOUND__CA_FILE", "/nowhere/ca");
    let house = house.set("LIAISON_OUTBOUND__PROXY_LOGIN_FILE", "/nowhere/login");
    refused(&house, &["check"], 2, &["outbound.ca_file", "outbound.proxy_login_file", "cannot be read"]);
    let house = set(House::sqlite()).set("LIAISON_OUTBOUND__PROXY_LOGIN_FILE", &login);
    let shown = house.cli(&["check"]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    assert!(!String::from_utf8_lossy(&shown.stdout).contains("hunter2"));
}

#[test]
fn a_redis_that_must_not_be_used_is_refused_in_one_sentence() {
    let house = House::sqlite();
    house.redis.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    refused(&house, &["worker"], 1, &["maxmemory-policy allkeys-lru", "set `maxmemory-policy noeviction`"]);
    house.redis.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    house.redis.ask::<()>(&["CONFIG", "SET", "requirepass", "sesame"]);
    refused(&house, &["worker"], 1, &["refused the user or password"]);
    let url = format!("unix://{}?pass=wrong", house.redis.socket().display());
    refused(&house.set("LIAISON_REDIS_URL", &url), &["worker"], 1, &["refused the user or password"]);
}

#[test]
fn a_redis_that_is_not_there_or_too_old_is_named_with_its_address() {
    let house = House::sqlite();
    let nobody = house.write("nobody.sock", "");
    let house = house.set("LIAISON_REDIS_URL", &format!("unix://{nobody}"));
    refused(&house, &["queues", "list"], 1, &["cannot be reached", &nobody]);
    // The daemon waits for it, and says so.
    let worker = house.spawn(&["worker"]);
    worker.says("cannot start yet: Redis does not answer");
    let log = worker.stop();
    assert!(log.contains("cannot be reached") && log.contains(&nobody), "{log}");

    let old = nobody.replace("nobody", "old");
    let listener = UnixListener::bind(&old).expect("listen");
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let mut answer = client.try_clone().expect("clone the socket");
            // Enough of a Redis 6.0 for one INFO: every command is acknowledged, that one is answered.
            let info = "redis_version:6.0.16\r\nmaxmemory_policy:noeviction\r\n";
            let info = format!("${}\r\n{info}\r\n", info.len());
            for line in BufReader::new(client).lines().map_while(Result::ok) {
                let text = if line == "INFO" {
                    &info
                } else if line == "HELLO" || line == "CLIENT" {
                    "+OK\r\n"
                } else {
                    ""
                };
                let _ = answer.write_all(text.as_bytes());
            }
        }
    });
    let house = house.set("LIAISON_REDIS_URL", &format!("unix://{old}"));
    refused(&house, &["worker"], 1, &["is version 6.0.16; Liaison needs 6.2 or newer"]);
}

#[test]
fn a_store_that_is_not_ready_says_what_to_do() {
    let house = House::sqlite();
    let fresh = house.set("LIAISON_DATABASE_URL", "sqlite:fresh.db");
    refused(&fresh, &["worker"], 1, &["run `liaison migrate`"]);
    let keyless = House::sqlite().set("LIAISON_STORE__KEY_FILE", "/nowhere/key");
    refused(&keyless, &["worker"], 1, &["/nowhere/key", "store.key_file"]);
}

#[test]
fn a_schema_of_a_later_release_is_left_alone() {
    let house = House::sqlite();
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); \
                  db.execute(\"INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')\"); db.commit()";
    let file = house.path("liaison.db").display().to_string();
    let python = std::process::Command::new("python3").args(["-c", script, &file]).output().expect("run python3");
    assert!(python.status.success(), "{}", said(&python));
    for command in ["worker", "migrate"] {
        refused(&house, &[command], 1, &["29990101000000"]);
    }
}

#[test]
fn bulk_answers_line_by_line_in_order() {
    let house = House::sqlite();
    let lines =
        "{\"job\":\"noop\",\"id\":\"one\"}\nnonsense\n\n{\"job\":\"noop\",\"id\":\"one\"}\n{\"job\":\"noop\"}\n";
    let file = house.write("lines", lines);
    let output = house.cli(&["enqueue", "--bulk", &file, "--json"]);
    assert_eq!(output.status.code(), Some(1), "one was rejected: {}", said(&output));
    let answers: Vec<serde_json::Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON line"))
        .collect();
    let seen: Vec<_> = answers.iter().map(|a| (a["line"].as_i64(), a["status"].as_str())).collect();
    let expected = [(1, "queued"), (2, "rejected"), (4, "duplicate"), (5, "queued")];
    assert_eq!(seen, expected.map(|(line, status)| (Some(line), Some(status))));
}
