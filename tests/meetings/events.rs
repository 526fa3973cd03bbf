//! Bookings in calendars.

use liaison_sandbox::Trouble;
use serde_json::{Value, json};

use super::{
    City,
    city::{booking, is_at},
};
use crate::support::{House, until};

fn write(version: i64, hour: u32) -> Value {
    json!({"booking": booking("b-1", version, hour)})
}

fn city(house: House) -> City {
    let city = City::new(house);
    city.calendar("g", "google");
    city.calendar("o", "outlook");
    city
}

#[test]
fn a_booking_stands_once_in_every_calendar_until_it_is_taken_out() {
    for house in [House::sqlite(), House::postgres()] {
        let city = city(house);
        city.add("calendar", "somebody", "other", "google");
        // Nobody here writes there.
        city.calendar("a", "acme");
        let worker = city.house.worker();
        let all = city.run("one", "create_calendar_event", &write(1, 9));
        assert_eq!((all["calendars"].as_array().map(Vec::len), &all["without_client"]), (Some(2), &json!(1)), "{all}");
        city.until_events_are("b-1", &[("g", "created"), ("o", "created")]);
        city.run("again", "create_calendar_event", &write(1, 9));
        city.run("moved", "create_calendar_event", &write(2, 15));
        until("it has moved in both", || {
            ["google", "outlook"].iter().zip(["g", "o"]).all(|(provider, user)| {
                let there = city.standing(provider, user);
                assert_eq!(there.len(), 1, "{provider}: {there:?}");
                is_at(&there[0].to_string(), 15)
            })
        });
        assert!(city.standing("google", "other").is_empty(), "it is none of somebody else's business");
        city.until_events_are("b-1", &[("g", "created"), ("o", "created")]);
        for id in ["out", "out-again"] {
            city.run(id, "remove_calendar_event", &json!({"booking_id": "b-1", "version": 2}));
            city.until_events_are("b-1", &[("g", "removed"), ("o", "removed")]);
        }
        assert!(city.standing("google", "g").is_empty() && city.standing("outlook", "o").is_empty());
        // What somebody else has deleted is as good as taken out.
        city.run("new", "create_calendar_event", &write(3, 9));
        city.until_events_are("b-1", &[("g", "created"), ("o", "created")]);
        let there = city.standing("outlook", "o");
        city.microsoft.remove("o", there[0]["id"].as_str().expect("an id"));
        city.run("out-3", "remove_calendar_event", &json!({"booking_id": "b-1"}));
        city.until_events_are("b-1", &[("g", "removed"), ("o", "removed")]);
        assert_eq!(city.house.count("dead"), 0);
        worker.stop();
    }
}

#[test]
fn a_booking_and_its_meeting_are_one_event_whichever_comes_first() {
    for event_first in [true, false] {
        let city = City::new(House::sqlite());
        city.video("v", "google_meet");
        city.calendar("g", "google");
        // The same user's.
        city.google.desk().admit("sandbox-token-g", "v");
        let worker = city.house.worker();
        let event = |id: &str| {
            city.run(id, "create_calendar_event", &write(1, 9));
            city.until_events_are("b-1", &[("g", "created")]);
        };
        if event_first {
            event("event");
        }
        let made = city.run("link", "generate_meeting_link", &write(1, 9));
        if !event_first {
            event("event");
        }
        let there = city.standing("google", "v");
        assert_eq!(there.len(), 1, "{there:?}");
        assert_eq!(there[0]["hangoutLink"], made["join_url"], "{there:?}");
        assert_eq!(there[0]["attendees"][0]["email"], "guest@example.org", "{there:?}");
        assert_eq!(city.google.mails().len(), 1, "the guest is told once");
        worker.stop();
    }
}

#[test]
fn a_booking_of_another_organizer_leaves_the_calendars_of_the_former() {
    let city = city(House::sqlite());
    city.add("calendar", "somebody", "other", "google");
    let worker = city.house.worker();
    city.run("one", "create_calendar_event", &write(1, 9));
    city.until_events_are("b-1", &[("g", "created"), ("o", "created")]);
    let mut given = write(2, 9);
    given["booking"]["organizer_id"] = json!("somebody");
    city.run("given", "create_calendar_event", &given);
    city.until_events_are("b-1", &[("g", "removed"), ("o", "removed"), ("other", "created")]);
    assert!(city.standing("google", "g").is_empty() && city.standing("outlook", "o").is_empty());
    assert_eq!(city.standing("google", "other").len(), 1);
    worker.stop();
}

