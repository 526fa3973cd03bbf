//! When one provider cannot be had, the next one makes the meeting, and the reason is written down.

use chrono::DateTime;
use liaison_sandbox::Trouble;
use liaison_store::{AccountId, IntegrationKind, LogEntry};
use serde_json::{Value, json};

use super::{City, city::booking, overtaking::settles};
use crate::support::{House, until};

/// Zoom is wanted most, Webex next; whoever cannot be had is given up at once.
fn city() -> City {
    let city = City::new(House::sqlite().set("LIAISON_MEETINGS__GIVE_UP_AFTER", "0s"));
    city.video("z", "zoom");
    city.video("w", "webex");
    city
}

fn wanted(version: i64) -> Value {
    json!({"booking": booking("b-1", version, 9), "providers": ["zoom", "webex"]})
}

fn falls_back(city: &City, because: &str) {
    let worker = city.house.worker();
    let made = city.run("one", "generate_meeting_link", &wanted(1));
    assert_eq!(made["provider"], "webex", "{made}");
    let reason = made["fell_back_from"][0]["reason"].as_str().unwrap_or_default();
    assert!(made["fell_back_from"][0]["provider"] == "zoom" && reason.contains(because), "{made}");
    assert_eq!(city.webex.meetings().len(), 1);
    until("nothing is left at the first one", || city.zoom.meetings().is_empty());
    assert!(!city.row("b-1").fell_back.contains("\"left\":true"), "it is the other job's from now on");
    let lines = city.house.json(&["logs", "--booking", "b-1", "--failed"]);
    assert!(lines[0]["message"].as_str().is_some_and(|line| line.contains("zoom does not make")), "{lines}");
    city.tells_no_secret(&worker.stop());
}

#[test]
fn who_refuses_is_left_for_the_next() {
    let city = city();
    city.zoom.desk().script("POST", "meetings", [Trouble::Status(400)]);
    falls_back(&city, "400");
}

#[test]
fn who_is_full_for_today_is_left_for_the_next() {
    let city = city();
    city.zoom.daily(0);
    falls_back(&city, "daily rate limit");
    let resets = city.video_account("z").rate_limit_reset_at.expect("until when");
    assert_eq!(resets.format("%H:%M:%S").to_string(), "00:00:00", "midnight in UTC");
}

#[test]
fn who_is_away_for_too_long_is_left_for_the_next_and_nothing_stays_there() {
    let city = city();
    city.zoom.desk().script("POST", "meetings", [Trouble::LostAnswer]);
    falls_back(&city, "zoom");
    assert_eq!(city.zoom.made(), 1, "it was made, and taken away");
}

#[test]
fn who_is_disconnected_is_not_even_asked() {
    let city = city();
    city.house.json(&["integrations", "disconnect", "z", "--yes"]);
    let worker = city.house.worker();
    let made = city.run("one", "generate_meeting_link", &wanted(1));
    assert_eq!((made["provider"].as_str(), city.zoom.desk().calls()), (Some("webex"), 0), "{made}");
    worker.stop();
}

#[test]
fn a_token_that_is_taken_no_more_leaves_it_to_the_next() {
    let city = city();
    city.zoom.desk().expire_all();
    falls_back(&city, "");
}

#[test]
fn a_meeting_that_cannot_be_changed_is_made_elsewhere_and_the_old_one_goes() {
    let city = city();
    let worker = city.house.worker();
    assert_eq!(city.run("one", "generate_meeting_link", &wanted(1))["provider"], "zoom");
    city.zoom.desk().script("PATCH", "meetings", [Trouble::Status(400)]);
    let moved = city.run("two", "generate_meeting_link", &wanted(2));
    assert_eq!(moved["provider"], "webex", "{moved}");
    until("the old one is gone", || city.zoom.meetings().is_empty());
    assert_eq!(city.webex.meetings().len(), 1);
    worker.stop();
}

