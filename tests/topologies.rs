//! Clusters, sentinels and TLS: wherever a queue lives, and wherever it moves, each job is recorded once.

mod failing_over;
mod moving;
mod trusting;

use std::{collections::HashSet, fmt};

use crate::support::House;

/// Envelopes of short jobs, with ids of their host.
fn lines(prefix: &str, count: usize, ms: u32) -> Vec<String> {
    (0..count).map(|n| format!(r#"{{"id":"{prefix}{n}","job":"sleep","args":{{"ms":{ms}}}}}"#)).collect()
}

/// Say what was seen, to whoever runs the tests with `--nocapture`.
#[expect(clippy::print_stdout, reason = "a figure in the output of a test is what it is for")]
fn seen(what: &str, figures: &dyn fmt::Display) {
    println!("{what}: {figures}");
}

/// What became of what was accepted.
#[derive(Debug, PartialEq, Eq)]
struct Tally {
    accepted: usize,
    recorded: usize,
    doubled: usize,
    repeated: i64,
    lost: usize,
}

impl Tally {
    fn of(house: &House, accepted: usize) -> Self {
        let done = house.json(&["runs", "list", "--outcome", "done", "--limit", "10000"]);
        let done = done.as_array().expect("a list");
        let ids: HashSet<&str> = done.iter().filter_map(|run| run["job_id"].as_str()).collect();
        Self {
            accepted,
            recorded: ids.len(),
            doubled: done.len() - ids.len(),
            repeated: done.iter().filter_map(|run| run["run"].as_i64()).map(|run| run - 1).sum(),
            lost: accepted.saturating_sub(ids.len()),
        }
    }

    fn is_clean(&self) -> bool {
        self.recorded == self.accepted && self.doubled == 0 && self.lost == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, recorded, doubled, repeated, lost } = self;
        write!(f, "{accepted} accepted, {recorded} recorded done, {doubled} doubled in the records, ")?;
        write!(f, "{repeated} claims repeated, {lost} lost")
    }
}
