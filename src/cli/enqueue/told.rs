//! What is said about one envelope, to programs and to people.

use liaison_queue::{JobId, QueueName, Receipt};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::{answer, words};

/// What became of one envelope, for programs.
#[derive(Debug, Default, Serialize)]
pub(super) struct Answer {
    /// Of a bulk, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<u64>,
    /// None only for an envelope that was rejected before it had an id.
    pub(super) id: Option<String>,
    pub(super) status: Status,
    /// The job that is there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// How it ended, with `--wait`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<Box<RawValue>>,
}

/// What the queue said; or, with `--wait` and without an outcome, why there is none.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    #[default]
    Queued,
    Duplicate,
    Rejected,
    /// It has not ended in time.
    Waiting,
    /// It has left the queue, and nobody knows how.
    Unknown,
}

impl Answer {
    pub(super) fn of(receipt: Receipt, known: Option<&JobId>) -> Self {
        match receipt {
            Receipt::Queued { id, .. } => Self { id: Some(id), status: Status::Queued, ..Self::default() },
            Receipt::Duplicate { id, of, .. } => {
                Self { id: Some(id), status: Status::Duplicate, of: Some(of), ..Self::default() }
            }
            Receipt::Rejected { reason } => {
                let id = known.map(ToString::to_string);
                Self { id, status: Status::Rejected, reason: Some(reason), ..Self::default() }
            }
        }
    }

    /// The job that has its unique key, if it is not the same job.
    pub(super) fn other(&self) -> Option<&str> {
        self.of.as_deref().filter(|of| Some(*of) != self.id.as_deref())
    }

    /// Whether what was asked for has come true.
    pub(super) fn is_good(&self, waited: bool) -> bool {
        if waited { self.outcome.as_deref() == Some("done") } else { self.status != Status::Rejected }
    }

    /// The same for people: one sentence.
    pub(super) fn say(&self, queue: &QueueName, run_at: Option<i64>) {
        let id = self.id.as_deref().unwrap_or_default();
        let awaited = words::plain(self.other().unwrap_or(id));
        let because = self.reason.as_ref().map_or(String::new(), |reason| format!(": {}", words::plain(reason)));
        if let Some(outcome) = &self.outcome {
            let result =
                self.result.as_ref().map_or(String::new(), |result| format!(": {}", words::plain(result.get())));
            return answer::line(&format!("{awaited} ended as {}{because}{result}", words::plain(outcome)));
        }
        match self.status {
            Status::Queued => {
                let due = run_at.map_or(String::new(), |at| format!(", due at {}", words::date_of(at)));
                answer::line(&format!("queued {id} in {queue}{due}"));
            }
            Status::Duplicate => answer::line(&match self.other() {
                Some(other) => format!("not queued: {} has its unique key", words::plain(other)),
                None => format!("{id} was sent before: it is one job, and is not queued again"),
            }),
            Status::Rejected => answer::note(&format!("liaison: rejected{because}")),
            Status::Waiting | Status::Unknown => answer::note(&format!("liaison: {awaited}{because}")),
        }
    }
}
