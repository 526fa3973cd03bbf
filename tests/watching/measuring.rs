//! Metrics, of the real daemon: right after known jobs, and each one described.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    documents::{file, rows, section},
    support::{House, http::Front, until},
};

/// What a scrape says: every sample by its name and labels; and the names that have a help and a type.
struct Scrape {
    samples: BTreeMap<String, f64>,
    helped: BTreeSet<String>,
    types: BTreeMap<String, String>,
}

impl Scrape {
    fn of(front: &Front) -> Self {
        let answer = front.get("/metrics");
        assert!(answer.status == 200 && answer.head.contains("text/plain; version=0.0.4"), "{answer:?}");
        let mut scrape = Self { samples: BTreeMap::new(), helped: BTreeSet::new(), types: BTreeMap::new() };
        for line in answer.body.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help");
                assert!(help.len() > 10 && scrape.helped.insert(name.to_owned()), "{line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert!(scrape.types.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
            } else {
                let (name, value) = line.rsplit_once(' ').expect("a value");
                let value = value.parse().unwrap_or_else(|fault| panic!("{line}: {fault}"));
                assert!(scrape.samples.insert(name.to_owned(), value).is_none(), "twice: {line}");
            }
        }
        scrape
    }

    fn get(&self, name: &str) -> f64 {
        *self.samples.get(name).unwrap_or_else(|| panic!("no {name} in {:#?}", self.samples.keys()))
    }

    /// A whole number, or -1 if it is not there.
    fn count(&self, name: &str) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "counts of a test")]
        self.samples.get(name).map_or(-1, |value| *value as i64)
    }

    fn runs(&self, job: &str, outcome: &str) -> i64 {
        self.count(&format!(r#"liaison_runs_total{{job="{job}",outcome="{outcome}",queue="default"}}"#))
    }
}

/// One job for each end there is.
fn one_of_each(house: &House) {
    let past = "2020-01-01T00:00:00Z";
    house.redis.push(
        "default",
        &[
            r#"{"id":"done","job":"echo"}"#.to_owned(),
            r#"{"id":"retried","job":"fail","args":{"times":1}}"#.to_owned(),
            r#"{"id":"dead","job":"fail","args":{"times":9},"max_attempts":1}"#.to_owned(),
            r#"{"id":"unknown","job":"no_such_job"}"#.to_owned(),
            r#"{"id":"panics","job":"panic","max_attempts":1}"#.to_owned(),
            format!(r#"{{"id":"expired","job":"noop","expires_at":"{past}"}}"#),
            r#"{"id":"cancelled","job":"sleep","args":{"ms":600000}}"#.to_owned(),
            r#"{"id":"later","job":"noop","run_at":"2099-01-01T00:00:00Z"}"#.to_owned(),
            "no json at all".to_owned(),
        ],
    );
    let limited = r#"{"address":"127.0.0.1:9","limit":{"key":"metrics","per_day":1}}"#;
    house.json(&["enqueue", "knock", "--args", limited, "--max-attempts", "1", "--id", "passes"]);
    house.json(&["enqueue", "knock", "--args", limited, "--max-attempts", "1", "--id", "snoozes"]);
    until("it runs", || house.json(&["jobs", "show", "cancelled"])["state"] == "running");
    house.json(&["jobs", "cancel", "cancelled"]);
}

#[test]
fn counters_are_right_after_one_of_each_end() {
    let (house, front) = Front::of(House::sqlite());
    let worker = house.worker();
    one_of_each(&house);
    let snoozed = r#"liaison_jobs_snoozed_total{job="knock",queue="default"}"#;
    until("all have ended", || {
        let scrape = Scrape::of(&front);
        scrape.runs("fail", "done") == 1
            && scrape.runs("sleep", "cancelled") == 1
            && scrape.runs("noop", "expired") == 1
            && scrape.runs("knock", "dead") == 1
            && scrape.count(snoozed) == 1
            && scrape.count(r#"liaison_queue_due{queue="default"}"#) == 2
    });
    let scrape = Scrape::of(&front);
    assert_eq!([scrape.runs("echo", "done"), scrape.runs("echo", "dead")], [1, 0]);
    assert_eq!([scrape.runs("fail", "retry"), scrape.runs("fail", "dead"), scrape.runs("panic", "dead")], [1; 3]);
    assert_eq!(scrape.runs("unknown", "dead"), 2, "a name that nobody knows, and a line without any");
    assert!(!scrape.samples.keys().any(|name| name.contains("no_such_job")), "hosts invent no labels");
    assert_eq!(scrape.count(r#"liaison_run_duration_seconds_count{job="fail"}"#), 3);
    assert!(scrape.count(r#"liaison_claim_latency_seconds_count{queue="default"}"#) >= 6);
    assert!(scrape.get("liaison_recorder_batch_size_sum") >= 9.0);
    assert!(scrape.get("liaison_recorder_lag_seconds_sum") < 60.0);
    assert_eq!(scrape.count(r#"liaison_slots{queue="default"}"#), 64);
    assert_eq!(scrape.count("liaison_slots_all"), 64);
    assert_eq!(scrape.count(r#"liaison_queue_workers{queue="default"}"#), 1);
    assert_eq!([scrape.count("liaison_ready"), scrape.count("liaison_healthy")], [1, 1]);
    assert!(scrape.samples.keys().any(|name| name.starts_with("liaison_build_info{version=")));
    worker.stop();
}

#[test]
fn what_runs_in_the_process_of_suspects_is_counted_by_the_daemon() {
    let (house, front) = Front::of(House::sqlite().set("LIAISON_WORKER__LEASE", "1s"));
    let first = house.worker();
    house.json(&["enqueue", "sleep", "--args", r#"{"ms": 2000}"#, "--id", "suspect"]);
    until("it runs", || house.json(&["jobs", "show", "suspect"])["state"] == "running");
    first.kill();
    let worker = house.worker();
    until("it is done, and counted", || Scrape::of(&front).runs("sleep", "done") == 1);
    assert_eq!(Scrape::of(&front).count(r#"liaison_run_duration_seconds_count{job="sleep"}"#), 1);
    let log = worker.stop();
    assert!(log.contains("they run apart now"), "{log}");
}

#[test]
fn the_table_of_metrics_is_what_a_scrape_says() {
    // What is counted of a provider is there as soon as it is configured.
    let house = House::sqlite().set("LIAISON_PROVIDER__0__NAME", "google").set("LIAISON_PROVIDER__0__CLIENT_ID", "id");
    let (house, front) = Front::of(house);
    house.write("scheduler.toml", "[[schedule]]\nname = 'often'\njob = 'noop'\ncron = '* * * * * *'\n");
    let worker = house.worker();
    one_of_each(&house);
    until("a tick was decided", || Scrape::of(&front).types.contains_key("liaison_schedule_ticks_total"));
    until("the queues were looked at", || Scrape::of(&front).types.contains_key("liaison_queue_due"));
    until("one was snoozed", || Scrape::of(&front).types.contains_key("liaison_jobs_snoozed_total"));
    let scrape = Scrape::of(&front);
    worker.stop();
    assert_eq!(scrape.helped, scrape.types.keys().cloned().collect());
    let labels = |name: &str| {
        let begin = |sample: &str| {
            sample.split('{').next().is_some_and(|sample| {
                sample == name || ["_bucket", "_sum", "_count"].iter().any(|end| sample.strip_suffix(end) == Some(name))
            })
        };
        let sample =
            scrape.samples.keys().find(|sample| begin(sample)).unwrap_or_else(|| panic!("no sample of {name}"));
        let labels = sample.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
        let names = labels.split("\",").filter_map(|label| label.split_once('=')).map(|(label, _)| label);
        let names: Vec<_> = names.filter(|label| *label != "le").collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let measured: BTreeSet<_> =
        scrape.types.iter().map(|(name, kind)| [name.clone(), kind.clone(), labels(name)].join(" | ")).collect();
    let table = rows(section(&file("docs/operations.md"), "## Metrics"));
    let written: BTreeSet<_> = table.iter().map(|row| row[..3].join(" | ")).collect();
    assert_eq!(written, measured);
}

#[test]
fn every_metric_of_an_alert_is_in_the_table() {
    let operations = file("docs/operations.md");
    let known: BTreeSet<String> =
        rows(section(&operations, "## Metrics")).into_iter().map(|row| row[0].clone()).collect();
    let alerts = section(&operations, "## Alerts");
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let mut found = 0;
    for (at, _) in alerts.match_indices("liaison_") {
        let name: String = alerts[at..].chars().take_while(|c| is_name(*c)).collect();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        assert!(known.contains(base), "{name} is no metric");
        found += 1;
    }
    assert!(found > 10, "{found}");
}
