//! What stands in the calendars of `liaison dev`: a little of everything that blocks a time, or does not.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use liaison_sandbox::{CalDavServer, GoogleServer, MicrosoftServer, Series};
use serde_json::{Value, json};

/// In which all three calendars are.
pub(super) const ZONE: Tz = Tz::Europe__Berlin;

/// Days are counted from the one on which this began: the events are near.
#[derive(Clone, Copy)]
pub(super) struct Agenda(NaiveDate);

impl Agenda {
    pub(super) fn from(now: DateTime<Utc>) -> Self {
        Self(now.with_timezone(&ZONE).date_naive())
    }

    fn day(self, number: u64) -> NaiveDate {
        self.0.checked_add_days(Days::new(number)).unwrap_or(self.0)
    }

    /// At this hour of that day, on the clocks there.
    fn at(self, day: u64, hour: u32, minute: u32) -> String {
        let time = NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or_default();
        self.day(day).and_time(time).format("%Y-%m-%dT%H:%M:%S").to_string()
    }

    /// A weekly meeting, moved once and left out once; whole days; and some that block nothing.
    pub(super) fn at_google(self, server: &GoogleServer, who: &str) {
        let time = |day, hour| json!({"dateTime": self.at(day, hour, 0), "timeZone": ZONE.name()});
        let event = |id: &str, title: &str, hours: [Value; 2]| event(id, ("summary", title), &hours);
        let hour = |day, hour| self.day(day).and_hms_opt(hour, 0, 0).unwrap_or_default();
        let weekly = Series {
            title: "Team meeting".to_owned(),
            moved: vec![(1, hour(9, 13).and_utc())],
            cancelled: vec![2],
            ..Series::weekly("weekly", hour(1, 10), 6)
        };
        server.put_series(who, &weekly);
        let days = [json!({"date": self.day(3).to_string()}), json!({"date": self.day(5).to_string()})];
        server.put(who, event("fair", "Trade fair", days));
        let mut lunch = event("lunch", "Lunch, perhaps", [time(2, 12), time(2, 13)]);
        lunch["transparency"] = json!("transparent");
        server.put(who, lunch);
        let mut party = event("party", "Party, without me", [time(4, 19), time(4, 23)]);
        party["attendees"] = json!([{"email": "owner@example.com", "self": true, "responseStatus": "declined"}]);
        server.put(who, party);
        server.put(who, event("talk", "A talk that was called off", [time(2, 15), time(2, 16)]));
        server.remove(who, "talk");
    }

    /// One that collides with the weekly meeting, and one that is not certain.
    pub(super) fn at_microsoft(self, server: &MicrosoftServer, who: &str) {
        let time =
            |day, hour, minute| json!({"dateTime": self.at(day, hour, minute), "timeZone": "W. Europe Standard Time"});
        let event = |id: &str, title: &str, hours: [Value; 2]| event(id, ("subject", title), &hours);
        server.put(who, event("AAMkdentist", "Dentist", [time(1, 10, 30), time(1, 11, 30)]));
        let mut interview = event("AAMkinterview", "Interview", [time(2, 9, 0), time(2, 10, 0)]);
        interview["showAs"] = json!("tentative");
        server.put(who, interview);
    }

    /// A rule that has to be followed, with a day that is left out.
    pub(super) fn at_home(self, server: &CalDavServer, who: &str) {
        let compact = |text: String| text.replace(['-', ':'], "");
        let (start, end) = (compact(self.at(2, 19, 30)), compact(self.at(2, 21, 0)));
        let without = compact(self.at(9, 19, 30));
        let zone = ZONE.name();
        let lines = [
            "BEGIN:VCALENDAR".to_owned(),
            "VERSION:2.0".to_owned(),
            "PRODID:-//liaison dev//EN".to_owned(),
            "BEGIN:VEVENT".to_owned(),
            "UID:choir".to_owned(),
            "DTSTAMP:20270101T000000Z".to_owned(),
            "SUMMARY:Choir".to_owned(),
            format!("DTSTART;TZID={zone}:{start}"),
            format!("DTEND;TZID={zone}:{end}"),
            "RRULE:FREQ=WEEKLY;COUNT=4".to_owned(),
            format!("EXDATE;TZID={zone}:{without}"),
            "END:VEVENT".to_owned(),
            "END:VCALENDAR".to_owned(),
            String::new(),
        ];
        server.put(who, "choir.ics", &lines.join("\r\n"));
    }
}

/// With a title, as its provider calls that.
fn event(id: &str, (name, title): (&str, &str), [start, end]: &[Value; 2]) -> Value {
    json!({"id": id, name: title, "start": start, "end": end})
}
