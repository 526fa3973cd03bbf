//! What all jobs that send mail have in common: whom it has reached already, who is not to be written to, what becomes
//! of the rest, and what is left in the records of it.
//!
//! Safe to repeat: whoever has the letter is remembered with the run, also when that has to be repeated for the others.
//! A death between the server's answer and the commit sends it again, as the same bytes with the same Message-ID.

use std::{collections::BTreeSet, time::Duration};

use lettre::Address;
use liaison_queue::{clock::Millis, outcome::Failure};
use liaison_store::{Fact, LogEntry, Notification, NotificationStatus, SuppressedAddress};
use serde_json::{Value, json};
use tracing::error;

use super::{
    address::{Recipient, mask},
    letter::{Content, Letter},
    smtp::{Delivery, Fault, Refusal},
};
use crate::kit::{Context, digest};

/// Somebody has to mend the configuration first, and will notice within the hour.
const MISCONFIGURED: Duration = Duration::from_hours(1);
/// All connections are in use, by letters that take seconds.
const BUSY: Duration = Duration::from_secs(5);

/// A letter, and what is remembered of it.
#[derive(Debug)]
pub(crate) struct Errand {
    /// The same for the same occasion, and for no other.
    pub(crate) occasion: String,
    pub(crate) to: Vec<Recipient>,
    pub(crate) reply_to: Option<Recipient>,
    pub(crate) content: Content,
    /// It is told once, whoever is told. Otherwise it is sent once to each.
    pub(crate) once: bool,
    /// What kind of notification it is.
    pub(crate) kind: String,
    /// A line of the integration log, but for what became of it.
    pub(crate) line: LogEntry,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Sent {
    message_id: String,
    /// Masked, as all here.
    taken: Vec<String>,
    already: Vec<String>,
    refused: Vec<Value>,
}

impl Sent {
    /// As the job's result.
    pub(crate) fn result(&self) -> Value {
        let mut result = json!({"message_id": self.message_id, "sent": self.taken});
        if !self.already.is_empty() {
            result["already_sent"] = self.already.clone().into();
        }
        if !self.refused.is_empty() {
            result["refused"] = self.refused.clone().into();
        }
        result
    }
}

/// Under which id it is remembered that this one has the letter.
fn row_id(errand: &Errand, to: &Recipient) -> String {
    if errand.once { errand.occasion.clone() } else { format!("{}#{}", errand.occasion, digest(&[&to.key()])) }
}

/// Send it to all who do not have it.
pub(crate) async fn send(ctx: &Context, errand: &Errand) -> Result<Sent, Failure> {
    let mailer = &ctx.services.mailer;
    let letter = Letter {
        occasion: errand.occasion.clone(),
        to: errand.to.clone(),
        reply_to: errand.reply_to.clone(),
        content: errand.content.clone(),
        date: ctx.enqueued_at,
    };
    letter.bytes(&mailer.from.0).map_err(|problem| Failure::fatal(format!("args: {problem}")))?;
    let message_id = letter.message_id(&mailer.from.0);
    let store = ctx.store()?;
    let away = |fault: liaison_store::StoreError| Failure::retry(format!("look up who has the letter: {fault}"));
    let told = store.told(errand.to.iter().map(|to| row_id(errand, to)).collect()).await.map_err(away)?;
    let told: BTreeSet<String> = told.into_iter().map(|told| told.id).collect();
    let (already, open): (Vec<&Recipient>, Vec<&Recipient>) =
        errand.to.iter().partition(|to| told.contains(&row_id(errand, to)));
    let suppressed = store.suppressed(open.iter().map(|to| to.key()).collect()).await.map_err(away)?;
    let suppression = |to: &Recipient| suppressed.iter().find(|entry| entry.address == to.key());

    let mut report = Report { ctx, errand, message_id, refused: Vec::new() };
    for to in &open {
        if let Some(entry) = suppression(to) {
            let reason = format!(
                "nothing is sent there since {}: {}; `liaison mail suppressed remove` lets mail go there again",
                entry.created_at.format("%Y-%m-%d"),
                entry.reason
            );
            report.refuse(to, &reason, NotificationStatus::Suppressed);
        }
    }
    let open: Vec<&Recipient> = open.into_iter().filter(|to| suppression(to).is_none()).collect();
    let addresses: Vec<Address> = open.iter().map(|to| to.address().clone()).collect();
    let delivery = if open.is_empty() { Delivery::default() } else { report.offer(&letter, &addresses).await? };
    report.take(&delivery);
    report.end(&delivery, &already)
}

/// Keeps the records of one errand.
struct Report<'a> {
    ctx: &'a Context,
    errand: &'a Errand,
    message_id: String,
    refused: Vec<Value>,
}

