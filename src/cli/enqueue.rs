//! `liaison enqueue`: ask for a job, or for as many as a file has lines.

mod bulk;
mod ties;
mod told;
mod waiting;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use liaison_queue::{
    JobId, JobName, QueueName, Receipt,
    envelope::{MAX_ATTEMPTS, MAX_TIMEOUT},
    state::Priority,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Global, answer, answer::Usage, block_on, typed, words};
use crate::{app::App, config::units::show_duration};
use ties::{Ties, WrittenTies};
use told::{Answer, Status};

#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct EnqueueArgs {
    /// The job, by its name in `liaison jobs catalog`
    #[arg(required_unless_present_any = ["bulk", "script"])]
    job: Option<String>,
    /// Its arguments in JSON, or @FILE, or - for standard input [default: {}]
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    args: Option<String>,
    /// Where it waits [default: default]
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Its id: sent twice, it is one job
    #[arg(long)]
    id: Option<String>,
    /// Which band of the queue it waits in
    #[arg(long, value_parser = typed::one_of::<Priority>(Priority::ALL.iter().map(|band| band.as_str())))]
    priority: Option<Priority>,
    /// Not before so much later, as in 10s
    #[arg(long, value_name = "DURATION", value_parser = typed::duration, conflicts_with = "at")]
    delay: Option<Duration>,
    /// Not before this time, in RFC 3339
    #[arg(long, value_name = "TIME", value_parser = typed::instant)]
    at: Option<liaison_queue::clock::Millis>,
    /// Give it up if it has not started so long after it was due, as in 1h
    #[arg(long, value_name = "DURATION", value_parser = typed::duration)]
    expires: Option<Duration>,
    /// How often it is tried in all: 1 to 1000 [default: the job's own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_ATTEMPTS)))]
    max_attempts: Option<u32>,
    /// How long one attempt may take, up to 1d [default: the job's own]
    #[arg(long, value_name = "DURATION", value_parser = typed::duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    ties: Ties,
    /// Wait so long for its end, up to 1d; exit code 0 only if it is done by then
    #[arg(long, value_name = "DURATION", value_parser = typed::duration)]
    wait: Option<Duration>,
    /// Envelopes from a file, or - for standard input: one a line, one answer a line
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "job", "args", "queue", "id", "priority", "delay", "at", "expires", "max_attempts", "timeout", "wait",
        "lane", "unique", "batch"])]
    bulk: Option<PathBuf>,
    /// Print the script of the scripted door, for hosts; with --json also the keys that it takes
    #[arg(long, conflicts_with_all = [
        "job", "args", "queue", "id", "priority", "delay", "at", "expires", "max_attempts", "timeout", "wait",
        "lane", "unique", "batch", "bulk"])]
    script: bool,
}

/// A person who waits longer looks again tomorrow.
const MAX_WAIT: Duration = Duration::from_hours(24);

/// The envelope of one job, with what was asked for and nothing else.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    job: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u128>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reply: bool,
    #[serde(flatten)]
    ties: WrittenTies,
}

pub(crate) fn run(global: &Global, args: &EnqueueArgs) -> Result<ExitCode> {
    if args.script {
        print_script(global.json);
        return Ok(ExitCode::SUCCESS);
    }
    let app = global.app()?;
    match &args.bulk {
        Some(path) => bulk::run(&app, path, global.json),
        None => block_on(one(&app, args, global.json)),
    }
}

fn print_script(json: bool) {
    let (script, keys) = liaison_queue::door();
    if json {
        answer::json(&serde_json::json!({"script": script, "keys": keys}));
    } else {
        answer::line(script.trim_end());
    }
}

