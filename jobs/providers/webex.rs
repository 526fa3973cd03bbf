//! Webex: meetings of the user whose token it is.
//!
//! A meeting has our key among its tags, and is found by it. Each creation makes another meeting.

use chrono::{SecondsFormat, TimeDelta};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Answering, EventKey, Fault, Window,
    meeting::{self, Meeting, MeetingDraft, MeetingSettings, Meetings, Recording, asked_wait},
    session::{Ask, Reply, Session},
};
use crate::kit::Secret;

const MAX_TITLE: usize = 128;
const MAX_AGENDA: usize = 1300;

#[derive(Debug, Clone)]
pub(crate) struct Webex {
    session: Session,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    web_link: Option<String>,
    password: Option<String>,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    items: Vec<Shown>,
}

impl Webex {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    async fn made(&self, draft: &MeetingDraft) -> Result<Meeting, Fault> {
        let reply = self.session.ask(Ask::post(&["meetings"], Value::Object(body(draft)))).await?;
        let shown = self.successful(&reply).and_then(|()| self.session.parsed(&reply))?;
        self.meeting(shown)
    }

    async fn changed(&self, id: &str, draft: &MeetingDraft) -> Result<Option<Meeting>, Fault> {
        let reply = self.session.ask(Ask::patch(&["meetings", id], Value::Object(body(draft)))).await?;
        let shown = self.successful(&reply).and_then(|()| self.session.parsed(&reply))?;
        self.meeting(shown).map(Some)
    }

    async fn removed(&self, id: &str) -> Result<(), Fault> {
        let ask = Ask::delete(&["meetings", id]).query("sendEmail", "false");
        let reply = self.session.ask(ask).await?;
        match self.successful(&reply) {
            Err(Fault::Gone { .. }) => Ok(()),
            end => end,
        }
    }

    async fn found(&self, key: &EventKey, around: Window) -> Result<Option<Meeting>, Fault> {
        // Without a time it lists what lies ahead of the next seven days only.
        let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let ask = Ask::get(&["meetings"])
            .query("integrationTag", key.as_str())
            .query("from", time(around.from - TimeDelta::days(1)))
            .query("to", time(around.to + TimeDelta::days(1)));
        let reply = self.session.ask(ask).await?;
        let list: List = self.successful(&reply).and_then(|()| self.session.parsed(&reply))?;
        let found = list.items.into_iter().next().map(|shown| self.meeting(shown)).transpose()?;
        Ok(found.map(|meeting| Meeting { differs: true, ..meeting }))
    }

    fn meeting(&self, shown: Shown) -> Result<Meeting, Fault> {
        let Shown { id, web_link: Some(join_url), password } = shown else {
            let why = format!("{} answers with a meeting that nobody can join", self.session.who);
            return Err(Fault::Retry { after: None, why });
        };
        // Its host signs in under the same link.
        let passcode = password.filter(|text| !text.is_empty()).map(Secret::new);
        Ok(Meeting { id, join_url, host_url: None, passcode, differs: false })
    }

    fn successful(&self, reply: &Reply) -> Result<(), Fault> {
        if reply.is_success() { Ok(()) } else { Err(trouble(&self.session, reply)) }
    }
}

impl Meetings for Webex {
    fn create<'a>(&'a self, draft: &'a MeetingDraft) -> Answering<'a, Meeting> {
        Box::pin(self.made(draft))
    }

    fn update<'a>(&'a self, id: &'a str, draft: &'a MeetingDraft) -> Answering<'a, Option<Meeting>> {
        Box::pin(self.changed(id, draft))
    }

    fn remove<'a>(&'a self, id: &'a str) -> Answering<'a, ()> {
        Box::pin(self.removed(id))
    }

    fn find<'a>(&'a self, key: &'a EventKey, around: Window) -> Answering<'a, Option<Meeting>> {
        Box::pin(self.found(key, around))
    }
}

