//! `liaison dev`: everything embedded, nothing to configure.

mod agenda;
mod providers;
mod sandbox;

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use liaison_queue::{JobId, Receipt, Vitals};
use liaison_store::{KeyRing, Run};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use self::sandbox::Sandbox;
use super::{Global, answer};
use crate::{
    app::App,
    embedded::{Folder, PrivateRedis},
    isolation::Again,
    lifecycle::{self, Signals},
    notify::Notifier,
    telemetry,
    vitals::{Attendant, Condition},
};

#[derive(clap::Args)]
pub(crate) struct DevArgs {
    /// Where its data is kept
    #[arg(long, value_name = "DIR", default_value = ".liaison")]
    data: PathBuf,
    /// Run one of each job, print a table, and end
    #[arg(long)]
    once: bool,
}

/// All samples together end within a second; a machine under load is given much more.
const ONCE: Duration = Duration::from_mins(1);

/// One line of the table.
#[derive(Serialize)]
struct Row {
    job: &'static str,
    id: String,
    expected: &'static str,
    outcome: String,
    attempts: i32,
    duration_ms: Option<i64>,
    result: Option<String>,
    reason: Option<String>,
    ok: bool,
}

pub(crate) fn run(global: &Global, args: &DevArgs) -> Result<ExitCode> {
    let folder = Folder::take(&args.data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        let redis = PrivateRedis::start(&folder).await?;
        let outcome = with_redis(global, args, &folder.path, &redis).await;
        // Stopped in order, also when something went wrong.
        redis.stop().await?;
        outcome
    });
    runtime.shutdown_background();
    code
}

async fn with_redis(global: &Global, args: &DevArgs, dir: &Path, redis: &PrivateRedis) -> Result<ExitCode> {
    let sandbox = Sandbox::start(dir).await?;
    let mut fixed = vec![
        ("redis.url", redis.url()),
        ("store.url", format!("sqlite:{}", dir.join("liaison.db").display())),
        ("store.key_file", key_file(dir)?.display().to_string()),
        ("worker.diagnostics", "true".to_owned()),
    ];
    fixed.extend(sandbox.fixed());
    let (environment, unset) = crate::config::variables(&fixed);
    let loaded = global.load_with(Vec::new(), None, fixed.clone())?;
    let environment = environment.into_iter().chain(crate::config::of_providers(&fixed, &loaded.config)).collect();
    let again = Again { args: global.again(None), environment, unset, ..Again::default() };
    telemetry::start(&loaded.config.log);
    let schedule = crate::config::schedule::Schedule::of(&loaded.config)?;
    let vitals = Vitals::default();
    let condition = Condition::new(vitals.clone(), Notifier::default());
    let app = App { again: Some(again), vitals, condition, aside: global.json, ..App::new(loaded.config)? };
    app.schedule.send_replace(schedule.into());
    liaison_store::migrate(&app.database()?).await.context("prepare the store")?;
    let mut signals = Signals::listen()?;
    sandbox.furnish(&app).await?;
    let (observer, mut seen) = mpsc::unbounded_channel();
    let mut daemon = app.start(Some(observer)).await?;
    let mut samples = send_samples(&app).await?;
    let code = if args.once {
        let in_time = tokio::time::timeout(ONCE, collect(&mut samples, &mut seen)).await.is_ok();
        if !in_time {
            answer::note(&format!("not all jobs ended within {ONCE:?}"));
        }
        show(samples, global.json)
    } else {
        app.condition.serves(daemon.flows());
        let attendant = Attendant::start(&app.config, &app.link, &app.condition)?;
        greet(&redis.url(), dir);
        if let Some(place) = attendant.answers_at() {
            answer::line(&format!("Health and metrics are answered at {place}: /healthz, /readyz, /metrics"));
        }
        sandbox.lines().iter().for_each(|line| answer::line(line));
        tokio::select! {
            () = print_all(&mut seen, global.json) => {}
            // A terminal that hangs up is a reason to end, too.
            _ = signals.asked() => {}
            () = daemon.broken() => bail!("a part of the daemon ended; see its log"),
        }
        ExitCode::SUCCESS
    };
    lifecycle::drain(daemon, app.config.worker.grace, &mut signals).await;
    sandbox.stop().await;
    Ok(code)
}

/// The folder's own key, made when it is first needed.
fn key_file(dir: &Path) -> Result<PathBuf> {
    write_once(&dir.join("key"), &KeyRing::generate_line("dev"))
}

/// A file that nobody else may read, written unless it is there. It comes into its place when it is whole: whoever is
/// killed before leaves none. The folder is ours alone, so nobody else does the same.
fn write_once(path: &Path, line: &str) -> Result<PathBuf> {
    if path.exists() {
        return Ok(path.to_owned());
    }
    let beside = path.with_extension("new");
    let shown = path.display();
    let opened = File::options().write(true).create(true).truncate(true).mode(0o600).open(&beside);
    let mut file = opened.with_context(|| format!("make the file {shown}"))?;
    writeln!(file, "{line}").with_context(|| format!("write {shown}"))?;
    std::fs::rename(&beside, path).with_context(|| format!("put {shown} into its place"))?;
    Ok(path.to_owned())
}

