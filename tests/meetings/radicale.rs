//! Bookings in a calendar server that others use: written once, whoever dies, and taken out.

use liaison_queue::faults::Point;
use serde_json::{Value, json};

use super::{City, city::booking, dying::dying};
use crate::support::{
    House,
    radicale::{PASSWORD, Radicale, USER},
    until,
};

fn write(version: i64, hour: u32) -> Value {
    json!({"booking": booking("b-1", version, hour)})
}

/// An organizer whose calendar is at home; where it is.
fn at_home(house: House, server: &Radicale) -> (City, String) {
    let city = City::new(house.set("LIAISON_OUTBOUND__ALLOW", "127.0.0.0/8"));
    let calendar = server.calendar("work");
    let url = server.url();
    city.add_with(
        &[
            ["integrations", "add", "calendar", "--organizer", "org", "--provider", "caldav", "--id", "home"]
                .as_slice(),
            &["--user", USER, "--server", &url, "--calendar", &calendar],
        ]
        .concat(),
        PASSWORD,
    );
    (city, calendar)
}

/// How many events there are, and whether one begins at this hour.
fn stands(server: &Radicale, calendar: &str, hour: u32) -> (usize, bool) {
    let (count, text) = server.all(calendar);
    let (utc, berlin) = (format!("20310512T{hour:02}0000"), format!("20310512T{:02}0000", hour + 2));
    let starts = |time: &str| text.lines().any(|line| line.starts_with("DTSTART") && line.contains(time));
    (count, starts(&utc) || starts(&berlin))
}

#[test]
fn a_booking_stands_once_in_radicale_until_it_is_taken_out() {
    let server = Radicale::start();
    let (city, calendar) = at_home(House::sqlite(), &server);
    let worker = city.house.worker();
    for id in ["one", "again"] {
        city.run(id, "create_calendar_event", &write(1, 9));
        city.until_events_are("b-1", &[("home", "created")]);
        assert_eq!(stands(&server, &calendar, 9), (1, true), "{id}");
    }
    city.run("moved", "create_calendar_event", &write(2, 15));
    until("it has moved", || stands(&server, &calendar, 15) == (1, true));
    for id in ["out", "out-again"] {
        city.run(id, "remove_calendar_event", &json!({"booking_id": "b-1"}));
        city.until_events_are("b-1", &[("home", "removed")]);
        assert_eq!(stands(&server, &calendar, 15).0, 0, "{id}");
    }
    assert_eq!(city.house.count("dead"), 0);
    let said = worker.stop();
    assert!(!said.contains(PASSWORD), "{said}");
}

#[test]
fn a_death_at_any_step_leaves_one_event_in_radicale() {
    for point in [Point::BeforeEventCall, Point::EventAnswered, Point::EventStored] {
        let server = Radicale::start();
        let (city, calendar) = at_home(House::sqlite(), &server);
        let mut first = dying(&city, point);
        city.push("job", "create_calendar_event", &write(1, 9));
        assert!(!first.end().success(), "it died at {point}");
        let there = usize::from(point != Point::BeforeEventCall);
        assert_eq!(server.all(&calendar).0, there, "{point}");
        let worker = city.house.worker();
        city.until_events_are("b-1", &[("home", "created")]);
        assert_eq!(stands(&server, &calendar, 9), (1, true), "{point}");
        worker.stop();
    }
}
