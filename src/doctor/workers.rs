//! Workers: whether they live, agree on their release, and took their configuration.

use std::collections::BTreeMap;

use liaison_queue::WorkerCard;

use super::{Check, Finding, Severity, Ward};

pub(super) fn judge(wards: &[Ward]) -> Vec<Finding> {
    // A worker has a card in each of its queues; they say the same of it.
    let mut all: BTreeMap<&str, (&WorkerCard, bool)> = BTreeMap::new();
    for (card, alive) in wards.iter().flat_map(|ward| &ward.workers) {
        let known = all.entry(&card.worker).or_insert((card, *alive));
        known.1 |= *alive;
    }
    let living: Vec<&WorkerCard> = all.values().filter(|(_, alive)| *alive).map(|(card, _)| *card).collect();
    let mut findings: Vec<Finding> = all.values().filter(|(_, alive)| !*alive).map(|(card, _)| silent(card)).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(Check::WorkersAlive, "the workers", format!("{} alive, none silent", living.len())));
    }
    findings.push(versions(&living));
    let failed: Vec<Finding> = living.iter().filter_map(|card| not_reloaded(card)).collect();
    if failed.is_empty() {
        findings.push(Finding::ok(Check::WorkersReload, "the workers", "run with what they read last"));
    }
    findings.extend(failed);
    findings
}

fn silent(card: &WorkerCard) -> Finding {
    let what =
        format!("has not shown itself for a while: process {} on {} died, or cannot reach Redis", card.pid, card.host);
    let remedy = "see its log; what it held is taken back by others, and its card goes after an hour";
    Finding::new(Check::WorkersAlive, Severity::Warning, &card.worker, what, remedy)
}

fn versions(living: &[&WorkerCard]) -> Finding {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for card in living {
        *found.entry(if card.version.is_empty() { "older" } else { &card.version }).or_default() += 1;
    }
    let listed: Vec<String> = found.iter().map(|(version, count)| format!("{count} of {version}")).collect();
    if found.len() <= 1 {
        let what = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
        return Finding::ok(Check::WorkersVersions, "the workers", what);
    }
    let what = format!("run different releases: {}", listed.join(", "));
    let remedy = "fine during an upgrade; else restart those that were forgotten";
    Finding::new(Check::WorkersVersions, Severity::Advice, "the workers", what, remedy)
}

fn not_reloaded(card: &WorkerCard) -> Option<Finding> {
    let problem = card.configuration.problem.as_ref()?;
    let what = format!("runs with an older configuration, since it could not take the new one: {problem}");
    let remedy = "correct the file, then `liaison reload`";
    Some(Finding::new(Check::WorkersReload, Severity::Warning, &card.worker, what, remedy))
}
