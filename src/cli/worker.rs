//! `liaison worker`: the daemon.

use std::process::ExitCode;

use anyhow::Result;
use liaison_queue::Isolation;
use tracing::{info, warn};

use super::{Global, typed};
use crate::{
    app::{App, Daemon},
    faults,
    isolation::{self, Again},
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
    /// Run only jobs that were there when a process died
    #[arg(long, hide = true, value_parser = typed::one_of::<Isolation>(["apart", "alone"].into_iter()))]
    isolation: Option<Isolation>,
}

pub(crate) fn run(global: &Global, args: WorkerArgs) -> Result<ExitCode> {
    let isolation = args.isolation.unwrap_or_default();
    let again = Again { args: global.again(args.concurrency.as_deref()), ..Again::default() };
    let loaded = global.load(args.queues, args.concurrency)?;
    telemetry::start(&loaded.config.log);
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    faults::arm(isolation)?;
    let app = App { isolation, again: Some(again), ..App::new(loaded.config)? };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("worker").build()?;
    let code = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let mut daemon = tokio::select! {
            started = app.start(None) => started?,
            () = signals.next() => return Ok(ExitCode::SUCCESS),
        };
        say_ready(&app, &daemon);
        let flows = daemon.worker.flows.clone();
        tokio::select! {
            () = signals.next() => {}
            () = isolation::no_more(&flows), if isolation != Isolation::None => {}
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

fn say_ready(app: &App, daemon: &Daemon) {
    let queues: Vec<&str> = app.config.queue.iter().map(|queue| queue.name.as_str()).collect();
    let (queues, worker, concurrency) = (queues.join(", "), &daemon.worker.id, app.config.worker.concurrency);
    match app.isolation {
        Isolation::None => info!(worker, queues, concurrency, "ready: serving {queues} with {concurrency} slots"),
        Isolation::Apart => info!(worker, queues, concurrency, "running suspects of {queues} apart from other jobs"),
        Isolation::Alone => info!(worker, queues, "running suspects of {queues} alone, one at a time"),
    }
}
