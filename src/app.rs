//! The only place where everything is put together.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use futures_util::FutureExt as _;
use liaison_jobs::tokens::TokenKeeper;
use liaison_queue::{
    Changes, Flow, Inspector, Isolation, Limiter, Link, LinkOptions, Memory, Operator, Producer, Pulse, QueueName,
    Reread, Screen, SentinelUser, Served, Settings, Shares, Stop, TlsFiles, Vitals, Worker, WorkerOptions,
    batches::Batches, clock::Clock, envelope::Limits,
};
use liaison_store::{DatabaseUrl, KeyRing, Run, Store, StoreOptions};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tracing::{error, info, warn};

use crate::{
    config::{Config, schedule::Schedule, secret::Secret},
    historian::Historian,
    isolation::{Again, Wards},
    metrics::runs::RunMeters,
    patience::Patience,
    recorder::Recorder,
    runner::Runner,
    scheduler::{self, Recording, Scheduler},
    tokens,
    traces::{self, Delivery},
    vitals::Condition,
};

/// How long a reply waits for a host that asked for it.
const REPLY_MEMORY: Duration = Duration::from_mins(10);

/// A permit outlives the lease of its job, so that an outage that the job survives does not free its place.
const PERMIT_LEASES: u32 = 2;

/// Made from the configuration; connects when it is used.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) link: Link,
    /// Which jobs this process runs, when it runs any.
    pub(crate) isolation: Isolation,
    /// How to start another process of the kind; without it, suspects wait.
    pub(crate) again: Option<Again>,
    /// Where all parts show that they progress.
    pub(crate) vitals: Vitals,
    /// How the daemon is, for all who tell it on.
    pub(crate) condition: Condition,
    /// When work starts by itself, as it was read last.
    pub(crate) schedule: watch::Sender<Arc<Schedule>>,
    /// Standard output is for programs: what is shown to people goes to standard error.
    pub(crate) aside: bool,
    /// The file that was read, for operators to tell daemons apart.
    pub(crate) file: Option<String>,
}

/// A running daemon.
pub(crate) struct Daemon {
    pub(crate) worker: Worker,
    pub(crate) stop: Stop,
    pub(crate) condition: Condition,
    recorder: JoinSet<()>,
    scheduler: JoinSet<()>,
    /// Of spans, if they are wanted.
    spans: Option<Delivery>,
    /// The processes of suspects.
    wards: Option<Wards>,
    cancel_grace: watch::Sender<Duration>,
    tokens: Option<Arc<TokenKeeper>>,
    /// Those that the store and all jobs hold, too.
    pub(crate) keys: Option<KeyRing>,
}

