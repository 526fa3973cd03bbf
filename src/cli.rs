//! The command line: one file per command, one way to answer, three exit codes.
//!
//! 0: done. 1: failed. 2: wrong usage or configuration.

mod answer;
mod bench;
#[cfg(feature = "sandbox")]
mod dev;
mod worker;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

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

#[derive(Args, Clone)]
pub(crate) struct Global {
    /// The configuration file [default: ./liaison.toml, then /etc/liaison/liaison.toml] [env: LIAISON_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    /// Where Redis is, without a password: redis:// rediss:// unix:// [env: LIAISON_REDIS_URL]
    #[arg(long, global = true, value_name = "URL")]
    redis_url: Option<String>,
    /// Where the records are, without a password: sqlite:PATH or postgres:// [env: LIAISON_DATABASE_URL]
    #[arg(long, global = true, value_name = "URL")]
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
    /// Measure this machine and what we keep of it
    Bench(bench::BenchArgs),
}

pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // clap prints help to standard output and mistakes to standard error, and knows which is which.
            let _ = usage.print();
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
        Command::Bench(args) => bench::run(&global, &args),
    }
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
