//! What workers say of themselves, for operators to see.

use redis::Value;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Millis,
    error::QueueError,
    isolation::Isolation,
    scripts::{Scripts, text},
};

/// One worker in one queue, as of its last beat: once a second.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerCard {
    pub worker: String,
    pub host: String,
    pub pid: u32,
    pub queue: String,
    /// Which jobs it runs; cards of older releases do not say.
    #[serde(default, deserialize_with = "isolation")]
    pub isolation: Isolation,
    pub started_at: i64,
    pub beat_at: i64,
    pub concurrency: usize,
    pub buffered: usize,
    pub running: usize,
    pub unrecorded: usize,
    pub draining: bool,
    /// The release it was built from; cards of older ones do not say.
    #[serde(default)]
    pub version: String,
    /// How it came to its configuration.
    #[serde(default)]
    pub configuration: Reread,
    pub jobs: Vec<RunningCard>,
}

/// What a worker says of its configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reread {
    /// The file it was read from, if from any.
    pub file: Option<String>,
    /// How often it was read again, whether that went well or not.
    pub times: u64,
    /// When it was read last, by the worker's clock.
    pub at: i64,
    /// Why the last reading changed nothing.
    pub problem: Option<String>,
    /// The ids of the keys that it opens stored secrets with; the first seals. Cards of older releases do not say.
    pub keys: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunningCard {
    pub id: String,
    pub job: String,
    pub attempt: u32,
    pub since: i64,
}

/// A word of a later release is nothing to fail about: the card is for people.
fn isolation<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Isolation, D::Error> {
    Ok(String::deserialize(from)?.parse().unwrap_or_default())
}

/// A worker shows itself every second; ten missed beats are a death, or a network that is as good as one.
const SILENT_MS: i64 = 10_000;

impl WorkerCard {
    /// Which process it is: the same word on all its cards, and on no other's.
    #[must_use]
    pub fn process(&self) -> &str {
        let random = self.worker.rsplit('-').next().unwrap_or_default();
        random.split('.').next().unwrap_or_default()
    }

    /// What one of the threads of that process is called: whoever looks at a process can tell by it whether this is its
    /// card. Linux keeps 15 characters of a name.
    #[must_use]
    pub fn thread(&self) -> String {
        thread_of(self.process())
    }

    pub(crate) fn is_alive(&self, now: Millis) -> bool {
        now.0 - self.beat_at < SILENT_MS
    }
}

/// The name of the thread by which a process is known: its keeper.
pub(crate) fn thread_of(process: &str) -> String {
    format!("keeper-{process}")
}

/// The cards of a queue, by worker.
pub(crate) async fn all(scripts: &Scripts) -> Result<Vec<WorkerCard>, QueueError> {
    let answer = scripts.link.call("list workers", redis::cmd("HVALS").arg(&scripts.keys.workers)).await?;
    let Value::Array(texts) = answer else { return Ok(Vec::new()) };
    let mut cards: Vec<WorkerCard> =
        texts.iter().filter_map(text).filter_map(|card| serde_json::from_str(&card).ok()).collect();
    cards.sort_by(|a, b| a.worker.cmp(&b.worker));
    Ok(cards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_of_an_older_release_is_read_too() {
        let old = r#"{"worker":"w","host":"h","pid":1,"queue":"q","started_at":1,"beat_at":2,"concurrency":1,"buffered":0,
            "running":0,"unrecorded":0,"draining":false,"jobs":[]}"#;
        let isolation = |card: &str| serde_json::from_str::<WorkerCard>(card).unwrap().isolation;
        assert_eq!(isolation(old), Isolation::None);
        assert_eq!(isolation(&old.replacen('{', r#"{"isolation":"alone","#, 1)), Isolation::Alone);
        assert_eq!(isolation(&old.replacen('{', r#"{"isolation":"in space","#, 1)), Isolation::None);
    }
}
