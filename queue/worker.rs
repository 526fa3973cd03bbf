//! The worker: one claimer, one apalis worker and one acknowledger for each queue, and one keeper for all. Queues can be
//! added to it and taken from it while it runs.

mod assembly;

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet};

use self::assembly::{Assembly, Part, Parts, Serving};
use crate::{
    backend::{self, Ended},
    cards::Reread,
    claimed::Claimed,
    claimer::Screen,
    clock::Clock,
    error::QueueError,
    flow::{Flow, Shares},
    isolation::{Isolation, Suspects},
    keeper::{Keeper, Roll},
    keys,
    limiter::Limiter,
    link::Link,
    names::{JobId, QueueName},
    shards,
    stop::{Phase, Stop, Stopping},
    tuning::{Settings, Tuning},
    vitals::Vitals,
};

/// One queue that this worker serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    pub name: QueueName,
    pub weight: u32,
    pub concurrency: usize,
    /// How many parts it has.
    pub shards: u32,
}

/// What a worker is started with.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    pub host: String,
    pub queues: Vec<Served>,
    pub lease: Duration,
    /// Which jobs this process runs.
    pub isolation: Isolation,
    pub settings: Settings,
    /// Its permits are kept while their jobs run.
    pub limiter: Limiter,
    /// Where its parts show that they progress.
    pub vitals: Vitals,
    /// What it tells operators of its configuration.
    pub configuration: Reread,
}

/// A running worker. It ends by its [`Stop`].
pub struct Worker {
    /// New for every start: what an earlier process of the same host held is never mistaken for ours.
    pub id: String,
    link: Link,
    serving: Vec<Serving>,
    /// How often each queue was taken up.
    taken: HashMap<QueueName, u64>,
    generations: u64,
    /// None once the worker drains: nothing is added any more.
    assembly: Option<Assembly>,
    tuning: Tuning,
    shares: Arc<Shares>,
    roll: Arc<Roll>,
    pumps: JoinSet<u64>,
    settlers: JoinSet<u64>,
    keeper: std::thread::JoinHandle<()>,
    keep: tokio::sync::oneshot::Sender<()>,
    keeper_gone: tokio::sync::oneshot::Receiver<()>,
}

/// What became of the queues of a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub added: Vec<QueueName>,
    /// Claimed from no more; what runs there ends as it would have.
    pub removed: Vec<QueueName>,
    /// With another weight or another number of slots.
    pub changed: Vec<QueueName>,
}

/// One of the queues of a worker, for those who go along with it.
#[derive(Debug, Clone)]
pub struct ServedQueue {
    pub name: QueueName,
    pub flow: Arc<Flow>,
    /// How many suspects wait in it.
    pub suspects: watch::Receiver<Suspects>,
    /// Told when the queue ends, with the worker or before it.
    pub stopping: Stopping,
}

