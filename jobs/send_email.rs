//! Send a mail: of a subject and a text, or of a template and what it is filled with.
//!
//! Safe to run twice: whoever has the letter is remembered under the mail's id, or the job's, and is left out the next
//! time. A death between the server's answer and the record sends the same bytes again, with the same Message-ID.

use std::time::Duration;

use liaison_queue::{
    outcome::{Done, Failure, Outcome, RunOutcome},
    retry::Retry,
};
use liaison_store::LogEntry;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::kit::{Content, Context, Errand, Job, MAX_RECIPIENTS, Recipient, Sample, send};

#[derive(Debug, Deserialize)]
pub(crate) struct SendEmail {
    to: To,
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
    template: Option<String>,
    #[serde(default)]
    data: Map<String, Value>,
    reply_to: Option<Recipient>,
    /// Under which the mail is known: a second one of the same id goes to nobody who has the first.
    id: Option<String>,
    #[serde(alias = "organizer_id")]
    organizer: Option<String>,
    #[serde(alias = "booking_id")]
    booking: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "OneOrMany")]
struct To(Vec<Recipient>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a mail address, or a list of some")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl TryFrom<OneOrMany> for To {
    type Error = String;

    /// Each once, in the order in which they were named.
    fn try_from(written: OneOrMany) -> Result<Self, String> {
        let mut all: Vec<Recipient> = Vec::new();
        let named = match written {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        };
        for one in named {
            let one: Recipient = one.parse()?;
            if all.iter().all(|known| known.key() != one.key()) {
                all.push(one);
            }
        }
        Ok(Self(all))
    }
}

impl Job for SendEmail {
    const NAME: &'static str = "send_email";
    const ABOUT: &'static str = "sends a mail, of a text or of a template";
    // A conversation of several answers, each with its own patience; the one after the text takes longest.
    const TIMEOUT: Duration = Duration::from_mins(15);
    // As servers do it among themselves: from minutes to hours, for about three days.
    const RETRY: Retry = Retry::doubling(Duration::from_mins(2)).cap(Duration::from_hours(4)).attempts(40);
    const SAMPLE: Option<Sample> = Some(Sample {
        args: r#"{"to": "john@example.com", "template": "task_assigned",
                  "data": {"title": "Fix login bug", "assignee": "John"}}"#,
        ends: RunOutcome::Done,
    });

    async fn run(self, ctx: &Context) -> Outcome {
        let content = self.content(ctx).map_err(|problem| Failure::fatal(format!("args: {problem}")))?;
        if self.to.0.is_empty() || self.to.0.len() > MAX_RECIPIENTS {
            let count = self.to.0.len();
            return Err(Failure::fatal(format!("args.to: {count} addresses; 1 to {MAX_RECIPIENTS} are allowed")));
        }
        // Ids of jobs may come again when they are forgotten: the time tells them apart.
        let occasion = match &self.id {
            Some(id) => format!("mail:{id}"),
            None => format!("job:{}:{}", ctx.id, ctx.enqueued_at.timestamp_millis()),
        };
        let line = LogEntry {
            log_type: "email_sent".to_owned(),
            integration_type: "email".to_owned(),
            organizer_id: self.organizer,
            booking_id: self.booking,
            ..LogEntry::default()
        };
        let kind = self.template.unwrap_or_else(|| "email".to_owned());
        let errand = Errand { occasion, to: self.to.0, reply_to: self.reply_to, content, once: false, kind, line };
        Ok(Done(Some(send(ctx, &errand).await?.result())))
    }
}

impl SendEmail {
    fn content(&self, ctx: &Context) -> Result<Content, String> {
        match (&self.template, &self.subject, &self.text) {
            (Some(name), None, None) if self.html.is_none() => ctx.services.mailer.templates().fill(name, &self.data),
            (None, Some(subject), Some(text)) => {
                Ok(Content { subject: subject.clone(), text: text.clone(), html: self.html.clone() })
            }
            (Some(_), _, _) => {
                Err("`template` stands in place of `subject`, `text` and `html`; take those out".to_owned())
            }
            (None, _, _) => Err("a mail needs `subject` and `text`, or `template` and `data`".to_owned()),
        }
    }
}
