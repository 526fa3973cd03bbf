//! What operators do to jobs: take them back, hurry them, move them to another band, empty a queue.
//!
//! Each is one atomic step. What is taken back leaves through the departing list, so that it is recorded with who did
//! it and why.

#[cfg(feature = "worker")]
use crate::{
    admitter::{Admitter, Round},
    envelope::Limits,
    inspector::count,
    shards,
};
use crate::{
    clock::Clock,
    error::QueueError,
    link::Link,
    names::{JobId, LaneName, QueueName},
    scripts::{MAX_ITEMS, Scripts},
    state::{Priority, closed_set},
};

/// While a daemon admits: it takes a few milliseconds, and if it dies at it, its right ends after two seconds.
#[cfg(feature = "worker")]
const BUSY: std::time::Duration = std::time::Duration::from_millis(50);
/// After so many looks in vain, in a row, daemons are at it all the time: then nothing is left to do here.
#[cfg(feature = "worker")]
const MAX_LOOKS: u32 = 100;

/// Who and why, at most: longer reasons are cut off.
const MAX_REASON: usize = 500;

closed_set! {
    /// What became of a wish to take a job back.
    Cancelled {
        /// It waited, and leaves.
        Removed => "removed",
        /// It runs: its handler is told, and stopped if it goes on.
        Asked => "asked",
        /// It is on its way out already.
        Departing => "departing",
        Unknown => "unknown",
    }
}

closed_set! {
    /// What became of a wish to move a job.
    Moved {
        Moved => "moved",
        Running => "running",
        Departing => "departing",
        /// Its lane is busy: it goes when its turn comes.
        Waiting => "waiting",
        /// It was there when a process died, and waits to run apart.
        Suspect => "suspect",
        Unknown => "unknown",
    }
}

closed_set! {
    /// What became of a wish to let others of a lane pass its head.
    Skipped {
        Skipped => "skipped",
        Running => "running",
        /// It is about to run.
        Ready => "ready",
        /// There is no such lane.
        Empty => "empty",
    }
}

#[derive(Debug, Clone)]
pub struct Operator(Scripts);

impl Operator {
    #[must_use]
    pub fn new(link: Link, queue: QueueName) -> Self {
        Self(Scripts::new(link, queue, Clock::Redis))
    }

    /// Take jobs back; one answer for each.
    ///
    /// # Errors
    /// When Redis does not answer; what was sent before then stands.
    pub async fn cancel(&self, ids: &[JobId], by: &str, why: &str) -> Result<Vec<Cancelled>, QueueError> {
        let (why, mut answers) = (reason(by, why), Vec::with_capacity(ids.len()));
        for chunk in ids.chunks(MAX_ITEMS) {
            let words = self.0.cancel(&why, &chunk.iter().collect::<Vec<_>>()).await?;
            answers.extend(words.iter().map(|word| word.parse().unwrap_or(Cancelled::Unknown)));
        }
        Ok(answers)
    }

    /// Take back some of what waits: how many. Zero when nothing waits any more, but for lines that no daemon admitted.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn purge(&self, by: &str, why: &str) -> Result<u64, QueueError> {
        self.0.purge(&reason(by, why), MAX_ITEMS).await
    }

    /// Make jobs of the lines that no daemon has admitted yet, whatever their size, so that they can be taken back.
    ///
    /// # Errors
    /// When Redis does not answer; what was admitted before then stands.
    #[cfg(feature = "worker")]
    pub async fn admit_all(&self) -> Result<(), QueueError> {
        let token = format!("operator-{}", JobId::generate());
        let shards = shards::count(&self.0.link, &self.0.queue).await?;
        let admitter = Admitter::new(self.0.clone(), shards, Limits::NONE, token);
        let lines = count(&self.0.link.call("count lines", redis::cmd("LLEN").arg(&self.0.keys.inbox)).await?);
        let (mut seen, mut looks) = (0, 0);
        // Lines that come in meanwhile are somebody else's.
        while seen < lines && looks < MAX_LOOKS {
            match admitter.round().await? {
                Round::Empty => break,
                Round::Busy => {
                    looks += 1;
                    tokio::time::sleep(BUSY).await;
                }
                Round::Admitted { jobs, duplicates, forwarded } => {
                    (seen, looks) = (seen + jobs + duplicates, 0);
                    if forwarded {
                        admitter.forward().await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Let a job that waits for its time run at once.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn run_now(&self, id: &JobId) -> Result<Moved, QueueError> {
        Ok(self.0.move_to(id, None).await?.parse().unwrap_or(Moved::Unknown))
    }

    /// # Errors
    /// When Redis does not answer.
    pub async fn reprioritise(&self, id: &JobId, band: Priority) -> Result<Moved, QueueError> {
        Ok(self.0.move_to(id, Some(band)).await?.parse().unwrap_or(Moved::Unknown))
    }

    /// Let the others of a lane pass its head while that waits for its time; and which job that is.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn skip(&self, lane: &LaneName) -> Result<(Skipped, Option<JobId>), QueueError> {
        let (what, id) = self.0.skip(lane).await?;
        Ok((what.parse().unwrap_or(Skipped::Empty), JobId::parse(&id).ok()))
    }
}

/// One line, of what a person wrote.
fn reason(by: &str, why: &str) -> String {
    let text = if why.is_empty() { format!("by {by}") } else { format!("by {by}: {why}") };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON).collect()
}
