//! Whoever dies, or loses an answer, in the middle of it leaves one meeting and one event.

use liaison_queue::faults::Point;
use liaison_sandbox::Trouble;
use serde_json::json;

use super::{ALL, City, city::booking};
use crate::support::{Daemon, House};

pub(super) fn dying(city: &City, point: Point) -> Daemon {
    let mut command = city.house.command(&["worker"]);
    command.env("LIAISON_FAULTS", format!("{point}:kill"));
    let daemon = Daemon::spawn(command);
    daemon.says("ready:");
    daemon
}

#[test]
fn a_death_at_any_step_of_a_meeting_leaves_one_meeting() {
    for provider in ALL {
        for point in [Point::BeforeMeetingCall, Point::MeetingAnswered, Point::MeetingStored] {
            let city = City::new(House::sqlite());
            city.video("v", provider);
            let mut first = dying(&city, point);
            city.push("job", "generate_meeting_link", &json!({"booking": booking("b-1", 1, 9)}));
            assert!(!first.end().success(), "it died at {point}");
            let worker = city.house.worker();
            let made = city.result("job");
            let there = city.meetings(provider);
            assert_eq!(there.len(), 1, "{provider}, {point}: {there:?}");
            let row = city.row("b-1");
            assert_eq!(row.external_id.as_deref(), made["id"].as_str(), "{provider}, {point}");
            assert_eq!(row.join_url.as_deref(), made["join_url"].as_str(), "{provider}, {point}");
            if provider == "zoom" {
                assert_eq!(city.zoom.made(), 1, "{point}: none was made and thrown away");
                assert!(row.host_url.is_some_and(|url| url.contains("sandbox-host-secret")), "{point}");
            }
            city.tells_no_secret(&worker.stop());
        }
    }
}

#[test]
fn an_answer_that_is_lost_leaves_one_meeting() {
    for provider in ["zoom", "webex"] {
        let city = City::new(House::sqlite());
        city.video("v", provider);
        // The first of many: it is found behind others, on another page.
        city.zoom.page(2);
        let desk = if provider == "zoom" { city.zoom.desk() } else { city.webex.desk() };
        desk.script("POST", "meetings", [Trouble::LostAnswer]);
        let worker = city.house.worker();
        let made = city.run("job", "generate_meeting_link", &json!({"booking": booking("b-1", 1, 9)}));
        let there = city.meetings(provider);
        assert!(there.len() == 1 && city.zoom.made() + city.webex.made() == 1, "{provider}: {there:?}");
        assert!(made["id"].is_string(), "{made}");
        worker.stop();
    }
}

#[test]
fn a_booking_that_is_cancelled_while_nobody_knows_of_its_meeting_has_none() {
    for provider in ["zoom", "webex", "microsoft_teams"] {
        let city = City::new(House::sqlite());
        city.video("v", provider);
        let mut first = dying(&city, Point::MeetingAnswered);
        city.push("job", "generate_meeting_link", &json!({"booking": booking("b-1", 1, 9)}));
        assert!(!first.end().success());
        assert_eq!(city.meetings(provider).len(), 1);
        city.push(
            "cancel",
            "generate_meeting_link",
            &json!({"booking": {"id": "b-1", "version": 2}, "cancelled": true}),
        );
        let worker = city.house.worker();
        city.end("cancel");
        city.end("job");
        assert_eq!(city.meetings(provider).len(), 0, "{provider}");
        worker.stop();
    }
}

#[test]
fn a_death_at_any_step_of_an_event_leaves_one_event() {
    for provider in ["google", "outlook"] {
        for point in [Point::BeforeEventCall, Point::EventAnswered, Point::EventStored] {
            let city = City::new(House::sqlite());
            city.calendar("c", provider);
            let mut first = dying(&city, point);
            city.push("job", "create_calendar_event", &json!({"booking": booking("b-1", 1, 9)}));
            assert!(!first.end().success(), "it died at {point}");
            let worker = city.house.worker();
            city.until_events_are("b-1", &[("c", "created")]);
            let there = city.standing(provider, "c");
            assert_eq!(there.len(), 1, "{provider}, {point}: {there:?}");
            worker.stop();
        }
    }
}