/// One of each job that has a sample; by id, in the order of the catalogue.
async fn send_samples(app: &App) -> Result<BTreeMap<String, Row>> {
    let (mut rows, mut envelopes) = (BTreeMap::new(), Vec::new());
    for entry in liaison_jobs::CATALOG {
        let Some(sample) = &entry.sample else { continue };
        let id = JobId::generate().to_string();
        let args: Value = serde_json::from_str(sample.args).context("read a sample")?;
        let mut envelope = json!({"id": id, "job": entry.name, "args": args});
        if let Some(lane) = entry.sample_lane {
            envelope["lane"] = json!({"key": lane, "on_delay": "pass"});
        }
        envelopes.push(envelope.to_string());
        let row = Row {
            job: entry.name,
            id: id.clone(),
            expected: sample.ends.as_str(),
            outcome: "waiting".into(),
            attempts: 0,
            duration_ms: None,
            result: None,
            reason: None,
            ok: false,
        };
        rows.insert(id, row);
    }
    for receipt in app.producer().enqueue(&envelopes).await? {
        if let Receipt::Rejected { reason } = receipt {
            bail!("a sample was rejected: {reason}");
        }
    }
    Ok(rows)
}

/// Follow the samples until each has ended.
async fn collect(rows: &mut BTreeMap<String, Row>, seen: &mut mpsc::UnboundedReceiver<Run>) {
    let mut open = rows.len();
    while open > 0 {
        let Some(run) = seen.recv().await else { return };
        let Some(row) = rows.get_mut(&run.job_id) else { continue };
        run.outcome.as_str().clone_into(&mut row.outcome);
        row.attempts = run.attempt;
        row.duration_ms = run.duration_ms;
        row.result = run.result;
        row.reason = run.reason;
        row.ok = row.outcome == row.expected;
        open -= usize::from(row.outcome != "retry");
    }
}

fn show(rows: BTreeMap<String, Row>, json: bool) -> ExitCode {
    let rows: Vec<Row> = rows.into_values().collect();
    let well = rows.iter().all(|row| row.ok);
    if json {
        answer::json(&rows);
    } else {
        let cells = |row: &Row| {
            vec![
                row.job.to_owned(),
                row.outcome.clone(),
                row.expected.to_owned(),
                row.attempts.to_string(),
                row.duration_ms.map_or(String::new(), |ms| format!("{ms} ms")),
                row.result.clone().or_else(|| row.reason.clone()).unwrap_or_default(),
            ]
        };
        let table: Vec<_> = rows.iter().map(cells).collect();
        answer::table(&["JOB", "OUTCOME", "EXPECTED", "ATTEMPTS", "TOOK", "RESULT OR REASON"], &table);
        answer::line("");
        answer::line(
            "`crash` is left out: it would take this process with it. `knock` and `pair` need somebody to call.",
        );
        answer::line(if well { "All ended as they should." } else { "Not all ended as they should." });
    }
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn greet(url: &str, dir: &Path) {
    answer::line(&format!("Liaison runs, with its data in {}. Ctrl-C stops it. In another terminal:", dir.display()));
    answer::line("");
    answer::line(&format!("  export LIAISON_REDIS_URL={url}"));
    answer::line(&format!("  export LIAISON_DATABASE_URL=sqlite:{}/liaison.db", dir.display()));
    answer::line(&format!("  export LIAISON_STORE__KEY_FILE={}/key", dir.display()));
    answer::line("  liaison enqueue echo --args '{\"hello\": \"you\"}' --wait 5s");
    answer::line("  liaison integrations list");
    answer::line("  liaison conflicts list");
    answer::line("  liaison webhooks deliveries");
    answer::line("");
}

/// Every outcome as it lands.
async fn print_all(seen: &mut mpsc::UnboundedReceiver<Run>, json: bool) {
    let begin = Instant::now();
    // So that columns stay columns.
    let width = liaison_jobs::CATALOG.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    while let Some(run) = seen.recv().await {
        if json {
            answer::json(&run);
            continue;
        }
        let took = run.duration_ms.map_or("-".to_owned(), |ms| format!("{ms} ms"));
        let rest = run.result.as_deref().or(run.reason.as_deref()).unwrap_or("");
        answer::line(&format!(
            "{:>8.3} s  {:<9}  {:<width$}  {}  attempt {}  {took}  {rest}",
            begin.elapsed().as_secs_f32(),
            run.outcome,
            run.name,
            run.job_id,
            run.attempt
        ));
    }
}
