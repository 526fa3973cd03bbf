//! The calls about jobs that wait: how they come in, are taken back, moved, and brought together.

use redis::Value;

use super::{Script, Scripts, script, text};
use crate::{
    envelope::Limits,
    error::QueueError,
    names::{BatchId, JobId, LaneName},
    state::Priority,
};

pub(super) static ENQUEUE: Script = Script::new("enqueue", include_str!("../lua/enqueue.lua"));
script!(PUT, "put", "../lua/put.lua");
script!(REVIVE, "revive", "../lua/revive.lua");
script!(CANCEL, "cancel", "../lua/cancel.lua");
script!(PURGE, "purge", "../lua/purge.lua");
script!(MOVE, "move", "../lua/move.lua");
script!(SKIP, "skip", "../lua/skip.lua");
script!(BATCH, "batch", "../lua/batch.lua");

/// A judged job on its way in.
#[derive(Debug)]
pub(crate) struct Putting<'a> {
    pub id: &'a JobId,
    /// The id came from the host.
    pub given: bool,
    pub band: Priority,
    pub run_at: i64,
    pub bonds: &'a str,
    pub envelope: &'a [u8],
}

/// Why a job was not put into the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Objection {
    /// This one is there already: the same, or one with its unique key.
    Duplicate(String),
    Rejected(String),
}

impl Objection {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ')? {
            ("duplicate", id) => Some(Self::Duplicate(id.to_owned())),
            ("rejected", reason) => Some(Self::Rejected(reason.to_owned())),
            _ => None,
        }
    }
}

impl Scripts {
    /// For each job the objection to it, if there was one.
    pub(crate) async fn put(
        &self,
        limits: Limits,
        items: &[Putting<'_>],
    ) -> Result<Vec<Option<Objection>>, QueueError> {
        let mut command = self.asking(&PUT);
        command.arg(limits.max_lane_depth);
        sextuples(&mut command, items);
        let answer = PUT.call(&self.link, &command).await?;
        self.objections("put", &answer, items.len())
    }

    /// For each dead letter, which comes with how many runs it had, the objection to its return.
    pub(crate) async fn revive(
        &self,
        limits: Limits,
        runs: &[u32],
        items: &[Putting<'_>],
    ) -> Result<Vec<Option<Objection>>, QueueError> {
        let mut command = self.asking(&REVIVE);
        command.arg(limits.max_lane_depth).arg(runs.len()).arg(runs);
        sextuples(&mut command, items);
        let answer = REVIVE.call(&self.link, &command).await?;
        self.objections("revive", &answer, items.len())
    }

    fn objections(&self, step: &'static str, answer: &Value, all: usize) -> Result<Vec<Option<Objection>>, QueueError> {
        let mut objections = vec![None; all];
        let Value::Array(pairs) = answer else { return Err(self.link.odd(step, answer)) };
        for pair in pairs.chunks(2) {
            match pair {
                [Value::Int(at), said] => {
                    let place = usize::try_from(at - 1).ok().and_then(|at| objections.get_mut(at));
                    let said = text(said).as_deref().and_then(Objection::parse);
                    let (Some(place), Some(said)) = (place, said) else { return Err(self.link.odd(step, answer)) };
                    *place = Some(said);
                }
                _ => return Err(self.link.odd(step, answer)),
            }
        }
        Ok(objections)
    }

    /// One line per envelope, which the script judges. For the benchmark and the tests: our own clients judge for themselves.
    #[cfg(feature = "worker")]
    pub(crate) async fn enqueue(&self, limits: Limits, items: &[(&JobId, &[u8])]) -> Result<Vec<String>, QueueError> {
        let mut command = self.asking(&ENQUEUE);
        command.arg(self.queue.base().as_str()).arg(limits.max_args).arg(limits.max_lane_depth);
        for (id, envelope) in items {
            command.arg(id.as_str()).arg(*envelope);
        }
        match ENQUEUE.call(&self.link, &command).await? {
            Value::Array(lines) => Ok(lines.iter().filter_map(text).collect()),
            odd => Err(self.link.odd("enqueue", &odd)),
        }
    }

    /// One word per id: see `lua/cancel.lua`.
    pub(crate) async fn cancel(&self, why: &str, ids: &[&JobId]) -> Result<Vec<String>, QueueError> {
        let mut command = self.asking(&CANCEL);
        command.arg(why);
        for id in ids {
            command.arg(id.as_str());
        }
        match CANCEL.call(&self.link, &command).await? {
            Value::Array(words) => Ok(words.iter().filter_map(text).collect()),
            odd => Err(self.link.odd("cancel", &odd)),
        }
    }

    /// How many of those that wait were taken back, up to `most`.
    pub(crate) async fn purge(&self, why: &str, most: usize) -> Result<u64, QueueError> {
        let mut command = self.asking(&PURGE);
        command.arg(why).arg(most);
        match PURGE.call(&self.link, &command).await? {
            Value::Int(count) => Ok(count.unsigned_abs()),
            odd => Err(self.link.odd("purge", &odd)),
        }
    }

    /// To another band, or without one to the head of its own, at once. One word: see `lua/move.lua`.
    pub(crate) async fn move_to(&self, id: &JobId, band: Option<Priority>) -> Result<String, QueueError> {
        let mut command = self.asking(&MOVE);
        command.arg(id.as_str()).arg(band.map_or_else(|| "now".to_owned(), |band| band.digit().to_string()));
        let answer = MOVE.call(&self.link, &command).await?;
        text(&answer).ok_or_else(|| self.link.odd("move", &answer))
    }

    /// What was done, and with which job: see `lua/skip.lua`.
    pub(crate) async fn skip(&self, lane: &LaneName) -> Result<(String, String), QueueError> {
        let mut command = self.asking(&SKIP);
        command.arg(lane.as_str());
        let answer = SKIP.call(&self.link, &command).await?;
        match &answer {
            Value::Array(words) => match words.iter().filter_map(text).collect::<Vec<_>>().as_slice() {
                [what, id] => Ok((what.clone(), id.clone())),
                _ => Err(self.link.odd("skip", &answer)),
            },
            _ => Err(self.link.odd("skip", &answer)),
        }
    }

    /// One word: see `lua/batch.lua`.
    pub(crate) async fn batch(
        &self,
        id: &BatchId,
        size: Option<u64>,
        follow_up: &[u8],
        memory: std::time::Duration,
    ) -> Result<String, QueueError> {
        let mut command = self.asking(&BATCH);
        command.arg(id.as_str()).arg(size.map_or_else(String::new, |size| size.to_string())).arg(follow_up);
        command.arg(u64::try_from(memory.as_millis()).unwrap_or(u64::MAX));
        let answer = BATCH.call(&self.link, &command).await?;
        text(&answer).ok_or_else(|| self.link.odd("batch", &answer))
    }
}

/// Jobs as `lua/parts/putting.lua` takes them.
fn sextuples(command: &mut redis::Cmd, items: &[Putting<'_>]) {
    for item in items {
        command.arg(if item.given { "+" } else { "-" }).arg(item.id.as_str()).arg(item.band.digit().to_string());
        command.arg(item.run_at).arg(item.bonds).arg(item.envelope);
    }
}
