//! What people see of meetings.

use liaison_sandbox::Trouble;
use serde_json::{Value, json};

use super::{City, city::booking};
use crate::support::House;

/// Both what it says and what it complains of.
fn says(city: &City, arguments: &[&str]) -> (Option<i32>, String) {
    let output = city.house.cli(arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), format!("{out}{err}"))
}

/// A meeting at Zoom, since Webex refused, and an event.
fn city(house: House) -> City {
    let city = City::new(house);
    city.video("w", "webex");
    city.video("z", "zoom");
    city.calendar("o", "outlook");
    city.webex.desk().script("POST", "meetings", [Trouble::Status(400)]);
    let worker = city.house.worker();
    let wanted = json!({"booking": booking("b-1", 1, 9), "providers": ["webex", "zoom"]});
    city.run("link", "generate_meeting_link", &wanted);
    city.run("event", "create_calendar_event", &json!({"booking": booking("b-1", 1, 9)}));
    city.until_events_are("b-1", &[("o", "created")]);
    worker.stop();
    city
}

#[test]
fn a_meeting_is_shown_with_its_history_and_its_secrets_only_if_somebody_asks() {
    for house in [House::sqlite(), House::postgres()] {
        let city = city(house);
        let shown = city.house.json(&["meetings", "show", "b-1"]);
        let row = city.row("b-1");
        assert_eq!(
            (&shown["provider"], &shown["integration_id"], &shown["state"], &shown["version"], &shown["made_for"]),
            (&json!("zoom"), &json!("z"), &json!("created"), &json!(1), &json!(1))
        );
        assert_eq!((&shown["join_url"], &shown["id"]), (&json!(row.join_url), &json!(row.external_id)));
        assert!(shown["has_host_url"] == true && shown["host_url"].is_null() && shown["passcode"].is_null(), "{shown}");
        assert!(shown["fell_back_from"][0]["reason"].as_str().is_some_and(|why| why.contains("400")), "{shown}");
        assert_eq!(
            (&shown["events"][0]["integration_id"], &shown["events"][0]["state"]),
            (&json!("o"), &json!("created"))
        );
        let revealed = city.house.json(&["meetings", "show", "b-1", "--reveal"]);
        assert_eq!((&revealed["host_url"], &revealed["passcode"]), (&json!(row.host_url), &json!(row.passcode)));
        assert!(row.host_url.is_some_and(|url| url.contains("sandbox-host-secret")));

        let (code, text) = says(&city, &["meetings", "show", "b-1"]);
        assert!(code == Some(0) && text.contains("sealed; --reveal opens it"), "{text}");
        assert!(
            !text.contains("sandbox-host-secret") && text.contains("GIVEN UP") && text.contains("CALENDAR"),
            "{text}"
        );
        assert!(says(&city, &["meetings", "show", "b-1", "--reveal"]).1.contains("sandbox-host-secret"));
    }
}

#[test]
fn meetings_are_listed_by_organizer_booking_and_state() {
    let city = city(House::sqlite());
    let count = |more: &[&str]| {
        let list = city.house.json(&[&["meetings", "list"], more].concat());
        list.as_array().map(Vec::len)
    };
    for (flags, found) in [
        (&[][..], 1),
        (&["--organizer", "org"], 1),
        (&["--organizer", "other"], 0),
        (&["--booking", "b-1"], 1),
        (&["--booking", "b-2"], 0),
        (&["--state", "created"], 1),
        (&["--state", "removed"], 0),
    ] {
        assert_eq!(count(flags), Some(found), "{flags:?}");
    }
    let (_, text) = says(&city, &["meetings", "list"]);
    assert!(text.contains("b-1") && text.contains("not webex:") && !text.contains("sandbox-host-secret"), "{text}");
    assert!(says(&city, &["meetings", "list", "--organizer", "other"]).1.contains("no meetings"));
}

#[test]
fn what_there_is_not_is_said_with_the_remedy() {
    let city = City::new(House::sqlite());
    let (code, text) = says(&city, &["meetings", "show", "nobody"]);
    assert!(code == Some(1) && text.contains("nobody: no booking") && text.contains("liaison meetings list"), "{text}");
    let (code, text) = says(&city, &["meetings", "list", "--state", "gone"]);
    assert!(code == Some(2) && text.contains("created"), "{text}");
    assert_eq!(city.house.json(&["meetings", "list"]), Value::Array(Vec::new()));
}
