//! How things are measured: filling, draining, timing.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use liaison_queue::{Ended, Phase, QueueName, Settlement, Shares, Stop, Worker, bench, outcome::RunOutcome};
use liaison_store::Store;

use super::{BenchArgs, process};
use crate::{
    app::{App, NoHistory},
    cli::Global,
    embedded::Folder,
};

/// Jobs a second at which latency is measured, and for how long.
const LATENCY_RATE: u32 = 200;
const LATENCY_FOR: Duration = Duration::from_secs(5);
/// The first ones connect and load the scripts.
const WARMING: usize = LATENCY_RATE as usize / 10;
/// Lines made and sent at a time, so that the bench itself stays small.
const PORTION: u64 = 10_000;
const LOOK: Duration = Duration::from_millis(5);
/// Nothing that works at all takes longer.
const DRAIN_LIMIT: Duration = Duration::from_mins(10);
/// So many lanes are busy at once, as with so many users.
const LANES: u64 = 1000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Our client, which judges for itself.
    Ours,
    /// The script for hosts, which judges in Redis.
    Judged,
    Plain,
}

/// Where runs go in a measurement.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Nothing,
    Sqlite,
    Postgres,
}

/// What the jobs are tied by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ties {
    None,
    Lane,
    Unique,
}

pub(super) struct Bench<'a> {
    pub(super) global: &'a Global,
    pub(super) args: &'a BenchArgs,
    pub(super) folder: Folder,
    pub(super) redis: String,
    pub(super) postgres: Option<String>,
}

/// A queue that was emptied.
pub(super) struct Drained {
    pub(super) time: Duration,
    /// The daemon's processor time.
    pub(super) processor: Duration,
}

