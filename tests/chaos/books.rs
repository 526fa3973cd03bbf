//! The checker: what the records, Redis and the witness say of every job that was accepted.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    for_a_while,
    load::{Job, Load},
    witness::Witness,
};
use crate::support::{House, PATIENCE};

/// What was seen, in one line of the table.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) fault: String,
    pub(super) jobs: usize,
    pub(super) faults: usize,
    /// Runs of a job that had begun before, as the witness saw them.
    pub(super) repeats: usize,
    /// Jobs with more than one final row.
    pub(super) doubled: usize,
    pub(super) lost: usize,
    /// From the end of the fault to the first job that began, the slowest.
    pub(super) recovery: Option<Duration>,
}

impl Row {
    /// The same scenario once more.
    pub(super) fn and(self, other: &Self) -> Self {
        Self {
            fault: self.fault,
            jobs: self.jobs + other.jobs,
            faults: self.faults + other.faults,
            repeats: self.repeats + other.repeats,
            doubled: self.doubled + other.doubled,
            lost: self.lost + other.lost,
            recovery: self.recovery.max(other.recovery),
        }
    }
}

pub(super) const HEAD: &str = "| fault | jobs | faults | ran twice | doubled in the records | lost | back after |";

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, jobs, faults, repeats, doubled, lost, recovery } = self;
        let recovery = recovery.map_or_else(String::new, |time| format!("{:.2} s", time.as_secs_f64()));
        write!(f, "| {fault} | {jobs} | {faults} | {repeats} | {doubled} | {lost} | {recovery} |")
    }
}

/// All rows of the records, each job's oldest first.
pub(super) struct Books {
    runs: BTreeMap<String, Vec<Value>>,
    letters: BTreeMap<String, Value>,
}

/// As many rows as a command shows: a scenario stays below it.
const MOST: usize = 10_000;

impl Books {
    pub(super) fn of(house: &House) -> Self {
        let list = |words: &[&str]| match house.json(&[words, &["--limit", &MOST.to_string()]].concat()) {
            Value::Array(list) => list,
            odd => panic!("{words:?}: {odd}"),
        };
        let (all, letters) = (list(&["runs", "list"]), list(&["dead", "list"]));
        assert!(all.len() < MOST, "more rows than can be looked at: make the scenario smaller");
        let mut runs = BTreeMap::<String, Vec<Value>>::new();
        for run in all {
            runs.entry(text(&run, "job_id")).or_default().push(run);
        }
        for runs in runs.values_mut() {
            runs.sort_by_key(|run| run["run"].as_i64());
        }
        Self { runs, letters: letters.into_iter().map(|letter| (text(&letter, "job_id"), letter)).collect() }
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.runs.contains_key(id)
    }

    /// Compare with what was accepted. What is wrong comes back with the row.
    pub(super) fn compare(&self, load: &Load, witness: &Witness) -> (Row, Vec<String>) {
        let mut wrong = Vec::new();
        let mut row = Row { jobs: load.len(), repeats: witness.repeats(), ..Row::default() };
        for job in &load.jobs {
            let runs = self.runs.get(&job.id).map_or(&[][..], Vec::as_slice);
            let finals = runs.iter().filter(|run| run["outcome"] != "retry").count();
            row.doubled += usize::from(finals > 1);
            row.lost += usize::from(finals == 0);
            wrong.extend(self.what_is_wrong_with(job, runs, witness));
        }
        let nameless = self.runs.iter().filter(|(id, _)| !load.jobs.iter().any(|job| job.id == **id));
        let (malformed, strange): (Vec<_>, Vec<_>) = nameless.partition(|(id, runs)| {
            let reason = runs[0]["reason"].as_str().unwrap_or_default();
            runs.len() == 1 && reason.starts_with("malformed: ") && self.letters.contains_key(*id)
        });
        wrong.extend(strange.iter().map(|(id, runs)| format!("{id} was never sent: {runs:?}")));
        row.lost += load.malformed.len().saturating_sub(malformed.len());
        row.doubled += malformed.len().saturating_sub(load.malformed.len());
        if row.lost + row.doubled > 0 {
            wrong.push(format!("{row}"));
        }
        let letters = load.jobs.iter().filter(|job| job.expected.history().0 == "dead").count() + load.malformed.len();
        if self.letters.len() != letters {
            wrong.push(format!("{} dead letters, and {letters} should be there", self.letters.len()));
        }
        (row, wrong)
    }

    fn what_is_wrong_with(&self, job: &Job, runs: &[Value], witness: &Witness) -> Option<String> {
        let Job { id, expected, seen, .. } = job;
        let (outcome, retries, last) = expected.history();
        let attempts: Vec<_> = runs.iter().filter_map(|run| run["attempt"].as_i64()).collect();
        let good: Vec<i64> = retries.iter().copied().chain([last]).collect();
        let ended = runs.last().is_some_and(|run| run["outcome"] == outcome);
        let only_retries = runs.iter().rev().skip(1).all(|run| run["outcome"] == "retry");
        if !ended || !only_retries || attempts != good {
            return Some(format!("{id} should be {outcome} after the attempts {good:?}: {runs:?}"));
        }
        let letter = self.letters.get(id);
        if letter.is_some() != (outcome == "dead") {
            return Some(format!("{id} is {outcome}, and its letter is {letter:?}"));
        }
        // Only whoever ran alone is charged with a crash, and no fault here hits such a process.
        if letter.is_some_and(|letter| letter["crashes"] != 0) {
            return Some(format!("{id} was charged with a crash: {letter:?}"));
        }
        (*seen && witness.starts(id) == 0).then(|| format!("{id} is {outcome}, and nobody saw it run"))
    }
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_default().to_owned()
}

/// Wait until a Redis that answers so holds nothing any more.
pub(super) fn until_empty(ask: impl Fn(&[&str]) -> Vec<String>) {
    let begin = Instant::now();
    loop {
        let left = leaked(&ask);
        if left.is_empty() {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "this is left in Redis: {left:?}");
        for_a_while(Duration::from_millis(10));
    }
}

/// Keys that stay when all work is done: see docs/wire-protocol.md.
const OF_ALL: &[&str] = &["liaison:entries", "liaison:queues", "liaison:shards", "liaison:store"];
const OF_A_QUEUE: &[&str] = &["counters", "idle", "paused", "pulse", "recent", "workers"];

/// Every key that should not be there any more, if `ask` answers for this Redis. A wake-up that nobody needed is none.
pub(super) fn leaked(ask: impl Fn(&[&str]) -> Vec<String>) -> Vec<String> {
    let stays = |key: &String| {
        let part = key.strip_prefix("liaison:{").and_then(|rest| rest.split_once("}:")).map(|(_, part)| part);
        match part {
            Some("inbox") => ask(&["LRANGE", key, "0", "-1"]).iter().all(String::is_empty),
            Some(part) => OF_A_QUEUE.contains(&part),
            None => OF_ALL.contains(&key.as_str()),
        }
    };
    ask(&["KEYS", "*"]).into_iter().filter(|key| !stays(key)).collect()
}