impl App {
    pub(crate) fn new(config: Config) -> Result<Self> {
        let redis = &config.redis;
        let password = |path: &std::path::PathBuf| {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("read {} (redis.sentinel_password_file)", path.display()))?;
            anyhow::Ok(text.trim().to_owned())
        };
        let options = LinkOptions {
            connect_timeout: redis.connect_timeout,
            response_timeout: redis.response_timeout,
            tls: TlsFiles {
                ca_file: redis.ca_file.clone(),
                cert_file: redis.cert_file.clone(),
                key_file: redis.key_file.clone(),
            },
            sentinel: SentinelUser {
                user: redis.sentinel_user.clone(),
                password: redis.sentinel_password_file.as_ref().map(password).transpose()?,
            },
        };
        let link = Link::new(redis.url.expose(), options)?;
        Ok(Self {
            config,
            link,
            isolation: Isolation::None,
            again: None,
            vitals: Vitals::default(),
            condition: Condition::default(),
            schedule: watch::Sender::default(),
            aside: false,
            file: None,
        })
    }

    pub(crate) fn limits(&self) -> Limits {
        self.config.queues.limits()
    }

    pub(crate) fn producer(&self) -> Producer {
        Producer::new(self.link.clone(), self.limits(), Clock::Redis)
    }

    pub(crate) fn inspector(&self, queue: &QueueName) -> Inspector {
        Inspector::new(self.link.clone(), queue.clone())
    }

    pub(crate) fn operator(&self, queue: &QueueName) -> Operator {
        Operator::new(self.link.clone(), queue.clone())
    }

    pub(crate) fn batches(&self, queue: &QueueName) -> Batches {
        Batches::new(self.link.clone(), queue.clone())
    }

    /// All queues that anybody has heard of: configured here, or known to Redis.
    pub(crate) async fn queues(&self) -> Result<Vec<QueueName>> {
        let mut names = liaison_queue::queues(&self.link).await?;
        names.extend(self.config.queue.iter().filter_map(|queue| QueueName::parse(&queue.name).ok()));
        names.sort();
        names.dedup();
        Ok(names)
    }

    pub(crate) fn database(&self) -> Result<DatabaseUrl> {
        Self::database_of(&self.config)
    }

    pub(crate) fn database_of(config: &Config) -> Result<DatabaseUrl> {
        Ok(config.store.url.expose().parse()?)
    }

    /// The way out. Reads the files that `[outbound]` names.
    pub(crate) fn keys(&self) -> Result<Option<KeyRing>> {
        Self::keys_of(&self.config)
    }

    pub(crate) fn keys_of(config: &Config) -> Result<Option<KeyRing>> {
        let Some(path) = &config.store.key_file else { return Ok(None) };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("read the key file {} (store.key_file)", path.display()))?;
        let ring = KeyRing::parse(&text).with_context(|| format!("read the key file {}", path.display()))?;
        Ok(Some(ring))
    }

    /// The store, for reading and for what needs no key: whoever may not read the key file may still read the history.
    pub(crate) async fn store(&self) -> Result<Store> {
        self.open(no_keys()).await
    }

    /// The store with its keys, for whoever seals and opens envelopes.
    pub(crate) async fn store_with_keys(&self) -> Result<Store> {
        let Some(keys) = self.keys()? else {
            bail!(
                "store.key_file is not set, and envelopes of dead letters are kept sealed: \
                 make a key with `liaison keys generate > FILE` and set it"
            );
        };
        self.open(keys).await
    }

    async fn open(&self, keys: KeyRing) -> Result<Store> {
        let options = StoreOptions {
            connections: self.config.store.connections as usize,
            call_timeout: self.config.store.statement_timeout,
            ..StoreOptions::default()
        };
        Ok(Store::open(&self.database()?, keys, options).await?)
    }

    /// Check Redis and the store, tie them together, and start working.
    pub(crate) async fn start(&self, observer: Option<mpsc::UnboundedSender<Run>>) -> Result<Daemon> {
        let fitness = liaison_queue::check(&self.link).await?;
        let advice = fitness.durability.advice();
        if fitness.durability == liaison_queue::Durability::Weak {
            warn!("Redis {}: {advice}", fitness.version);
        } else {
            info!("Redis {}: {advice}", fitness.version);
        }
        let store = self.store_with_keys().await?;
        liaison_queue::tie_to_store(&self.link, &store.identity().await?).await?;
        self.start_with(Some(store), observer).await
    }

    /// Start working; without a store, nothing is recorded.
    pub(crate) async fn start_with(
        &self,
        store: Option<Store>,
        observer: Option<mpsc::UnboundedSender<Run>>,
    ) -> Result<Daemon> {
        let config = &self.config;
        let (stop, shares) = (Stop::default(), Shares::new(config.worker.concurrency as usize));
        let patience = Patience::new(Arc::clone(&shares), stop.watch());
        let (tracer, spans) = traces::start(&config.traces, &host_name())?.unzip();
        let (records, recording) = Recorder {
            store: store.clone(),
            patience: patience.clone(),
            shares: Arc::clone(&shares),
            diagnostics: config.worker.diagnostics,
            stopping: stop.watch(),
            observer,
            pulse: self.vitals.part("the recorder"),
            meters: RunMeters::default(),
            tracer: tracer.clone(),
        }
        .start();
        let (scheduler, recording_ticks) = self.scheduler(store.clone());
        let services = Box::pin(self.services(store.clone())).await?;
        let tokens = services.tokens.clone();
        let keys = store.as_ref().map(Store::key_ring);
        let screen: Arc<dyn Screen> = match store {
            Some(store) => Arc::new(Historian { store, patience }),
            None => Arc::new(NoHistory),
        };
        let mut options = self.options()?;
        options.configuration.keys = keys.as_ref().map(KeyRing::ids).unwrap_or_default();
        let (cancel_grace, patient) = watch::channel(config.worker.cancel_grace);
        let runner = Arc::new(Runner {
            shares: Arc::clone(&shares),
            diagnostics: config.worker.diagnostics,
            limiter: options.limiter.clone(),
            cancel_grace: patient,
            tracer,
            services,
        });
        let handler = move |job| {
            let runner = Arc::clone(&runner);
            async move { runner.run(job).await }
        };
        let finish = move |job, ended| records.take(job, ended);
        let worker = Worker::start(&self.link, &options, &shares, screen, handler, finish, &stop).await?;
        let mut recorder = JoinSet::new();
        recorder.spawn(recording);
        let mut scheduling = JoinSet::new();
        if self.isolation == Isolation::None {
            let scheduler = scheduler.run(stop.watch());
            scheduling.spawn(async { tokio::join!(scheduler, recording_ticks.run()) }.map(drop));
        }
        let mut wards = self.again.clone().filter(|_| self.isolation == Isolation::None).map(Wards::new);
        if let Some(wards) = &mut wards {
            wards.watch(&worker.queues());
        }
        let condition = self.condition.clone();
        let scheduler = scheduling;
        Ok(Daemon { worker, stop, condition, recorder, scheduler, spans, wards, cancel_grace, tokens, keys })
    }

    fn scheduler(&self, store: Option<Store>) -> (Scheduler, Recording) {
        let (records, recording) = scheduler::records(store.clone(), self.vitals.part("the history of ticks"));
        let scheduler = Scheduler {
            schedule: self.schedule.subscribe(),
            link: self.link.clone(),
            producer: self.producer(),
            store,
            clock: Clock::Redis,
            id_memory: self.config.queues.id_memory,
            pulse: self.vitals.part("the scheduler"),
            records,
        };
        (scheduler, recording)
    }

    /// How mail gets out.
    pub(crate) fn options(&self) -> Result<WorkerOptions> {
        let config = &self.config;
        Ok(WorkerOptions {
            host: host_name(),
            queues: served(config)?,
            lease: config.worker.lease,
            isolation: self.isolation,
            settings: settings(config),
            configuration: Reread { file: self.file.clone(), ..Reread::default() },
            limiter: Limiter::new(self.link.clone(), Clock::Redis, config.worker.lease * PERMIT_LEASES),
            vitals: self.vitals.clone(),
        })
    }
}