impl Report<'_> {
    async fn offer(&self, letter: &Letter, to: &[Address]) -> Result<Delivery, Failure> {
        let mailer = &self.ctx.services.mailer;
        let fault = match mailer.deliver(letter, to).await {
            Ok(delivery) => return Ok(delivery),
            Err(fault) => fault,
        };
        let failure = match fault {
            Fault::Later(reason) => Failure::retry(reason),
            Fault::Never(reason) => Failure::fatal(reason),
            Fault::Misconfigured { reason, first } => {
                if first {
                    error!("no mail gets out: {reason}");
                }
                Failure::retry_after(MISCONFIGURED, format!("no mail gets out: {reason}"))
            }
            // Nothing went wrong, and nothing is worth a line.
            Fault::Busy => return Err(Failure::Snooze { until: Millis::at(self.ctx.now()).plus(BUSY) }),
        };
        if let Failure::Retry { reason, .. } | Failure::Fatal { reason } = &failure {
            if matches!(failure, Failure::Fatal { .. }) || self.ctx.is_last_attempt {
                for address in to {
                    self.note(address.as_ref(), NotificationStatus::Failed, Some(reason));
                }
            }
            self.log(false, reason);
        }
        Err(failure)
    }

    /// Remember what the server said of each.
    fn take(&mut self, delivery: &Delivery) {
        for address in &delivery.accepted {
            self.note(address.as_ref(), NotificationStatus::Sent, None);
        }
        for Refusal { address, reason, nobody } in &delivery.refused {
            let Some(to) = self.errand.to.iter().find(|to| to.address() == address) else { continue };
            self.refuse(to, reason, NotificationStatus::Failed);
            if *nobody {
                let entry = SuppressedAddress { address: to.key(), reason: reason.clone(), created_at: self.ctx.now() };
                self.ctx.note(Fact::Suppressed(entry));
            }
        }
    }

    fn refuse(&mut self, to: &Recipient, reason: &str, status: NotificationStatus) {
        self.note(to.address().as_ref(), status, Some(reason));
        self.refused.push(json!({"address": mask(to.address().as_ref()), "reason": reason}));
    }

    fn end(self, delivery: &Delivery, already: &[&Recipient]) -> Result<Sent, Failure> {
        let masked = |addresses: &[Address]| addresses.iter().map(|to| mask(to.as_ref())).collect::<Vec<_>>();
        let sent = masked(&delivery.accepted);
        let refusals: Vec<String> = self.refused.iter().map(|one| said_of(&one["address"], &one["reason"])).collect();
        if !delivery.deferred.is_empty() {
            if self.ctx.is_last_attempt {
                for one in &delivery.deferred {
                    self.note(one.address.as_ref(), NotificationStatus::Failed, Some(&one.reason));
                }
            }
            let waits: Vec<String> =
                delivery.deferred.iter().map(|one| format!("{}: {}", mask(one.address.as_ref()), one.reason)).collect();
            let reason = format!("not taken yet: {}", waits.join("; "));
            self.log(false, &reason);
            return Err(Failure::retry(reason));
        }
        if sent.is_empty() && already.is_empty() {
            let reason = format!("nobody can be reached: {}", refusals.join("; "));
            self.log(false, &reason);
            return Err(Failure::fatal(reason));
        }
        let already: Vec<String> = already.iter().map(|to| mask(to.address().as_ref())).collect();
        let said = match (sent.is_empty(), refusals.is_empty()) {
            (true, _) => format!("was sent before, to {}", already.join(", ")),
            (false, true) => format!("sent to {}", sent.join(", ")),
            (false, false) => format!("sent to {}, but not to {}", sent.join(", "), refusals.join("; ")),
        };
        self.log(refusals.is_empty(), &said);
        Ok(Sent { message_id: self.message_id, taken: sent, already, refused: self.refused })
    }

    fn note(&self, recipient: &str, status: NotificationStatus, error: Option<&str>) {
        let errand = self.errand;
        let Some(to) = errand.to.iter().find(|to| to.address().as_ref() as &str == recipient) else { return };
        self.ctx.note(Fact::Notified(Notification {
            id: row_id(errand, to),
            kind: errand.kind.clone(),
            recipient: recipient.to_owned(),
            organizer_id: errand.line.organizer_id.clone(),
            integration_id: errand.line.integration_id.clone(),
            message_id: self.message_id.clone(),
            status,
            error: error.map(str::to_owned),
            created_at: self.ctx.now(),
        }));
    }

    fn log(&self, success: bool, said: &str) {
        let line = &self.errand.line;
        let details = json!({"kind": self.errand.kind, "message_id": self.message_id});
        let message = format!("{}: {said}", self.errand.kind.replace('_', " "));
        self.ctx.log(LogEntry { message, success, details: Some(details.to_string()), ..line.clone() });
    }
}

fn said_of(address: &Value, reason: &Value) -> String {
    format!("{}: {}", address.as_str().unwrap_or_default(), reason.as_str().unwrap_or_default())
}
