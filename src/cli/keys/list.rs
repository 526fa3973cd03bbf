//! `liaison keys list`: which keys there are, what each has sealed, and what is sealed with none of them.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::Result;
use liaison_store::{SealedColumn, SealedCount};
use serde::Serialize;

use crate::{
    app::App,
    cli::{answer, words},
};

#[derive(Serialize)]
struct Key {
    /// None: values that no key has sealed, since they are not sealed values.
    id: Option<String>,
    /// `seals`, `opens`, or `missing`.
    role: &'static str,
    values: u64,
    columns: BTreeMap<String, u64>,
}

pub(super) async fn run(app: &App, json: bool) -> Result<ExitCode> {
    let store = app.store_with_keys().await?;
    let keys = keys(&store.key_ids(), store.sealed_counts().await?);
    let missing = keys.iter().any(|key| key.role == "missing");
    if json {
        answer::json(&keys);
    } else {
        let mut rows = Vec::new();
        for key in &keys {
            let id = key.id.clone().unwrap_or_else(|| "(not sealed)".to_owned());
            if key.columns.is_empty() {
                rows.push(vec![id.clone(), key.role.to_owned(), "nothing".to_owned(), "0".to_owned()]);
            }
            for (column, values) in &key.columns {
                rows.push(vec![id.clone(), key.role.to_owned(), column.clone(), words::count(*values)]);
            }
        }
        answer::table(&["KEY", "ROLE", "SEALED", "VALUES"], &rows);
    }
    if missing {
        answer::note(
            "values of a missing key cannot be opened: put its line back into store.key_file, below the first",
        );
    }
    Ok(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn keys(ring: &[String], counts: Vec<SealedCount>) -> Vec<Key> {
    let role = |at: usize| if at == 0 { "seals" } else { "opens" };
    let new = |id: Option<String>, role| Key { id, role, values: 0, columns: BTreeMap::new() };
    let mut keys: Vec<Key> = ring.iter().enumerate().map(|(at, id)| new(Some(id.clone()), role(at))).collect();
    for SealedCount { column: SealedColumn { table, column, .. }, key, values } in counts {
        let at = keys.iter().position(|known| known.id == key).unwrap_or_else(|| {
            keys.push(new(key, "missing"));
            keys.len() - 1
        });
        keys[at].values += values;
        *keys[at].columns.entry(format!("{table}.{column}")).or_default() += values;
    }
    keys
}
