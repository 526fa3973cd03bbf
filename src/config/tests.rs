//! The promises of the configuration as a whole.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A private file with this text.
fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    file
}

fn from_file(text: &str) -> Result<Loaded, ConfigError> {
    let file = file(text);
    load(&Sources { search: vec![file.path().to_owned()], ..Sources::default() })
}

fn flags(flags: Flags) -> Sources {
    Sources { flags, ..Sources::default() }
}

/// `key:line` of each mistake.
fn mistakes(text: &str) -> Vec<String> {
    let error = from_file(text).unwrap_err();
    error.mistakes.iter().map(|mistake| format!("{}:{}", mistake.key, mistake.origin.line())).collect()
}

#[test]
fn nothing_written_is_a_complete_configuration() {
    let Loaded { config, warnings, file, .. } = load(&Sources::default()).unwrap();
    assert_eq!((warnings, file), (Vec::new(), None));
    assert_eq!(config.redis.url.expose(), "redis://127.0.0.1:6379");
    assert_eq!(config.queue, [Queue { name: "default".to_owned(), weight: 1, concurrency: 64, shards: 1 }]);
    assert_eq!(config.store.key_file, None);
}

#[test]
fn a_stronger_layer_wins_and_is_named_as_the_origin() {
    let file = file("[worker]\nconcurrency = 1\nlease = \"1m\"\ngrace = \"1s\"\n");
    let environment = [
        ("LIAISON_CONFIG", file.path().to_str().unwrap()),
        ("LIAISON_WORKER__CONCURRENCY", "2"),
        ("LIAISON_WORKER__LEASE", "2m"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut sources = Sources::new(environment, Flags { concurrency: Some("3".to_owned()), ..Flags::default() });
    let worker = |sources: &Sources| load(sources).unwrap().config.worker;
    assert_eq!(
        (worker(&sources).concurrency, worker(&sources).lease.as_secs(), worker(&sources).grace.as_secs()),
        (3, 120, 1)
    );
    let printed = load(&sources).unwrap().config.print();
    assert!(printed.contains("concurrency = 3  # flag --concurrency\n"), "{printed}");
    assert!(printed.contains("lease = \"2m\"  # environment LIAISON_WORKER__LEASE\n"), "{printed}");
    assert!(printed.contains(&format!("grace = \"1s\"  # {}:4\n", file.path().display())), "{printed}");
    assert!(printed.contains("crash_limit = 3  # default\n"), "{printed}");
    sources.fixed = vec![("worker.concurrency", "4".to_owned())];
    assert_eq!(worker(&sources).concurrency, 4);
}

#[test]
#[cfg(feature = "sandbox")]
fn a_command_takes_an_entry_of_a_list_over_or_adds_one() {
    let file = file("[[provider]]\nname = \"zoom\"\nclient_id = \"real\"\nauth = \"basic\"\n");
    let environment = [
        ("LIAISON_CONFIG", file.path().to_str().unwrap()),
        ("LIAISON_PROVIDER__1__NAME", "webex"),
        ("LIAISON_PROVIDER__1__CLIENT_ID", "real"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut sources = Sources::new(environment.clone(), Flags::default());
    for (name, url) in [("webex", "http://127.0.0.1:1"), ("acme", "http://127.0.0.1:2"), ("zoom", "http://127.0.0.1:3")]
    {
        let keys = [("provider.+.name", name), ("provider.+.client_id", "played"), ("provider.+.token_url", url)];
        sources.fixed.extend(keys.map(|(key, value)| (key, value.to_owned())));
    }
    let of = |config: &Config| -> Vec<(String, String, String)> {
        let of = |provider: &Provider| (provider.name.clone(), provider.client_id.clone(), provider.token_url.clone());
        config.provider.iter().map(of).collect()
    };
    let config = load(&sources).unwrap().config;
    let played = [("zoom", 3), ("webex", 1), ("acme", 2)];
    let played = played.map(|(name, port)| (name.to_owned(), "played".to_owned(), format!("http://127.0.0.1:{port}")));
    assert_eq!(of(&config), played);
    // A process that is started with these variables sees the same.
    let variables = of_providers(&sources.fixed, &config);
    let sources = Sources::new(environment.into_iter().chain(variables), Flags::default());
    assert_eq!(of(&load(&sources).unwrap().config), played);
}

#[test]
fn all_mistakes_are_reported_at_once_each_with_its_line() {
    let text = r#"lease = "10s"
[redis]
ulr = "redis://h"
connect_timeout = 5
[wroker]
[worker]
concurrency = 0
diagnostics = "yes"
lease = 10s
crash_limit = 99999999999999999999
[[queue]]
name = "A b"
[[queue]]
weight = 1001
[log]
format = "xml"
"#;
    let expected = [
        "lease:1",
        "redis.ulr:3",
        "redis.connect_timeout:4",
        "wroker:5",
        "worker.concurrency:7",
        "worker.diagnostics:8",
        "syntax:9",
        "worker.crash_limit:10",
        "queue[0].name:12",
        "queue[1].name:13",
        "queue[1].weight:14",
        "log.format:16",
    ];
    assert_eq!(mistakes(text), expected);
    let error = from_file(text).unwrap_err().to_string();
    for part in [
        "the configuration has 12 mistakes:",
        "move it into [worker]",
        "did you mean url?",
        "did you mean [worker]?",
        "is an integer where a string in quotes is expected\n    allowed: 100ms to 5m\n",
        "    remedy: write, for example, connect_timeout = \"5s\"\n",
        "0 is too little\n    allowed: 1 to 10000\n    remedy: write, for example, concurrency = 64",
        "\"xml\" is not a format\n    allowed: auto, human or json\n",
    ] {
        assert!(error.contains(part), "{part} is not in\n{error}");
    }
}

#[test]
fn the_shape_of_the_file_is_checked() {
    assert_eq!(mistakes("redis = 1\n[queue]\nid_memory = \"1m\"\n[[worker]]\n"), ["redis:1", "queue:2", "worker:4"]);
    assert_eq!(mistakes("queue = [1]\n\"a\\u001b\" = 1\n"), ["queue[0]:1", "a\\u{1b}:2"]);
    assert_eq!(mistakes("[redis]\n[redis]\n"), ["syntax:2"]);
    let names = "[[queue]]\nname = \"q\"\n".repeat(257);
    assert_eq!(mistakes(&names).last().map(String::as_str), Some("queue[256]:513"));
}

#[test]
fn a_line_with_broken_syntax_is_never_quoted() {
    let error = from_file("[redis]\nurl = \"redis://:hunter2@h\n").unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn a_named_file_must_exist_and_a_usual_one_need_not() {
    let missing = PathBuf::from("/nowhere/liaison.toml");
    assert!(load(&Sources { search: vec![missing.clone()], ..Sources::default() }).is_ok());
    let error = load(&flags(Flags { config: Some(missing), ..Flags::default() })).unwrap_err().to_string();
    assert!(error.contains("config (flag --config): /nowhere/liaison.toml does not exist"), "{error}");
    assert!(load(&flags(Flags { config: Some("/".into()), ..Flags::default() })).is_err());
    assert!(load(&flags(Flags { config: Some("/dev/zero".into()), ..Flags::default() })).is_err());
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    let error = load(&flags(Flags {
        redis_url: Some("redis://:hunter2@h".to_owned()),
        database_url: Some("postgres:///db?password=hunter2".to_owned()),
        ..Flags::default()
    }));
    let error = error.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.mistakes.len(), 2);
    assert!(text.contains("(flag --redis-url): holds a password") && text.contains("LIAISON_STORE__URL"), "{text}");
    assert!(
        !text.contains("hunter2")
            && !error.to_json().to_string().contains("hunter2")
            && !format!("{error:?}").contains("hunter2")
    );
    assert!(load(&flags(Flags { redis_url: Some("redis://h".to_owned()), ..Flags::default() })).is_ok());
}

#[test]
fn an_address_in_the_wrong_place_is_not_repeated() {
    let text = r#"[redis]
url_file = "redis://:hunter2@h"
connect_timeout = "redis://:hunter2@h"
[store]
url = "redis://:hunter2@h"
key_file = "redis://:hunter2@h"
[[queue]]
name = "redis://:hunter2@h"
"#;
    let error = from_file(text).unwrap_err();
    assert_eq!(error.mistakes.len(), 5, "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn a_password_is_shown_nowhere_and_a_readable_file_is_warned_about() {
    let file = file("[redis]\nurl = \"redis://me:hunter2@h\"\n");
    let sources = Sources { search: vec![file.path().to_owned()], ..Sources::default() };
    let loaded = load(&sources).unwrap();
    assert_eq!(loaded.warnings, []);
    let shown = format!("{:?}{}{}", loaded, loaded.config.print(), loaded.config.to_json());
    assert!(!shown.contains("hunter2") && shown.contains("redis://me:[redacted]@h"), "{shown}");
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(load(&sources).unwrap().warnings[0].to_string().contains("everybody on this machine can read the file"));
}

#[test]
fn the_command_line_picks_queues_and_may_name_new_ones() {
    let text = "[[queue]]\nname = \"mail\"\nweight = 5\n[[queue]]\nname = \"sync\"\n";
    let file = file(text);
    let pick = |queues: &[&str]| {
        let queues = queues.iter().map(|name| (*name).to_owned()).collect();
        let flags = Flags { queues, concurrency: Some("9".to_owned()), ..Flags::default() };
        load(&Sources { search: vec![file.path().to_owned()], flags, ..Sources::default() })
    };
    let loaded = pick(&["mail", "mial", "mail"]).unwrap();
    let names: Vec<_> =
        loaded.config.queue.iter().map(|queue| (queue.name.as_str(), queue.weight, queue.concurrency)).collect();
    assert_eq!(names, [("mail", 5, 9), ("mial", 1, 9)]);
    assert!(loaded.warnings[0].to_string().ends_with("it gets the defaults; did you mean mail?"));
    assert_eq!(loaded.config.to_json()["queue"][1]["name"]["value"], "mial");
    assert!(!loaded.config.print().contains("\"sync\""));
    assert!(pick(&["A"]).unwrap_err().to_string().contains("(flag --queues): \"A\" is not a name for a queue"));
}

#[test]
fn two_queues_of_one_name_are_a_mistake() {
    assert_eq!(mistakes("[[queue]]\nname = \"a\"\n[[queue]]\nname = \"a\"\n"), ["queue[1].name:4"]);
}

#[test]
fn what_is_printed_can_be_read_again() {
    let printed = load(&Sources::default()).unwrap().config.print();
    let again = from_file(&printed).unwrap().config.print();
    let values = |text: &str| text.lines().map(|line| line.split("  #").next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(values(&printed), values(&again));
}

#[test]
fn the_json_form_names_values_and_origins() {
    let json = load(&Sources::default()).unwrap().config.to_json();
    assert_eq!(json["worker"]["lease"], serde_json::json!({"value": "10s", "origin": "default"}));
    assert_eq!(json["store"]["key_file"]["value"], serde_json::Value::Null);
    assert_eq!(json["queue"][0]["name"]["value"], "default");
}
