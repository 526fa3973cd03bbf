//! Calendars: what stands in them becomes blocked times, whatever happens meanwhile.

mod corpus;
mod failing;
mod hanging;
mod radicale;
mod town;

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use liaison_sandbox::{Desk, Trouble};
use serde_json::{Value, json};

use self::town::Town;
use crate::support::{House, until};

/// Monday morning of a week that is far away for years.
fn monday() -> DateTime<Utc> {
    "2027-06-07T08:00:00Z".parse().expect("a time")
}

/// An hour of an event, so many hours after that.
fn event(id: &str, hours: i64) -> Value {
    let at = |hours: i64| json!({"dateTime": (monday() + TimeDelta::hours(hours)).to_rfc3339()});
    json!({"id": id, "summary": id, "start": at(hours), "end": at(hours + 1)})
}

fn lists(desk: &Desk) -> usize {
    desk.calls_of("GET", "/events")
}

/// What the provider has, as it blocks.
fn truth(town: &Town, who: &str) -> Vec<(String, DateTime<Utc>)> {
    let of = |event: Value| {
        let at = event["start"]["dateTime"].as_str().expect("a time").parse::<DateTime<Utc>>().expect("a time");
        (event["id"].as_str().expect("an id").to_owned(), at)
    };
    let mut all: Vec<_> = town.google.events(who).into_iter().map(of).collect();
    all.sort();
    all
}

#[test]
fn a_cursor_that_dies_in_the_middle_while_events_change_leaves_what_the_provider_has_and_nothing_flickers() {
    let town = Town::new(House::sqlite());
    town.connect("google", "a");
    for n in 0..300 {
        town.google.put("a", event(&format!("e{n:03}"), n * 2));
    }
    town.google.page_size(20);
    let worker = town.house.worker();
    town.sync("first", "a");
    assert_eq!(town.busy("a"), truth(&town, "a"));

    let stays: BTreeSet<String> = (0..300).filter(|n| n % 3 == 0).map(|n| format!("e{n:03}")).collect();
    let flickers = || {
        let busy: BTreeSet<String> = town.busy("a").into_iter().map(|(id, _)| id).collect();
        stays.difference(&busy).cloned().collect::<Vec<_>>()
    };
    // A change, so that there are pages to come; and no cursor is good any more.
    town.google.desk().slow(Duration::from_millis(10));
    town.google.expire_cursors("a");
    town.google.put("a", event("new", 700));
    let before = lists(town.google.desk());
    town.ask("sync_calendar_events", "second", "a");
    for (pages, n) in [(3, 1), (6, 2), (9, 4), (12, 5)] {
        until("some pages came", || {
            assert_eq!(flickers(), [""; 0], "they never changed");
            lists(town.google.desk()) >= before + pages
        });
        town.google.remove("a", &format!("e{n:03}"));
        town.google.put("a", event(&format!("e{:03}", n + 150 - n % 3 + 1), 900 + n));
        town.google.put("a", event(&format!("late-{n}"), 800 + n));
        if pages == 9 {
            town.google.expire_cursors("a");
        }
    }
    until("it is whole", || {
        assert_eq!(flickers(), [""; 0], "they never changed");
        !town.house.runs("second").is_empty()
    });
    let result = town.result("second");
    assert_eq!((&result["round"], &result["restarts"]), (&json!("full"), &json!(2)));
    town.sync("third", "a");
    assert_eq!(town.busy("a"), truth(&town, "a"));
    worker.stop();
}

