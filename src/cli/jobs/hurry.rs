//! `liaison jobs run-now` and `liaison jobs reprioritise`: let a waiting job go sooner, or later.

use std::process::ExitCode;

use anyhow::Result;
use liaison_queue::{JobId, Moved, state::Priority};
use serde_json::json;

use crate::{
    app::App,
    cli::{answer, typed},
};

/// At once, from the head of its band; or, with a band, from the end of that one.
pub(super) async fn run(app: &App, id: &str, band: Option<Priority>, json: bool) -> Result<ExitCode> {
    let id: JobId = typed::name(id)?;
    let (mut moved, mut found) = (Moved::Unknown, None);
    for queue in app.queues().await? {
        let operator = app.operator(&queue);
        moved = match band {
            Some(band) => operator.reprioritise(&id, band).await?,
            None => operator.run_now(&id).await?,
        };
        if moved != Moved::Unknown {
            found = Some(queue);
            break;
        }
    }
    // The band of a suspect is changed where it stands, and counts when it waits with the others again.
    let done = moved == Moved::Moved || (moved == Moved::Suspect && band.is_some());
    let text = format!("{id}: {}", words(moved, band));
    match (json, done) {
        (true, _) => answer::json(&json!({"id": id, "queue": found, "status": moved})),
        (false, true) => answer::line(&text),
        (false, false) if moved == Moved::Unknown => answer::note(&super::unknown(&id)),
        (false, false) => answer::note(&text),
    }
    if moved == Moved::Unknown {
        super::hint_at_inboxes(app).await?;
    }
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn words(moved: Moved, band: Option<Priority>) -> String {
    match (moved, band) {
        (Moved::Moved, None) => "is next in its band now".to_owned(),
        (Moved::Moved, Some(band)) => format!("has the priority {band} now"),
        (Moved::Running, None) => "runs already".to_owned(),
        (Moved::Running, Some(_)) => "runs already; a priority is for jobs that wait".to_owned(),
        (Moved::Departing, _) => "has ended already, and waits to be recorded".to_owned(),
        (Moved::Waiting, _) => {
            "its lane is busy: it goes when its turn comes; `liaison lanes list` shows who is first; \
                                `liaison lanes skip` lets the others pass that one"
                .to_owned()
        }
        (Moved::Suspect, None) => {
            "was there when a process died; it runs by itself as soon as it can run apart from others".to_owned()
        }
        (Moved::Suspect, Some(band)) => {
            format!("has the priority {band} now, which counts once it has run apart from others")
        }
        (Moved::Unknown, _) => String::new(),
    }
}
