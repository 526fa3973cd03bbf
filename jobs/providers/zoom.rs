//! Zoom: meetings of the user whose token it is.
//!
//! Zoom knows no key of ours, so one stands at the beginning of the agenda, where lists show it. Each creation makes
//! another meeting.

use chrono::SecondsFormat;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Answering, EventKey, Fault, Window,
    meeting::{self, Meeting, MeetingDraft, MeetingSettings, Meetings, Recording, asked_wait, until_midnight},
    session::{Ask, Reply, Session},
};
use crate::kit::Secret;

const MAX_TOPIC: usize = 200;
const MAX_AGENDA: usize = 2000;
const PAGE: &str = "300";
/// Who has more meetings ahead than these pages hold is no person.
const MAX_PAGES: usize = 20;
/// A limit for each second says no more than that.
const MOMENT: std::time::Duration = std::time::Duration::from_secs(1);

#[derive(Debug, Clone)]
pub(crate) struct Zoom {
    session: Session,
}

/// As Zoom shows one; in a list with less.
#[derive(Deserialize)]
struct Shown {
    id: u64,
    #[serde(default)]
    agenda: String,
    join_url: Option<String>,
    start_url: Option<String>,
    password: Option<String>,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    next_page_token: String,
    #[serde(default)]
    meetings: Vec<Shown>,
}

impl Zoom {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    async fn made(&self, draft: &MeetingDraft) -> Result<Meeting, Fault> {
        let reply = self.session.ask(Ask::post(&["users", "me", "meetings"], body(draft))).await?;
        let shown = self.successful(&reply).and_then(|()| self.session.parsed::<Shown>(&reply))?;
        self.meeting(shown)
    }

    async fn changed(&self, id: &str, draft: &MeetingDraft) -> Result<Option<Meeting>, Fault> {
        let reply = self.session.ask(Ask::patch(&["meetings", id], body(draft))).await?;
        self.successful(&reply).map(|()| None)
    }

    async fn removed(&self, id: &str) -> Result<(), Fault> {
        let reply = self.session.ask(Ask::delete(&["meetings", id])).await?;
        match self.successful(&reply) {
            Err(Fault::Gone { .. }) => Ok(()),
            end => end,
        }
    }

    async fn found(&self, key: &EventKey) -> Result<Option<Meeting>, Fault> {
        let (mark, mut token) = (meeting::mark(key), None);
        for _ in 0..MAX_PAGES {
            let ask = Ask::get(&["users", "me", "meetings"]).query("type", "upcoming").query("page_size", PAGE);
            let reply = self.session.ask(ask.maybe("next_page_token", token)).await?;
            let list: List = self.successful(&reply).and_then(|()| self.session.parsed(&reply))?;
            if let Some(listed) = list.meetings.iter().find(|listed| listed.agenda.starts_with(&mark)) {
                return self.looked(listed.id).await;
            }
            if list.next_page_token.is_empty() {
                return Ok(None);
            }
            token = Some(list.next_page_token);
        }
        let why =
            format!("{}: more meetings lie ahead than are looked through for one that may be there", self.session.who);
        Err(Fault::Refused { why })
    }

    /// A list shows no secrets: the meeting itself does.
    async fn looked(&self, id: u64) -> Result<Option<Meeting>, Fault> {
        let reply = self.session.ask(Ask::get(&["meetings", &id.to_string()])).await?;
        match self.successful(&reply).and_then(|()| self.session.parsed::<Shown>(&reply)) {
            // Whether it is as it should be, whoever asks cannot tell from here: he says so.
            Ok(shown) => self.meeting(shown).map(|meeting| Some(Meeting { differs: true, ..meeting })),
            Err(Fault::Gone { .. }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    fn meeting(&self, shown: Shown) -> Result<Meeting, Fault> {
        let Shown { id, join_url: Some(join_url), start_url, password, .. } = shown else {
            let why = format!("{} answers with a meeting that nobody can join", self.session.who);
            return Err(Fault::Retry { after: None, why });
        };
        let secret = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Secret::new);
        let (host_url, passcode) = (secret(start_url), secret(password));
        Ok(Meeting { id: id.to_string(), join_url, host_url, passcode, differs: false })
    }

    fn successful(&self, reply: &Reply) -> Result<(), Fault> {
        if reply.is_success() { Ok(()) } else { Err(trouble(&self.session, reply)) }
    }
}

impl Meetings for Zoom {
    fn create<'a>(&'a self, draft: &'a MeetingDraft) -> Answering<'a, Meeting> {
        Box::pin(self.made(draft))
    }

    fn update<'a>(&'a self, id: &'a str, draft: &'a MeetingDraft) -> Answering<'a, Option<Meeting>> {
        Box::pin(self.changed(id, draft))
    }

