//! Grants stay good: refreshed once, stored before use, lost by no death of ours, and disconnected only when they are.

mod crashing;
mod operating;
mod refusing;
mod town;

use liaison_queue::faults::Point;
use serde_json::json;

use crate::support::{House, until};
use liaison_sandbox::{Mishap, Style};
use town::Town;

/// Where a refresh can die.
pub(crate) const POINTS: [Point; 4] =
    [Point::BeforeTokenCall, Point::TokenAnswered, Point::TokenSpooled, Point::TokenStored];

/// Twenty jobs over two daemons meet a token that is taken no more, at a provider that kills the old refresh token.
fn one_refresh_for_twenty(house: House, life: i64) {
    let town = Town::new(house, Style::SingleUse);
    let grant = town.server.issue();
    town.add("a", &grant, life);
    town.server.expire();
    let workers = [town.house.worker(), town.house.worker()];
    let ids: Vec<String> = (0..20).map(|n| format!("call-{n}")).collect();
    let envelopes: Vec<_> = ids.iter().map(|id| town.call(id, "a")).collect();
    town.house.redis.push("default", &envelopes);
    until("all have called", || town.house.count("done") == 20);
    assert_eq!(town.server.refreshes(), [1], "one refresh");
    assert_eq!((town.server.count(), town.server.invalid_grants()), (1, 0), "and no other attempt at one");
    assert_eq!(town.server.calls().0, 20, "each had its call");
    let row = town.show("a");
    assert_eq!((row["version"].clone(), row["state"].clone()), (json!(2), json!("connected")));
    town.spool_is_empty();
    for worker in workers {
        town.tells_no_secret(&worker.stop());
    }
}

#[test]
fn twenty_jobs_that_are_refused_at_once_lead_to_one_refresh() {
    one_refresh_for_twenty(House::sqlite(), 3600);
}

#[test]
fn twenty_jobs_that_find_the_token_too_old_lead_to_one_refresh() {
    one_refresh_for_twenty(House::postgres(), -5);
}

#[test]
fn a_scan_refreshes_every_grant_that_runs_out_once_and_no_other() {
    const SOON: usize = 300;
    let house = House::sqlite().set("LIAISON_TOKENS__SPREAD", "2s").set("LIAISON_TOKENS__CONCURRENCY", "100");
    let town = Town::new(house, Style::SingleUse);
    town.add_many(SOON, |n| 120 + i64::try_from(n).expect("small"));
    town.add("later", &town.server.issue(), 3600);
    town.add("off", &town.server.issue(), 120);
    town.house.json(&["integrations", "disable", "off"]);
    let workers = [town.house.worker(), town.house.worker()];
    for round in ["one", "two"] {
        let told =
            town.house.json(&["enqueue", "refresh_expired_tokens", "--id", &format!("scan-{round}"), "--wait", "60s"]);
        assert_eq!(told["outcome"], "done", "{told}");
    }
    until("all are refreshed", || town.server.refreshes().iter().sum::<usize>() >= SOON);
    let jobs = || town.house.json(&["runs", "list", "--job", "refresh_token", "--limit", "10000"]);
    until("their jobs have ended", || jobs().as_array().expect("a list").len() >= SOON);
    let refreshes = town.server.refreshes();
    assert_eq!(refreshes[..SOON], [1; SOON], "none twice, none forgotten");
    assert_eq!(refreshes[SOON..], [0, 0], "those that have time, and those that are off, are left alone");
    assert_eq!(town.server.invalid_grants(), 0);
    for worker in workers {
        town.tells_no_secret(&worker.stop());
    }
}

#[test]
fn what_passes_by_itself_is_tried_again_and_the_token_that_is_left_is_used_meanwhile() {
    let town = Town::new(House::sqlite(), Style::Renewed);
    // Not much is left, but something.
    town.add("a", &town.server.issue(), 40);
    town.server.script([Mishap::Page(502), Mishap::TooMany(1), Mishap::Page(200)]);
    let worker = town.house.worker();
    town.house.redis.push("default", &[town.call("call", "a")]);
    until("it has called, with what was left", || town.house.runs("call").len() == 1);
    assert_eq!((town.server.calls(), town.server.refreshes()), ((1, 0), vec![0]));
    let row = town.show("a");
    assert_eq!((row["state"].clone(), row["refresh_errors"].clone()), (json!("failing"), json!(1)));
    assert!(row["refresh_error"].as_str().expect("why").contains("502"), "{row}");
    town.refresh("r", "a");
    until("it is refreshed", || town.server.refreshes() == [1]);
    until("the job is done", || town.outcomes("r").last().is_some_and(|outcome| outcome == "done"));
    let row = town.show("a");
    assert_eq!((row["state"].clone(), row["refresh_errors"].clone()), (json!("connected"), json!(0)));
    worker.stop();
}

#[test]
fn a_token_whose_end_nobody_knows_is_used_until_it_is_refused() {
    let town = Town::new(House::sqlite(), Style::Kept);
    town.server.life(None);
    let grant = town.server.issue();
    town.add_tokens("a", &json!({"access_token": grant.access_token, "refresh_token": grant.refresh_token}));
    let worker = town.house.worker();
    town.house.redis.push("default", &[town.call("one", "a")]);
    until("it has called", || town.house.runs("one").len() == 1);
    assert_eq!(town.server.count(), 0);
    town.server.expire();
    town.house.redis.push("default", &[town.call("two", "a")]);
    until("it has called again", || town.outcomes("two") == ["done"]);
    assert_eq!((town.server.refreshes(), town.server.calls()), (vec![1], (2, 1)));
    worker.stop();
}