#[test]
fn a_removal_that_comes_first_wins_over_what_was_asked_for_before() {
    let city = city(House::sqlite());
    let worker = city.house.worker();
    city.run("out", "remove_calendar_event", &json!({"booking_id": "b-1", "version": 2}));
    city.run("late", "create_calendar_event", &write(2, 9));
    until("both have ended", || city.house.count("cancelled") == 2);
    assert!(city.standing("google", "g").is_empty() && city.standing("outlook", "o").is_empty());
    city.run("wanted-again", "create_calendar_event", &write(3, 9));
    city.until_events_are("b-1", &[("g", "created"), ("o", "created")]);
    worker.stop();
}

#[test]
fn a_removal_finds_what_was_written_and_never_answered() {
    for provider in ["google", "outlook"] {
        let city = City::new(House::sqlite());
        city.calendar("c", provider);
        let desk = if provider == "google" { city.google.desk() } else { city.microsoft.desk() };
        // It stands there, and nobody knows; and then the calendar cannot be had for a while.
        desk.script("POST", "events", [Trouble::LostAnswer]);
        desk.script("", "", std::iter::repeat_n(Trouble::Status(503), 2));
        city.push("one", "create_calendar_event", &write(1, 9));
        let worker = city.house.worker();
        until("it was written", || city.standing(provider, "c").len() == 1);
        city.run("out", "remove_calendar_event", &json!({"booking_id": "b-1"}));
        city.until_events_are("b-1", &[("c", "removed")]);
        until("whoever was to write it has given up", || city.house.count("cancelled") == 1);
        assert!(city.standing(provider, "c").is_empty(), "{provider}");
        worker.stop();
    }
}

#[test]
fn a_calendar_that_is_away_keeps_no_other_from_its_event() {
    let city = city(House::sqlite());
    city.google.desk().script("", "", std::iter::repeat_n(Trouble::Hang, 5));
    let worker = city.house.worker();
    city.run("one", "create_calendar_event", &write(1, 9));
    until("the other has it", || city.standing("outlook", "o").len() == 1);
    assert!(city.standing("google", "g").is_empty());
    drop(worker);
}

#[test]
fn guests_are_told_once_that_it_is_off_whichever_is_taken_away_first() {
    for meeting_first in [true, false] {
        let city = City::new(House::sqlite());
        city.video("v", "google_meet");
        city.calendar("g", "google");
        // The same user's.
        city.google.desk().admit("sandbox-token-g", "v");
        let worker = city.house.worker();
        city.run("link", "generate_meeting_link", &write(1, 9));
        city.run("event", "create_calendar_event", &write(1, 9));
        city.until_events_are("b-1", &[("g", "created")]);
        let told = || city.google.mails().into_iter().map(|(what, _)| what).collect::<Vec<_>>();
        assert_eq!(told().len(), 1, "they are invited: {:?}", told());
        let no_meeting = || {
            city.run(
                "off",
                "generate_meeting_link",
                &json!({"booking": {"id": "b-1", "version": 2}, "cancelled": true}),
            );
        };
        if meeting_first {
            no_meeting();
            let there = city.standing("google", "v");
            assert!(there.len() == 1 && there[0]["hangoutLink"].is_null(), "the event is the booking's: {there:?}");
            assert_eq!(told().len(), 1, "nobody is told of the meeting alone");
        }
        city.run("out", "remove_calendar_event", &json!({"booking_id": "b-1"}));
        city.until_events_are("b-1", &[("g", "removed")]);
        if !meeting_first {
            no_meeting();
        }
        assert!(city.standing("google", "v").is_empty());
        assert_eq!((told().len(), told().last().map(String::as_str)), (2, Some("called off")), "{:?}", told());
        worker.stop();
    }
}

#[test]
fn a_calendar_whose_owner_has_to_connect_it_again_is_disconnected_and_told_of_once() {
    let city = city(House::sqlite());
    city.google.no_permission();
    let worker = city.house.worker();
    city.run("one", "create_calendar_event", &write(1, 9));
    until("one is given up", || city.house.count("dead") == 1);
    city.until_events_are("b-1", &[("g", "failed"), ("o", "created")]);
    assert_eq!((city.state("g"), city.state("o")), (json!("disconnected"), json!("connected")));
    let notice = "notify:calendar:g:1:disconnected";
    until("its owner is told", || !city.house.runs(notice).is_empty());
    // The next one leaves it alone.
    city.run("two", "create_calendar_event", &write(2, 15));
    until("the other has it", || city.events("b-1").iter().any(|event| event.version == 2));
    assert_eq!((city.house.count("dead"), city.house.runs(notice).len()), (1, 1));
    city.tells_no_secret(&worker.stop());
}