    fn remove<'a>(&'a self, id: &'a str) -> Answering<'a, ()> {
        Box::pin(self.removed(id))
    }

    fn find<'a>(&'a self, key: &'a EventKey, _around: Window) -> Answering<'a, Option<Meeting>> {
        Box::pin(self.found(key))
    }
}

fn body(draft: &MeetingDraft) -> Value {
    let event = &draft.event;
    json!({
        "topic": meeting::cut(&event.title, MAX_TOPIC),
        "type": 2,
        // In UTC; the zone is how it is shown.
        "start_time": event.start.to_rfc3339_opts(SecondsFormat::Secs, true),
        "duration": draft.minutes(),
        "timezone": event.zone.name(),
        "agenda": draft.marked(MAX_AGENDA),
        "settings": settings(&draft.settings),
    })
}

fn settings(settings: &MeetingSettings) -> Value {
    let MeetingSettings { waiting_room, join_before_host, host_video, participant_video, mute_on_entry, recording } =
        settings;
    let flags = [
        ("waiting_room", waiting_room),
        ("join_before_host", join_before_host),
        ("host_video", host_video),
        ("participant_video", participant_video),
        ("mute_upon_entry", mute_on_entry),
    ];
    let flags = flags.into_iter().filter_map(|(name, flag)| Some((name.to_owned(), json!((*flag)?))));
    let recording = recording.map(|recording| match recording {
        Recording::None => "none",
        Recording::Local => "local",
        Recording::Cloud => "cloud",
    });
    let recording = recording.map(|kind| ("auto_recording".to_owned(), json!(kind)));
    Value::Object(flags.chain(recording).collect::<Map<_, _>>())
}

