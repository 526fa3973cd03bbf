//! `liaison jobs show`: Redis is asked first and the store second, because a job's end is recorded before it leaves
//! Redis: what is in neither is unknown, and never just between the two.

use std::process::ExitCode;

use anyhow::Result;
use liaison_queue::{JobId, Whereabouts, clock::Millis};
use liaison_store::{DeadLetter, Run, RunOutcome};
use serde_json::json;

use crate::{
    app::App,
    cli::{answer, runs, typed, whereabouts, words},
};

/// All that is known about one job.
struct Known {
    id: JobId,
    whereabouts: Option<Whereabouts>,
    /// None when the store cannot be read, which does not matter as long as Redis knows the job.
    history: Option<History>,
}

struct History {
    runs: Vec<Run>,
    letter: Option<DeadLetter>,
}

pub(super) async fn run(app: &App, id: &str, json: bool) -> Result<ExitCode> {
    let id: JobId = typed::name(id)?;
    let mut found = None;
    for queue in app.queues().await? {
        found = app.inspector(&queue).find(&id).await?;
        if found.is_some() {
            break;
        }
    }
    let history = match history(app, &id).await {
        Ok(history) => Some(history),
        Err(fault) if found.is_some() => {
            answer::note(&format!("its earlier runs cannot be shown: {fault:#}"));
            None
        }
        Err(fault) => return Err(fault),
    };
    let known = Known { id, whereabouts: found, history };
    let now = liaison_queue::now(&app.link).await?;
    if json {
        answer::json(&known.json());
    } else {
        known.say(now);
    }
    if known.state() != "unknown" {
        return Ok(ExitCode::SUCCESS);
    }
    super::hint_at_inboxes(app).await?;
    Ok(ExitCode::FAILURE)
}

async fn history(app: &App, id: &JobId) -> Result<History> {
    let store = app.store().await?;
    Ok(History { runs: store.runs_of(id.as_str()).await?, letter: store.dead_letter(id.as_str()).await? })
}

impl Known {
    fn runs(&self) -> &[Run] {
        self.history.as_ref().map_or(&[], |history| &history.runs)
    }

    fn letter(&self) -> Option<&DeadLetter> {
        self.history.as_ref()?.letter.as_ref()
    }

    /// The run it ended with: done once is done for ever.
    fn end(&self) -> Option<&Run> {
        let done = self.runs().iter().find(|run| run.outcome == RunOutcome::Done);
        done.or(self.runs().last().filter(|run| run.outcome != RunOutcome::Retry))
    }

    fn state(&self) -> &'static str {
        match (&self.whereabouts, self.end(), self.letter()) {
            (Some(found), _, _) => found.state.as_str(),
            (None, Some(end), _) => end.outcome.as_str(),
            (None, None, Some(_)) => RunOutcome::Dead.as_str(),
            (None, None, None) => "unknown",
        }
    }

    fn name(&self) -> Option<String> {
        let found = self.whereabouts.as_ref().and_then(|found| found.job.clone());
        found.or(self.runs().last().map(|run| run.name.clone())).or(self.letter().map(|letter| letter.name.clone()))
    }

    fn queue(&self) -> Option<String> {
        let found = self.whereabouts.as_ref().map(|found| found.queue.to_string());
        found.or(self.runs().last().map(|run| run.queue.clone())).or(self.letter().map(|letter| letter.queue.clone()))
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "id": self.id,
            "state": self.state(),
            "job": self.name(),
            "queue": self.queue(),
            "whereabouts": self.whereabouts.as_ref().map(whereabouts::json),
            "runs": self.history.as_ref().map(|history| &history.runs),
            "dead_letter": self.letter(),
        })
    }

    /// What there is to say about its state, in a few words.
    fn detail(&self, now: Millis) -> Option<String> {
        if let Some(found) = &self.whereabouts {
            return Some(whereabouts::detail(found, now));
        }
        let Some(end) = self.end() else {
            return Some(match self.runs().last() {
                Some(run) => format!("run {} failed and was to be tried again, but Redis does not know it", run.run),
                None if self.letter().is_some() => return None,
                None => "neither Redis nor the store knows this id".to_owned(),
            });
        };
        let ago = words::span(now.0 - end.finished_at.timestamp_millis());
        let letter = match (end.outcome, self.letter()) {
            (RunOutcome::Dead, Some(_)) => "; `liaison dead show` has its letter",
            (RunOutcome::Dead, None) => "; its letter was discarded",
            _ => "",
        };
        Some(format!("{ago} ago, at {}{letter}", words::date(end.finished_at)))
    }

    fn say(&self, now: Millis) {
        let end = self.end().filter(|_| self.whereabouts.is_none());
        let reason = end.and_then(|run| run.reason.clone()).or(self.letter().map(|letter| letter.reason.clone()));
        answer::card(&[
            ("id", Some(self.id.to_string())),
            ("job", self.name().filter(|name| !name.is_empty())),
            ("queue", self.queue()),
            ("state", Some(self.state().to_owned())),
            ("", self.detail(now)),
            ("reason", reason.filter(|_| self.whereabouts.is_none())),
            ("result", end.and_then(|run| run.result.clone())),
            ("enqueued", self.whereabouts.as_ref().map(|found| words::date_of(found.enqueued_at))),
            ("crashes", self.whereabouts.as_ref().filter(|found| found.crashes > 0).map(|f| f.crashes.to_string())),
        ]);
        if !self.runs().is_empty() {
            answer::line("");
            runs::table_of_one(self.runs());
        }
    }
}
