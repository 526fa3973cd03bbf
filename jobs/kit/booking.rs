//! A booking, as hosts tell of it: what meetings and events are made of.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use liaison_queue::outcome::Failure;
use liaison_store::StoreError;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::providers::{Attendee, Draft, EventKey};

/// More than any provider takes.
const MAX_ATTENDEES: usize = 1000;
const MAX_ID: usize = 255;
const MAX_TITLE: usize = 1000;
const MAX_TEXT: usize = 32 * 1024;
/// Minutes before the start: four weeks, as Google has it.
const MAX_REMINDER: u32 = 40_320;
const MAX_REMINDERS: usize = 5;

/// What hosts call their rows: by number, or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Number(i64),
        }
        let name = match Written::deserialize(from)? {
            Written::Text(text) => text,
            Written::Number(number) => number.to_string(),
        };
        if name.is_empty() || name.len() > MAX_ID || name.chars().any(char::is_control) {
            return Err(D::Error::custom(format!("an id has 1 to {MAX_ID} bytes, and no control characters")));
        }
        Ok(Self(name))
    }
}

/// A booking that is to take place.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct Booking {
    pub(crate) id: String,
    /// Counts its changes: what is older than what was done already is not done any more.
    pub(crate) version: i64,
    pub(crate) organizer_id: String,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) starts_at: DateTime<Utc>,
    pub(crate) ends_at: DateTime<Utc>,
    pub(crate) zone: Tz,
    pub(crate) attendees: Vec<Attendee>,
    pub(crate) reminders: Option<Vec<u32>>,
    /// Where people meet, if the host knows.
    pub(crate) meeting_url: Option<String>,
}

#[derive(Deserialize)]
struct Written {
    id: Name,
    #[serde(default)]
    version: i64,
    organizer_id: Name,
    title: String,
    description: Option<String>,
    location: Option<String>,
    starts_at: String,
    ends_at: String,
    timezone: Option<String>,
    #[serde(default)]
    attendees: Vec<Invited>,
    reminders: Option<Vec<u32>>,
    meeting_url: Option<String>,
}

/// An address alone, or with more about who it is.
#[derive(Deserialize)]
#[serde(untagged)]
enum Invited {
    Address(String),
    Person {
        email: String,
        name: Option<String>,
        #[serde(default)]
        optional: bool,
    },
}

impl From<Invited> for Attendee {
    fn from(invited: Invited) -> Self {
        match invited {
            Invited::Address(email) => Self { email, name: None, optional: false },
            Invited::Person { email, name, optional } => Self { email, name, optional },
        }
    }
}

impl TryFrom<Written> for Booking {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let starts_at = time("starts_at", &written.starts_at)?;
        let ends_at = time("ends_at", &written.ends_at)?;
        if ends_at <= starts_at {
            return Err("ends_at: not after starts_at".to_owned());
        }
        let zone = written.timezone.as_deref().unwrap_or("UTC");
        let zone = crate::providers::zone(zone)
            .ok_or("timezone: neither a name of the IANA, such as Europe/Berlin, nor one of Windows")?;
        for (field, text, most) in [
            ("title", Some(&written.title), MAX_TITLE),
            ("description", written.description.as_ref(), MAX_TEXT),
            ("location", written.location.as_ref(), MAX_TITLE),
            ("meeting_url", written.meeting_url.as_ref(), MAX_TITLE),
        ] {
            if text.is_some_and(|text| text.len() > most) {
                return Err(format!("{field}: more than {most} bytes"));
            }
        }
        let attendees: Vec<Attendee> = written.attendees.into_iter().map(Attendee::from).collect();
        if attendees.len() > MAX_ATTENDEES {
            return Err(format!("attendees: more than {MAX_ATTENDEES}"));
        }
        let is_address = |attendee: &Attendee| {
            let (name, host) = attendee.email.rsplit_once('@').unwrap_or_default();
            !name.is_empty() && !host.is_empty() && !attendee.email.chars().any(|c| c.is_whitespace() || c.is_control())
        };
        if !attendees.iter().all(is_address) {
            return Err("attendees: an address has the form name@host.example".to_owned());
        }
        let reminders = written.reminders.as_deref().unwrap_or_default();
        if reminders.len() > MAX_REMINDERS || reminders.iter().any(|minutes| *minutes > MAX_REMINDER) {
            return Err(format!("reminders: at most {MAX_REMINDERS}, each 0 to {MAX_REMINDER} minutes before"));
        }
        Ok(Self {
            id: written.id.0,
            version: written.version,
            organizer_id: written.organizer_id.0,
            title: written.title,
            description: written.description,
            location: written.location,
            starts_at,
            ends_at,
            zone,
            attendees,
            reminders: written.reminders,
            meeting_url: written.meeting_url,
        })
    }
}