/// What a status other than 2xx means here.
fn trouble(session: &Session, reply: &Reply) -> Fault {
    /// A scope is missing.
    const SCOPE: i64 = 4711;
    let (code, said, status) = (reply.number("/code"), reply.text("/message"), reply.status.as_u16());
    let detail = reply.text("/errors/0/field");
    let shown = code.map_or(String::new(), |code| code.to_string());
    let why = session.words(reply, &shown, &[said, detail].join(" "));
    let after = asked_wait(reply, session.now);
    match (status, code) {
        (400 | 401 | 403, Some(SCOPE)) => Fault::Reconnect { why },
        (401, _) => Fault::Unauthorized { why },
        (429, _) => {
            let unsaid = if said.contains("daily") { until_midnight(session.now) } else { MOMENT };
            Fault::Limited { after: Some(after.unwrap_or(unsaid)), why }
        }
        (300..=399 | 408 | 425 | 500..=599, _) => Fault::Retry { after, why },
        // Somebody on the way says so.
        _ if !reply.is_the_providers() => Fault::Retry { after, why },
        (404, Some(3001)) => Fault::Gone { why },
        // The user whose token this is.
        (404, Some(1001)) => Fault::Reconnect { why },
        (404, _) => Fault::Misconfigured { why },
        (409, _) => Fault::Conflict { why },
        _ => Fault::Refused { why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(status: u16, headers: &[(&'static str, &str)], body: &str) -> String {
        let fault = trouble(&Session::of_a_test(), &Reply::of_a_test(status, headers, body));
        let (kind, after) = match &fault {
            Fault::Retry { after, .. } => ("retry", *after),
            Fault::Limited { after, .. } => ("limited", *after),
            Fault::Unauthorized { .. } => ("unauthorized", None),
            Fault::Reconnect { .. } => ("reconnect", None),
            Fault::Gone { .. } => ("gone", None),
            Fault::Expired { .. } => ("expired", None),
            Fault::Conflict { .. } => ("conflict", None),
            Fault::Refused { .. } => ("refused", None),
            Fault::Misconfigured { .. } => ("misconfigured", None),
        };
        format!("{kind} {}", after.map_or("-".to_owned(), |after| after.as_secs().to_string()))
    }

    /// It is noon in UTC.
    #[test]
    fn every_error_of_zoom_is_one_decision() {
        const USER: &str = r#"{"code":429,"message":"You have exceeded the daily rate limit (100) of Meeting Create/Update API requests permitted for this particular user. You may resume these requests at GMT 00:00:00."}"#;
        const DAILY: &str =
            r#"{"code":429,"message":"You have reached the maximum daily rate limit for this API. Try again later."}"#;
        const SECOND: &str = r#"{"code":429,"message":"You have reached the maximum per-second rate limit for this API. Try again later."}"#;
        for (status, headers, body, expected) in [
            (404, &[][..], r#"{"code":3001,"message":"Meeting does not exist: 123."}"#, "gone -"),
            (
                400,
                &[],
                r#"{"code":300,"message":"Validation Failed.","errors":[{"field":"topic","message":"x"}]}"#,
                "refused -",
            ),
            (401, &[], r#"{"code":124,"message":"Invalid access token."}"#, "unauthorized -"),
            (401, &[], r#"{"code":124,"message":"Access token is expired."}"#, "unauthorized -"),
            (404, &[], r#"{"code":1001,"message":"User does not exist."}"#, "reconnect -"),
            (400, &[], r#"{"code":3000,"message":"Cannot update a meeting that has ended."}"#, "refused -"),
            (
                400,
                &[],
                r#"{"code":4711,"message":"Invalid access token, does not contain scopes:[meeting:write]."}"#,
                "reconnect -",
            ),
            (
                401,
                &[],
                r#"{"code":4711,"message":"Invalid access token, does not contain scopes:[meeting:write]."}"#,
                "reconnect -",
            ),
            (429, &[], USER, "limited 43200"),
            (429, &[("x-ratelimit-remaining", "79")], USER, "limited 43200"),
            (429, &[("retry-after", "2027-01-13T00:00:00Z")], DAILY, "limited 43200"),
            (429, &[("retry-after", "2027-01-12T12:00:07Z")], DAILY, "limited 7"),
            (429, &[("retry-after", "90")], DAILY, "limited 90"),
            (429, &[("retry-after", "Tue, 12 Jan 2027 12:01:00 GMT")], DAILY, "limited 60"),
            (429, &[("retry-after", "soon")], DAILY, "limited 43200"),
            (429, &[], SECOND, "limited 1"),
            (429, &[], "<html>", "limited 1"),
            (500, &[], r#"{"code":500,"message":"Internal error"}"#, "retry -"),
            (503, &[("retry-after", "5")], "<html>", "retry 5"),
            (404, &[], "<html>not here</html>", "retry -"),
            (302, &[], "", "retry -"),
            (404, &[], r#"{"code":404,"message":"Not found"}"#, "misconfigured -"),
            (409, &[], r#"{"code":1,"message":"Conflict"}"#, "conflict -"),
            (403, &[], r#"{"code":200,"message":"No permission."}"#, "refused -"),
        ] {
            assert_eq!(fault(status, headers, body), expected, "{status} {headers:?} {body}");
        }
    }

    #[test]
    fn numbers_are_numbers_and_times_are_utc_to_the_second() {
        let draft = crate::providers::meeting_tests::draft();
        let body = body(&draft);
        assert_eq!((&body["type"], &body["duration"]), (&json!(2), &json!(30)));
        assert_eq!(body["start_time"], "2027-01-12T14:00:00Z");
        assert_eq!(body["timezone"], "Europe/Berlin");
        assert_eq!(body["topic"].as_str().unwrap().chars().count(), 200);
        assert!(body["agenda"].as_str().unwrap().starts_with(&meeting::mark(&draft.event.key)));
        assert_eq!(body["settings"], json!({"waiting_room": true, "auto_recording": "cloud"}));
    }
}
