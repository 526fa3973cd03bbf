//! Meetings and events of bookings: one for each, whoever dies, whatever is lost, and whoever comes late.

mod city;
mod dying;
mod events;
mod falling_back;
mod limits;
mod looking;
mod overtaking;
mod radicale;
mod twice;

use liaison_queue::faults::Point;
use serde_json::{Value, json};

use crate::support::{House, until};
use city::City;

/// Where jobs about meetings and events can die.
pub(crate) const POINTS: [Point; 8] = [
    Point::BeforeMeetingCall,
    Point::MeetingAnswered,
    Point::MeetingStored,
    Point::EventUnnoted,
    Point::EventNoted,
    Point::BeforeEventCall,
    Point::EventAnswered,
    Point::EventStored,
];

const ALL: [&str; 4] = ["zoom", "webex", "google_meet", "microsoft_teams"];

fn link(version: i64, hour: u32) -> Value {
    json!({"booking": city::booking("b-1", version, hour)})
}

/// A booking comes, changes and goes, and every job of it runs twice.
fn a_life(city: &City, provider: &str) {
    let run = |id: &str, args: &Value| city.run(&format!("{provider}-{id}"), "generate_meeting_link", args);
    let made = run("made", &link(1, 9));
    assert_eq!((made["provider"].as_str(), made["fell_back_from"].clone()), (Some(provider), json!([])), "{made}");
    let url = made["join_url"].as_str().expect("a link").to_owned();
    assert!(url.starts_with("https://"), "{url}");
    let again = run("again", &link(1, 9));
    assert_eq!((&again["id"], &again["join_url"]), (&made["id"], &made["join_url"]), "{again}");
    assert_eq!(city.meetings(provider).len(), 1, "{provider}: one, however often it is asked for");
    let before = city.meetings(provider)[0].to_string();
    assert!(city::is_at(&before, 9), "{before}");

    let moved = run("moved", &link(2, 15));
    assert_eq!((&moved["id"], &moved["version"]), (&made["id"], &json!(2)), "{provider}: the same meeting");
    assert_eq!(moved["join_url"].as_str(), Some(url.as_str()));
    let after = city.meetings(provider);
    assert!(after.len() == 1 && city::is_at(&after[0].to_string(), 15), "{provider}: {after:?}");
    let late = run("late", &link(1, 9));
    assert!(late["skipped"].as_str().is_some_and(|why| why.contains("version 2")), "{provider}: {late}");

    let cancelled = json!({"booking": {"id": "b-1", "version": 3}, "cancelled": true});
    let gone = run("gone", &cancelled);
    assert_eq!(gone["removed"], made["id"], "{gone}");
    assert!(city.meetings(provider).is_empty(), "{provider}");
    let row = city.row("b-1");
    assert!(row.host_url.is_none() && row.passcode.is_none(), "{provider}: secrets of what is no more are not kept");
    assert!(run("gone-again", &cancelled)["skipped"].is_string());
    city.push(&format!("{provider}-after"), "generate_meeting_link", &link(3, 9));
    assert_eq!(city.end(&format!("{provider}-after"))["outcome"], "cancelled", "it was cancelled in this version");
    assert!(city.meetings(provider).is_empty(), "{provider}");
    for event in ["meeting.created", "meeting.updated", "meeting.removed"] {
        until("the host is told once", || city.told(event) == 1);
    }
}

#[test]
fn a_booking_has_one_meeting_at_its_time_until_it_is_cancelled() {
    for (at, provider) in ALL.into_iter().enumerate() {
        let house = if at % 2 == 0 { House::sqlite() } else { House::postgres() };
        let city = City::new(house);
        city.video("v", provider);
        let worker = city.house.worker();
        a_life(&city, provider);
        let account = city.video_account("v");
        assert!(account.api_calls_today >= 3 && account.last_api_call.is_some(), "{provider}: {account:?}");
        let lines = city.house.json(&["logs", "--booking", "b-1"]);
        let of = |kind: &str| lines.as_array().expect("a list").iter().filter(|line| line["log_type"] == kind).count();
        assert_eq!((of("video_link_created"), of("video_link_removed")), (2, 1), "{provider}: {lines}");
        city.tells_no_secret(&worker.stop());
    }
}

#[test]
fn a_meeting_that_somebody_deleted_is_made_again() {
    let city = City::new(House::sqlite());
    city.video("v", "zoom");
    let worker = city.house.worker();
    let made = city.run("one", "generate_meeting_link", &link(1, 9));
    city.zoom.forget(made["id"].as_str().expect("an id"));
    let again = city.run("two", "generate_meeting_link", &link(2, 9));
    assert!(again["id"] != made["id"] && city.meetings("zoom").len() == 1, "{again}");
    worker.stop();
}

#[test]
fn an_account_that_makes_no_links_by_itself_is_asked_only_by_name() {
    let city = City::new(House::sqlite());
    city.video("v", "zoom");
    city.makes_no_links("v");
    let worker = city.house.worker();
    let skipped = city.run("one", "generate_meeting_link", &link(1, 9));
    assert!(skipped["skipped"].as_str().is_some_and(|why| why.contains("by itself")), "{skipped}");
    assert_eq!(city.meetings("zoom").len(), 0);
    let mut named = link(1, 9);
    named["providers"] = json!(["zoom"]);
    assert_eq!(city.run("two", "generate_meeting_link", &named)["provider"], "zoom");
    worker.stop();
}
