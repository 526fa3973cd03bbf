//! `liaison keys`: the keys that seal what the store keeps secret.
//!
//! A key is changed in three steps, and after each of them every daemon can open everything: it is put into the file
//! below the first, so that all daemons learn to open with it; it is put on top, so that it seals; and what older keys
//! have sealed is sealed anew. Which keys a daemon knows stands on its card in Redis, and no step is taken before every
//! living daemon has taken the one before. A rotation that dies half-way goes on with `--id`.

mod file;
mod list;
mod rotate;

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use liaison_queue::JobId;
use liaison_store::KeyRing;
use serde_json::json;

use self::file::{KeyFile, Place};
use super::{Global, answer, answer::Usage, block_on, typed};

#[derive(clap::Subcommand)]
pub(crate) enum KeysCommand {
    /// Print a new line for the file that `store.key_file` names
    Generate {
        /// What the key is called, for ever: letters, digits and _ . - [default: a new name]
        #[arg(long, value_name = "NAME")]
        id: Option<String>,
    },
    /// Which keys there are, and how much each has sealed; exit code 1 if a key is missing
    List,
    /// Put a new key into the file, on top: it seals from the next reload on
    Add {
        /// What the key is called, for ever: letters, digits and _ . - [default: a new name]
        #[arg(long, value_name = "NAME")]
        id: Option<String>,
        /// Below the first: it only opens, until all machines have it
        #[arg(long)]
        below: bool,
    },
    /// Put a key of the file on top: it seals from the next reload on
    Promote {
        /// What the key is called
        id: String,
    },
    /// Seal with the first key what older ones have sealed; exit code 1 if something cannot be opened
    Reseal {
        /// Also if a daemon does not know the first key yet, and could not open what is sealed with it
        #[arg(long)]
        anyway: bool,
    },
    /// Add a key, let the daemons take it, put it on top, and seal everything with it
    Rotate {
        /// What the key is called; one that is in the file already is gone on with [default: a new name]
        #[arg(long, value_name = "NAME")]
        id: Option<String>,
        /// How long to wait for the daemons at each step
        #[arg(long, value_name = "DURATION", value_parser = typed::duration, default_value = "30s")]
        wait: Duration,
    },
}

/// The limit of the key ring.
const MAX_ID: usize = 64;

pub(crate) fn run(global: &Global, command: &KeysCommand) -> Result<ExitCode> {
    match command {
        KeysCommand::Generate { id } => generate(global, id.as_deref()),
        KeysCommand::List => {
            let app = global.app()?;
            block_on(list::run(&app, global.json))
        }
        KeysCommand::Add { id, below } => {
            let (mut file, id) = (KeyFile::of(&global.app()?)?, named(id.as_deref())?);
            let place = if *below { Place::Below } else { Place::Top };
            file.add(&id, place)?;
            tell_file(&file, &id, global.json);
            Ok(ExitCode::SUCCESS)
        }
        KeysCommand::Promote { id } => {
            let mut file = KeyFile::of(&global.app()?)?;
            file.promote(id)?;
            tell_file(&file, id, global.json);
            Ok(ExitCode::SUCCESS)
        }
        KeysCommand::Reseal { anyway } => {
            let app = global.app()?;
            block_on(rotate::reseal(&app, *anyway, global.json))
        }
        KeysCommand::Rotate { id, wait } => {
            let app = global.app()?;
            block_on(rotate::run(&app, &named(id.as_deref())?, *wait, global.json))
        }
    }
}

fn generate(global: &Global, id: Option<&str>) -> Result<ExitCode> {
    let id = named(id)?;
    let line = KeyRing::generate_line(&id);
    if global.json {
        answer::json(&json!({"id": id, "line": line}));
    } else {
        answer::line(&line);
    }
    answer::note(
        "Keep it where only the daemon reads it: (umask 077; liaison keys generate > FILE), and set store.key_file.\n\
         The first line seals and every line opens: put a new key on top, and keep the old ones below it.",
    );
    Ok(ExitCode::SUCCESS)
}

/// What was done to the file, and what to do now.
fn tell_file(file: &KeyFile, id: &str, json: bool) {
    let seals = file.ids().first().is_some_and(|first| first == id);
    if json {
        answer::json(&json!({"id": id, "file": file.path(), "seals": seals}));
    } else {
        let what = if seals { "seals from the next reload on" } else { "opens from the next reload on" };
        answer::line(&format!("{id}: {what}; it is in {}", file.path()));
    }
    answer::note(if seals {
        "Now: liaison reload (or restart, where systemd loads the file as a credential), then liaison keys reseal."
    } else {
        "Now: put this file on every machine, and reload or restart its daemons; then liaison keys promote on each."
    });
}

fn named(id: Option<&str>) -> Result<String, Usage> {
    id.map_or_else(|| Ok(JobId::generate().as_str().to_lowercase()), |id| check(id).map(ToOwned::to_owned))
}

fn check(id: &str) -> Result<&str, Usage> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !id.is_empty() && id.len() <= MAX_ID && id.bytes().all(is_good) {
        return Ok(id);
    }
    Err(Usage(format!("--id: empty, longer than {MAX_ID} bytes, or with other than letters, digits and _ . -")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_line_is_a_key_file() {
        let line = KeyRing::generate_line(check("2026-11").unwrap());
        assert!(line.starts_with("2026-11:"));
        assert!(KeyRing::parse(&line).is_ok());
    }

    #[test]
    fn an_id_cannot_break_the_file() {
        for bad in ["", "a:b", "a#b", "a b", "a\nb", "ü", &"x".repeat(65)] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
