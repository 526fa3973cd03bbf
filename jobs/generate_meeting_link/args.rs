//! The arguments: a booking that has a meeting, or one that was cancelled.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::{
    kit::{Booking, Name},
    providers::{MadeBy, MeetingSettings, entry},
};

/// More than there are.
const MAX_PROVIDERS: usize = 20;

#[derive(Debug)]
pub(crate) struct GenerateMeetingLink {
    pub(super) wanted: Wanted,
    /// The most wanted first; none: all that the organizer has.
    pub(super) providers: Vec<String>,
    pub(super) settings: MeetingSettings,
}

#[derive(Debug)]
pub(super) enum Wanted {
    Meeting(Box<Booking>),
    /// The booking does not take place.
    None {
        booking_id: String,
        version: i64,
        organizer_id: Option<String>,
    },
}

impl Wanted {
    pub(super) fn booking_id(&self) -> &str {
        match self {
            Self::Meeting(booking) => &booking.id,
            Self::None { booking_id, .. } => booking_id,
        }
    }
}

#[derive(Deserialize)]
struct Written {
    booking: Value,
    #[serde(default)]
    providers: Vec<String>,
    #[serde(default)]
    settings: MeetingSettings,
    #[serde(default)]
    cancelled: bool,
}

/// Of a booking that was cancelled nothing else need be said.
#[derive(Deserialize)]
struct Cancelled {
    id: Name,
    #[serde(default)]
    version: i64,
    organizer_id: Option<Name>,
}

impl<'de> Deserialize<'de> for GenerateMeetingLink {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Written { booking, providers, settings, cancelled } = Written::deserialize(from)?;
        let makes = |name: &String| entry(name).is_some_and(|entry| entry.meetings != MadeBy::Nobody);
        if providers.len() > MAX_PROVIDERS || !providers.iter().all(makes) {
            return Err(D::Error::custom(
                "providers: each is one of zoom, google_meet, microsoft_teams and webex, the most wanted first",
            ));
        }
        let field = |fault: serde_json::Error| D::Error::custom(format!("booking: {fault}"));
        let wanted = if cancelled {
            let Cancelled { id, version, organizer_id } = serde_json::from_value(booking).map_err(field)?;
            Wanted::None { booking_id: id.0, version, organizer_id: organizer_id.map(|Name(name)| name) }
        } else {
            Wanted::Meeting(Box::new(serde_json::from_value(booking).map_err(field)?))
        };
        Ok(Self { wanted, providers, settings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::Entry;

    fn check(args: &str) -> Result<(), String> {
        (Entry::of::<GenerateMeetingLink>().check)(args)
    }

    const BOOKING: &str = r#""id": 7, "version": 2, "organizer_id": "o", "title": "T",
        "starts_at": "2030-01-31T08:00:00Z", "ends_at": "2030-01-31T08:30:00Z""#;

    #[test]
    fn a_booking_is_whole_unless_it_was_cancelled() {
        for good in [
            format!(r#"{{"booking": {{{BOOKING}}}}}"#),
            format!(
                r#"{{"booking": {{{BOOKING}}}, "providers": ["zoom", "google_meet"], "settings": {{"waiting_room": true}}}}"#
            ),
            r#"{"booking": {"id": 7, "version": 3}, "cancelled": true}"#.to_owned(),
        ] {
            assert_eq!(check(&good), Ok(()), "{good}");
        }
        for (bad, words) in [
            (r#"{"booking": {"id": 7}}"#.to_owned(), "booking: missing field"),
            (format!(r#"{{"booking": {{{BOOKING}}}, "providers": ["apple"]}}"#), "each is one of zoom"),
            (format!(r#"{{"booking": {{{BOOKING}}}, "settings": {{"recording": "tape"}}}}"#), "settings.recording"),
        ] {
            let refusal = check(&bad).unwrap_err();
            assert!(refusal.contains(words), "{bad}: {refusal}");
        }
    }
}