async fn one(app: &App, args: &EnqueueArgs, json: bool) -> Result<ExitCode> {
    let job: JobName = typed::name(args.job.as_deref().unwrap_or_default())?;
    let queue = args.queue.as_deref().map(typed::name::<QueueName>).transpose()?;
    let mut id = args.id.as_deref().map(typed::name::<JobId>).transpose()?;
    refuse_too_long(args)?;
    let ties = args.ties.written()?;
    let written = args.args.as_deref().map(|text| typed::arguments(text, app.limits().max_args)).transpose()?;
    if let Some(entry) = typed::known_job(job.as_str()) {
        (entry.check)(written.as_deref().map_or("{}", RawValue::get)).map_err(Usage)?;
    }
    // Whoever waits has to know the id before the answer, so that a lost answer can be asked for again.
    id = id.or_else(|| args.wait.map(|_| JobId::generate()));
    let due = due(app, args).await?;
    let envelope = Written {
        id: id.as_ref().map(JobId::as_str),
        job: job.as_str(),
        args: written.as_deref(),
        queue: queue.as_ref().map(QueueName::as_str),
        priority: args.priority,
        run_at: due.run_at.map(words::date_of),
        expires_at: due.expires_at.map(words::date_of),
        max_attempts: args.max_attempts,
        timeout_ms: args.timeout.map(|timeout| timeout.as_millis()),
        reply: args.wait.is_some(),
        ties,
    };
    let envelope = serde_json::to_string(&envelope).context("write the envelope")?;
    send(app, Sending { envelope, id, queue, run_at: due.run_at, wait: args.wait }, json).await
}

/// One envelope on its way.
pub(super) struct Sending {
    pub(super) envelope: String,
    pub(super) id: Option<JobId>,
    pub(super) queue: Option<QueueName>,
    pub(super) run_at: Option<i64>,
    pub(super) wait: Option<Duration>,
}

/// Enqueue it, wait for its end if that is asked for, and answer.
pub(super) async fn send(app: &App, sending: Sending, json: bool) -> Result<ExitCode> {
    let Sending { envelope, id, queue, run_at, wait } = sending;
    let receipts = app.producer().enqueue(&[envelope]).await?;
    let receipt = receipts.into_iter().next().context("Redis gave no answer for the envelope")?;
    // Where it waits, of all the parts of its queue.
    let queue = match &receipt {
        Receipt::Queued { queue, .. } | Receipt::Duplicate { queue, .. } => queue.clone(),
        Receipt::Rejected { .. } => queue.unwrap_or_else(QueueName::default_queue),
    };
    let mut answer = Answer::of(receipt, id.as_ref());
    // One with its unique key is there already: then that is the job to wait for.
    let awaited = answer.other().and_then(|of| JobId::parse(of).ok()).or(id);
    if let (Some(patience), Some(id), false) = (wait, &awaited, answer.status == Status::Rejected) {
        waiting::wait(app, &queue, id, patience, &mut answer).await?;
    }
    if json {
        answer::json(&answer);
    } else {
        answer.say(&queue, run_at);
    }
    Ok(if answer.is_good(wait.is_some()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn refuse_too_long(args: &EnqueueArgs) -> Result<(), Usage> {
    if args.timeout.is_some_and(|timeout| timeout.is_zero()) {
        return Err(Usage("--timeout: no job ends in no time; write at least 1ms, or leave it out".to_owned()));
    }
    for (flag, value, most) in [("--timeout", args.timeout, MAX_TIMEOUT), ("--wait", args.wait, MAX_WAIT)] {
        if let Some(value) = value.filter(|value| *value > most) {
            let (value, most) = (show_duration(value), show_duration(most));
            return Err(Usage(format!("{flag}: {value} is more than the {most} allowed; write less, or leave it out")));
        }
    }
    Ok(())
}

/// When it may start, and when it need not start any more.
#[derive(Debug, Default)]
struct Due {
    run_at: Option<i64>,
    expires_at: Option<i64>,
}

/// Lengths of time count by the clock of Redis, which decides what is due: this machine's clock does not matter.
async fn due(app: &App, args: &EnqueueArgs) -> Result<Due> {
    let run_at = args.at.map(|at| at.0);
    if args.delay.is_none() && (args.expires.is_none() || run_at.is_some()) {
        return Ok(Due { run_at, expires_at: args.expires.zip(args.at).map(|(long, at)| at.plus(long).0) });
    }
    let now = liaison_queue::now(&app.link).await?;
    let run_at = run_at.or(args.delay.map(|delay| now.plus(delay).0));
    let from = run_at.map_or(now, liaison_queue::clock::Millis);
    Ok(Due { run_at, expires_at: args.expires.map(|long| from.plus(long).0) })
}
