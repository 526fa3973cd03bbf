//! `liaison worker`: the daemon.

use std::process::ExitCode;

use anyhow::Result;
use tracing::{info, warn};

use super::Global;
use crate::{
    app::App,
    lifecycle::{self, Signals},
    telemetry,
};

#[derive(clap::Args)]
pub(crate) struct WorkerArgs {
    /// Serve these queues only [default: all that are configured]
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    queues: Vec<String>,
    /// Jobs run at once [default: worker.concurrency]
    #[arg(long, value_name = "N")]
    concurrency: Option<String>,
}

pub(crate) fn run(global: &Global, args: WorkerArgs) -> Result<ExitCode> {
    let loaded = global.load(args.queues, args.concurrency)?;
    telemetry::start(&loaded.config.log);
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let app = App::new(loaded.config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("worker").build()?;
    let code = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let mut daemon = tokio::select! {
            started = app.start(None) => started?,
            () = signals.next() => return Ok(ExitCode::SUCCESS),
        };
        let queues: Vec<&str> = app.config.queue.iter().map(|queue| queue.name.as_str()).collect();
        info!(
            worker = daemon.worker.id,
            queues = queues.join(","),
            concurrency = app.config.worker.concurrency,
            "ready: serving {} with {} slots",
            queues.join(", "),
            app.config.worker.concurrency
        );
        tokio::select! {
            () = signals.next() => {}
            // A daemon that lives on deaf is worse than one that is started anew.
            () = daemon.broken() => return Ok(ExitCode::FAILURE),
        }
        lifecycle::drain(daemon, app.config.worker.grace, &mut signals).await;
        Ok::<ExitCode, anyhow::Error>(ExitCode::SUCCESS)
    });
    // A handler that never yields must not keep the process: its lease lapses, and it runs again elsewhere.
    runtime.shutdown_background();
    code
}
