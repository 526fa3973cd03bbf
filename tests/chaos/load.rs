//! Jobs of every kind, and how each must end, whatever breaks meanwhile.

use chrono::{DateTime, Utc};
use serde_json::json;

/// How a job must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// Its first attempt is done.
    Done,
    /// Two attempts fail, the third is done.
    DoneAtLast,
    /// Given up in its first attempt.
    Dead,
    /// Never run, because nobody knows how.
    Unknown,
    Expired,
}

impl Expected {
    /// The outcome of its last run, the attempts of the rows before it, and that of the last one.
    pub(super) fn history(self) -> (&'static str, &'static [i64], i64) {
        match self {
            Self::Done => ("done", &[], 1),
            Self::DoneAtLast => ("done", &[1, 2], 3),
            Self::Dead => ("dead", &[], 1),
            Self::Unknown => ("dead", &[], 0),
            Self::Expired => ("expired", &[], 0),
        }
    }
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) expected: Expected,
    /// Whether it visits the witness.
    pub(super) seen: bool,
    pub(super) line: String,
}

/// What was accepted.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) jobs: Vec<Job>,
    /// Lines that are no jobs; each gets an id of ours and a letter.
    pub(super) malformed: Vec<String>,
}

#[expect(clippy::disallowed_methods, reason = "hosts write the time that they have")]
pub(super) fn now() -> DateTime<Utc> {
    Utc::now()
}

impl Load {
    /// So many jobs that say where they are; their ids begin with `prefix`. Each holds its slot for so long.
    pub(super) fn mixed(prefix: &str, count: usize, witness: &str, hold_ms: u64) -> Self {
        let now = u64::try_from(now().timestamp_millis()).expect("after 1970");
        let jobs = (0..count).map(|n| one(&format!("{prefix}-{n}"), n, now, witness, hold_ms)).collect();
        let malformed = (0..count.div_ceil(50)).map(|n| format!(r#"{{"job": "{prefix}-{n}"#)).collect();
        Self { jobs, malformed }
    }

    /// So many that only visit.
    pub(super) fn plain(prefix: &str, count: usize, witness: &str, hold_ms: u64) -> Self {
        let visit = |n| visit(&format!("{prefix}-{n}"), witness, hold_ms, &json!({}));
        Self { jobs: (0..count).map(visit).collect(), malformed: Vec::new() }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        // The malformed ones among the others.
        let mut lines: Vec<_> = self.jobs.iter().map(|job| job.line.clone()).collect();
        for (n, line) in self.malformed.iter().enumerate() {
            lines.insert((n * 37) % lines.len(), line.clone());
        }
        lines
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        self.jobs.extend(other.jobs);
        self.malformed.extend(other.malformed);
        self
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len() + self.malformed.len()
    }
}

fn visit(id: &str, witness: &str, hold_ms: u64, more: &serde_json::Value) -> Job {
    let mut line = json!({"id": id, "job": "knock", "args": {"address": witness, "hold_ms": hold_ms}});
    for (field, value) in more.as_object().into_iter().flatten() {
        line[field] = value.clone();
    }
    Job { id: id.to_owned(), expected: Expected::Done, seen: true, line: line.to_string() }
}

/// The n-th of a mixture: of twenty, eleven are plain.
fn one(id: &str, n: usize, now: u64, witness: &str, hold_ms: u64) -> Job {
    let unseen =
        |expected, line: serde_json::Value| Job { id: id.to_owned(), expected, seen: false, line: line.to_string() };
    match n % 20 {
        0 | 1 => visit(id, witness, hold_ms, &json!({"run_at": now + 100 + (n as u64 * 7) % 2000})),
        2 | 3 => visit(id, witness, hold_ms, &json!({"lane": format!("lane-{}", n % 7)})),
        4 => visit(id, witness, hold_ms, &json!({"queue": "other"})),
        5 => visit(id, witness, hold_ms, &json!({"priority": "low"})),
        6 => visit(id, witness, hold_ms, &json!({"priority": "high", "unique": format!("key-{id}")})),
        7 => unseen(Expected::DoneAtLast, json!({"id": id, "job": "fail", "args": {"times": 2}})),
        8 => unseen(Expected::Unknown, json!({"id": id, "job": "nobody_knows"})),
        9 => unseen(Expected::Expired, json!({"id": id, "job": "noop", "expires_at": now - 1000})),
        10 => {
            let args = json!({"address": witness, "hold_ms": hold_ms, "then": "fail"});
            let job = visit(id, witness, hold_ms, &json!({"args": args}));
            Job { expected: Expected::Dead, ..job }
        }
        _ => visit(id, witness, hold_ms, &json!({})),
    }
}
