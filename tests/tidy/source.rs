//! What may not be written, in any language.

use super::{File, all_files, has_word, is_there, report};

/// This file spells what it forbids.
const HERE: &str = "tests/tidy/source.rs";

fn sources() -> Vec<File> {
    let loose = ["Cargo.toml", "Makefile", "liaison.toml", "scheduler.toml", ".ci/deps", ".ci/run"];
    [".rs", ".lua", ".sql", ".py", ".toml", ".md", ".service"]
        .iter()
        .flat_map(|ending| all_files(ending))
        .chain(loose.into_iter().filter(|path| is_there(path)).map(File::read))
        .filter(|file| file.path != HERE)
        .collect()
}

#[test]
fn tests_do_not_sleep_and_are_not_ignored() {
    let mut findings = Vec::new();
    for file in sources().iter().filter(|file| file.is_rust()) {
        for (number, line) in file.code() {
            if file.path.starts_with("tests/") && has_word(line, "sleep(") {
                findings.push(file.finding(number, "sleeps; wait for the event, or advance the clock"));
            }
            if line.contains("#[ignore") {
                findings.push(file.finding(number, "ignores a test; mend it, or delete it"));
            }
        }
    }
    report(&findings);
}

#[test]
fn what_is_unfinished_has_an_issue() {
    let mut findings = Vec::new();
    for file in sources() {
        for (number, line) in file.lines() {
            if ["todo!", "unimplemented!"].iter().any(|word| has_word(line, word)) {
                findings.push(file.finding(number, "is unfinished; write it, or return an error that says so"));
            }
            let marked = ["TODO", "FIXME", "XXX"].iter().any(|word| has_word(line, word));
            if marked && !line.split('#').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
                findings.push(file.finding(number, "is left to do by nobody; name an issue, as in #12, or do it"));
            }
        }
    }
    report(&findings);
}

#[test]
fn a_lint_is_expected_never_allowed() {
    let mut findings = Vec::new();
    for file in sources().iter().filter(|file| file.is_rust()) {
        for (number, line) in file.code() {
            let line = line.trim_start();
            if line.starts_with('#') && has_word(line, "allow(") {
                findings
                    .push(file.finding(number, "allows a lint; write #[expect(…, reason = \"…\")], or mend the code"));
            }
        }
    }
    report(&findings);
}

#[test]
fn nothing_looks_like_a_secret() {
    let mut findings = Vec::new();
    for file in sources() {
        for (number, line) in file.lines() {
            if looks_like_a_secret(line) {
                let what = "looks like a secret; revoke it, and read it from a file or a credential";
                findings.push(file.finding(number, what));
            }
        }
    }
    report(&findings);
}

/// How the tokens of the services that we talk to begin, and how many letters and digits follow at least.
const TOKENS: &[(&str, usize)] = &[
    ("AIza", 35),
    ("AKIA", 16),
    ("GOCSPX-", 20),
    ("SG.", 20),
    ("ghp_", 36),
    ("github_pat_", 22),
    ("hooks.slack.com/services/T", 8),
    ("sk_live_", 16),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("ya29.", 20),
];

fn looks_like_a_secret(line: &str) -> bool {
    let token = |(start, length): &(&str, usize)| {
        line.match_indices(start).any(|(at, _)| {
            let rest = &line[at + start.len()..];
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).count() >= *length
        })
    };
    TOKENS.iter().any(token) || (line.contains("-----BEGIN") && line.contains("PRIVATE KEY-----"))
}

#[test]
fn a_secret_is_told_from_prose() {
    let token = format!("ghp_{}", "a1".repeat(18));
    assert!(looks_like_a_secret(&format!("token = \"{token}\"")));
    assert!(looks_like_a_secret("-----BEGIN RSA PRIVATE KEY-----"));
    assert!(!looks_like_a_secret("tokens start with ghp_ or xoxb-"));
}