#[test]
fn when_nobody_makes_it_the_reasons_of_all_are_told() {
    let city = city();
    city.zoom.desk().script("POST", "meetings", [Trouble::Status(400)]);
    city.webex.desk().script("POST", "meetings", [Trouble::Status(400)]);
    let worker = city.house.worker();
    city.push("one", "generate_meeting_link", &wanted(1));
    let end = city.end("one");
    let reason = end["reason"].as_str().unwrap_or_default();
    assert!(end["outcome"] == "dead" && reason.contains("zoom:") && reason.contains("webex:"), "{end}");
    // Somebody has mended it: whoever comes after the failure asks again, in the same version.
    assert_eq!(city.run("two", "generate_meeting_link", &wanted(1))["provider"], "zoom");
    worker.stop();
}

#[test]
fn a_provider_that_is_returned_to_is_looked_at_before_it_is_asked() {
    let city = city();
    city.zoom.desk().script("POST", "meetings", [Trouble::LostAnswer]);
    city.webex.desk().script("POST", "meetings", [Trouble::Status(400)]);
    let worker = city.house.worker();
    city.push("one", "generate_meeting_link", &wanted(1));
    assert_eq!(city.end("one")["outcome"], "dead");
    let made = city.run("two", "generate_meeting_link", &wanted(2));
    assert!(made["provider"] == "zoom" && made["join_url"].is_string(), "{made}");
    assert_eq!((city.zoom.made(), city.zoom.meetings().len()), (1, 1), "the one that was there");
    worker.stop();
}

#[test]
fn what_was_left_elsewhere_goes_while_the_meeting_itself_cannot_be_removed() {
    let city = city();
    city.zoom.desk().script("POST", "meetings", [Trouble::LostAnswer]);
    city.webex.desk().script("POST", "meetings", [Trouble::LostAnswer]);
    city.webex.desk().script("GET", "", std::iter::repeat_n(Trouble::Status(503), 50));
    let worker = city.house.worker();
    city.push("one", "generate_meeting_link", &wanted(1));
    until("both have one", || city.zoom.made() == 1 && city.webex.made() == 1);
    let cancelled = json!({"booking": {"id": "b-1", "version": 2}, "cancelled": true});
    city.push("cancel", "generate_meeting_link", &cancelled);
    until("the first is gone", || city.zoom.meetings().is_empty());
    assert_eq!(city.webex.meetings().len(), 1);
    drop(worker);
}

#[test]
fn an_account_whose_owner_has_to_connect_it_again_is_disconnected_and_the_next_is_asked() {
    let city = city();
    city.webex.desk().script("POST", "meetings", [Trouble::Status(403)]);
    let worker = city.house.worker();
    let wanted = |id: &str| json!({"booking": booking(id, 1, 9), "providers": ["webex", "zoom"]});
    let made = city.run("one", "generate_meeting_link", &wanted("b-1"));
    let why = made["fell_back_from"][0]["reason"].as_str().unwrap_or_default();
    assert!(made["provider"] == "zoom" && why.contains("video:w is disconnected"), "{made}");
    assert_eq!((city.state("w"), city.state("z")), (json!("disconnected"), json!("connected")));
    let notice = "notify:video:w:1:disconnected";
    until("its owner is told", || !city.house.runs(notice).is_empty());
    let calls = city.webex.desk().calls();
    assert_eq!(city.run("two", "generate_meeting_link", &wanted("b-2"))["provider"], "zoom");
    assert_eq!((city.webex.desk().calls(), city.house.runs(notice).len()), (calls, 1), "not asked, and told once");
    city.tells_no_secret(&worker.stop());
}

#[test]
fn an_owner_whom_nobody_told_because_the_process_died_is_told_by_the_next_job() {
    let city = city();
    let account = AccountId::new(IntegrationKind::Video, "w");
    let now = DateTime::from_timestamp(city.house.redis.ask::<Vec<i64>>(&["TIME"])[0], 0).expect("a time");
    let line = LogEntry { id: "line".to_owned(), created_at: now, ..LogEntry::default() };
    city.with_store(async |store| {
        let version = store.grant(&account).await.expect("read").expect("an account").integration.version;
        let begun = store.disconnect(&account, version, "it was refused", now, line.into()).await.expect("write");
        assert_eq!(begun, Some(1));
    });
    let worker = city.house.worker();
    assert_eq!(city.run("one", "generate_meeting_link", &wanted(1))["provider"], "zoom");
    until("its owner is told", || !city.house.runs("notify:video:w:1:disconnected").is_empty());
    worker.stop();
}

