//! `liaison bench`: what this machine gives, and how much of it we keep. Each figure stands beside its own floor, which
//! is measured in the same run: the same work with nothing of ours that could be left out.

mod calendars;
mod cleanup;
mod figures;
mod measures;
mod process;
mod server;
mod tokens;
mod webhooks;

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail};
use liaison_queue::bench;
use tokio::signal::unix::{SignalKind, signal};

use self::{
    figures::{Figure, Figures, Unit},
    measures::{Bench, Door, Keep, Ties},
};
use super::{Global, answer};
use crate::{
    embedded::{Folder, PrivateRedis},
    telemetry,
};

#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command")]
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
    /// Measure a daemon that idles, and the first job after its start
    #[arg(long)]
    idle: bool,
    /// Drain a tenth and ten times as many jobs too: a backlog must not cost more the longer it is
    #[arg(long)]
    backlog: bool,
    /// Measure webhooks to a receiver of this process: a tenth as many, five times; and beside endpoints that hang
    #[arg(long)]
    webhooks: bool,
    /// Refresh tokens that run out, at a provider that kills a refresh token as soon as it was used
    #[arg(long)]
    tokens: bool,
    /// With --tokens: how many
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    tokens_grants: u64,
    /// Synchronise a large calendar, and a thousand small ones, also beside a provider that hangs
    #[arg(long)]
    calendars: bool,
    /// Record jobs beside a cleanup that deletes half of the rows of a log
    #[arg(long)]
    cleanup: bool,
    /// With --cleanup: how many rows that log has
    #[arg(long, value_name = "N", default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1000..=100_000_000))]
    cleanup_rows: u64,
    /// Measure everything
    #[arg(long)]
    all: bool,
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
        // Stopped half-way, it leaves no server behind.
        let mut ended = signal(SignalKind::terminate())?;
        let figures = tokio::select! {
            figures = Box::pin(bench.all()) => figures,
            _ = ended.recv() => Err(anyhow!("stopped; nothing is left of it")),
            _ = tokio::signal::ctrl_c() => Err(anyhow!("stopped; nothing is left of it")),
        };
        redis.stop().await?;
        figures
    });
    runtime.shutdown_background();
    let figures = figures?;
    if global.json {
        answer::json(&figures);
    } else {
        figures.show();
    }
    Ok(ExitCode::SUCCESS)
}