fn time(field: &str, text: &str) -> Result<DateTime<Utc>, String> {
    let read = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
    read.map_err(|_| format!("{field}: not a time in RFC 3339, such as 2030-01-31T08:00:00Z"))
}

impl Booking {
    /// What its event is called in every calendar, and its meeting by whoever makes it.
    pub(crate) fn key(id: &str) -> EventKey {
        EventKey::of(&["booking", id])
    }

    /// Its event. `tells` whether the provider tells the attendees, where it leaves us the choice.
    pub(crate) fn draft(&self, tells: bool) -> Draft {
        Draft {
            key: Self::key(&self.id),
            title: self.title.clone(),
            description: self.description.clone(),
            location: self.location.clone(),
            start: self.starts_at,
            end: self.ends_at,
            zone: self.zone,
            attendees: self.attendees.clone(),
            reminders: self.reminders.clone(),
            link: self.meeting_url.clone(),
            with_meeting: false,
            tell_attendees: tells,
        }
    }
}

/// The limit under which one job at a time has to do with the meeting of a booking.
pub(crate) fn meeting_lock(booking_id: &str) -> String {
    format!("meeting:{}", Booking::key(booking_id))
}

/// The same, for its event in one calendar.
pub(crate) fn event_lock(booking_id: &str, integration_id: &str) -> String {
    format!("event:{}", EventKey::of(&["lock", booking_id, integration_id]))
}

/// A store that is away comes back; anything else of it does not mend itself.
pub(crate) fn store_failure(fault: &StoreError) -> Failure {
    let reason = liaison_queue::chain(fault);
    if fault.is_outage() { Failure::retry(reason) } else { Failure::fatal(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Booking, String> {
        serde_json::from_str(json).map_err(|fault| fault.to_string())
    }

    const TIMES: &str = r#""starts_at": "2030-01-31T09:00:00+01:00", "ends_at": "2030-01-31T08:30:00Z""#;

    #[test]
    fn a_host_may_number_its_rows_and_name_people_by_their_address() {
        let booking = read(&format!(
            r#"{{"id": 42, "organizer_id": "o", "title": "T", {TIMES}, "timezone": "W. Europe Standard Time",
                "attendees": ["a@b.example", {{"email": "c@d.example", "name": "C", "optional": true}}], "more": 1}}"#
        ))
        .unwrap();
        assert_eq!((booking.id.as_str(), booking.version, booking.zone), ("42", 0, chrono_tz::Europe::Berlin));
        assert_eq!(booking.starts_at.to_rfc3339(), "2030-01-31T08:00:00+00:00");
        assert!(booking.attendees[1].optional && booking.attendees[0].email == "a@b.example");
    }

    #[test]
    fn what_cannot_be_booked_is_refused_with_the_field() {
        let of = |rest: &str| read(&format!(r#"{{"id": "b", "organizer_id": "o", "title": "T", {rest}}}"#));
        for (rest, said) in [
            (r#""starts_at": "tomorrow", "ends_at": "2030-01-31T08:30:00Z""#.to_owned(), "starts_at: not a time"),
            (r#""starts_at": "2030-01-31T08:30:00Z", "ends_at": "2030-01-31T08:30:00Z""#.to_owned(), "not after"),
            (format!(r#"{TIMES}, "timezone": "Mars/Olympus""#), "timezone: neither"),
            (format!(r#"{TIMES}, "attendees": ["nobody"]"#), "attendees: an address"),
            (format!(r#"{TIMES}, "reminders": [50000]"#), "reminders: at most 5"),
            (format!(r#"{TIMES}, "location": "{}""#, "x".repeat(2000)), "location: more than"),
        ] {
            let refusal = of(&rest).unwrap_err();
            assert!(refusal.contains(said), "{rest}: {refusal}");
        }
        assert!(read(r#"{"id": "", "organizer_id": "o"}"#).unwrap_err().contains("1 to 255 bytes"));
    }
}
