//! Tell somebody that an integration works no more, or works again: once for each time that happens.
//!
//! Safe to run twice: the notice is remembered under the integration, its episode and the stage, and looked up first. A
//! death between the server's answer and the record sends the same letter again, with the same Message-ID.

mod account;
mod endpoint;

use std::time::Duration;

use chrono::{DateTime, Utc};
use liaison_queue::{
    clock::Millis,
    outcome::{Done, Failure, Outcome},
    retry::Retry,
};
use liaison_store::{IntegrationKind, LogEntry};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::kit::{Context, Errand, Job, Recipient, Sample, digest, send};

#[derive(Debug, Deserialize)]
pub(crate) struct NotifyIntegrationDisconnected {
    kind: Kind,
    id: String,
    /// Which time it is: each is told once.
    episode: u32,
    #[serde(default)]
    stage: Stage,
    /// Who is told, if not whom the integration belongs to.
    to: Option<Recipient>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Calendar,
    Video,
    Webhook,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    Warning,
    #[default]
    Disconnected,
    Disabled,
    Recovered,
}

/// What is told, to whom, of whom.
struct Notice {
    organizer: String,
    to: Option<Recipient>,
    template: String,
    data: Map<String, Value>,
}

/// Whether it is still so.
enum Found {
    /// Nobody need be told, and why.
    Over(String),
    /// The records do not know of it yet: who found it out has not written it down.
    TooEarly(String),
    Still(Box<Notice>),
}

/// Who asks for a notice writes down why within this time.
const SETTLES: Duration = Duration::from_mins(2);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Calendar => "calendar",
            Self::Video => "video",
            Self::Webhook => "webhook",
        }
    }
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Disconnected => "disconnected",
            Self::Disabled => "disabled",
            Self::Recovered => "recovered",
        }
    }
}

impl Job for NotifyIntegrationDisconnected {
    const NAME: &'static str = "notify_integration_disconnected";
    const ABOUT: &'static str = "tells somebody once that an integration works no more, or works again";
    const TIMEOUT: Duration = Duration::from_mins(15);
    // As servers do it among themselves: from minutes to hours, for about three days.
    const RETRY: Retry = Retry::doubling(Duration::from_mins(2)).cap(Duration::from_hours(4)).attempts(40);
    // It needs an integration.
    const SAMPLE: Option<Sample> = None;

    async fn run(self, ctx: &Context) -> Outcome {
        if let Some(told) = self.told(ctx, self.stage).await? {
            // A run before this one has told it, and had no time for the event.
            if told == ctx.id.as_str() {
                self.tell_the_host(ctx, None).await?;
            }
            return Ok(Done(Some(json!({"skipped": "told before"}))));
        }
        let found = match self.kind {
            Kind::Calendar => account::find(&self, IntegrationKind::Calendar, ctx).await?,
            Kind::Video => account::find(&self, IntegrationKind::Video, ctx).await?,
            Kind::Webhook => endpoint::find(&self, ctx).await?,
        };
        let notice = match found {
            Found::Still(notice) => notice,
            Found::TooEarly(_) if age(ctx) < SETTLES => {
                return Err(Failure::Snooze { until: Millis::at(ctx.now()).plus(LOOK) });
            }
            Found::TooEarly(reason) | Found::Over(reason) => return Ok(self.skip(ctx, None, &reason)),
        };
        if self.stage == Stage::Recovered && self.told_of_trouble(ctx).await?.is_none() {
            return Ok(self.skip(ctx, Some(&notice), "nobody was told of the trouble"));
        }
        let Some(to) = self.to.clone().or(notice.to.clone()) else {
            let remedy = match self.kind {
                Kind::Calendar | Kind::Video => "the integration has no provider_email; name one in `to`",
                Kind::Webhook => "set [mail] operator, or name one in `to`",
            };
            return Ok(self.skip(ctx, Some(&notice), &format!("nobody to tell: {remedy}")));
        };
        let templates = ctx.services.mailer.templates();
        let content = templates
            .fill(&notice.template, &notice.data)
            .map_err(|problem| Failure::fatal(format!("{}: {problem}", notice.template)))?;
        let errand = Errand {
            occasion: self.occasion(self.stage),
            to: vec![to],
            reply_to: None,
            content,
            once: true,
            kind: notice.template.clone(),
            line: self.line(Some(&notice)),
        };
        let sent = send(ctx, &errand).await?;
        self.tell_the_host(ctx, Some(&notice)).await?;
        Ok(Done(Some(sent.result())))
    }
}

