//! Which part may know of which: the table of ARCHITECTURE.md, as data.

use super::dependencies::brought_in;
use super::manifests::{Dependency, dependencies};
use super::{File, all_files, has_word, report};
use toml::Value;

struct Part {
    manifest: &'static str,
    sources: &'static str,
    may_use: &'static [&'static str],
    /// Beside those, its unit tests.
    may_test_with: &'static [&'static str],
    /// Crates, each with its family: `apalis` means `apalis-core` too.
    must_never_name: &'static [&'static str],
}

const PARTS: &[Part] = &[
    Part {
        manifest: "queue/Cargo.toml",
        sources: "queue/",
        may_use: &[],
        may_test_with: &[],
        must_never_name: &["axum", "diesel", "libsqlite3-sys", "pq-sys", "reqwest"],
    },
    Part {
        manifest: "store/Cargo.toml",
        sources: "store/",
        may_use: &[],
        may_test_with: &[],
        must_never_name: &["apalis", "axum", "redis", "reqwest"],
    },
    Part {
        manifest: "jobs/Cargo.toml",
        sources: "jobs/",
        may_use: &["liaison-queue", "liaison-store"],
        may_test_with: &["liaison-sandbox"],
        must_never_name: &["apalis", "axum", "diesel", "redis"],
    },
    Part {
        manifest: "sandbox/Cargo.toml",
        sources: "sandbox/",
        may_use: &[],
        may_test_with: &[],
        must_never_name: &["apalis", "diesel", "redis"],
    },
    Part {
        manifest: "Cargo.toml",
        sources: "src/",
        may_use: &["liaison-jobs", "liaison-queue", "liaison-sandbox", "liaison-store"],
        may_test_with: &[],
        must_never_name: &["apalis", "diesel"],
    },
];

impl Part {
    fn refuses(&self, name: &str, is_for_tests: bool) -> bool {
        let may = self.may_use.contains(&name) || (is_for_tests && self.may_test_with.contains(&name));
        let new_arrow = name.starts_with("liaison") && !may;
        new_arrow || self.must_never_name.iter().any(|family| is_of(name, family))
    }
}

fn is_of(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

#[test]
fn the_manifests_draw_no_new_arrow() {
    let mut findings = Vec::new();
    for part in PARTS {
        let manifest = File::read(part.manifest);
        for Dependency { name, line, is_for_tests, .. } in dependencies(&manifest) {
            if part.refuses(&name, is_for_tests) {
                let what = format!(
                    "{name} is an arrow that {} must not have; move the code to the part that owns it",
                    part.sources
                );
                findings.push(manifest.finding(line, &what));
            }
        }
    }
    report(&findings);
}

#[test]
fn no_dependency_brings_in_what_its_user_must_never_name() {
    let mut findings = Vec::new();
    for part in PARTS {
        let manifest = File::read(part.manifest);
        for Dependency { name, line, .. } in dependencies(&manifest) {
            for inner in brought_in(part.manifest, &name) {
                if part.must_never_name.iter().any(|family| is_of(inner, family)) {
                    let what =
                        format!("{name} brings in {inner}, which {} must never name; use another crate", part.sources);
                    findings.push(manifest.finding(line, &what));
                }
            }
        }
    }
    report(&findings);
}

#[test]
fn the_packaged_daemon_is_built_without_the_sandbox() {
    let manifest = File::read("Cargo.toml");
    let findings: Vec<_> = dependencies(&manifest)
        .into_iter()
        .filter(|dependency| dependency.name == "liaison-sandbox")
        .filter(|dependency| dependency.value.get("optional").and_then(Value::as_bool) != Some(true))
        .map(|dependency| manifest.finding(dependency.line, "the sandbox is always built; make it `optional = true`"))
        .collect();
    report(&findings);
}

#[test]
fn no_source_names_what_another_part_owns() {
    let mut findings = Vec::new();
    for file in all_files(".rs") {
        let Some(part) = PARTS.iter().find(|part| file.path.starts_with(part.sources)) else { continue };
        for (number, line) in file.product_code() {
            for family in part.must_never_name {
                if has_word(line, &family.replace('-', "_")) {
                    let what =
                        format!("names {family}, which {} must never do; call the part that owns it", part.sources);
                    findings.push(file.finding(number, &what));
                }
            }
        }
    }
    report(&findings);
}

/// What is written in one place only.
struct Spelling {
    what: &'static str,
    /// How the paths of its home begin.
    home: &'static str,
    is_in: fn(&str) -> bool,
}

#[test]
fn keys_sql_and_scripts_are_spelled_in_their_one_home() {
    let rules = [
        Spelling { what: "a Redis key", home: "queue/keys", is_in: names_a_key },
        Spelling { what: "SQL", home: "store/", is_in: names_sql },
        Spelling { what: "a script", home: "queue/scripts", is_in: names_a_script },
        Spelling { what: "apalis", home: "queue/backend", is_in: |line| has_word(line, "apalis") },
    ];
    let mut findings = Vec::new();
    for file in all_files(".rs").iter().chain(&all_files(".lua")) {
        // The tests look at both sides from outside.
        if file.path.starts_with("tests/") {
            continue;
        }
        for (number, line) in file.product_code() {
            for Spelling { what, home, is_in } in &rules {
                if is_in(line) && !file.path.starts_with(home) {
                    let what = format!("spells {what}, outside {home}; make it a function there, and call it");
                    findings.push(file.finding(number, &what));
                }
            }
        }
    }
    report(&findings);
}

fn names_a_key(line: &str) -> bool {
    // Two colons are a Rust path, as in a log's target; a space is prose.
    ["\"liaison:", "'liaison:", "liaison:{"]
        .iter()
        .any(|start| line.match_indices(start).any(|(at, _)| !line[at + start.len()..].starts_with([':', ' '])))
}

fn names_sql(line: &str) -> bool {
    let statements = ["ALTER TABLE", "CREATE TABLE", "DELETE FROM", "DROP TABLE", "INSERT INTO", "PRAGMA ", "SELECT "];
    statements.iter().any(|statement| line.contains(statement)) || (line.contains("UPDATE ") && line.contains(" SET "))
}

fn names_a_script(line: &str) -> bool {
    line.contains(".lua\"") || ["EVALSHA", "EVAL", "FCALL"].iter().any(|word| has_word(line, word))
}

#[test]
fn keys_are_told_from_paths() {
    assert!(names_a_key(r#"let key = format!("liaison:{{{queue}}}:ready");"#));
    assert!(names_a_key(r#"const WORKERS: &str = "liaison:workers";"#));
    assert!(!names_a_key(r#"info!(target: "liaison::drain", "draining");"#));
    assert!(!names_a_key(r#"eprintln!("liaison: {error}");"#));
}
