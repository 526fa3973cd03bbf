//! The keeper: a thread of its own, which no handler can block, that keeps this process's leases, tells operators
//! what it does, and takes back what dead workers held.

mod roll;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use tracing::{error, info, warn};

use crate::{
    cards::{self, RunningCard, WorkerCard},
    clock::Millis,
    envelope::{Envelope, Limits},
    error::{QueueError, chain},
    faults::{self, Point},
    flow::Stage,
    isolation::Isolation,
    limiter::Limiter,
    outcome::Verdict,
    scripts::{MAX_ITEMS, text},
    stop::Phase,
    tuning::Tuning,
    vitals::Pulse,
};

pub(crate) use self::roll::{Held, Kept, Roll};

/// How often this worker shows itself; the dead are looked for at least as often.
const BEAT: Duration = Duration::from_secs(1);
/// While there is no queue yet.
const EMPTY: Duration = Duration::from_millis(5);
/// How soon a running job hears that it was taken back; it costs nothing while nothing runs.
const LISTEN: Duration = Duration::from_millis(200);
/// As many running jobs as a person reads.
const MAX_SHOWN: usize = 100;
/// A worker that has not shown itself for so long is struck off the list.
pub(crate) const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);

pub(crate) struct Keeper {
    pub roll: Arc<Roll>,
    pub limiter: Limiter,
    /// What makes the worker's id its own; its thread is called after it.
    pub process: String,
    pub host: String,
    pub isolation: Isolation,
    pub lease: Duration,
    pub tuning: Tuning,
    pub started_at: Millis,
    pub pulse: Pulse,
}

