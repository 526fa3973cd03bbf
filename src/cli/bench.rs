//! `liaison bench`: what this machine gives, and how much of it we keep. Every figure of one run, against one floor.

use std::{
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use liaison_queue::{Ended, Phase, QueueName, Settlement, Shares, Stop, Worker, bench, outcome::RunOutcome};
use serde::Serialize;

use super::{Global, answer};
use crate::{
    app::{App, NoHistory},
    embedded::{Folder, PrivateRedis},
    telemetry,
};

#[derive(clap::Args)]
pub(crate) struct BenchArgs {
    /// Jobs in each measurement
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1000..=10_000_000))]
    jobs: u64,
    /// Size of each job's arguments
    #[arg(long, value_name = "BYTES", default_value_t = 100, value_parser = clap::value_parser!(u64).range(0..=200_000))]
    payload: u64,
    /// Leave out the measurements with records
    #[arg(long)]
    no_record: bool,
    /// Measure the time from enqueue to start, at 200 jobs a second
    #[arg(long)]
    latency: bool,
}

/// Jobs a second at which latency is measured, and for how long.
const LATENCY_RATE: u32 = 200;
const LATENCY_FOR: Duration = Duration::from_secs(5);
/// Lines made and sent at a time, so that the bench itself stays small.
const PORTION: u64 = 10_000;
const LOOK: Duration = Duration::from_millis(5);
/// Nothing that works at all takes longer.
const DRAIN_LIMIT: Duration = Duration::from_mins(10);

#[derive(Serialize, Default)]
struct Figures {
    jobs: u64,
    payload_bytes: u64,
    floor_per_s: u64,
    enqueue_per_s: u64,
    drain_per_s: u64,
    drain_share_of_floor: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    drain_recorded_per_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drain_recorded_share_of_floor: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drain_recorded_postgres_per_s: Option<u64>,
    redis_us_per_job: f64,
    redis_us_per_job_plain: f64,
    worker_us_per_job: f64,
    rss_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_plain_ms: Option<Latency>,
}

#[derive(Serialize)]
struct Latency {
    p50: f64,
    p99: f64,
    max: f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Scripted,
    Plain,
}

/// Where runs go in a measurement.
enum Keep {
    Nothing,
    Sqlite,
    Postgres,
}

struct Bench<'a> {
    global: &'a Global,
    args: &'a BenchArgs,
    folder: Folder,
    redis: String,
    postgres: Option<String>,
}

