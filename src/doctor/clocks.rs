//! Clocks: Redis decides what is due, we and the database write down when things happened.

use liaison_queue::ServerFacts;

use super::{Check, Finding, Severity};

/// As `docs/operations.md` asks for; far above what a network does to the measure.
const MOST_MS: i64 = 1_000;

/// How far a clock is ahead of ours, as it was when it was asked.
#[derive(Debug, Clone)]
pub(super) struct Skew {
    pub(super) place: String,
    pub(super) ahead_ms: i64,
    /// What the way there and back may hide.
    pub(super) doubt_ms: i64,
}

/// Compare everybody's clock with ours, and the masters among each other.
pub(super) fn judge(servers: &[ServerFacts], database: Option<&Skew>) -> Vec<Finding> {
    let of_redis = |facts: &ServerFacts| Skew {
        place: facts.server.clone(),
        ahead_ms: facts.ahead_ms,
        doubt_ms: facts.round_trip_ms / 2,
    };
    let all: Vec<Skew> = servers.iter().map(of_redis).collect();
    let mut findings: Vec<Finding> = all.iter().chain(database).filter_map(one).collect();
    let ahead = || all.iter().map(|skew| skew.ahead_ms);
    let (least, most) = (ahead().min(), ahead().max());
    if let (Some(least), Some(most)) = (least, most)
        && most - least > MOST_MS
    {
        let what = format!("the clocks of the masters are {} ms apart: each times its own queues", most - least);
        let remedy = "let all machines follow the same time servers (chrony, systemd-timesyncd)";
        findings.push(Finding::new(Check::Clocks, Severity::Warning, "the masters", what, remedy));
    }
    if findings.is_empty() && !all.is_empty() {
        findings.push(Finding::ok(Check::Clocks, "everywhere", "within a second of ours"));
    }
    findings
}

fn one(Skew { place, ahead_ms: ahead, doubt_ms }: &Skew) -> Option<Finding> {
    if ahead.abs() <= MOST_MS + doubt_ms {
        return None;
    }
    let side = if *ahead > 0 { "ahead of" } else { "behind" };
    let what = format!("its clock is {} ms {side} ours: delays and the times in the records do not agree", ahead.abs());
    let remedy = "let both machines follow the same time servers (chrony, systemd-timesyncd)";
    Some(Finding::new(Check::Clocks, Severity::Warning, place, what, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str, ahead_ms: i64, round_trip_ms: i64) -> ServerFacts {
        ServerFacts { server: name.to_owned(), ahead_ms, round_trip_ms, ..ServerFacts::default() }
    }

    #[test]
    fn a_clock_that_is_off_is_told_and_a_slow_answer_is_not() {
        let judged = |servers: &[ServerFacts]| judge(servers, None).iter().map(|f| f.severity).collect::<Vec<_>>();
        assert_eq!(judged(&[server("a", 900, 2), server("b", -50, 2)]), [Severity::Ok]);
        assert_eq!(judged(&[server("a", 1500, 2000)]), [Severity::Ok]);
        assert_eq!(judged(&[server("a", -2500, 2)]), [Severity::Warning]);
        // Neither is far from ours, but they are far from each other.
        assert_eq!(judged(&[server("a", 800, 2), server("b", -800, 2)]), [Severity::Warning]);
        let database = Skew { place: "PostgreSQL 15".into(), ahead_ms: 60_000, doubt_ms: 1 };
        let found = judge(&[], Some(&database));
        assert!(found[0].what.contains("ahead of ours") && found[0].place == "PostgreSQL 15", "{found:?}");
    }
}
