//! `liaison dead discard`: throw letters away. What cannot be taken back is asked for once, and counted; what a legal hold
//! keeps stays, and is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use anyhow::Result;
use liaison_store::{Discarded, HeldLetter};
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
    let (mut discarded, mut missing, mut kept) = (0, 0, Kept::default());
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
        let Discarded { letters: gone, held } = store.discard_dead_letters(letters.clone()).await?;
        discarded += gone as u64;
        let held = kept.take(held, json || !which.is_all(), json);
        letters.retain(|(id, _)| !held.contains(id));
        let asked = letters.len();
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
    kept.tell();
    Ok(if missing == 0 && kept.letters == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What legal holds have kept.
#[derive(Default)]
struct Kept {
    letters: u64,
    /// How many each hold has kept.
    by: BTreeMap<(String, String), u64>,
}

impl Kept {
    /// The ids of these, each said if that is wanted.
    fn take(&mut self, held: Vec<HeldLetter>, each: bool, json: bool) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        for HeldLetter { job_id, scope, key } in held {
            let whose = format!("{scope} {}", words::plain(&key));
            if ids.insert(job_id.clone()) {
                self.letters += 1;
                if json {
                    answer::json(&json!({"id": job_id, "status": "held", "hold": {"scope": scope, "key": key}}));
                } else if each {
                    answer::note(&format!("{}: stays, held by the legal hold on {whose}", words::plain(&job_id)));
                }
            }
            *self.by.entry((scope, key)).or_default() += 1;
        }
        ids
    }

    fn tell(&self) {
        if self.letters == 0 {
            return;
        }
        let holds = self.by.iter().map(|((scope, key), count)| format!("{scope} {} keeps {count}", words::plain(key)));
        answer::note(&format!(
            "{} kept by legal holds: {}; `liaison logs release SCOPE KEY` lets them go",
            words::of(self.letters, "dead letter"),
            holds.collect::<Vec<_>>().join(", ")
        ));
    }
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
