//! The arguments: whom to send to, and what.

use chrono::DateTime;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::events;

/// To whom.
#[derive(Debug)]
pub(super) enum Target {
    Endpoint(String),
    /// To every active endpoint of an organizer that wants the event.
    Organizer(String),
    /// To an address, with the settings and the secret of an endpoint.
    Url {
        url: String,
        secret_of: String,
    },
    /// Once more.
    Delivery(String),
}

/// What happened.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) name: String,
    /// As the host wrote it.
    pub(super) data: Box<RawValue>,
    /// When, in RFC 3339; when the job was enqueued if the host does not say.
    pub(super) timestamp: Option<String>,
    /// What it is about: deliveries about one subject keep their order, if the endpoint wants that.
    pub(super) subject: Option<String>,
    pub(super) booking_id: Option<String>,
    /// Under which the event is known; the job's own id if the host gives none.
    pub(super) id: Option<String>,
}

/// The arguments of the job. Either `endpoint`, `organizer` or `url` with `event` and `data`, or `delivery` alone.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct SendWebhook {
    pub(super) target: Target,
    /// None only for a delivery that is there already.
    pub(super) event: Option<Event>,
}

/// Hosts number their rows, or name them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Number(i64),
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        match name {
            Name::Text(text) => text,
            Name::Number(number) => number.to_string(),
        }
    }
}

#[derive(Deserialize)]
struct Written {
    endpoint: Option<Name>,
    organizer: Option<Name>,
    url: Option<String>,
    secret_of: Option<Name>,
    delivery: Option<String>,
    event: Option<String>,
    #[serde(default, deserialize_with = "whatever_it_is")]
    data: Option<Box<RawValue>>,
    timestamp: Option<String>,
    subject: Option<Name>,
    booking_id: Option<Name>,
    id: Option<Name>,
}

/// Nothing is something, too: `null` is no missing field.
fn whatever_it_is<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(from).map(Some)
}

impl TryFrom<Written> for SendWebhook {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { endpoint, organizer, url, secret_of, delivery, event, data, timestamp, subject, booking_id, id } =
            written;
        let one = "name one of endpoint, organizer, url and delivery";
        let target = match (endpoint, organizer, url, delivery) {
            (Some(id), None, None, None) => Target::Endpoint(id.into()),
            (None, Some(organizer), None, None) => Target::Organizer(organizer.into()),
            (None, None, Some(url), None) => {
                let secret_of = secret_of.ok_or("url: needs secret_of, the endpoint whose secret signs")?.into();
                Target::Url { url, secret_of }
            }
            (None, None, None, Some(id)) => return Ok(Self { target: Target::Delivery(id), event: None }),
            (None, None, None, None) => return Err(format!("to whom? {one}")),
            _ => return Err(format!("to several? {one}")),
        };
        let name = event.ok_or("event: missing; name the event, such as booking_created")?;
        events::check_name(&name).map_err(|wrong| format!("event: {wrong}"))?;
        if timestamp.as_deref().is_some_and(|text| DateTime::parse_from_rfc3339(text).is_err()) {
            return Err("timestamp: not a time in RFC 3339, such as 2030-01-31T08:00:00Z".to_owned());
        }
        let data = data.ok_or("data: missing; send at least {}")?;
        let text = |name: Option<Name>| name.map(String::from);
        let (subject, booking_id, id) = (text(subject), text(booking_id), text(id));
        Ok(Self { target, event: Some(Event { name, data, timestamp, subject, booking_id, id }) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::Entry;

    fn check(args: &str) -> Result<(), String> {
        (Entry::of::<SendWebhook>().check)(args)
    }

    #[test]
    fn it_goes_to_one_of_four_and_says_what_is_missing() {
        for good in [
            r#"{"endpoint": "e", "event": "a", "data": {}}"#,
            r#"{"organizer": 7, "event": "a.b", "data": [1.0e2], "booking_id": 42, "timestamp": "2030-01-31T08:00:00Z"}"#,
            r#"{"url": "https://a/", "secret_of": "e", "event": "a", "data": null}"#,
            r#"{"delivery": "msg_1"}"#,
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, words) in [
            (r#"{"event": "a", "data": 1}"#, "name one of endpoint"),
            (r#"{"endpoint": "e", "organizer": "o", "event": "a", "data": 1}"#, "to several?"),
            (r#"{"endpoint": "e", "data": 1}"#, "event: missing"),
            (r#"{"endpoint": "e", "event": "a b", "data": 1}"#, "event: an event is called"),
            (r#"{"endpoint": "e", "event": "a"}"#, "data: missing"),
            (r#"{"url": "https://a/", "event": "a", "data": 1}"#, "needs secret_of"),
            (r#"{"endpoint": "e", "event": "a", "data": 1, "timestamp": "yesterday"}"#, "RFC 3339"),
        ] {
            let refusal = check(bad).unwrap_err();
            assert!(refusal.contains(words), "{bad}: {refusal}");
        }
    }
}
