//! `liaison dead discard`: throw letters away. What cannot be taken back is asked for once, and counted.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::pages::{Item, Which};
use crate::{
    app::App,
    cli::{
        answer::{self, Progress},
        words,
    },
};

pub(super) async fn run(app: &App, which: &Which, json: bool) -> Result<ExitCode> {
    let store = app.store().await?;
    let Some(mut pages) = which.begin(&store, "Discard for good:", json).await? else { return Ok(ExitCode::SUCCESS) };
    let (mut discarded, mut missing) = (0, 0);
    let mut progress = Progress::of("discarded");
    loop {
        let page = pages.next(&store).await?;
        if page.is_empty() {
            break;
        }
        let mut letters = Vec::new();
        for item in page {
            match item {
                Item::Letter(letter) => letters.push((letter.job_id, letter.runs)),
                Item::Missing(id) => {
                    missing += 1;
                    say(&id, "unknown", json);
                }
            }
        }
        let asked = letters.len();
        let gone = store.forget_dead_letters(letters.clone()).await?;
        discarded += gone as u64;
        for (id, runs) in letters {
            // Only when some are missing is it worth asking which: revived meanwhile, or dead anew.
            let stayed = gone < asked && store.dead_letter(&id).await?.is_some_and(|letter| letter.runs != runs);
            if json || !which.is_all() || stayed {
                say(&id, if stayed { "replaced" } else { "discarded" }, json);
            }
        }
        progress.at(discarded);
    }
    progress.clear();
    if which.is_all() {
        answer::summary(&format!("{} discarded", words::of(discarded, "dead letter")), json);
    }
    Ok(if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(id: &str, status: &str, json: bool) {
    if json {
        return answer::json(&json!({"id": id, "status": status}));
    }
    let id = words::plain(id);
    match status {
        "unknown" => answer::note(&format!("{id}: no dead letter of this id")),
        "replaced" => answer::note(&format!("{id}: died again meanwhile; its new letter stays")),
        _ => answer::line(&format!("{id}: discarded")),
    }
}
