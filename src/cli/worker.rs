//! `liaison worker`: the daemon.

use std::{
    process::ExitCode,
    sync::{Arc, Mutex},
};

use anyhow::Result;
use liaison_queue::{Isolation, Vitals};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tracing::{info, warn};

use super::{Global, answer, typed};
use crate::{
    app::{App, Daemon},
    config::{Loaded, environment, schedule::Schedule, secret::Secret},
    faults,
    isolation::{self, Again, Told},
    lifecycle::{self, Asked, Signals},
    notify::Notifier,
    reload::Reloader,
    telemetry,
    vitals::{Attendant, Condition},
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
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("worker").build()?;
    // Before anything else: a SIGHUP that comes while we start must not end us, and a SIGTERM must be heard.
    let signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    let isolation = args.isolation.unwrap_or_default();
    let (global, arguments) = (global.clone(), global.again(args.concurrency.as_deref()));
    let read = move || global.load(args.queues.clone(), args.concurrency.clone());
    let Loaded { config, warnings, file, text } = read()?;
    let text = Arc::new(Mutex::new(Some(text.unwrap_or_else(|| Secret::new("")))));
    let again = Again { args: arguments, text, ..Again::default() };
    telemetry::start(&config.log);
    for warning in &warnings {
        warn!("{warning}");
    }
    faults::arm(isolation)?;
    let schedule = Arc::new(Schedule::of(&config)?);
    let file = file.map(|path| std::path::absolute(&path).unwrap_or(path).display().to_string());
    let vitals = Vitals::default();
    let condition = Condition::new(vitals.clone(), Notifier::new(&environment::supervisor()));
    let schedule = watch::Sender::new(schedule);
    let reloader = Reloader::new(config.clone(), file.clone(), Box::new(read), schedule.clone());
    let app = App { isolation, again: Some(again), vitals, condition, schedule, file, ..App::new(config)? };
    // Before anybody waits for Redis, and until all is over. The process of suspects is watched by the daemon it is of.
    let attendant = match isolation {
        Isolation::None => Some(Attendant::start(&app.config, &app.link, &app.condition)?),
        Isolation::Apart | Isolation::Alone => None,
    };
    let code = runtime.block_on(serve(&app, reloader, signals));
    // A handler that never yields must not keep the process: its lease lapses, and it runs again elsewhere.
    runtime.shutdown_background();
    drop(attendant);
    code
}

/// The process of suspects lives for them alone: it does not wait for anything, and tells each run to whoever started it.
async fn start(app: &App, telling: &mut JoinSet<()>) -> Result<Daemon> {
    if app.isolation == Isolation::None {
        return lifecycle::start(app).await;
    }
    let (observer, mut runs) = mpsc::unbounded_channel();
    let daemon = app.start(Some(observer)).await?;
    telling.spawn(async move {
        while let Some(run) = runs.recv().await {
            answer::json(&Told::of(run));
        }
    });
    Ok(daemon)
}

async fn serve(app: &App, mut reloader: Reloader, mut signals: Signals) -> Result<ExitCode> {
    let mut telling = JoinSet::new();
    let mut daemon = tokio::select! {
        started = start(app, &mut telling) => started.inspect_err(|fault| {
            // What ended it, for `systemctl status`.
            app.condition.notifier().status(&format!("cannot start: {fault:#}"));
        })?,
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    app.condition.serves(daemon.flows());
    say_ready(app, &daemon);
    let queues = daemon.worker.queues();
    loop {
        tokio::select! {
            asked = signals.asked() => match asked {
                Asked::Stop => break,
                // What runs suspects is short-lived: the next one reads what is in the file then.
                Asked::Reload if app.isolation != Isolation::None => continue,
                Asked::Reload => {}
            },
            () = isolation::no_more(&queues), if app.isolation != Isolation::None => break,
            // A daemon that lives on deaf is worse than one that is started anew.
            () = daemon.broken() => return Ok(ExitCode::FAILURE),
        }
        tokio::select! {
            biased;
            () = signals.next() => break,
            () = reload(app, &mut reloader, &mut daemon) => {}
        }
    }
    lifecycle::drain(daemon, reloader.current().worker.grace, &mut signals).await;
    // Its other end went with the recorder.
    while telling.join_next().await.is_some() {}
    Ok(ExitCode::SUCCESS)
}

async fn reload(app: &App, reloader: &mut Reloader, daemon: &mut Daemon) {
    app.condition.reloads();
    let problem = reloader.reload(daemon).await;
    app.condition.remark(problem.map(|problem| format!("the last reload failed: {}", one_line(&problem))));
    app.condition.serves(daemon.flows());
}

/// A status is one line, cut where it is too long; the log has all of it.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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
