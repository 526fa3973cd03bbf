//! `liaison keys rotate` and `reseal`: from one key to the next while daemons run.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use liaison_store::{Closed, SealedColumn, Store};
use serde_json::json;

use super::file::{KeyFile, Place};
use crate::{
    app::App,
    cli::{
        answer::{self, Progress},
        reload, words,
    },
};

/// Values in one transaction: a fraction of what a batch of a cleanup may take.
const BATCH: u32 = 200;
/// As many as a person reads.
const SHOWN: usize = 20;
/// A card is written once a second.
const LOOK: Duration = Duration::from_millis(100);

/// What a daemon must do with a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Must {
    Open,
    Seal,
}

pub(super) async fn run(app: &App, id: &str, wait: Duration, json: bool) -> Result<ExitCode> {
    let mut file = KeyFile::of(app)?;
    if file.ids().iter().all(|known| known != id) {
        file.add(id, Place::Below)?;
        say(&format!("{id} is in {}", file.path()));
    }
    taken(app, id, Must::Open, wait).await?;
    if file.ids().first().is_none_or(|first| first != id) {
        file.promote(id)?;
        say(&format!("{id} is the first"));
    }
    taken(app, id, Must::Seal, wait).await?;
    reseal(app, false, json).await
}

pub(super) async fn reseal(app: &App, anyway: bool, json: bool) -> Result<ExitCode> {
    let store = app.store_with_keys().await?;
    let ids = store.key_ids();
    let first = ids.first().cloned().unwrap_or_default();
    let lacking = if anyway { Vec::new() } else { lacking(app, &first, Must::Open).await? };
    if !lacking.is_empty() {
        bail!(
            "these daemons do not know key {first} and could not open what is sealed with it: {}; put the key file on \
             their machines and reload or restart them, then try again",
            lacking.join(", ")
        );
    }
    let sum = all(&store).await?;
    if json {
        answer::json(&json!({"key": first, "resealed": sum.resealed, "closed": sum.closed}));
    } else {
        answer::line(&format!("{} sealed with {first}", words::of(sum.resealed, "value")));
    }
    for Closed { column, id, why } in sum.closed.iter().take(SHOWN).filter(|_| !json) {
        answer::note(&format!("{}.{} of {id}: {why}", column.table, column.column));
    }
    if sum.closed.len() > SHOWN && !json {
        answer::note(&format!("and {} more that cannot be opened", sum.closed.len() - SHOWN));
    }
    let counts = store.sealed_counts().await?;
    let is_idle = |id: &&String| counts.iter().all(|count| count.key.as_ref() != Some(id));
    let idle: Vec<&str> = ids.iter().skip(1).filter(is_idle).map(String::as_str).collect();
    if !idle.is_empty() {
        answer::note(&format!(
            "nothing is sealed any more with {}: take them out of the file once no older backup is needed, and reload",
            idle.join(", ")
        ));
    }
    Ok(if sum.closed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Default)]
struct Sum {
    resealed: u64,
    closed: Vec<Closed>,
}

/// Until nothing is left that an older key has sealed, but what cannot be opened. Who changes a value meanwhile seals it
/// with the new key, or it is found in the next round.
async fn all(store: &Store) -> Result<Sum> {
    let (mut sum, mut progress) = (Sum::default(), Progress::of("values sealed"));
    loop {
        let mut changed = 0;
        sum.closed.clear();
        for column in SealedColumn::ALL {
            let mut after = None;
            loop {
                let batch = store.reseal(column, after, BATCH).await?;
                (sum.resealed, changed) = (sum.resealed + batch.resealed, changed + batch.changed);
                sum.closed.extend(batch.closed);
                progress.at(sum.resealed);
                after = batch.last;
                if after.is_none() {
                    break;
                }
                // Others who write go first.
                tokio::time::sleep(batch.took * 4).await;
            }
        }
        if changed == 0 {
            progress.clear();
            return Ok(sum);
        }
    }
}

/// Let the daemons of this host read their files again, until every living one, wherever it is, has taken the key.
async fn taken(app: &App, id: &str, must: Must, wait: Duration) -> Result<()> {
    if lacking(app, id, must).await?.is_empty() {
        return Ok(());
    }
    reload::signal_all(app).await?;
    let begin = Instant::now();
    loop {
        let lacking = lacking(app, id, must).await?;
        if lacking.is_empty() {
            return Ok(());
        }
        if begin.elapsed() > wait {
            let step = match must {
                Must::Open => "put this key file on every machine",
                Must::Seal => "run `liaison keys promote` on every machine",
            };
            bail!(
                "these daemons have not taken key {id}: {}. Everything can still be opened. Now: {step}, reload or \
                 restart its daemons, and go on with `liaison keys rotate --id {id}`",
                lacking.join(", ")
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The living daemons that do not do this with the key.
async fn lacking(app: &App, id: &str, must: Must) -> Result<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    for queue in app.queues().await? {
        for (card, alive) in app.inspector(&queue).workers().await? {
            let keys = &card.configuration.keys;
            let does = match must {
                Must::Open => keys.iter().any(|known| known == id),
                Must::Seal => keys.first().is_some_and(|first| first == id),
            };
            // One that drains takes no new configuration, and is gone soon.
            if alive && !does && !found.contains(&card.worker) {
                found.push(card.worker);
            }
        }
    }
    Ok(found)
}

fn say(text: &str) {
    answer::note(text);
}
