//! The worker: one claimer, one apalis worker and one acknowledger for each queue, and one keeper for all.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::task::JoinSet;

use crate::{
    acknowledger::{Acknowledger, Memory},
    admitter::Admitter,
    backend::{self, Ended},
    buffer::Buffer,
    claimed::Claimed,
    claimer::{Claimer, Screen},
    clock::Clock,
    envelope::Limits,
    error::QueueError,
    flow::{Flow, Shares},
    isolation::{Isolation, SuspectWatch, Suspects},
    keeper::{Keeper, Kept},
    keys,
    leases::Leases,
    limiter::Limiter,
    link::Link,
    names::{JobId, QueueName},
    scripts::{MAX_ITEMS, Scripts, held::ClaimTerms},
    shards,
    stop::{Phase, Stop},
    vitals::Vitals,
};

/// One queue that this worker serves.
#[derive(Debug, Clone)]
pub struct Served {
    pub name: QueueName,
    pub weight: u32,
    pub concurrency: usize,
    /// How many parts it has.
    pub shards: u32,
}

#[derive(Debug, Clone)]
pub struct WorkerOptions {
    pub host: String,
    pub queues: Vec<Served>,
    pub lease: Duration,
    pub crash_limit: u32,
    /// Which jobs this process runs.
    pub isolation: Isolation,
    pub low_share: u32,
    pub limits: Limits,
    pub memory: Memory,
    /// Its permits are kept while their jobs run.
    pub limiter: Limiter,
    /// Where its parts show that they progress.
    pub vitals: Vitals,
}