pub(crate) fn run(global: &Global, args: &BenchArgs) -> Result<ExitCode> {
    let dir = tempfile::Builder::new().prefix("liaison-bench-").tempdir().context("make a folder for the benchmark")?;
    let folder = Folder::take(dir.path())?;
    let loaded = global.load_with(Vec::new(), None, Vec::new())?;
    telemetry::start(&loaded.config.log);
    let postgres = Some(loaded.config.store.url.expose().to_owned()).filter(|url| url.starts_with("postgres"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(async {
        let redis = PrivateRedis::start(&folder).await?;
        let bench = Bench { global, args, redis: redis.url(), folder, postgres };
        let figures = bench.all().await;
        redis.stop().await?;
        figures
    });
    runtime.shutdown_background();
    let figures = figures?;
    if global.json {
        answer::json(&figures);
    } else {
        show(&figures);
    }
    Ok(ExitCode::SUCCESS)
}

impl Bench<'_> {
    async fn all(&self) -> Result<Figures> {
        let jobs = self.args.jobs;
        let mut figures = Figures { jobs, payload_bytes: self.args.payload, ..Figures::default() };
        let rate = |time: Duration| per_second(jobs, time);

        answer::progress("the floor: the scripts alone …");
        let app = self.app("bench-floor", &Keep::Nothing)?;
        figures.enqueue_per_s = rate(self.fill(&app, "bench-floor", Door::Scripted).await?);
        let (counted, time) = bench::floor(&app.link, &queue("bench-floor")?).await?;
        if counted != jobs {
            bail!("the floor claimed {counted} jobs of {jobs}; is something else using this Redis?");
        }
        figures.floor_per_s = rate(time);

        answer::progress("drain without records …");
        let (time, processor) = self.drain("bench-drain", &Keep::Nothing, Door::Scripted).await?;
        figures.drain_per_s = rate(time);
        figures.worker_us_per_job = micros_each(processor, jobs);
        figures.drain_share_of_floor = share(figures.drain_per_s, figures.floor_per_s);
        if !self.args.no_record {
            answer::progress("drain with records in SQLite …");
            let recorded = rate(self.drain("bench-sqlite", &Keep::Sqlite, Door::Scripted).await?.0);
            figures.drain_recorded_per_s = Some(recorded);
            figures.drain_recorded_share_of_floor = Some(share(recorded, figures.floor_per_s));
            if self.postgres.is_some() {
                answer::progress("drain with records in PostgreSQL …");
                let time = self.drain("bench-postgres", &Keep::Postgres, Door::Scripted).await?.0;
                figures.drain_recorded_postgres_per_s = Some(rate(time));
            }
        }
        if self.args.latency {
            answer::progress("latency …");
            figures.latency_ms = Some(self.latency("bench-latency", Door::Scripted).await?);
            figures.latency_plain_ms = Some(self.latency("bench-latency-plain", Door::Plain).await?);
        }
        answer::progress("Redis processor time …");
        bench::append_only(&app.link, false).await?;
        figures.redis_us_per_job = self.redis_time(&app, "bench-cpu", Door::Scripted).await?;
        figures.redis_us_per_job_plain = self.redis_time(&app, "bench-cpu-plain", Door::Plain).await?;
        figures.rss_bytes = peak_memory();
        answer::progress("");
        Ok(figures)
    }

    fn app(&self, queue: &str, keep: &Keep) -> Result<App> {
        let mut fixed = vec![("redis.url", self.redis.clone()), ("worker.diagnostics", "true".to_owned())];
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
        App::new(self.global.load_with(vec![queue.to_owned()], None, fixed)?.config)
    }

    /// Put all jobs into a queue; the time it took.
    async fn fill(&self, app: &App, name: &str, door: Door) -> Result<Duration> {
        let (producer, queue) = (app.producer(), queue(name)?);
        let pad = "x".repeat(usize::try_from(self.args.payload)?);
        let (mut sent, mut time) = (0, Duration::ZERO);
        while sent < self.args.jobs {
            let portion = PORTION.min(self.args.jobs - sent);
            let lines: Vec<String> = (sent..sent + portion).map(|n| line(name, n, &pad)).collect();
            let begin = Instant::now();
            match door {
                Door::Scripted => drop(producer.enqueue(&lines).await?),
                Door::Plain => bench::push(&app.link, &queue, &lines).await?,
            }
            time += begin.elapsed();
            sent += portion;
        }
        Ok(time)
    }

    /// Fill a queue and let a daemon empty it; the time that took, and the daemon's processor time.
    async fn drain(&self, name: &str, keep: &Keep, door: Door) -> Result<(Duration, Duration)> {
        let app = self.app(name, keep)?;
        let store = match keep {
            Keep::Nothing => None,
            Keep::Sqlite | Keep::Postgres => {
                liaison_store::migrate(&app.database()?).await?;
                Some(app.store_with_keys().await?)
            }
        };
        let inspector = app.inspector(&queue(name)?);
        inspector.pause().await?;
        let daemon = app.start_with(store, None).await?;
        self.fill(&app, name, door).await?;
        let (begin, processor) = (Instant::now(), processor_time());
        inspector.resume().await?;
        while !inspector.depths().await?.is_empty() {
            if begin.elapsed() > DRAIN_LIMIT {
                bail!("the queue {name} was not empty after {DRAIN_LIMIT:?}");
            }
            tokio::time::sleep(LOOK).await;
        }
        let (time, processor) = (begin.elapsed(), processor_time().saturating_sub(processor));
        daemon.stop.advance(Phase::Drain);
        daemon.end(Duration::from_secs(5)).await;
        Ok((time, processor))
    }

    /// What a job's whole life costs Redis, without the append-only file.
    async fn redis_time(&self, app: &App, name: &str, door: Door) -> Result<f64> {
        let before = bench::processor_time(&app.link).await?;
        self.drain(name, &Keep::Nothing, door).await?;
        let after = bench::processor_time(&app.link).await?;
        Ok(micros_each(after.saturating_sub(before), self.args.jobs))
    }

    /// From sending a job to the start of its handler, one job at a time at a steady rate.
    async fn latency(&self, name: &str, door: Door) -> Result<Latency> {
        let app = self.app(name, &Keep::Nothing)?;
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
        let count = LATENCY_RATE * u32::try_from(LATENCY_FOR.as_secs())?;
        for n in 0..count + LATENCY_RATE / 10 {
            ticks.tick().await;
            let lines = [line(name, n.into(), "")];
            *sent.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            match door {
                Door::Scripted => drop(producer.enqueue(&lines).await?),
                Door::Plain => bench::push(&app.link, &queue(name)?, &lines).await?,
            }
            let one = tokio::time::timeout(Duration::from_secs(10), starts.recv()).await;
            took.extend(one.context("a job did not start within 10 s")?);
        }
        stop.advance(Phase::Drain);
        worker.ended(&stop, Duration::from_secs(5)).await;
        // The first ones connect and load the scripts.
        let mut took = took.split_off((LATENCY_RATE / 10) as usize);
        took.sort_unstable();
        let at = |share: usize| took.get(took.len() * share / 100).map_or(0.0, |time| millis(*time));
        Ok(Latency { p50: at(50), p99: at(99), max: took.last().map_or(0.0, |time| millis(*time)) })
    }
}

fn queue(name: &str) -> Result<QueueName> {
    QueueName::parse(name).map_err(anyhow::Error::msg)
}

fn line(queue: &str, number: u64, pad: &str) -> String {
    format!(r#"{{"job":"noop","queue":"{queue}","args":{{"n":{number},"pad":"{pad}"}}}}"#)
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a figure")]
fn per_second(jobs: u64, time: Duration) -> u64 {
    (jobs as f64 / time.as_secs_f64()) as u64
}

#[expect(clippy::cast_precision_loss, reason = "a figure")]
fn micros_each(time: Duration, jobs: u64) -> f64 {
    (time.as_secs_f64() * 1e6 / jobs as f64 * 100.0).round() / 100.0
}

#[expect(clippy::cast_precision_loss, reason = "a figure")]
fn share(part: u64, whole: u64) -> f64 {
    (part as f64 / whole.max(1) as f64 * 1000.0).round() / 1000.0
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// The processor time of this process, in the kernel's hundredths of a second.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold anything; the numbers begin after it. The 12th and 13th are user and system time.
    let numbers = stat.rsplit_once(") ").map_or("", |(_, numbers)| numbers);
    let ticks: u64 = numbers.split(' ').skip(11).take(2).filter_map(|number| number.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn show(figures: &Figures) {
    let mut rows = vec![
        vec![
            "floor: claim and acknowledge scripts alone".into(),
            format!("{} jobs/s", figures.floor_per_s),
            "1.00".into(),
        ],
        vec!["enqueue, scripted door".into(), format!("{} jobs/s", figures.enqueue_per_s), String::new()],
        vec![
            "drain, nothing recorded".into(),
            format!("{} jobs/s", figures.drain_per_s),
            format!("{:.2}", figures.drain_share_of_floor),
        ],
    ];
    if let (Some(rate), Some(share)) = (figures.drain_recorded_per_s, figures.drain_recorded_share_of_floor) {
        rows.push(vec!["drain, every run in SQLite".into(), format!("{rate} jobs/s"), format!("{share:.2}")]);
    }
    if let Some(rate) = figures.drain_recorded_postgres_per_s {
        let part = share(rate, figures.floor_per_s);
        rows.push(vec!["drain, every run in PostgreSQL".into(), format!("{rate} jobs/s"), format!("{part:.2}")]);
    }
    let micros = |name: &str, value: f64| vec![name.to_owned(), format!("{value:.2} µs/job"), String::new()];
    rows.push(micros("Redis, a whole life, scripted door, no AOF", figures.redis_us_per_job));
    rows.push(micros("Redis, a whole life, plain door, no AOF", figures.redis_us_per_job_plain));
    rows.push(micros("worker, drain, nothing recorded", figures.worker_us_per_job));
    rows.push(vec!["peak memory".into(), format!("{} MiB", figures.rss_bytes / 1024 / 1024), String::new()]);
    let doors = [("scripted", &figures.latency_ms), ("plain", &figures.latency_plain_ms)];
    for (door, latency) in doors.into_iter().filter_map(|(door, latency)| Some((door, latency.as_ref()?))) {
        rows.push(vec![
            format!("enqueue to start at {LATENCY_RATE}/s, {door} door"),
            format!("p50 {:.2}  p99 {:.2}  max {:.2} ms", latency.p50, latency.p99, latency.max),
            String::new(),
        ]);
    }
    answer::table(&["MEASURED", "FIGURE", "OF THE FLOOR"], &rows);
    answer::line(&format!(
        "\n{} jobs of {} B arguments each; AOF everysec but where it says otherwise; one run, one machine.",
        figures.jobs, figures.payload_bytes
    ));
}