fn body(draft: &MeetingDraft) -> Map<String, Value> {
    let event = &draft.event;
    let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    set("title", json!(meeting::cut(&event.title, MAX_TITLE)));
    set("start", json!(time(event.start)));
    // It counts whole minutes.
    set("end", json!(time(event.start + TimeDelta::minutes(draft.minutes()))));
    set("timezone", json!(event.zone.name()));
    set("integrationTags", json!([event.key.as_str()]));
    // Whom to invite is the calendar's matter.
    set("sendEmail", json!(false));
    if let Some(text) = &event.description {
        set("agenda", json!(meeting::cut(text, MAX_AGENDA)));
    }
    let MeetingSettings { waiting_room, join_before_host, recording, .. } = &draft.settings;
    if let Some(early) = join_before_host {
        set("enabledJoinBeforeHost", json!(early));
    }
    if let Some(waits) = waiting_room {
        set("unlockedMeetingJoinSecurity", json!(if *waits { "allowJoinWithLobby" } else { "allowJoin" }));
    }
    if let Some(recording) = recording {
        set("enabledAutoRecordMeeting", json!(*recording != Recording::None));
    }
    body
}

/// What a status other than 2xx means here.
fn trouble(session: &Session, reply: &Reply) -> Fault {
    let (said, detail) = (reply.text("/message"), reply.text("/errors/0/description"));
    let detail = if detail == said { "" } else { detail };
    let why = session.words(reply, said, detail);
    let after = asked_wait(reply, session.now);
    match reply.status.as_u16() {
        401 => Fault::Unauthorized { why },
        429 => Fault::Limited { after, why },
        300..=399 | 408 | 423 | 425 | 500..=599 => Fault::Retry { after, why },
        // Somebody on the way says so.
        _ if !reply.is_the_providers() => Fault::Retry { after, why },
        // A scope, or a licence: its owner can help.
        403 => Fault::Reconnect { why },
        404 | 410 => Fault::Gone { why },
        409 | 412 => Fault::Conflict { why },
        _ => Fault::Refused { why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_webex_is_one_decision() {
        const SHAPE: &str = r#"{"message":"m","errors":[{"description":"d"}],"trackingId":"ROUTER_1"}"#;
        for (status, headers, body, expected) in [
            (401, &[][..], SHAPE, "Unauthorized"),
            (403, &[], SHAPE, "Reconnect"),
            (404, &[], SHAPE, "Gone"),
            (409, &[], SHAPE, "Conflict"),
            (400, &[], SHAPE, "Refused"),
            (429, &[("retry-after", "3600")], SHAPE, "Limited { after: Some(3600s)"),
            (429, &[], SHAPE, "Limited { after: None"),
            (423, &[("retry-after", "10")], SHAPE, "Retry { after: Some(10s)"),
            (502, &[], SHAPE, "Retry"),
            (503, &[], "<html>", "Retry"),
            (504, &[], SHAPE, "Retry"),
            (404, &[], "<html>", "Retry"),
        ] {
            let fault = format!("{:?}", trouble(&Session::of_a_test(), &Reply::of_a_test(status, headers, body)));
            assert!(fault.starts_with(expected), "{status} {body}: {fault}");
        }
    }

    #[test]
    fn its_key_is_a_tag_and_its_length_is_in_minutes() {
        let draft = crate::providers::meeting_tests::draft();
        let body = Value::Object(body(&draft));
        assert_eq!(body["integrationTags"], json!([draft.event.key.as_str()]));
        assert_eq!((&body["start"], &body["end"]), (&json!("2027-01-12T14:00:00Z"), &json!("2027-01-12T14:30:00Z")));
        assert_eq!(body["title"].as_str().unwrap().chars().count(), 128);
        assert_eq!(body["unlockedMeetingJoinSecurity"], "allowJoinWithLobby");
        assert_eq!(body["enabledAutoRecordMeeting"], true);
    }
}