/// A running worker. It ends by its [`Stop`].
#[derive(Debug)]
pub struct Worker {
    /// New for every start: what an earlier process of the same host held is never mistaken for ours.
    pub id: String,
    pub flows: Vec<(QueueName, Arc<Flow>)>,
    /// How many suspects wait in each queue.
    pub suspects: Vec<(QueueName, tokio::sync::watch::Receiver<Suspects>)>,
    pumps: JoinSet<()>,
    settlers: JoinSet<()>,
    keeper: std::thread::JoinHandle<()>,
    keep: tokio::sync::oneshot::Sender<()>,
    keeper_gone: tokio::sync::oneshot::Receiver<()>,
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
        let id = worker_id(&options.host);
        let handler: backend::Handler<R> = Arc::new(move |job| Box::pin(handler(job)));
        let finish: backend::Finish<R> = Arc::new(finish);
        announce(link, &options.queues).await?;
        // From here on nothing waits and nothing fails but the keeper's thread, which comes before the first claim: no
        // start stops half-way with jobs in its hands.
        let (mut pumps, mut settlers) = (JoinSet::new(), JoinSet::new());
        // A call of the keeper that hangs must leave time for another one before a lease ends.
        let aside = link.separate(options.lease / 4)?;
        let mut assembly = Assembly::default();
        for served in &options.queues {
            assembly.add(served, &id, (link, &aside), options, shares, &screen, stop);
        }
        let Assembly { kept, claimers, flows, buffers, watched } = assembly;
        let (keep, done) = tokio::sync::oneshot::channel();
        let (alive, keeper_gone) = tokio::sync::oneshot::channel();
        let keeper = Keeper {
            queues: kept,
            limiter: options.limiter.aside(aside),
            worker: id.clone(),
            host: options.host.clone(),
            isolation: options.isolation,
            lease: options.lease,
            crash_limit: options.crash_limit,
            started_at: Clock::wall(),
            stopping: stop.watch(),
            pulse: options.vitals.part("the keeper"),
        }
        .start(done, alive)?;
        for ((queue, flow), buffer) in flows.iter().zip(buffers) {
            let (name, handler, finish) = (format!("{id}/{queue}"), Arc::clone(&handler), Arc::clone(&finish));
            pumps.spawn(backend::run(name, buffer, flow.concurrency(), handler, finish, stop.watch()));
        }
        for (settler, claimer) in claimers {
            settlers.spawn(settler);
            pumps.spawn(claimer.run());
        }
        Ok(Self { id, flows, suspects: watched, pumps, settlers, keeper, keep, keeper_gone })
    }

    /// Until a part of the worker ends that must not end before a [`Stop`]: a bug, after which the process had better
    /// be started anew than live on deaf.
    pub async fn broken(&mut self) {
        let part = tokio::select! {
            Some(_) = self.pumps.join_next() => "a claimer or a worker",
            Some(_) = self.settlers.join_next() => "an acknowledger",
            _ = &mut self.keeper_gone => "the keeper",
        };
        tracing::error!(part, "{part} ended without being told to, which is a bug");
    }

    /// Until the claimers and the handlers have ended, which a [`Stop`] makes them do.
    pub async fn drained(&mut self) {
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

/// The parts of a worker before anything runs.
#[derive(Default)]
struct Assembly {
    kept: Vec<Kept>,
    claimers: Vec<(Settling, Claimer)>,
    flows: Vec<(QueueName, Arc<Flow>)>,
    buffers: Vec<Arc<Buffer>>,
    watched: Vec<(QueueName, tokio::sync::watch::Receiver<Suspects>)>,
}

type Settling = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl Assembly {
    /// All parts of a queue share its slots: one flow, one buffer, one apalis worker.
    #[expect(clippy::too_many_arguments, reason = "what every part of a worker is made of")]
    fn add(
        &mut self,
        served: &Served,
        id: &str,
        (link, aside): (&Link, &Link),
        options: &WorkerOptions,
        shares: &Arc<Shares>,
        screen: &Arc<dyn Screen>,
        stop: &Stop,
    ) {
        let flow = Flow::new(&served.name, shares, served.concurrency, served.weight);
        let buffer = Arc::<Buffer>::default();
        let (suspects, watch) = SuspectWatch::over(served.shards);
        let alone = Arc::<tokio::sync::Mutex<()>>::default();
        for number in 0..served.shards {
            let part = served.name.shard(number);
            let leases = Arc::<Leases>::default();
            let pulse = options.vitals.part(format!("the acknowledger of queue {part}"));
            let scripts = Scripts::new(link.of_part(&pulse), part.clone(), Clock::Redis);
            let (acknowledger, settler) =
                Acknowledger::new(scripts, Arc::clone(&leases), options.memory, stop.watch(), pulse);
            let pulse = options.vitals.part(format!("the claimer of queue {part}"));
            let scripts = Scripts::new(link.of_part(&pulse), part.clone(), Clock::Redis);
            self.claimers.push((
                Box::pin(settler),
                Claimer {
                    admitter: Admitter::new(scripts.clone(), served.shards, options.limits, id.to_owned()),
                    scripts,
                    worker: id.to_owned(),
                    terms: ClaimTerms {
                        lease: options.lease,
                        most: MAX_ITEMS,
                        low_share: options.low_share,
                        until: None,
                        isolation: options.isolation,
                    },
                    flow: Arc::clone(&flow),
                    leases: Arc::clone(&leases),
                    buffer: Arc::clone(&buffer),
                    screen: Arc::clone(screen),
                    acknowledger,
                    alone: Arc::clone(&alone),
                    stopping: stop.watch(),
                    pulse,
                },
            ));
            self.kept.push(Kept {
                scripts: Scripts::new(aside.clone(), part, Clock::Redis),
                flow: Arc::clone(&flow),
                leases,
                suspects: Arc::clone(&suspects),
            });
        }
        self.flows.push((served.name.clone(), flow));
        self.buffers.push(buffer);
        self.watched.push((served.name.clone(), watch));
    }
}

/// Let operators see the queues before anything is claimed from them, and agree on their parts.
async fn announce(link: &Link, queues: &[Served]) -> Result<(), QueueError> {
    let at = link.at(keys::QUEUES);
    for served in queues {
        match at.call("announce", redis::cmd("SADD").arg(keys::QUEUES).arg(served.name.as_str())).await {
            // A full Redis takes no name, nor one with a full disk; the queue is served all the same.
            Ok(_) | Err(QueueError::Full { .. } | QueueError::Disk { .. }) => {}
            Err(fault) => return Err(fault),
        }
        shards::agree(link, &served.name, served.shards).await?;
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

/// `HOST-PID-RANDOM`, of characters that are safe in a key, a log line and a page.
fn worker_id(host: &str) -> String {
    let host: String = host
        .chars()
        .take(40)
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '-' })
        .collect();
    let random = JobId::generate();
    format!("{host}-{}-{}", std::process::id(), &random.as_str()[18..])
}