impl NotifyIntegrationDisconnected {
    fn occasion(&self, stage: Stage) -> String {
        format!("notice:{}:{}:{}:{}", self.kind.as_str(), self.id, self.episode, stage.as_str())
    }

    /// The job that has told this stage of the episode, if one has.
    async fn told(&self, ctx: &Context, stage: Stage) -> Result<Option<String>, Failure> {
        let told = ctx.store()?.told(vec![self.occasion(stage)]).await;
        let told = told.map_err(|fault| Failure::retry(format!("look up what was told: {fault}")))?;
        Ok(told.into_iter().next().map(|told| told.job_id))
    }

    async fn told_of_trouble(&self, ctx: &Context) -> Result<Option<String>, Failure> {
        for stage in [Stage::Disconnected, Stage::Disabled, Stage::Warning] {
            if let Some(told) = self.told(ctx, stage).await? {
                return Ok(Some(told));
            }
        }
        Ok(None)
    }

    fn line(&self, notice: Option<&Notice>) -> LogEntry {
        LogEntry {
            log_type: "notification_sent".to_owned(),
            integration_type: self.kind.as_str().to_owned(),
            integration_id: Some(self.id.clone()),
            organizer_id: notice.map(|notice| notice.organizer.clone()),
            ..LogEntry::default()
        }
    }

    /// Nobody is told, and the log says why.
    fn skip(&self, ctx: &Context, notice: Option<&Notice>, reason: &str) -> Done {
        let message = format!("{} notice of episode {} not sent: {reason}", self.stage.as_str(), self.episode);
        ctx.log(LogEntry { message, success: true, ..self.line(notice) });
        Done(Some(json!({"skipped": reason})))
    }

    /// The event `notification_sent`, for hosts that listen. Not of their own webhooks: who cannot be reached would be
    /// told that they cannot.
    async fn tell_the_host(&self, ctx: &Context, notice: Option<&Notice>) -> Result<(), Failure> {
        const WEBHOOKS: &str = "send_webhook";
        if self.kind == Kind::Webhook || crate::CATALOG.iter().all(|entry| entry.name != WEBHOOKS) {
            return Ok(());
        }
        let organizer = match notice {
            Some(notice) => notice.organizer.clone(),
            None => match account::organizer(self, ctx).await? {
                Some(organizer) => organizer,
                None => return Ok(()),
            },
        };
        let data = json!({
            "notification": format!("integration_{}", self.stage.as_str()),
            "integration_type": self.kind.as_str(),
            "integration_id": self.id,
            "episode": self.episode,
        });
        let envelope = json!({
            "job": WEBHOOKS,
            "id": format!("notification_sent:{}", digest(&[&self.occasion(self.stage)])),
            "args": {"organizer": organizer, "event": "notification_sent", "data": data},
        });
        ctx.enqueue(&[envelope]).await
    }
}

fn age(ctx: &Context) -> Duration {
    (ctx.now() - ctx.enqueued_at).to_std().unwrap_or_default()
}

/// As people read it, in a zone that nobody has to guess.
fn date(at: Option<DateTime<Utc>>) -> String {
    at.map_or("not known".to_owned(), |at| at.format("%-d %B %Y, %H:%M UTC").to_string())
}

/// What a provider or a server said, as it may stand in a subject or a line.
fn plain(text: &str) -> String {
    const MOST: usize = 500;
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    line.trim().to_owned()
}
