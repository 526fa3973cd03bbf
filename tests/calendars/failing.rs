//! Whose fault counts on an account, and what is done with what came before it.

use std::iter::repeat_n;

use liaison_sandbox::Trouble;
use serde_json::json;

use super::{event, town::Town};
use crate::support::{House, until};

/// One try of a job that fails for good.
fn fails(town: &Town, id: &str, calendar: &str) {
    let job = json!({
        "id": id, "job": "sync_calendar_events", "max_attempts": 1, "args": {"integration_id": calendar},
    });
    town.house.redis.push("default", &[job.to_string()]);
    until("it has failed", || town.house.runs(id).iter().any(|run| run["outcome"] == "dead"));
}

#[test]
fn a_server_of_the_owner_s_own_that_fails_counts_on_the_account_until_it_is_disabled_and_told() {
    let town = Town::new(House::sqlite());
    town.connect("caldav", "home");
    // There is a way out: somebody else answers.
    town.connect("google", "away");
    town.caldav.desk().script("", "", repeat_n(Trouble::Status(500), 100));
    let worker = town.house.worker();
    town.sync("well", "away");
    for n in 0..5 {
        assert!(town.state("home").sync_enabled, "after {n}");
        fails(&town, &format!("fails-{n}"), "home");
    }
    let state = town.state("home");
    assert_eq!((state.sync_enabled, state.sync_errors, state.disables), (false, 5, 1));
    let notice = "notify:calendar:home:1:disabled";
    until("its owner is told", || town.house.runs(notice).len() == 1);
    worker.stop();
}

#[test]
fn a_server_of_the_owner_s_own_counts_on_nobody_while_no_other_answers_either() {
    let town = Town::new(House::sqlite());
    town.connect("caldav", "home");
    town.caldav.desk().script("", "", repeat_n(Trouble::Status(500), 100));
    let worker = town.house.worker();
    for n in 0..6 {
        fails(&town, &format!("fails-{n}"), "home");
    }
    assert_eq!(town.state("home").sync_errors, 0, "the way out may be ours");
    worker.stop();
}

#[test]
fn what_is_the_provider_s_fault_or_ours_counts_on_no_account() {
    let nowhere = "http://127.0.0.1:1/";
    for (setting, url) in [("", ""), ("LIAISON_PROVIDER__0__API_URL", nowhere)] {
        let town = Town::new(House::sqlite());
        let town = if setting.is_empty() { town } else { Town { house: town.house.set(setting, url), ..town } };
        town.connect("google", "a");
        town.google.desk().script("", "", repeat_n(Trouble::Status(503), 100));
        let worker = town.house.worker();
        for n in 0..6 {
            fails(&town, &format!("fails-{n}"), "a");
        }
        let state = town.state("a");
        assert_eq!((state.sync_enabled, state.sync_errors), (true, 0), "{setting}");
        worker.stop();
    }
}

#[test]
fn what_came_before_a_failure_blocks_all_the_same() {
    let town = Town::new(House::sqlite());
    town.connect("google", "a");
    for n in 0..20 {
        town.google.put("a", event(&format!("e{n:02}"), n));
    }
    town.google.page_size(5);
    town.google.desk().script("GET", "pageToken", [Trouble::Status(404)]);
    let worker = town.house.worker();
    fails(&town, "early", "a");
    until("what was read blocks", || town.busy("a").len() == 5);
    assert_eq!(town.state("a").open.map(|open| open.pages), Some(1), "it ended after one page");
    town.sync("rest", "a");
    assert_eq!(town.busy("a").len(), 20);
    worker.stop();
}