impl Worker {
    /// Start all parts. `handler` runs a job; `finish` takes over what ended, and owes each job a settlement.
    ///
    /// # Errors
    /// When Redis does not answer, or no thread can be had.
    pub async fn start<F, R: Send + 'static>(
        link: &Link,
        options: &WorkerOptions,
        shares: &Arc<Shares>,
        screen: Arc<dyn Screen>,
        handler: impl Fn(Arc<Claimed>) -> F + Send + Sync + 'static,
        finish: impl Fn(Arc<Claimed>, Ended<R>) + Send + Sync + 'static,
        stop: &Stop,
    ) -> Result<Self, StartError>
    where
        F: Future<Output = R> + Send + 'static,
    {
        let (id, process) = worker_id(&options.host);
        let handler: backend::Handler<R> = Arc::new(move |job| Box::pin(handler(job)));
        let finish: backend::Finish<R> = Arc::new(finish);
        announce(link, &options.queues).await?;
        // From here on nothing waits and nothing fails but the keeper's thread, which comes before the first claim: no
        // start stops half-way with jobs in its hands.
        // A call of the keeper that hangs must leave time for another one before a lease ends.
        let aside = link.separate(options.lease / 4)?;
        let (tuning, roll) = (Tuning::new(options.settings), Arc::<Roll>::default());
        roll.reread(options.configuration.clone());
        let (keep, done) = tokio::sync::oneshot::channel();
        let (alive, keeper_gone) = tokio::sync::oneshot::channel();
        let keeper = Keeper {
            roll: Arc::clone(&roll),
            limiter: options.limiter.aside(aside.clone()),
            process,
            host: options.host.clone(),
            isolation: options.isolation,
            lease: options.lease,
            tuning: tuning.clone(),
            started_at: Clock::wall(),
            pulse: options.vitals.part("the keeper"),
        }
        .start(done, alive)?;
        let assembly = Assembly {
            id: id.clone(),
            link: link.clone(),
            aside,
            lease: options.lease,
            isolation: options.isolation,
            tuning: tuning.clone(),
            shares: Arc::clone(shares),
            screen,
            vitals: options.vitals.clone(),
            runs: Box::new(move |name, buffer, flow, stopping| {
                let (handler, finish) = (Arc::clone(&handler), Arc::clone(&finish));
                Box::pin(backend::run(name, (buffer, flow), handler, finish, stopping))
            }),
        };
        let mut worker = Self {
            id,
            link: link.clone(),
            serving: Vec::new(),
            taken: HashMap::new(),
            generations: 0,
            assembly: Some(assembly),
            tuning,
            shares: Arc::clone(shares),
            roll,
            pumps: JoinSet::new(),
            settlers: JoinSet::new(),
            keeper,
            keep,
            keeper_gone,
        };
        worker.serve(&options.queues, stop);
        Ok(worker)
    }

    /// The queues that are served, without those that only come to their end.
    #[must_use]
    pub fn queues(&self) -> Vec<ServedQueue> {
        let served = self.serving.iter().filter(|serving| !serving.leaving).map(|serving| ServedQueue {
            name: serving.served.name.clone(),
            flow: Arc::clone(&serving.flow),
            suspects: serving.suspects.clone(),
            stopping: serving.told.clone(),
        });
        served.collect()
    }

    /// Let Redis know of the queues that are to be served from now on, and agree with it on their parts. Everything of
    /// a change that can fail comes here, before anything has changed.
    ///
    /// # Errors
    /// When Redis does not answer, or has another number of parts for one of them.
    pub async fn announce(&self, wanted: &[Served]) -> Result<(), QueueError> {
        let is_new = |wanted: &&Served| !self.queues().iter().any(|queue| queue.name == wanted.name);
        announce(&self.link, &wanted.iter().filter(is_new).cloned().collect::<Vec<_>>()).await
    }

    /// Serve these queues from now on, and no others. One that is served no more is claimed from no more; what waits
    /// here for a slot is handed back, what runs ends as it would have, and its leases are kept until then.
    pub fn serve(&mut self, wanted: &[Served], stop: &Stop) -> Changes {
        let mut changes = Changes::default();
        for serving in self.serving.iter_mut().filter(|serving| !serving.leaving) {
            match wanted.iter().find(|wanted| wanted.name == serving.served.name) {
                None => {
                    serving.leave();
                    changes.removed.push(serving.served.name.clone());
                }
                Some(wanted) => {
                    if serving.resize(wanted) {
                        changes.changed.push(wanted.name.clone());
                    }
                }
            }
        }
        for wanted in wanted {
            let is_here = |serving: &Serving| !serving.leaving && serving.served.name == wanted.name;
            if !self.serving.iter().any(is_here) {
                self.take_up(wanted, stop);
                changes.added.push(wanted.name.clone());
            }
        }
        changes
    }

    fn take_up(&mut self, served: &Served, stop: &Stop) {
        let Some(assembly) = &self.assembly else { return };
        let times = self.taken.entry(served.name.clone()).or_default();
        let generation = self.generations;
        let (serving, Parts { pumps, settlers }) = assembly.put_together(served, generation, *times, stop);
        *times += 1;
        self.generations += 1;
        // Kept before anything is claimed.
        self.roll.add(&serving.kept);
        self.serving.push(serving);
        let named = |part: Part| async move {
            part.await;
            generation
        };
        for settler in settlers {
            self.settlers.spawn(named(settler));
        }
        for pump in pumps {
            self.pumps.spawn(named(pump));
        }
    }

    /// So many jobs at once, and these settings, from now on.
    pub fn tune(&mut self, total: usize, settings: Settings) {
        self.tuning.set(settings);
        let fewer = total < self.shares.total();
        self.shares.resize(total);
        if fewer {
            self.serving.iter().for_each(Serving::hand_back);
        }
    }

    /// What operators are told of the configuration from now on.
    pub fn reread(&self, how: Reread) {
        self.roll.reread(how);
    }

    /// Until a part of the worker ends that must not end before a [`Stop`]: a bug, after which the process had better
    /// be started anew than live on deaf.
    pub async fn broken(&mut self) {
        let part = loop {
            let (part, ended) = tokio::select! {
                Some(ended) = self.pumps.join_next() => ("a claimer or a worker", ended),
                Some(ended) = self.settlers.join_next() => ("an acknowledger", ended),
                _ = &mut self.keeper_gone => break "the keeper",
            };
            if !ended.is_ok_and(|generation| self.has_left(generation)) {
                break part;
            }
        };
        tracing::error!(part, "{part} ended without being told to, which is a bug");
    }

    /// A part of a queue has ended: whether it was to.
    fn has_left(&mut self, generation: u64) -> bool {
        let of_this = |serving: &Serving| serving.leaving && serving.generation == generation;
        let Some(at) = self.serving.iter().position(of_this) else { return false };
        self.serving[at].open -= 1;
        if self.serving[at].open == 0 {
            let serving = self.serving.swap_remove(at);
            serving.kept.iter().for_each(|kept| kept.end());
            let queue = &serving.served.name;
            tracing::info!(%queue, "queue {queue}: its last job here has ended; this worker has left it");
        }
        true
    }

    /// Until the claimers and the handlers have ended, which a [`Stop`] makes them do.
    pub async fn drained(&mut self) {
        // It holds the way to the recorder, which ends when nobody can send it anything.
        self.assembly = None;
        while self.pumps.join_next().await.is_some() {}
    }

    /// Until everything is settled too; the leases are kept up to the last moment.
    pub async fn ended(mut self, stop: &Stop, patience: Duration) {
        self.drained().await;
        let settled = tokio::time::timeout(patience, async { while self.settlers.join_next().await.is_some() {} });
        if settled.await.is_err() {
            tracing::warn!("Redis did not take the last results in time; what is held will be claimed again");
            stop.advance(Phase::Abandon);
            while self.settlers.join_next().await.is_some() {}
        }
        drop(self.keep);
        // The keeper says good-bye to Redis; it is a thread, so it is waited for off the runtime.
        let _ = tokio::task::spawn_blocking(move || self.keeper.join()).await;
    }
}

/// Let operators see the queues before anything is claimed from them, and agree on their parts.
async fn announce(link: &Link, queues: &[Served]) -> Result<(), QueueError> {
    // What can be refused comes first: then a refusal has announced nothing.
    for served in queues {
        shards::agree(link, &served.name, served.shards).await?;
    }
    let at = link.at(keys::QUEUES);
    for served in queues {
        match at.call("announce", redis::cmd("SADD").arg(keys::QUEUES).arg(served.name.as_str())).await {
            // A full Redis takes no name, nor one with a full disk; the queue is served all the same.
            Ok(_) | Err(QueueError::Full { .. } | QueueError::Disk { .. }) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}

/// Why a worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("cannot start the keeper's thread")]
    Thread(#[from] std::io::Error),
}

/// `HOST-PID-RANDOM`, of characters that are safe in a key, a log line and a page; and the last of these alone.
fn worker_id(host: &str) -> (String, String) {
    let host: String = host
        .chars()
        .take(40)
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '-' })
        .collect();
    let random = JobId::generate();
    let random = &random.as_str()[18..];
    (format!("{host}-{}-{random}", std::process::id()), random.to_owned())
}
