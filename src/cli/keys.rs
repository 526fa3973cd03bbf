//! `liaison keys`: the keys that seal stored envelopes.

use std::process::ExitCode;

use anyhow::Result;
use liaison_queue::JobId;
use liaison_store::KeyRing;
use serde_json::json;

use super::{Global, answer, answer::Usage};

#[derive(clap::Subcommand)]
pub(crate) enum KeysCommand {
    /// Print a new line for the file that `store.key_file` names
    Generate {
        /// What the key is called, for ever: letters, digits and _ . - [default: a new name]
        #[arg(long, value_name = "NAME")]
        id: Option<String>,
    },
}

/// The limit of the key ring.
const MAX_ID: usize = 64;

pub(crate) fn run(global: &Global, command: &KeysCommand) -> Result<ExitCode> {
    let KeysCommand::Generate { id } = command;
    let id = match id {
        Some(id) => check(id)?.to_owned(),
        None => JobId::generate().as_str().to_lowercase(),
    };
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
