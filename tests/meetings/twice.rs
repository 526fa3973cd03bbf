//! Every job about calendars, meetings and events has one effect, however often it is asked for.

use chrono::DateTime;
use serde_json::{Value, json};

use super::{City, city::booking, overtaking::settles};
use crate::support::House;

/// All that jobs can change: at the providers, in the store, and what others are told.
fn look(city: &City) -> Vec<(&'static str, Value)> {
    let events = |all: Vec<liaison_store::ExternalEvent>| {
        let of = |event: liaison_store::ExternalEvent| {
            json!([event.integration_id, event.status.as_str(), event.version, event.external_id, event.etag])
        };
        all.into_iter().map(of).collect::<Value>()
    };
    let (blocks, meeting) = city.with_store(async |store| {
        let blocks = store.blocked_times("org", DateTime::UNIX_EPOCH, 1_000).await.expect("read");
        let meeting = store.meeting("b-1").await.expect("read");
        (format!("{blocks:?}"), format!("{meeting:?}"))
    });
    let told = ["calendar.", "meeting."].map(|event| city.told(event));
    vec![
        ("zoom", json!(city.zoom.meetings())),
        ("google", json!(city.google.events("g"))),
        ("outlook", json!(city.microsoft.events("o"))),
        ("mails", json!(city.google.mails())),
        ("events", events(city.events("b-1"))),
        ("blocked times", json!(blocks)),
        ("the meeting", json!(meeting)),
        ("told", json!(told)),
        ("conflicts", city.house.json(&["conflicts", "list", "--all"])),
    ]
}

fn around(id: &str, day: u32) -> Value {
    let at = |hour: u32| json!({"dateTime": format!("2031-05-{day:02}T{hour:02}:00:00Z")});
    json!({"id": id, "summary": id, "start": at(7), "end": at(8)})
}

#[test]
fn every_job_run_twice_has_one_effect() {
    let house = House::sqlite().set("LIAISON_CALENDARS__SPREAD", "0s").set("LIAISON_CALENDARS__FUTURE", "1825d");
    let city = City::new(house);
    city.video("z", "zoom");
    city.calendar("g", "google");
    city.calendar("o", "outlook");
    city.google.put("g", around("eventone", 10));
    let worker = city.house.worker();
    let left = city.run("left", "generate_meeting_link", &json!({"booking": booking("b-0", 1, 9)}));
    let calendar = json!({"integration_id": "g"});
    let of_booking = json!({"booking": booking("b-1", 1, 9)});
    let cancelled = json!({"booking": {"id": "b-1", "version": 2}, "cancelled": true});
    let left = json!({"booking_id": "nobody's", "integration_id": "z", "external_id": left["id"]});
    // Whether the first one changes something: what a synchronisation found is reconciled by itself.
    for (job, args, changes) in [
        ("sync_calendar_events", &calendar, true),
        ("reconcile_calendar_events", &calendar, false),
        ("sync_all_calendar_integrations", &json!({}), true),
        ("create_calendar_event", &of_booking, true),
        ("generate_meeting_link", &of_booking, true),
        ("remove_left_meeting", &left, true),
        ("remove_calendar_event", &json!({"booking_id": "b-1"}), true),
        ("generate_meeting_link", &cancelled, true),
    ] {
        if job == "sync_all_calendar_integrations" {
            city.google.put("g", around("eventtwo", 11));
        }
        let before = look(&city);
        let mut after = Vec::new();
        for time in ["first", "second", "third"] {
            let how = if args == &cancelled { "cancelled" } else { job };
            city.run(&format!("{how}-{time}"), job, args);
            settles(&city);
            let seen = look(&city);
            if time == "first" {
                assert_eq!(seen != before, changes, "{job} has its effect: {before:?} {seen:?}");
            } else {
                assert_eq!(seen, after, "{job}, the {time} time");
            }
            after = seen;
        }
    }
    assert_eq!(city.house.count("dead"), 0);
    worker.stop();
}
