//! Webhooks: how much of what the same HTTP client can do is left when every delivery is signed and recorded; and what
//! healthy endpoints notice of those that hang.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use liaison_jobs::outbound::{Call, Outbound};
use liaison_queue::{Phase, clock::Clock};
use liaison_store::{Endpoint, EndpointSecrets, Store};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    figures::{Figure, Figures, Unit},
    measures::{self, Bench, Keep},
    server::{self, Server},
};
use crate::app::{App, Daemon};

/// Enough that none of them is the bottleneck by its own limit.
const ENDPOINTS: usize = 32;
/// Calls at once of the bare loop: as many as a worker has slots.
const AT_ONCE: usize = 64;
/// The bare loop and ours take turns so often: what else the machine does then hurts both. The round in the middle counts.
const ROUNDS: usize = 5;
/// For the second measurement: so many endpoints, of which one in ten hangs.
const MANY: usize = 1_000;
const ONE_IN: usize = 10;
const RATE: u32 = 200;
const FOR: Duration = Duration::from_secs(10);
/// How long a call that hangs is waited for.
const TIMEOUT_S: i32 = 5;
const LOOK: Duration = Duration::from_millis(5);
const LIMIT: Duration = Duration::from_mins(5);

impl Bench<'_> {
    pub(super) async fn webhooks(&self, figures: &mut Figures) -> Result<()> {
        let receiver = Receiver::start().await?;
        let app = self.webhook_app("bench-webhooks")?;
        liaison_store::migrate(&app.database()?).await?;
        let store = app.store_with_keys().await?;
        let count = self.args.jobs / 10;
        let ids = add(&store, &receiver, 0..ENDPOINTS, |_| false).await?;
        let daemon = app.start_with(Some(store.clone()), None).await?;
        let site = Site { app: &app, receiver: &receiver, queue: "bench-webhooks" };
        site.send_each(&ids, u64::try_from(ids.len())?).await?;
        let (bare, ours) = site.rounds(&ids, count).await?;
        figures.add(
            Figure::new("webhooks_per_s", "webhooks, signed and recorded", Unit::JobsPerSecond, ours)
                .over(bare, "the same client in a bare loop"),
        );
        let many = add(&store, &receiver, ENDPOINTS..ENDPOINTS + MANY, |at| at % ONE_IN == 0).await?;
        let healthy: Vec<String> = many.iter().filter(|id| !id.ends_with("-hangs")).cloned().collect();
        super::answer::progress("webhooks, every endpoint once …");
        site.send_each(&healthy, u64::try_from(healthy.len())?).await?;
        super::answer::progress("webhooks, healthy endpoints alone …");
        let alone = site.steady(&healthy).await?;
        super::answer::progress("webhooks, one endpoint in ten hangs …");
        let beside = site.steady(&many).await?;
        figures.add(
            Figure::new(
                "webhooks_beside_hanging_p99",
                "enqueue to receiver, 1 endpoint in 10 hangs, p99",
                Unit::Millis,
                measures::at(&beside, 99),
            )
            .over(measures::at(&alone, 99), "the same endpoints alone"),
        );
        stop(daemon).await;
        Ok(())
    }

    fn webhook_app(&self, queue: &str) -> Result<App> {
        let mut fixed = self.fixed(Keep::Sqlite)?;
        fixed.push(("outbound.allow", "127.0.0.0/8".to_owned()));
        App::new(self.global.load_with(vec![queue.to_owned()], None, fixed)?.config)
    }
}

pub(super) async fn stop(daemon: Daemon) {
    daemon.stop.advance(Phase::Drain);
    daemon.end(Duration::from_secs(5)).await;
}

/// Endpoints at the receiver; of those that hang the id says so.
async fn add(
    store: &Store,
    receiver: &Receiver,
    numbers: std::ops::Range<usize>,
    hangs: impl Fn(usize) -> bool,
) -> Result<Vec<String>> {
    let (mut ids, now) = (Vec::new(), Clock::wall().date());
    for number in numbers {
        let path = if hangs(number) { "hangs" } else { "well" };
        let id = format!("e-{number}-{path}");
        let url = format!("http://{}/{path}", receiver.server.address);
        let endpoint = Endpoint { timeout_seconds: TIMEOUT_S, ..Endpoint::new(&id, "bench", &url, now) };
        let current = Some(liaison_jobs::signature::generate()?.expose().to_owned());
        store.add_endpoint(endpoint, EndpointSecrets { current, ..EndpointSecrets::default() }).await?;
        ids.push(id);
    }
    Ok(ids)
}

struct Site<'a> {
    app: &'a App,
    receiver: &'a Receiver,
    queue: &'static str,
}

