//! `liaison jobs cancel`: take jobs back, whatever queue they are in, recorded with who did it and why.

use std::process::ExitCode;

use anyhow::Result;
use liaison_queue::{Cancelled, JobId};
use serde_json::json;

use crate::{
    app::App,
    cli::{
        answer,
        typed::{self, Because},
        words,
    },
    config::units::show_duration,
};

#[derive(clap::Args)]
pub(crate) struct CancelArgs {
    /// The ids of the jobs
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    because: Because,
}

pub(super) async fn run(app: &App, args: &CancelArgs, json: bool) -> Result<ExitCode> {
    let ids = args.ids.iter().map(|id| typed::name::<JobId>(id)).collect::<Result<Vec<_>, _>>()?;
    let by = args.because.by();
    let mut answers = vec![(Cancelled::Unknown, None); ids.len()];
    // Each queue is asked for those that no queue before it knew: what is found is taken back in the same step.
    for queue in app.queues().await? {
        let open: Vec<usize> = (0..ids.len()).filter(|at| answers[*at].0 == Cancelled::Unknown).collect();
        if open.is_empty() {
            break;
        }
        let asked: Vec<_> = open.iter().map(|at| ids[*at].clone()).collect();
        let said = app.operator(&queue).cancel(&asked, &by, &args.because.reason).await?;
        for (at, answer) in open.into_iter().zip(said) {
            if answer != Cancelled::Unknown {
                answers[at] = (answer, Some(queue.clone()));
            }
        }
    }
    for (id, (answer, queue)) in ids.iter().zip(&answers) {
        if json {
            answer::json(&json!({"id": id, "queue": queue, "status": answer}));
        } else {
            say(app, id, *answer);
        }
    }
    if answers.iter().any(|(answer, _)| *answer == Cancelled::Unknown) {
        super::hint_at_inboxes(app).await?;
    }
    let all = answers.iter().all(|(answer, _)| matches!(answer, Cancelled::Removed | Cancelled::Asked));
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(app: &App, id: &JobId, answer: Cancelled) {
    match answer {
        Cancelled::Removed => answer::line(&format!("{id}: taken back before it ran")),
        Cancelled::Asked => {
            let grace = show_duration(app.config.worker.cancel_grace);
            answer::line(&format!("{id}: runs; it is told now, and stopped {grace} later (worker.cancel_grace)"));
        }
        Cancelled::Departing => answer::note(&format!("{id}: has ended already, and waits to be recorded")),
        Cancelled::Unknown => answer::note(&words::plain(&super::unknown(id))),
    }
}