#[test]
fn who_returns_to_an_account_finds_the_meeting_that_nobody_has_taken_away_yet() {
    let city = city();
    city.zoom.desk().script("POST", "meetings", [Trouble::LostAnswer]);
    // Whoever is to take it away comes too late for that.
    city.zoom.desk().script("GET", "meetings", [Trouble::Status(503)]);
    let worker = city.house.worker();
    assert_eq!(city.run("one", "generate_meeting_link", &wanted(1))["provider"], "webex");
    until("the job that takes it away waits", || city.zoom.desk().calls_of("GET", "meetings") > 0);
    city.webex.desk().script("PATCH", "meetings", [Trouble::Status(400)]);
    city.webex.desk().script("PUT", "meetings", [Trouble::Status(400)]);
    let back = city.run("two", "generate_meeting_link", &wanted(2));
    assert_eq!(back["provider"], "zoom", "{back}");
    until("nothing is left at the other", || city.webex.meetings().is_empty());
    let waiting = city.house.json(&["jobs", "list", "--state", "scheduled"]);
    for id in waiting.as_array().expect("a list").iter().filter_map(|job| job["id"].as_str()) {
        city.house.cli(&["jobs", "run-now", id]);
    }
    settles(&city);
    let there = city.zoom.meetings();
    assert_eq!(there.len(), 1, "{there:?}");
    assert_eq!(city.row("b-1").external_id.as_deref(), back["id"].as_str());
    assert!(there[0].to_string().contains(back["id"].as_str().expect("an id")), "{there:?}");
    worker.stop();
}

/// Meet is wanted most, and Zoom next.
fn of_google() -> (City, Value) {
    let city = City::new(House::sqlite().set("LIAISON_MEETINGS__GIVE_UP_AFTER", "0s"));
    city.video("v", "google_meet");
    city.video("z", "zoom");
    (city, json!({"booking": booking("b-1", 1, 9), "providers": ["google_meet", "zoom"]}))
}

#[test]
fn an_event_without_the_meeting_that_it_was_made_for_goes() {
    let (city, wanted) = of_google();
    city.google.no_meetings();
    let worker = city.house.worker();
    assert_eq!(city.run("one", "generate_meeting_link", &wanted)["provider"], "zoom");
    until("no event is left", || city.standing("google", "v").is_empty());
    assert_eq!(city.google.mails(), [], "nobody was told of it");
    worker.stop();
}

#[test]
fn the_event_of_the_booking_stays_when_its_meeting_is_made_elsewhere() {
    let (city, wanted) = of_google();
    city.calendar("g", "google");
    // The same user's.
    city.google.desk().admit("sandbox-token-g", "v");
    let worker = city.house.worker();
    city.run("event", "create_calendar_event", &json!({"booking": booking("b-1", 1, 9)}));
    city.until_events_are("b-1", &[("g", "created")]);
    city.google.desk().script("PATCH", "events", [Trouble::Status(400)]);
    assert_eq!(city.run("one", "generate_meeting_link", &wanted)["provider"], "zoom");
    let runs = || city.house.json(&["runs", "list", "--job", "remove_left_meeting"]);
    until("what was left is judged", || runs()[0]["outcome"] == "done");
    assert!(runs()[0]["result"].as_str().is_some_and(|said| said.contains("event in a calendar")), "{}", runs());
    assert_eq!(city.standing("google", "v").len(), 1);
    worker.stop();
}

#[test]
fn who_refuses_and_may_have_it_all_the_same_is_asked_again_after_the_failure() {
    let city = City::new(House::sqlite());
    city.video("v", "google_meet");
    city.google.desk().script("POST", "events", [Trouble::Status(400)]);
    let worker = city.house.worker();
    let wanted = json!({"booking": booking("b-1", 1, 9)});
    city.push("one", "generate_meeting_link", &wanted);
    assert_eq!(city.end("one")["outcome"], "dead");
    assert_eq!(city.run("two", "generate_meeting_link", &wanted)["provider"], "google_meet");
    worker.stop();
}