impl Keeper {
    /// Start the thread. It ends when the sender of `done` is dropped; if it ends otherwise, `alive` is.
    pub(crate) fn start(
        self,
        done: oneshot::Receiver<()>,
        alive: oneshot::Sender<()>,
    ) -> std::io::Result<std::thread::JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name(cards::thread_of(&self.process)).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = self.run() => {}
                    () = self.listen() => {}
                    () = self.limiter.tend() => {}
                    _ = done => {}
                }
                // Best effort: cards would be struck off by themselves later, and permits lapse.
                let _ = tokio::time::timeout(BEAT, self.sign_off()).await;
                let _ = tokio::time::timeout(BEAT, self.limiter.settle()).await;
            });
            drop(alive);
        })
    }

    async fn run(&self) {
        let mut next_beat = Instant::now();
        loop {
            self.pulse.beat();
            let beat = Instant::now() >= next_beat;
            if beat {
                next_beat = Instant::now() + BEAT;
            }
            let queues = self.roll.all();
            if queues.is_empty() {
                // The thread was quicker than the worker: its first look is not to wait for the next beat.
                next_beat = Instant::now();
                tokio::time::sleep(EMPTY).await;
                continue;
            }
            let rounds = queues.iter().map(|kept| self.round(kept, beat));
            let results = futures_util::future::join_all(rounds).await;
            match results.iter().find_map(|result| result.as_ref().err()) {
                Some(fault) => self.pulse.waits_for(&format!("Redis {}", fault.in_short())),
                None => self.pulse.has_all(),
            }
            for (kept, result) in queues.iter().zip(results) {
                let queue = &kept.scripts.queue;
                match result {
                    Ok(()) => kept.answers(),
                    Err(fault) if fault.is_outage() => {
                        if kept.was_away() {
                            continue;
                        }
                        warn!(%queue, error = chain(&fault), "queue {queue}: leases cannot be extended");
                    }
                    Err(fault) => error!(%queue, error = chain(&fault), "queue {queue}: leases cannot be extended"),
                }
            }
            tokio::time::sleep(self.period()).await;
        }
    }

    /// Look whether somebody takes back what runs. What goes wrong here, the other loop tells of.
    async fn listen(&self) {
        loop {
            tokio::time::sleep(LISTEN).await;
            for kept in self.roll.all() {
                let _ = self.cancel(&kept).await;
            }
        }
    }

    async fn sign_off(&self) {
        for kept in self.roll.all() {
            let _ = Self::take_card(&kept).await;
        }
    }

    async fn take_card(kept: &Kept) -> Result<(), QueueError> {
        let remove = redis::cmd("HDEL").arg(&kept.scripts.keys.workers).arg(&kept.worker).clone();
        kept.scripts.link.call("sign off", &remove).await.map(drop)
    }

    async fn round(&self, kept: &Arc<Kept>, beat: bool) -> Result<(), QueueError> {
        if kept.is_over() {
            // Not before Redis has taken the card away: a queue that nobody serves must not look served.
            Self::take_card(kept).await?;
            self.roll.forget(kept);
            return Ok(());
        }
        self.extend(kept).await?;
        if beat {
            match self.show(kept).await {
                // A full Redis holds no new card; the leases and the dead matter more.
                Ok(()) | Err(QueueError::Full { .. }) => {}
                Err(fault) => return Err(fault),
            }
        }
        let begin = Instant::now();
        loop {
            self.pulse.beat();
            let reaped = kept.scripts.reap(self.lease, self.tuning.get().crash_limit).await?;
            faults::at_if(Point::Reaped, || reaped.back > 0);
            kept.suspects.know(kept.scripts.queue.number(), reaped.suspects);
            kept.flow.meters.taken_back.inc_by(reaped.back);
            kept.flow.meters.crashed.inc_by(reaped.condemned);
            if reaped.back > 0 {
                warn!(
                    queue = %kept.scripts.queue, jobs = reaped.back, buried = reaped.condemned,
                    "took back {} jobs of workers that died; they run apart from others now", reaped.back
                );
            } else if reaped.expired < MAX_ITEMS as u64 {
                return Ok(());
            }
            // There is more, but it must cost neither our own leases nor those of our other queues.
            if begin.elapsed() > self.period() / 2 {
                return Ok(());
            }
            self.extend(kept).await?;
        }
    }

    /// A quarter of the lease: see the calm in `reap.lua` for why not a third.
    fn period(&self) -> Duration {
        BEAT.min(self.lease / 4)
    }

    async fn extend(&self, kept: &Kept) -> Result<(), QueueError> {
        let claims = kept.leases.open();
        for chunk in claims.chunks(MAX_ITEMS) {
            let tokens: Vec<_> = chunk.iter().map(|claim| claim.token.as_str()).collect();
            let asked = Instant::now();
            let lost = kept.scripts.extend(self.lease, &tokens).await?;
            self.pulse.beat();
            faults::at(Point::Extended);
            for claim in chunk {
                if !lost.contains(&claim.token) {
                    claim.extended(asked, self.lease);
                } else if claim.is_needed() {
                    // Invariant: whoever lost a lease can neither record nor acknowledge under it.
                    claim.lose();
                    kept.flow.meters.lost.inc_by(claim.open() as u64);
                    kept.leases.remove(&claim.token);
                    // The sooner they stop here, the less is done twice.
                    claim.running().for_each(|job| job.cancel("by losing its lease".to_owned()));
                    warn!(
                        queue = %claim.queue, jobs = claim.open(),
                        "lost the lease on {} jobs: this process was silent for too long, they may run elsewhere now",
                        claim.open()
                    );
                }
            }
        }
        Ok(())
    }

    /// Tell the handlers of jobs that were taken back. The mark stays with the job until it leaves.
    async fn cancel(&self, kept: &Kept) -> Result<(), QueueError> {
        if kept.flow.count(Stage::Running) == 0 {
            return Ok(());
        }
        let (link, verdicts) = (&kept.scripts.link, &kept.scripts.keys.verdicts);
        // Nearly always there is none at all.
        if link.call("look for verdicts", redis::cmd("EXISTS").arg(verdicts)).await? == redis::Value::Int(0) {
            return Ok(());
        }
        let running = kept.leases.running(MAX_ITEMS);
        if running.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = running.iter().map(|job| job.id.as_str()).collect();
        let answer = link.call("look for verdicts", redis::cmd("HMGET").arg(verdicts).arg(&ids)).await?;
        let redis::Value::Array(found) = answer else { return Ok(()) };
        for (job, verdict) in running.iter().zip(found) {
            if let Some(verdict) = text(&verdict).map(|text| Verdict::parse(&text))
                && job.cancellation().is_none()
            {
                info!(job.id = %job.id, "{} was taken back {}: its handler is told", job.id, verdict.reason);
                job.cancel(verdict.reason);
            }
        }
        Ok(())
    }

    async fn show(&self, kept: &Kept) -> Result<(), QueueError> {
        let now = kept.flow.shares().now();
        let card = WorkerCard {
            worker: kept.worker.clone(),
            host: self.host.clone(),
            pid: std::process::id(),
            queue: kept.scripts.queue.to_string(),
            isolation: self.isolation,
            started_at: self.started_at.0,
            beat_at: now.0,
            concurrency: kept.flow.concurrency(),
            buffered: kept.flow.count(Stage::Buffered),
            running: kept.flow.count(Stage::Running),
            unrecorded: kept.flow.count(Stage::Unrecorded),
            draining: kept.stopping.has_reached(Phase::Drain),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            configuration: self.roll.configuration(),
            jobs: kept
                .leases
                .running(MAX_SHOWN)
                .iter()
                .map(|job| RunningCard {
                    id: job.id.to_string(),
                    job: Envelope::judge(job.envelope(), Limits::NONE)
                        .map(|envelope| envelope.job.to_string())
                        .unwrap_or_default(),
                    attempt: job.attempt(),
                    since: job.running_since().map_or(0, |since| since.0),
                })
                .collect(),
        };
        let text = serde_json::to_string(&card).unwrap_or_default();
        let workers = &kept.scripts.keys.workers;
        kept.scripts.link.call("show", redis::cmd("HSET").arg(workers).arg(&kept.worker).arg(text)).await?;
        self.strike_off(kept, now).await
    }

    /// Remove the cards of workers that died long ago.
    async fn strike_off(&self, kept: &Kept, now: Millis) -> Result<(), QueueError> {
        let workers = &kept.scripts.keys.workers;
        for card in cards::all(&kept.scripts).await? {
            if Duration::from_millis(u64::try_from(now.0 - card.beat_at).unwrap_or(0)) > FORGOTTEN_AFTER {
                kept.scripts.link.call("strike off", redis::cmd("HDEL").arg(workers).arg(&card.worker)).await?;
                info!(worker = card.worker, "struck off {}, which was last seen over an hour ago", card.worker);
            }
        }
        Ok(())
    }
}
