//! The command line: one file per command, one way to answer, three exit codes.
//!
//! 0: done. 1: failed. 2: wrong usage or configuration.

mod answer;
mod batches;
mod bench;
mod check;
mod cleanup;
mod conflicts;
mod dead;
#[cfg(feature = "sandbox")]
mod dev;
mod doctor;
mod enqueue;
mod integrations;
mod jobs;
mod keys;
mod lanes;
mod limits;
mod logs;
mod mail;
mod manual;
mod meetings;
mod migrate;
mod queues;
mod ready;
mod reload;
mod runs;
mod schedule;
mod typed;
mod webhooks;
mod whereabouts;
mod words;
mod worker;
mod workers;

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;
use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::{
    app::App,
    config::{self, Flags, Loaded, Sources, mistake::ConfigError},
    telemetry,
};

#[derive(Parser)]
#[command(name = "liaison", version, about = "A durable job queue for integrations", max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.\n\
    Every key of the configuration is also a variable: LIAISON_<SECTION>__<KEY>.")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

// Texts and not doc comments: their names are for people, without the back quotes of documentation.
const CONFIG: &str =
    "The configuration file [default: ./liaison.toml, then /etc/liaison/liaison.toml] [env: LIAISON_CONFIG]";
const REDIS_URL: &str =
    "Where Redis is, without a password: redis:// redis-cluster:// redis-sentinel:// unix:// [env: LIAISON_REDIS_URL]";
const DATABASE_URL: &str =
    "Where the records are, without a password: sqlite:PATH or postgres:// [env: LIAISON_DATABASE_URL]";

#[derive(Args, Clone)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    #[arg(long, global = true, value_name = "FILE", help = CONFIG)]
    config: Option<std::path::PathBuf>,
    #[arg(long, global = true, value_name = "URL", help = REDIS_URL)]
    redis_url: Option<String>,
    #[arg(long, global = true, value_name = "URL", help = DATABASE_URL)]
    database_url: Option<String>,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything embedded, with nothing to configure
    #[cfg(feature = "sandbox")]
    Dev(dev::DevArgs),
    /// Run jobs until told to stop
    Worker(worker::WorkerArgs),
    /// Ask for a job, or for as many as a file has lines
    Enqueue(Box<enqueue::EnqueueArgs>),
    /// Where a job is, which there are, and which kinds; take one back, or let it go sooner
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
    /// What happened: one run for each time a job was tried
    #[command(subcommand)]
    Runs(runs::RunsCommand),
    /// What was done with integrations, in words; follow, export, and hold what must be kept
    Logs(Box<logs::LogsArgs>),
    /// Jobs that were given up: read, revive or discard them
    #[command(subcommand)]
    Dead(dead::DeadCommand),
    /// How deep and how old the queues are; pause, resume and empty them
    #[command(subcommand)]
    Queues(queues::QueuesCommand),
    /// When work starts by itself: what comes next, what was; run, pause and resume an entry
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// Jobs that go one at a time: whose turn it is, and who waits
    #[command(subcommand)]
    Lanes(lanes::LanesCommand),
    /// Jobs with one end: how far they are; open and seal a batch
    #[command(subcommand)]
    Batches(batches::BatchesCommand),
    /// Accounts at providers: add and look at them, switch them on and off, take them off
    #[command(subcommand)]
    Integrations(integrations::IntegrationsCommand),
    /// The video conferences of bookings: who makes them, how they are joined, and how they stand
    #[command(subcommand)]
    Meetings(meetings::MeetingsCommand),
    /// What collides in the calendars of organizers, and what to keep
    #[command(subcommand)]
    Conflicts(conflicts::ConflictsCommand),
    /// Endpoints of webhooks: add, try, enable and disable them; what was delivered, and replay it
    #[command(subcommand)]
    Webhooks(webhooks::WebhooksCommand),
    /// Who works, and on what
    #[command(subcommand)]
    Workers(workers::WorkersCommand),
    /// Limits that hold over all daemons: what passed, who waits, who holds
    #[command(subcommand)]
    Limits(limits::LimitsCommand),
    /// Whether mail gets out, and whom nothing is sent to
    #[command(subcommand)]
    Mail(mail::MailCommand),
    /// Delete what is older than its time, or count it
    Cleanup(cleanup::CleanupArgs),
    /// Bring the database up to date
    Migrate(migrate::MigrateArgs),
    /// Let the daemons on this host read their configuration again
    Reload(reload::ReloadArgs),
    /// Print the configuration in effect, with where it came from, or all its mistakes
    Check(check::CheckArgs),
    /// Ask the daemon of this configuration whether it is ready, and for what it waits
    Ready,
    /// Look at the living system, and say what is wrong with it and what to do
    Doctor(doctor::DoctorArgs),
    /// The keys that seal what is stored: list, add, and rotate them
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Measure this machine and what we keep of it
    Bench(bench::BenchArgs),
    /// Print a script that completes commands in a shell
    Completions(manual::CompletionsArgs),
    /// Print the manual page, or write all of them
    Man(manual::ManArgs),
}

pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // clap prints help to standard output and mistakes to standard error, and knows which is which.
            let _ = usage.print();
            if usage.use_stderr() && std::env::args_os().any(|word| word == "--json") {
                // What is wrong, without the advice on how to get help.
                let text = usage.to_string();
                let text = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
                answer::json(&serde_json::json!({"error": text}));
            }
            return if usage.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let json = cli.global.json;
    match run(cli) {
        Ok(code) => code,
        Err(error) => answer::failure(&error, json),
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let Cli { global, command } = cli;
    match command {
        #[cfg(feature = "sandbox")]
        Command::Dev(args) => dev::run(&global, &args),
        Command::Worker(args) => worker::run(&global, args),
        Command::Enqueue(args) => enqueue::run(&global, &args),
        Command::Jobs(command) => jobs::run(&global, &command),
        Command::Runs(command) => runs::run(&global, &command),
        Command::Logs(args) => logs::run(&global, &args),
        Command::Dead(command) => dead::run(&global, &command),
        Command::Queues(command) => queues::run(&global, &command),
        Command::Schedule(command) => schedule::run(&global, &command),
        Command::Lanes(command) => lanes::run(&global, &command),
        Command::Batches(command) => batches::run(&global, &command),
        Command::Integrations(command) => integrations::run(&global, &command),
        Command::Meetings(command) => meetings::run(&global, &command),
        Command::Conflicts(command) => conflicts::run(&global, &command),
        Command::Webhooks(command) => webhooks::run(&global, &command),
        Command::Workers(command) => workers::run(&global, &command),
        Command::Limits(command) => limits::run(&global, &command),
        Command::Mail(command) => mail::run(&global, &command),
        Command::Cleanup(args) => cleanup::run(&global, &args),
        Command::Migrate(args) => migrate::run(&global, &args),
        Command::Ready => ready::run(&global),
        Command::Reload(args) => reload::run(&global, &args),
        Command::Check(args) => check::run(&global, &args),
        Command::Doctor(args) => doctor::run(&global, &args),
        Command::Keys(command) => keys::run(&global, &command),
        Command::Bench(args) => bench::run(&global, &args),
        Command::Completions(args) => Ok(manual::completions(self::command(), &args)),
        Command::Man(args) => manual::man(self::command(), &args),
    }
}

/// All commands, for whoever describes them.
fn command() -> clap::Command {
    Cli::command()
}

impl Global {
    /// Read the configuration, with the flags of a worker where there are any.
    pub(crate) fn load(&self, queues: Vec<String>, concurrency: Option<String>) -> Result<Loaded, ConfigError> {
        self.load_with(queues, concurrency, Vec::new())
    }

    /// The same, with what the command itself decides.
    pub(crate) fn load_with(
        &self,
        queues: Vec<String>,
        concurrency: Option<String>,
        fixed: Vec<(&'static str, String)>,
    ) -> Result<Loaded, ConfigError> {
        let flags = Flags {
            config: self.config.clone(),
            redis_url: self.redis_url.clone(),
            database_url: self.database_url.clone(),
            queues,
            concurrency,
        };
        config::load(&Sources { fixed, ..Sources::of_this_process(flags) })
    }

    /// The arguments with which another process reads the same configuration.
    pub(crate) fn again(&self, concurrency: Option<&str>) -> Vec<OsString> {
        let mut args = Vec::new();
        let texts = [("--redis-url", &self.redis_url), ("--database-url", &self.database_url)];
        for (flag, value) in texts.into_iter().filter_map(|(flag, value)| Some((flag, value.as_ref()?))) {
            args.extend([OsString::from(flag), value.into()]);
        }
        if let Some(config) = &self.config {
            args.extend([OsString::from("--config"), config.into()]);
        }
        if let Some(concurrency) = concurrency {
            args.extend([OsString::from("--concurrency"), concurrency.into()]);
        }
        args
    }

    /// Everything a command needs that asks one question and ends.
    pub(crate) fn app(&self) -> Result<App> {
        let loaded = self.load(Vec::new(), None)?;
        for warning in &loaded.warnings {
            answer::note(&warning.to_string());
        }
        telemetry::start(&loaded.config.log);
        App::new(loaded.config)
    }
}

/// One question, one answer: a runtime on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