impl Bench<'_> {
    async fn all(&self) -> Result<Figures> {
        let mut figures = Figures::new(self.args.jobs, self.args.payload);
        self.throughput(&mut figures).await?;
        if self.args.backlog || self.args.all {
            self.backlog(&mut figures).await?;
        }
        if self.args.latency || self.args.all {
            self.latencies(&mut figures).await?;
        }
        if self.args.idle || self.args.all {
            self.idleness(&mut figures).await?;
        }
        if self.args.webhooks || self.args.all {
            self.webhooks(&mut figures).await?;
        }
        if self.args.tokens || self.args.all {
            Box::pin(self.tokens(&mut figures)).await?;
        }
        if self.args.calendars || self.args.all {
            Box::pin(self.calendars(&mut figures)).await?;
        }
        if self.args.cleanup || self.args.all {
            Box::pin(self.cleanup(&mut figures)).await?;
        }
        self.processor_times(&mut figures).await?;
        figures.add(Figure::new(
            "bench_peak_memory",
            "peak memory of this process",
            Unit::MiB,
            process::peak_mib("self"),
        ));
        answer::progress("");
        Ok(figures)
    }

    /// Jobs a second: in, and through.
    async fn throughput(&self, figures: &mut Figures) -> Result<()> {
        let jobs = self.args.jobs;
        let app = self.app("bench-floor", Keep::Nothing)?;
        answer::progress("enqueue …");
        let bare = self.rate(self.fill_bare(&app, "bench-bare").await?);
        let ours = self.rate(self.fill(&app, "bench-floor", Door::Ours, Ties::None, jobs).await?);
        let judged = self.rate(self.fill(&app, "bench-judged", Door::Judged, Ties::None, jobs).await?);
        let of_bare = "HSET and RPUSH alone";
        figures.add(Figure::new("enqueue_per_s", "enqueue, our client", Unit::JobsPerSecond, ours).over(bare, of_bare));
        figures.add(
            Figure::new("enqueue_judged_per_s", "enqueue, judged by Redis", Unit::JobsPerSecond, judged)
                .over(bare, of_bare),
        );
        answer::progress("the floor: the scripts alone …");
        let (counted, time) = bench::floor(&app.link, &measures::queue("bench-floor")?).await?;
        if counted != jobs {
            bail!("the floor claimed {counted} jobs of {jobs}; is something else using this Redis?");
        }
        let floor = self.rate(time);
        let of_floor = "claim and acknowledge scripts alone";
        answer::progress("drain without records …");
        let drained = self.drain("bench-drain", Keep::Nothing, Door::Ours, Ties::None, jobs).await?;
        figures.add(
            Figure::new("drain_per_s", "drain, nothing recorded", Unit::JobsPerSecond, self.rate(drained.time))
                .over(floor, of_floor),
        );
        let worker = measures::micros_each(drained.processor, jobs);
        figures.add(Figure::new("worker_us_per_job", "the worker's processor time", Unit::Micros, worker));
        if self.args.no_record {
            return Ok(());
        }
        answer::progress("drain with records in SQLite …");
        let sqlite = self.drain("bench-sqlite", Keep::Sqlite, Door::Ours, Ties::None, jobs).await?;
        figures.add(
            Figure::new(
                "drain_sqlite_per_s",
                "drain, every run in SQLite",
                Unit::JobsPerSecond,
                self.rate(sqlite.time),
            )
            .over(floor, of_floor),
        );
        if self.postgres.is_some() {
            answer::progress("drain with records in PostgreSQL …");
            let postgres = self.drain("bench-postgres", Keep::Postgres, Door::Ours, Ties::None, jobs).await?;
            let rate = self.rate(postgres.time);
            figures.add(
                Figure::new("drain_postgres_per_s", "drain, every run in PostgreSQL", Unit::JobsPerSecond, rate)
                    .over(floor, of_floor),
            );
        }
        Ok(())
    }

    /// The rate at which a long backlog drains, over that of a short one; and what the process grows by.
    async fn backlog(&self, figures: &mut Figures) -> Result<()> {
        let (short, long) = (self.args.jobs / 2, self.args.jobs * 5);
        answer::progress("a short backlog …");
        let first = self.drain("bench-short", Keep::Nothing, Door::Ours, Ties::None, short).await?;
        let before = process::resident_mib("self");
        answer::progress("a backlog ten times as long …");
        let second = self.drain("bench-long", Keep::Nothing, Door::Ours, Ties::None, long).await?;
        let grown = process::resident_mib("self") - before;
        let rates = [measures::per_second(long, second.time), measures::per_second(short, first.time)];
        figures.add(
            Figure::new("drain_long_per_s", "drain, a backlog ten times as long", Unit::JobsPerSecond, rates[0])
                .over(rates[1], "the short backlog"),
        );
        figures.add(Figure::new("drain_long_growth", "memory grown by the long backlog", Unit::MiB, grown.max(0.0)));
        Ok(())
    }

    async fn latencies(&self, figures: &mut Figures) -> Result<()> {
        answer::progress("latency …");
        let trip = self.round_trips().await?;
        for (name, label, door) in [
            ("latency_scripted", "enqueue to start, scripted door", Door::Ours),
            ("latency_plain", "enqueue to start, plain door", Door::Plain),
        ] {
            let took = self.latency(&format!("bench-{}", name.replace('_', "-")), door).await?;
            for (share, text) in [(50, "p50"), (99, "p99")] {
                let (value, floor) = (measures::at(&took, share), measures::at(&trip, share));
                figures.add(
                    Figure::new(&format!("{name}_{text}"), &format!("{label}, {text}"), Unit::Millis, value)
                        .over(floor, "one PING"),
                );
            }
        }
        Ok(())
    }

    async fn idleness(&self, figures: &mut Figures) -> Result<()> {
        answer::progress("an idle daemon …");
        let app = self.app("bench-idle", Keep::Sqlite)?;
        liaison_store::migrate(&app.database()?).await?;
        let idle = process::Idle::measure(self, &app).await?;
        figures.add(Figure::new("idle_memory", "memory of an idle daemon", Unit::MiB, idle.resident_mib));
        figures.add(Figure::new(
            "idle_processor",
            "processor of an idle daemon",
            Unit::Percent,
            idle.processor_percent,
        ));
        figures.add(
            Figure::new(
                "first_job",
                "from the start of a daemon to its first job's end",
                Unit::Millis,
                idle.first_job_ms,
            )
            .over(idle.bare_start_ms, "a process that prints its version"),
        );
        Ok(())
    }

    /// What a job's whole life costs Redis, without the append-only file.
    async fn processor_times(&self, figures: &mut Figures) -> Result<()> {
        answer::progress("Redis processor time …");
        let app = self.app("bench-cpu", Keep::Nothing)?;
        bench::append_only(&app.link, false).await?;
        let ping = measures::micros_each(bench::pings(&app.link, self.args.jobs).await?, self.args.jobs);
        let mut plain = 0.0;
        for (name, label, door, ties) in [
            ("redis_us", "Redis, a whole life, our client", Door::Ours, Ties::None),
            ("redis_judged_us", "Redis, a whole life, judged by Redis", Door::Judged, Ties::None),
            ("redis_plain_us", "Redis, a whole life, plain door", Door::Plain, Ties::None),
            ("redis_lane_us", "Redis, a whole life, in a lane", Door::Ours, Ties::Lane),
            ("redis_unique_us", "Redis, a whole life, with a unique key", Door::Ours, Ties::Unique),
        ] {
            let value = self.redis_time(&app, &format!("bench-{}", name.replace('_', "-")), door, ties).await?;
            let figure = Figure::new(name, label, Unit::Micros, value);
            if ties == Ties::None {
                plain = if door == Door::Ours { value } else { plain };
                figures.add(figure.over(ping, "one PING of a pipeline"));
            } else {
                figures.add(figure.over(plain, "the same without"));
            }
        }
        Ok(())
    }

    fn rate(&self, time: Duration) -> f64 {
        measures::per_second(self.args.jobs, time)
    }
}