/// The queues to serve, as the worker wants to know them.
pub(crate) fn served(config: &Config) -> Result<Vec<Served>> {
    let served = config.queue.iter().map(|queue| {
        let name = QueueName::parse(&queue.name).map_err(anyhow::Error::msg)?;
        Ok(Served { name, weight: queue.weight, concurrency: queue.concurrency as usize, shards: queue.shards })
    });
    served.collect()
}

fn settings(config: &Config) -> Settings {
    Settings {
        crash_limit: config.worker.crash_limit,
        low_share: config.queues.low_priority_share,
        limits: config.queues.limits(),
        memory: Memory { id: config.queues.id_memory, reply: REPLY_MEMORY },
    }
}

impl Daemon {
    /// The queues that it serves, and what is under way in each.
    pub(crate) fn flows(&self) -> Vec<(QueueName, Arc<Flow>)> {
        self.worker.queues().into_iter().map(|queue| (queue.name, queue.flow)).collect()
    }

    /// Go on with another configuration. Nothing here can fail: what can was tried before.
    pub(crate) fn take(&mut self, config: &Config, text: Option<Secret>, queues: &[Served]) -> Changes {
        self.worker.tune(config.worker.concurrency as usize, settings(config));
        let changes = self.worker.serve(queues, &self.stop);
        self.cancel_grace.send_replace(config.worker.cancel_grace);
        if let Some(wards) = &mut self.wards {
            wards.configure(text);
            wards.watch(&self.worker.queues());
        }
        changes
    }

    /// Until a part ends that must not: a bug. What it held lapses, and somebody else takes over.
    pub(crate) async fn broken(&mut self) {
        tokio::select! {
            () = self.worker.broken() => {}
            Some(_) = self.recorder.join_next() => {
                error!("the recorder ended without being told to, which is a bug");
            }
            Some(_) = self.scheduler.join_next() => {
                error!("the scheduler ended without being told to, which is a bug");
            }
        }
    }

    /// Until all that ended is recorded and settled, or it takes too long; the worker is gone then.
    pub(crate) async fn end(mut self, patience: Duration) {
        self.worker.drained().await;
        // Handlers that were stopped may have left one under way: what a provider gave must not be lost with us.
        tokens::landed(self.tokens.as_deref(), patience).await;
        // It stops between two rounds. What it leaves half done, another daemon does.
        let scheduled = async { while self.scheduler.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, scheduled).await.is_err() {
            self.scheduler.shutdown().await;
        }
        let recorded = async { while self.recorder.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, recorded).await.is_err() {
            warn!("the store did not take the last results in time; those jobs will be claimed and run again");
            self.stop.advance(liaison_queue::Phase::Abandon);
            self.recorder.shutdown().await;
        }
        self.worker.ended(&self.stop, patience).await;
        let delivered = async {
            if let Some(spans) = self.spans {
                spans.end().await;
            }
        };
        // They have drained beside us; one that hangs goes on its own when our end of its input is closed.
        let gone = async {
            if let Some(wards) = &mut self.wards {
                let _ = tokio::time::timeout(patience, wards.ended()).await;
            }
        };
        tokio::join!(delivered, gone);
    }
}

/// A key ring that opens nothing, for commands that need no envelope.
fn no_keys() -> KeyRing {
    KeyRing::parse(&KeyRing::generate_line("none")).unwrap_or_else(|_| unreachable!("a line it made itself"))
}

/// Where nothing is recorded, nobody has a past.
pub(crate) struct NoHistory;

impl Screen for NoHistory {
    fn screen<'a>(
        &'a self,
        _: &'a [Arc<liaison_queue::Claimed>],
        _: &'a Pulse,
    ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::ready(()))
    }
}

/// By which operators know this machine, as it stands on the cards of its workers.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
