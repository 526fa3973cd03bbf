//! Every command that a document shows exists, with its flags; and the README shows every command.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use super::{file, rows, section};

const DOCUMENTS: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "README.md",
    "docs/calendars.md",
    "docs/configuration.md",
    "docs/decisions.md",
    "docs/lifecycle.md",
    "docs/mail.md",
    "docs/meetings.md",
    "docs/operations.md",
    "docs/providers.md",
    "docs/webhooks.md",
    "docs/tokens.md",
    "docs/wire-protocol.md",
    "liaison.toml",
    "systemd/liaison.service",
    "systemd/liaison@.service",
    "systemd/liaison-run@.service",
];

/// The help of every command, by its words: `""` is the program itself, `"dead list"` a command of a command.
fn helps() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![String::new()];
    while let Some(words) = waiting.pop() {
        let help = Command::new(env!("CARGO_BIN_EXE_liaison"))
            .args(words.split_whitespace())
            .arg("--help")
            .output()
            .expect("run liaison");
        let help = String::from_utf8(help.stdout).expect("help is text");
        waiting.extend(subcommands(&help).map(|name| format!("{words} {name}").trim().to_owned()));
        found.insert(words, help);
    }
    found
}

fn subcommands(help: &str) -> impl Iterator<Item = &str> {
    let commands = help.split_once("Commands:\n").map_or("", |(_, rest)| rest);
    let commands = commands.split("\n\n").next().unwrap_or_default();
    // A description that is too long goes on in a line that is indented further.
    let names = commands.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help")
}

/// What follows the word `liaison` in code: whole lines of blocks, and spans in backticks.
fn shown(document: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, part) in document.split("```").enumerate() {
        if at % 2 == 1 {
            found.extend(part.lines().filter_map(after_the_name));
        } else {
            found.extend(part.split('`').skip(1).step_by(2).filter_map(after_the_name));
        }
    }
    // A configuration file shows commands in its own lines.
    found.extend(document.lines().filter(|line| line.starts_with("Exec")).filter_map(after_the_name));
    found
}

fn after_the_name(code: &str) -> Option<String> {
    let start = code.trim_start_matches("(umask 077 && ").trim();
    let rest =
        start.strip_prefix("liaison ").or_else(|| start.split_once("/usr/bin/liaison ").map(|(_, rest)| rest))?;
    Some(rest.split([';', '|', '#', '>']).next().unwrap_or(rest).trim().to_owned())
}

#[test]
fn every_command_that_is_shown_exists() {
    let helps = helps();
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in DOCUMENTS {
        for line in shown(&file(path)) {
            seen += 1;
            let mut at = String::new();
            let mut words = line.split_whitespace().peekable();
            while subcommands(&helps[&at]).next().is_some()
                && let Some(word) = words.next_if(|word| word.starts_with(char::is_alphabetic))
            {
                let next = format!("{at} {word}").trim().to_owned();
                if !helps.contains_key(&next) {
                    wrong.push(format!("{path}: `liaison {line}`: there is no `liaison {next}`"));
                    break;
                }
                at = next;
            }
            for flag in words.filter(|word| word.starts_with("--")) {
                if !helps[&at].contains(flag) {
                    wrong.push(format!("{path}: `liaison {line}`: `liaison {at}` has no {flag}"));
                }
            }
        }
    }
    assert!(seen > 50, "only {seen} commands were found: the documents are not read rightly");
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_readme_shows_every_command() {
    let helps = helps();
    let readme = file("README.md");
    let table: BTreeSet<String> = shown(section(&readme, "## Commands")).into_iter().collect();
    assert!(rows(section(&readme, "## Commands")).len() > 15);
    let leaves = helps.iter().filter(|(words, help)| !words.is_empty() && subcommands(help).next().is_none());
    let missing: Vec<_> = leaves.map(|(words, _)| words).filter(|words| !table.contains(*words)).collect();
    assert!(missing.is_empty(), "the table of README.md lacks {missing:?}");
}