#[test]
fn a_sync_whose_daemon_is_killed_in_the_middle_goes_on_and_does_not_begin_anew() {
    let town = Town::new(House::sqlite());
    town.connect("google", "a");
    for n in 0..200 {
        town.google.put("a", event(&format!("e{n:03}"), n));
    }
    town.google.page_size(5);
    town.google.desk().slow(Duration::from_millis(15));
    let mut worker = town.house.worker();
    town.ask("sync_calendar_events", "first", "a");
    for pages in [8, 16, 24] {
        until("some pages are stored", || town.state("a").open.is_some_and(|open| open.pages >= pages));
        worker.kill();
        worker = town.house.worker();
    }
    let result = town.result("first");
    assert_eq!((&result["pages"], &result["restarts"]), (&json!(40), &json!(0)));
    town.settles("a");
    assert_eq!(town.busy("a"), truth(&town, "a"));
    let log = town.google.desk().log();
    let begun = log.iter().filter(|line| line.contains("/events") && !line.contains("pageToken")).count();
    assert_eq!(begun, 1, "it began once");
    // The page that was being written, and the one that was on its way.
    assert!(log.len() <= 40 + 2 * 3, "{} pages were asked for: at most two for each death were lost", log.len());
    worker.stop();
}

#[test]
fn when_nothing_has_changed_there_is_one_request_and_no_write() {
    let town = Town::new(House::sqlite());
    town.connect("google", "a");
    town.google.put("a", event("e", 1));
    let worker = town.house.worker();
    town.sync("first", "a");
    let (state, blocks, calls) = (town.state("a"), town.blocks("a"), town.google.desk().calls());
    let lines = |town: &Town| town.house.json(&["logs", "--integration", "a"]).as_array().map(Vec::len);
    let logged = lines(&town);
    let result = town.sync("second", "a");
    assert_eq!((&result["round"], &result["changed"]), (&json!("incremental"), &json!(0)));
    assert_eq!(town.google.desk().calls(), calls + 1);
    assert_eq!((town.state("a"), town.blocks("a"), lines(&town)), (state, blocks, logged));
    worker.stop();
}

#[test]
fn five_failures_disable_a_calendar_and_its_owner_is_told_once() {
    let town = Town::new(House::sqlite());
    town.connect("google", "a");
    town.google.put("a", event("e", 1));
    let worker = town.house.worker();
    town.sync("first", "a");
    for n in 0..5 {
        assert!(town.state("a").sync_enabled);
        town.google.desk().script("GET", "/events", [Trouble::Status(404)]);
        let id = format!("fails-{n}");
        town.ask("sync_calendar_events", &id, "a");
        until("it has failed", || town.house.runs(&id).iter().any(|run| run["outcome"] == "dead"));
    }
    let state = town.state("a");
    assert_eq!((state.sync_enabled, state.sync_errors, state.disables), (false, 5, 1));
    assert_eq!(town.busy("a").len(), 1, "what is known stays");
    let notice = "notify:calendar:a:1:disabled";
    until("its owner is told", || !town.house.runs(notice).is_empty());
    assert_eq!(town.sync("off", "a")["status"], "disabled");
    assert_eq!(town.house.runs(notice).len(), 1);
    town.house.json(&["integrations", "enable", "a"]);
    assert_eq!(town.sync("on", "a")["status"], "synced");
    assert_eq!(town.state("a").sync_errors, 0);
    worker.stop();
}

#[test]
fn outages_and_limits_count_on_nobody_and_waiting_costs_no_attempt() {
    let town = Town::new(House::sqlite());
    town.connect("google", "a");
    town.connect("google", "b");
    town.google.put("a", event("e", 1));
    let worker = town.house.worker();
    town.google.desk().script("GET", "/events", [Trouble::TooMany(Some(1)), Trouble::TooMany(Some(1))]);
    town.sync("limited", "a");
    let runs = town.house.runs("limited");
    assert_eq!((runs.len(), &runs[0]["attempt"]), (1, &json!(1)), "{runs:?}");
    assert_eq!(town.state("a").sync_errors, 0);
    town.sync("other", "b");
    worker.stop();
}

