//! Queues: whether somebody serves them, what stands still in them, and whether this build knows what waits there.

use std::collections::BTreeSet;

use anyhow::Result;

use super::{Check, Finding, Severity, Ward, unanswered, within, workers};
use crate::app::App;

/// Jobs of each queue whose names are looked at.
const SAMPLE: u32 = 200;
/// Recorded in batches of this size many times a second: so many that wait mean that nobody records them.
const MANY_DEPARTING: u64 = 1_000;

pub(super) async fn look(app: &App) -> Vec<Finding> {
    let wards = match within(visit(app)).await {
        Ok(wards) => wards,
        Err(problem) => return vec![unanswered(Check::QueuesServed, app.link.server(), &problem)],
    };
    let mut findings = workers::judge(&wards);
    let served = findings_of(&wards, |ward| unserved(app, ward));
    findings.extend(or_well(served, Check::QueuesServed, "every queue has a worker"));
    let paused = findings_of(&wards, paused);
    findings.extend(or_well(paused, Check::QueuesPaused, "no queue with work is paused"));
    let suspects = findings_of(&wards, suspects);
    findings.extend(or_well(suspects, Check::QueuesSuspects, "no job waits to run apart"));
    let departing = findings_of(&wards, departing);
    findings.extend(or_well(departing, Check::QueuesDeparting, "what ends without a run is recorded"));
    match within(unknown(app, &wards)).await {
        Ok(found) => findings.extend(or_well(found, Check::JobsKnown, "this build knows the jobs that wait")),
        Err(problem) => findings.push(unanswered(Check::JobsKnown, app.link.server(), &problem)),
    }
    findings
}

async fn visit(app: &App) -> Result<Vec<Ward>> {
    let mut wards = Vec::new();
    for queue in app.queues().await? {
        let inspector = app.inspector(&queue);
        wards.push(Ward { depths: inspector.depths().await?, workers: inspector.workers().await? });
    }
    Ok(wards)
}

fn findings_of(wards: &[Ward], judge: impl Fn(&Ward) -> Option<Finding>) -> Vec<Finding> {
    wards.iter().filter_map(judge).collect()
}

fn or_well(findings: Vec<Finding>, check: Check, what: &str) -> Vec<Finding> {
    if findings.is_empty() { vec![Finding::ok(check, "the queues", what)] } else { findings }
}

fn unserved(app: &App, ward: &Ward) -> Option<Finding> {
    let (queue, depths) = (&ward.depths.queue, &ward.depths);
    if depths.workers > 0 {
        return None;
    }
    let place = format!("queue {queue}");
    if !depths.is_empty() {
        let jobs = depths.waiting() + depths.due_later + depths.in_lanes + depths.suspects + depths.departing;
        let what = format!("{jobs} jobs wait and nobody serves it; {} are held by workers that died", depths.running);
        let remedy = format!(
            "add it to [[queue]] of a daemon and `liaison reload`, or start one: `liaison worker --queues {}`",
            queue.base()
        );
        return Some(Finding::new(Check::QueuesServed, Severity::Error, &place, what, &remedy));
    }
    let is_configured = app.config.queue.iter().any(|configured| configured.name == queue.base().as_str());
    is_configured.then(|| {
        let what = "is configured here and no worker serves it";
        Finding::new(Check::QueuesServed, Severity::Warning, &place, what, "start a daemon: `systemctl start liaison`")
    })
}

fn paused(ward: &Ward) -> Option<Finding> {
    let depths = &ward.depths;
    (depths.paused && !depths.is_empty()).then(|| {
        let what = format!("is paused, with {} jobs ready in it", depths.waiting());
        let remedy = format!("`liaison queues resume {}`, if that is over", depths.queue.base());
        Finding::new(Check::QueuesPaused, Severity::Advice, &format!("queue {}", depths.queue), what, &remedy)
    })
}

fn suspects(ward: &Ward) -> Option<Finding> {
    let depths = &ward.depths;
    (depths.suspects > 0).then(|| {
        let what = format!("{} jobs were there when a process died, and run apart from others", depths.suspects);
        let remedy = "`liaison jobs list --state suspect` names them; if they stay, see the daemon's log";
        Finding::new(Check::QueuesSuspects, Severity::Warning, &format!("queue {}", depths.queue), what, remedy)
    })
}

fn departing(ward: &Ward) -> Option<Finding> {
    let depths = &ward.depths;
    (depths.departing >= MANY_DEPARTING).then(|| {
        let what = format!("{} jobs have ended without a run and wait to be recorded", depths.departing);
        let remedy = "see that the store takes what is written, and that the queue is not paused";
        Finding::new(Check::QueuesDeparting, Severity::Warning, &format!("queue {}", depths.queue), what, remedy)
    })
}

/// Jobs among those that wait that no build like this one can run.
async fn unknown(app: &App, wards: &[Ward]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for ward in wards.iter().filter(|ward| !ward.depths.is_empty()) {
        let queue = &ward.depths.queue;
        let names = app.inspector(queue).sample_names(SAMPLE).await?;
        // Whether diagnostics are on is the daemon's to know.
        let unknown: BTreeSet<String> =
            names.into_iter().filter(|name| liaison_jobs::find(name, true).is_err()).take(5).collect();
        if !unknown.is_empty() {
            let names = unknown.into_iter().collect::<Vec<_>>().join(", ");
            let what = format!("jobs wait there that this build does not know, and that will be buried: {names}");
            let remedy =
                "correct the names at the host, or upgrade the daemons; `liaison jobs catalog` lists what is known";
            findings.push(Finding::new(Check::JobsKnown, Severity::Error, &format!("queue {queue}"), what, remedy));
        }
    }
    Ok(findings)
}
