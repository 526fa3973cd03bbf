//! The spans of runs: where each stands in which trace, and what is said of it.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher as _},
    sync::Arc,
};

use liaison_jobs::{Attribute, Kind, Sink, Span, Trace, Traceparent, nanos};
use liaison_queue::{Claimed, clock::Millis};
use liaison_store::{Run, RunOutcome};

use crate::runner::Brief;

/// Of a reason: enough to know it, and never a page.
const MAX_FAILURE: usize = 1024;

/// Begins and ends the spans of runs.
#[derive(Clone)]
pub(crate) struct Tracer {
    pub(super) sink: Sink,
    pub(super) one_in: u32,
}

/// How a run came to its end, for its span.
struct End<'a> {
    at: Millis,
    outcome: &'static str,
    /// Only of what went wrong.
    failure: Option<&'a str>,
}

/// The trace for a run of this job, which begins now; `host` is what its envelope says of one.
pub(crate) fn begin(tracer: Option<&Tracer>, job: &Claimed, host: Option<&str>, now: Millis) -> Trace {
    let host = host.and_then(Traceparent::parse);
    let Some(tracer) = tracer else { return Trace::unrecorded(host) };
    let here = tracer.position(job, host);
    match host {
        _ if here.sampled => Trace::recorded(here, now, Arc::clone(&tracer.sink)),
        Some(host) => Trace::unrecorded(Some(host)),
        // Whoever comes after us should not record a trace without its beginning.
        None => Trace::unrecorded(Some(here)),
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("one_in", &self.one_in).finish_non_exhaustive()
    }
}

impl Tracer {
    /// Where the run of a job stands: the same whoever asks and whenever, so that nobody has to keep it.
    fn position(&self, job: &Claimed, host: Option<Traceparent>) -> Traceparent {
        let trace = host.map_or_else(|| begun(job), |host| host.trace);
        let sampled = host.map_or_else(|| self.samples(trace), |host| host.sampled);
        Traceparent { trace, span: hash(&(trace, job.id.as_str(), job.token())).max(1), sampled }
    }

    /// By the trace's own id, so that all attempts are recorded or none.
    fn samples(&self, trace: u128) -> bool {
        self.one_in > 0 && trace.is_multiple_of(self.one_in.into())
    }

    /// A run is over, and this will be recorded of it.
    pub(crate) fn recorded(&self, job: &Claimed, run: &Run) {
        let failure = match run.outcome {
            RunOutcome::Retry | RunOutcome::Dead | RunOutcome::Expired => run.reason.as_deref(),
            RunOutcome::Done | RunOutcome::Cancelled | RunOutcome::Replaced => None,
        };
        let end = End { at: Millis::at(run.finished_at), outcome: run.outcome.as_str(), failure };
        self.ended(job, &run.name, run.trace.as_deref(), &end);
    }

    /// A run is over that leaves no record: it was put off, handed back, or came too late.
    pub(crate) fn unrecorded(&self, job: &Claimed, brief: &Brief, at: Millis, outcome: &'static str) {
        self.ended(job, &brief.name, brief.trace.as_deref(), &End { at, outcome, failure: None });
    }

    /// One whose handler never began has no span.
    fn ended(&self, job: &Claimed, name: &str, host: Option<&str>, end: &End<'_>) {
        let Some(started) = job.started_at() else { return };
        let host = host.and_then(Traceparent::parse);
        let here = self.position(job, host);
        if !here.sampled {
            return;
        }
        (self.sink)(Span {
            here,
            parent: host.map(|host| host.span),
            kind: Kind::Consumer,
            name: format!("run {name}"),
            began: nanos(started),
            ended: nanos(end.at.max(started)),
            attributes: attributes(job, name, started, end),
            failure: end.failure.map(short),
        });
    }
}

/// What is known of a run, without anything of its payload: the first names are those of the standard.
fn attributes(job: &Claimed, name: &str, started: Millis, end: &End<'_>) -> Vec<(&'static str, Attribute)> {
    let text = |text: &str| Attribute::Text(text.to_owned().into());
    let mut all = vec![
        ("messaging.system", Attribute::Text("liaison".into())),
        ("messaging.operation.type", Attribute::Text("process".into())),
        ("messaging.operation.name", Attribute::Text("run".into())),
        ("messaging.destination.name", text(job.queue.as_str())),
        ("messaging.message.id", text(job.id.as_str())),
        ("messaging.client.id", text(job.worker())),
        ("liaison.job.name", text(name)),
        ("liaison.job.run", Attribute::Number(job.run().into())),
        ("liaison.job.attempt", Attribute::Number(job.attempt().into())),
        ("liaison.job.waited_ms", Attribute::Number((started.0 - job.enqueued_at.0).max(0))),
        ("liaison.job.outcome", Attribute::Text(end.outcome.into())),
    ];
    if end.failure.is_some() {
        all.push(("error.type", Attribute::Text(end.outcome.into())));
    }
    all
}

/// The trace of a job whose host names none: made from the job, so that all its attempts are in one.
fn begun(job: &Claimed) -> u128 {
    let half = |half: u8| u128::from(hash(&(half, job.id.as_str(), job.enqueued_at.0)));
    ((half(0) << 64) | half(1)).max(1)
}

/// Even, and the same in every process of a build; nobody's secret depends on it.
fn hash(of: &impl Hash) -> u64 {
    let mut hash = DefaultHasher::new();
    of.hash(&mut hash);
    hash.finish()
}

fn short(reason: &str) -> String {
    let end = (0..=MAX_FAILURE.min(reason.len())).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
    let more = if end < reason.len() { "…" } else { "" };
    format!("{}{more}", &reason[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_so_many_is_about_that() {
        let tracer = |one_in| Tracer { sink: Arc::new(drop), one_in };
        let recorded = |one_in| (0..10_000u128).filter(|n| tracer(one_in).samples(u128::from(hash(n)))).count();
        assert_eq!((recorded(0), recorded(1)), (0, 10_000));
        assert!((800..1_200).contains(&recorded(10)), "{}", recorded(10));
    }

    #[test]
    fn a_reason_is_cut_between_letters() {
        assert_eq!(short("why"), "why");
        let long = "ä".repeat(MAX_FAILURE);
        assert_eq!(short(&long), format!("{}…", "ä".repeat(MAX_FAILURE / 2)));
    }
}
