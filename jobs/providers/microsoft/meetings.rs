//! Meetings of Teams that stand in no calendar. They are made under our own key, so making one twice is making it once.

use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::Microsoft;
use crate::{
    kit::Secret,
    providers::{EventKey, Fault, session::Ask},
};

/// A meeting as Teams has it.
#[derive(Debug, Clone)]
pub(crate) struct OnlineMeeting {
    pub(crate) id: String,
    pub(crate) join_url: String,
    pub(crate) passcode: Option<Secret>,
    pub(crate) subject: Option<String>,
    pub(crate) start: Option<DateTime<Utc>>,
    pub(crate) end: Option<DateTime<Utc>>,
    /// It was there before: it may be of an older time.
    pub(crate) was_there: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    id: String,
    join_web_url: String,
    join_meeting_id_settings: Option<Settings>,
    subject: Option<String>,
    start_date_time: Option<String>,
    end_date_time: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    passcode: Option<String>,
}

impl Told {
    fn meeting(self, was_there: bool) -> OnlineMeeting {
        let at = |text: Option<String>| Some(DateTime::parse_from_rfc3339(&text?).ok()?.to_utc());
        let passcode = self.join_meeting_id_settings.and_then(|settings| settings.passcode).map(Secret::new);
        OnlineMeeting {
            id: self.id,
            join_url: self.join_web_url,
            passcode,
            subject: self.subject,
            start: at(self.start_date_time),
            end: at(self.end_date_time),
            was_there,
        }
    }
}

impl Microsoft {
    /// The meeting of this key: made, or found.
    pub(crate) async fn create_or_get_meeting(
        &self,
        key: &EventKey,
        subject: &str,
        (start, end): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<OnlineMeeting, Fault> {
        let body = json!({
            "externalId": key.as_str(),
            "subject": subject,
            "startDateTime": time(start),
            "endDateTime": time(end),
        });
        self.meeting(Ask::post(&["me", "onlineMeetings", "createOrGet"], body)).await
    }

    pub(crate) async fn update_meeting(
        &self,
        id: &str,
        subject: &str,
        (start, end): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<OnlineMeeting, Fault> {
        // Both times together: one alone is refused.
        let body = json!({"subject": subject, "startDateTime": time(start), "endDateTime": time(end)});
        self.meeting(Ask::patch(&["me", "onlineMeetings", id], body)).await
    }

    #[cfg(test)]
    pub(crate) async fn look_at_meeting(&self, id: &str) -> Result<OnlineMeeting, Fault> {
        self.meeting(Ask::get(&["me", "onlineMeetings", id])).await
    }

    /// That it is not there is as good.
    pub(crate) async fn remove_meeting(&self, id: &str) -> Result<(), Fault> {
        let reply = self.session.ask(Ask::new(Method::DELETE, &["me", "onlineMeetings", id])).await?;
        if reply.is_success() {
            return Ok(());
        }
        match super::trouble::of(&self.session, &reply) {
            Fault::Gone { .. } => Ok(()),
            fault => Err(fault),
        }
    }

    async fn meeting(&self, ask: Ask) -> Result<OnlineMeeting, Fault> {
        let reply = self.session.ask(ask).await?;
        if !reply.is_success() {
            return Err(super::trouble::of(&self.session, &reply));
        }
        let told: Told = self.session.parsed(&reply)?;
        Ok(told.meeting(reply.status.as_u16() == 200))
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