impl Bench<'_> {
    /// What is set for every daemon of the benchmark.
    pub(super) fn fixed(&self, keep: Keep) -> Result<Vec<(&'static str, String)>> {
        let mut fixed = vec![("redis.url", self.redis.clone()), ("worker.diagnostics", "true".to_owned())];
        // What is measured says more than a log of it.
        fixed.push(("log.level", "warn".to_owned()));
        // A collector that somebody configured is no place for a hundred thousand runs of nothing.
        fixed.push(("traces.endpoint", "off".to_owned()));
        match keep {
            Keep::Nothing => {}
            Keep::Sqlite => {
                fixed.push(("store.url", format!("sqlite:{}", self.folder.path.join("bench.db").display())));
            }
            Keep::Postgres => fixed.extend(self.postgres.clone().map(|url| ("store.url", url))),
        }
        let key = self.folder.path.join("key");
        if !key.exists() {
            std::fs::write(&key, liaison_store::KeyRing::generate_line("bench"))?;
        }
        fixed.push(("store.key_file", key.display().to_string()));
        Ok(fixed)
    }

    pub(super) fn app(&self, queue: &str, keep: Keep) -> Result<App> {
        App::new(self.global.load_with(vec![queue.to_owned()], None, self.fixed(keep)?)?.config)
    }

    /// Put jobs into a queue; the time it took.
    pub(super) async fn fill(&self, app: &App, name: &str, door: Door, ties: Ties, jobs: u64) -> Result<Duration> {
        let (producer, queue) = (app.producer(), queue(name)?);
        let pad = "x".repeat(usize::try_from(self.args.payload)?);
        let (mut sent, mut time) = (0, Duration::ZERO);
        while sent < jobs {
            let portion = PORTION.min(jobs - sent);
            let lines: Vec<String> = (sent..sent + portion).map(|n| line(name, n, &pad, ties)).collect();
            let begin = Instant::now();
            match door {
                Door::Ours => drop(producer.enqueue(&lines).await?),
                Door::Judged => bench::enqueue_judged(&app.link, &queue, &lines).await?,
                Door::Plain => bench::push(&app.link, &queue, &lines).await?,
            }
            time += begin.elapsed();
            sent += portion;
        }
        Ok(time)
    }

    /// The least that Redis must do to keep the same jobs; the time it took.
    pub(super) async fn fill_bare(&self, app: &App, name: &str) -> Result<Duration> {
        let pad = "x".repeat(usize::try_from(self.args.payload)?);
        let (mut sent, mut time) = (0, Duration::ZERO);
        while sent < self.args.jobs {
            let portion = PORTION.min(self.args.jobs - sent);
            let lines: Vec<String> = (sent..sent + portion).map(|n| line(name, n, &pad, Ties::None)).collect();
            let begin = Instant::now();
            bench::keep_bare(&app.link, &queue(name)?, sent, &lines).await?;
            time += begin.elapsed();
            sent += portion;
        }
        Ok(time)
    }

    /// Fill a queue and let a daemon empty it.
    pub(super) async fn drain(&self, name: &str, keep: Keep, door: Door, ties: Ties, jobs: u64) -> Result<Drained> {
        let app = self.app(name, keep)?;
        let store = match keep {
            Keep::Nothing => None,
            Keep::Sqlite | Keep::Postgres => {
                liaison_store::migrate(&app.database()?).await?;
                Some(app.store_with_keys().await?)
            }
        };
        self.drain_in(&app, name, store, door, ties, jobs).await
    }

    /// The same, with records in this store.
    pub(super) async fn drain_into(&self, name: &str, store: Store, jobs: u64) -> Result<Drained> {
        let app = self.app(name, Keep::Sqlite)?;
        self.drain_in(&app, name, Some(store), Door::Ours, Ties::None, jobs).await
    }

    async fn drain_in(
        &self,
        app: &App,
        name: &str,
        store: Option<Store>,
        door: Door,
        ties: Ties,
        jobs: u64,
    ) -> Result<Drained> {
        let inspector = app.inspector(&queue(name)?);
        inspector.pause().await?;
        let daemon = app.start_with(store, None).await?;
        self.fill(app, name, door, ties, jobs).await?;
        let (begin, processor) = (Instant::now(), process::processor_time("self"));
        inspector.resume().await?;
        while !inspector.depths().await?.is_empty() {
            if begin.elapsed() > DRAIN_LIMIT {
                bail!("the queue {name} was not empty after {DRAIN_LIMIT:?}");
            }
            tokio::time::sleep(LOOK).await;
        }
        let time = begin.elapsed();
        let processor = process::processor_time("self").saturating_sub(processor);
        daemon.stop.advance(Phase::Drain);
        daemon.end(Duration::from_secs(5)).await;
        Ok(Drained { time, processor })
    }

    /// What a job's whole life costs Redis, in µs.
    pub(super) async fn redis_time(&self, app: &App, name: &str, door: Door, ties: Ties) -> Result<f64> {
        let before = bench::processor_time(&app.link).await?;
        self.drain(name, Keep::Nothing, door, ties, self.args.jobs).await?;
        let after = bench::processor_time(&app.link).await?;
        Ok(micros_each(after.saturating_sub(before), self.args.jobs))
    }

    /// From sending a job to the start of its handler, one job at a time at a steady rate; in order of length.
    pub(super) async fn latency(&self, name: &str, door: Door) -> Result<Vec<Duration>> {
        let app = self.app(name, Keep::Nothing)?;
        let (stop, shares) = (Stop::default(), Shares::new(64));
        let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
        let sent = Arc::new(Mutex::new(Instant::now()));
        let since = Arc::clone(&sent);
        let handler = move |_job| {
            let took = since.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
            let _ = started.send(took);
            std::future::ready(())
        };
        let finish = |job, _: Ended<()>| Settlement::leave(job, RunOutcome::Done, None).send();
        let worker =
            Worker::start(&app.link, &app.options()?, &shares, Arc::new(NoHistory), handler, finish, &stop).await?;
        let producer = app.producer();
        let mut took = Vec::new();
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / LATENCY_RATE);
        for n in 0..LATENCY_RATE as usize * usize::try_from(LATENCY_FOR.as_secs())? + WARMING {
            ticks.tick().await;
            let lines = [line(name, n as u64, "", Ties::None)];
            *sent.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            match door {
                Door::Ours => drop(producer.enqueue(&lines).await?),
                Door::Judged => bench::enqueue_judged(&app.link, &queue(name)?, &lines).await?,
                Door::Plain => bench::push(&app.link, &queue(name)?, &lines).await?,
            }
            let one = tokio::time::timeout(Duration::from_secs(10), starts.recv()).await;
            took.extend(one.context("a job did not start within 10 s")?);
        }
        stop.advance(Phase::Drain);
        worker.ended(&stop, Duration::from_secs(5)).await;
        Ok(sorted(took))
    }

    /// The same rate of bare round trips.
    pub(super) async fn round_trips(&self) -> Result<Vec<Duration>> {
        let app = self.app("bench-trips", Keep::Nothing)?;
        let mut took = Vec::new();
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / LATENCY_RATE);
        for _ in 0..LATENCY_RATE as usize + WARMING {
            ticks.tick().await;
            let begin = Instant::now();
            bench::ping(&app.link).await?;
            took.push(begin.elapsed());
        }
        Ok(sorted(took))
    }
}

fn sorted(mut took: Vec<Duration>) -> Vec<Duration> {
    let mut took = took.split_off(WARMING.min(took.len()));
    took.sort_unstable();
    took
}

/// The length below which this share of them lies, in ms.
pub(super) fn at(took: &[Duration], percent: usize) -> f64 {
    took.get(took.len() * percent / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

pub(super) fn queue(name: &str) -> Result<QueueName> {
    QueueName::parse(name).map_err(anyhow::Error::msg)
}

fn line(queue: &str, number: u64, pad: &str, ties: Ties) -> String {
    let ties = match ties {
        Ties::None => String::new(),
        Ties::Lane => format!(r#""lane":"user:{}","#, number % LANES),
        Ties::Unique => format!(r#""unique":"user:{number}","#),
    };
    format!(r#"{{"job":"noop","queue":"{queue}",{ties}"args":{{"n":{number},"pad":"{pad}"}}}}"#)
}

#[expect(clippy::cast_precision_loss, reason = "a figure")]
pub(super) fn per_second(jobs: u64, time: Duration) -> f64 {
    (jobs as f64 / time.as_secs_f64()).round()
}

#[expect(clippy::cast_precision_loss, reason = "a figure")]
pub(super) fn micros_each(time: Duration, jobs: u64) -> f64 {
    time.as_secs_f64() * 1e6 / jobs as f64
}
