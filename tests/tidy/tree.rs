//! What is where: the top level, modules, jobs, scripts, migrations, and how long a file may be.

use super::{File, PLACES, all_files, entries, files, is_there, report};
use std::path::Path;

/// What `ls` says. A new name here is a decision about the product.
const TOP: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "Makefile",
    "README.md",
    "docs",
    "jobs",
    "liaison.toml",
    "migrations",
    "queue",
    "sandbox",
    "scheduler.toml",
    "src",
    "store",
    "systemd",
    "tests",
];

/// A file may be this long without explaining itself.
const MAX_LINES: usize = 400;
/// Where a longer file explains itself: among its first lines.
const LONG_BECAUSE: &str = "Long because";

#[test]
fn ls_shows_the_product() {
    let ignored = File::read(".gitignore");
    let ignored: Vec<_> = ignored.text.lines().filter_map(|line| line.strip_prefix('/')).collect();
    let there: Vec<_> = entries(Path::new("")).into_iter().map(|(name, _)| name).collect();
    let unexpected = there.iter().filter(|name| !TOP.contains(&name.as_str()) && !ignored.contains(&name.as_str()));
    let missing = TOP.iter().filter(|name| !there.iter().any(|found| found == *name));
    let findings: Vec<_> = unexpected
        .map(|name| {
            format!("{name}:1: is new at the top; move it into a directory, or name it in TOP of tests/tidy/tree.rs")
        })
        .chain(missing.map(|name| format!("{name}:1: is missing; TOP of tests/tidy/tree.rs promises it")))
        .collect();
    report(&findings);
}

#[test]
fn every_module_is_compiled_and_named_after_its_file() {
    let sources = all_files(".rs");
    let mut findings = Vec::new();
    for file in &sources {
        let (directory, name) = file.path.rsplit_once('/').expect("every source is in a directory");
        if name == "mod.rs" {
            findings.push(file.finding(1, &format!("is a mod.rs; make it {directory}.rs")));
        }
        if ["lib.rs", "main.rs", "mod.rs", "build.rs"].contains(&name) {
            continue;
        }
        let parents = [format!("{directory}.rs"), format!("{directory}/lib.rs"), format!("{directory}/main.rs")];
        let declaration = format!("mod {};", file.stem());
        let declared = |parent: &&File| parent.code().any(|(_, line)| line.trim().ends_with(&declaration));
        if !sources.iter().filter(|other| parents.contains(&other.path)).any(|parent| declared(&parent)) {
            findings
                .push(file.finding(1, &format!("is never compiled; add `{declaration}` to its parent, or delete it")));
        }
    }
    report(&findings);
}

#[test]
fn every_script_states_its_contract_and_is_called() {
    let calls: String = files("queue", ".rs")
        .into_iter()
        .filter(|file| file.path.starts_with("queue/scripts"))
        .map(|file| file.text)
        .collect();
    let mut findings = Vec::new();
    for script in files("queue/lua", ".lua").into_iter().filter(|file| !file.path.contains("/parts/")) {
        let opening: Vec<_> = script.text.lines().take_while(|line| line.starts_with("--")).collect();
        // Keys may be those of its parts alone.
        for part in ["-- ARGV", "-- Returns"] {
            if !opening.iter().any(|line| line.starts_with(part)) {
                let what = format!("does not open with its contract; add a `{part}` line to its first comment");
                findings.push(script.finding(1, &what));
            }
        }
        if !calls.contains(&format!("{}.lua", script.stem())) {
            findings.push(script.finding(1, "is never called; give it a typed call in queue/scripts.rs, or delete it"));
        }
    }
    report(&findings);
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |backend: &str| entries(&Path::new("migrations").join(backend));
    let (postgres, sqlite) = (names("postgres"), names("sqlite"));
    let mut findings = Vec::new();
    for (here, there, ours, theirs) in
        [("postgres", "sqlite", &postgres, &sqlite), ("sqlite", "postgres", &sqlite, &postgres)]
    {
        if ours.is_empty() {
            findings.push(format!("migrations/{here}:1: is empty; the schema belongs there"));
        }
        for (name, _) in ours {
            if !theirs.iter().any(|(other, _)| other == name) {
                findings.push(format!("migrations/{here}/{name}:1: has no twin; write migrations/{there}/{name}"));
            }
            for step in ["up.sql", "down.sql"] {
                if !is_there(&format!("migrations/{here}/{name}/{step}")) {
                    findings.push(format!("migrations/{here}/{name}/{step}:1: is missing; write it"));
                }
            }
        }
    }
    report(&findings);
}

#[test]
fn a_long_file_says_why() {
    let mut findings = Vec::new();
    for ending in [".rs", ".lua", ".sql", ".py"] {
        for file in all_files(ending) {
            let lines = file.text.lines().count();
            if lines > MAX_LINES && !file.text.lines().take(20).any(|line| line.contains(LONG_BECAUSE)) {
                let what = format!(
                    "has {lines} lines, {} too many; split it, or open it with a line `{LONG_BECAUSE} …`",
                    lines - MAX_LINES
                );
                findings.push(file.finding(MAX_LINES + 1, &what));
            }
        }
    }
    report(&findings);
}

#[test]
fn the_rules_look_at_every_directory() {
    let directories =
        entries(Path::new("")).into_iter().filter(|(name, is_directory)| *is_directory && name != "target");
    let findings: Vec<_> = directories
        .filter(|(name, _)| !PLACES.contains(&name.as_str()))
        .map(|(name, _)| format!("{name}:1: is not looked at; name it in PLACES of tests/tidy.rs"))
        .collect();
    report(&findings);
}