impl Site<'_> {
    fn envelope(&self, endpoint: &str) -> String {
        let data = json!({"booking_id": "b-1", "sent_us": self.receiver.micros()});
        let args = json!({"endpoint": endpoint, "event": "booking_created", "data": data});
        json!({"job": "send_webhook", "queue": self.queue, "args": args}).to_string()
    }

    /// So many calls a second of the bare loop, and deliveries of ours.
    async fn rounds(&self, ids: &[String], count: u64) -> Result<(f64, f64)> {
        let mut rounds = Vec::new();
        for round in 1..=ROUNDS {
            super::answer::progress(&format!("webhooks, round {round} of {ROUNDS}, the bare client …"));
            let bare = measures::per_second(count, self.receiver.bare(self.app, count).await?);
            super::answer::progress(&format!("webhooks, round {round} of {ROUNDS}, signed and recorded …"));
            rounds.push((bare, measures::per_second(count, self.send_each(ids, count).await?)));
        }
        rounds.sort_by(|one, other| (one.1 / one.0).total_cmp(&(other.1 / other.0)));
        Ok(rounds[ROUNDS / 2])
    }

    /// So many deliveries, in turn; the time until the last has arrived and is recorded.
    async fn send_each(&self, ids: &[String], count: u64) -> Result<Duration> {
        let inspector = self.app.inspector(&measures::queue(self.queue)?);
        inspector.pause().await?;
        let mut lines = Vec::new();
        for number in 0..usize::try_from(count)? {
            lines.push(self.envelope(&ids[number % ids.len()]));
        }
        let producer = self.app.producer();
        for some in lines.chunks(1_000) {
            producer.enqueue(some).await?;
        }
        let begin = Instant::now();
        inspector.resume().await?;
        while !inspector.depths().await?.is_empty() {
            if begin.elapsed() > LIMIT {
                bail!("the webhooks of the benchmark were not delivered within {LIMIT:?}");
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(begin.elapsed())
    }

    /// At a steady rate, in turn; from enqueueing to arrival, of those that arrive.
    async fn steady(&self, ids: &[String]) -> Result<Vec<Duration>> {
        let producer = self.app.producer();
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
        self.receiver.take();
        for number in 0..RATE as usize * usize::try_from(FOR.as_secs())? {
            ticks.tick().await;
            producer.enqueue(&[self.envelope(&ids[number % ids.len()])]).await?;
        }
        // What is late arrives now, or counts as lost.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut took = self.receiver.take();
        took.sort_unstable();
        Ok(took)
    }
}

/// Answers 200 at once, or never, and knows how long each delivery took.
struct Receiver {
    server: Server,
    began: Instant,
    took: Arc<Mutex<Vec<Duration>>>,
}

impl Receiver {
    async fn start() -> Result<Self> {
        let (began, took) = (Instant::now(), Arc::<Mutex<Vec<Duration>>>::default());
        let seen = Arc::clone(&took);
        let server = Server::start(move |request| {
            if request.starts_with("POST /hangs") {
                return None;
            }
            let sent = request.split("\"sent_us\":").nth(1);
            let sent = sent.and_then(|rest| rest.split(['}', ',']).next()?.parse().ok());
            if let Some(sent) = sent.map(Duration::from_micros) {
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(began.elapsed().saturating_sub(sent));
            }
            Some(server::ok(""))
        });
        Ok(Self { server: server.await?, began, took })
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut self.took.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same client with the same bodies, and nothing else.
    async fn bare(&self, app: &App, count: u64) -> Result<Duration> {
        let outbound = App::outbound_of(&app.config)?;
        let url = format!("http://{}/well", self.server.address);
        let body = json!({"type": "booking_created", "event": "booking_created", "timestamp": "2027-01-11T10:00:00.000Z",
            "data": {"booking_id": "b-1", "sent_us": 0}});
        let (begin, mut calls) = (Instant::now(), JoinSet::new());
        for part in 0..AT_ONCE as u64 {
            let share = count / AT_ONCE as u64 + u64::from(part < count % AT_ONCE as u64);
            calls.spawn(repeat(outbound.clone(), url.clone(), body.to_string().into_bytes(), share));
        }
        while let Some(ended) = calls.join_next().await {
            ended.context("a call of the bare loop")??;
        }
        Ok(begin.elapsed())
    }
}

async fn repeat(outbound: Outbound, url: String, body: Vec<u8>, times: u64) -> Result<()> {
    for _ in 0..times {
        let answer = outbound.send(Call::post(url.as_str(), body.clone())).await?;
        if !answer.status.is_success() {
            bail!("the receiver answered {}", answer.status);
        }
    }
    Ok(())
}