#[test]
fn a_job_that_runs_twice_has_one_effect() {
    let town = Town::new(House::postgres());
    town.connect_for("google", "a", "org");
    town.connect_for("microsoft", "b", "org");
    town.google.put("a", event("e1", 1));
    let time = |hours: i64| {
        let at = monday() + TimeDelta::hours(hours);
        json!({"dateTime": at.format("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": "UTC"})
    };
    town.microsoft.put("b", json!({"id": "f1", "start": time(1), "end": time(2)}));
    let worker = town.house.worker();
    for round in 0..2 {
        for calendar in ["a", "b"] {
            town.sync(&format!("sync-{calendar}-{round}"), calendar);
            let again = format!("again-{calendar}-{round}");
            town.ask("reconcile_calendar_events", &again, calendar);
            let result = town.result(&again);
            assert_eq!((&result["created"], &result["conflicts"]), (&json!(0), &json!(0)), "{again}");
        }
    }
    assert_eq!(town.busy("org").len(), 2);
    let conflicts = town.house.json(&["conflicts", "list"]);
    assert_eq!(conflicts.as_array().map(Vec::len), Some(1), "{conflicts}");
    assert_eq!((&conflicts[0]["kind"], &conflicts[0]["status"]), (&json!("between_calendars"), &json!("open")));
    let sent = town.house.json(&["runs", "list", "--job", "send_webhook", "--limit", "100"]);
    let sent = |prefix: &str| {
        let all = sent.as_array().expect("a list").iter();
        all.filter(|run| run["job_id"].as_str().is_some_and(|id| id.starts_with(prefix))).count()
    };
    assert_eq!((sent("calendar.synced:"), sent("calendar.conflict_detected:")), (2, 1));

    let id = conflicts[0]["id"].as_str().expect("an id");
    let wrong = town.house.cli(&["conflicts", "resolve", id, "--keep", "manual"]);
    assert_eq!(wrong.status.code(), Some(2), "there is no manual one");
    let resolved = town.house.json(&["conflicts", "resolve", id, "--keep", "both", "--by", "ada"]);
    assert_eq!((&resolved["status"], &resolved["resolved_by"]), (&json!("resolved"), &json!("ada")));
    assert_eq!(town.house.cli(&["conflicts", "resolve", id, "--keep", "both"]).status.code(), Some(1), "it is closed");
    assert_eq!(town.house.json(&["conflicts", "list"]), json!([]));
    assert_eq!(town.house.json(&["conflicts", "list", "--all"])[0]["resolution"], "both");
    worker.stop();
}

#[test]
fn all_calendars_are_synchronised_once_and_the_sum_says_how_that_went() {
    let town = Town::new(House::sqlite());
    for n in 0..12 {
        let id = format!("c{n:02}");
        town.connect("google", &id);
        town.google.put(&id, event("e", n));
    }
    town.connect("google", "off");
    town.house.json(&["integrations", "disable", "off"]);
    // One of them cannot be read.
    town.google.desk().rotate("c07", "another-token");
    let worker = town.house.worker();
    town.house.redis.push("default", &[r#"{"id": "all", "job": "sync_all_calendar_integrations"}"#.to_owned()]);
    let result = town.result("all");
    assert_eq!((&result["calendars"], &result["enqueued"]), (&json!(12), &json!(12)));
    let sum = || {
        let lines = town.house.json(&["logs", "--type", "calendar_sync", "--limit", "100"]);
        let all = lines.as_array().expect("a list").iter();
        all.filter_map(|line| line["message"].as_str().map(str::to_owned))
            .find(|text| text.starts_with("all calendars:"))
    };
    until("the others are up to date", || {
        (0..12).filter(|n| *n != 7).all(|n| town.state(&format!("c{n:02}")).last_sync_at.is_some())
    });
    let batch = town.house.json(&["batches", "show", result["batch"].as_str().expect("a batch")]);
    assert!(batch["state"] == "over" || batch["done"] == json!(11), "{batch}");
    if batch["state"] == "over" {
        until("the sum is there", || sum().is_some());
    }
    assert!((0..12).filter(|n| *n != 7).all(|n| town.google.desk().most_at_once(&format!("c{n:02}")) == 1));
    worker.stop();
}
