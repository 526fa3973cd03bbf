//! The trace that a job runs in: for the header that a provider is sent, and for a span around each call of one.
//!
//! Without an exporter, and in a trace that nobody records, spans cost nothing; the header goes on all the same.

use std::{
    borrow::Cow,
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use liaison_queue::clock::Millis;

use super::Traceparent;

/// Something that was done and is over, for those who look on. It never holds a payload, nor a secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its trace, and its own id.
    pub here: Traceparent,
    pub parent: Option<u64>,
    pub kind: Kind,
    pub name: String,
    /// Nanoseconds since the epoch.
    pub began: u64,
    pub ended: u64,
    pub attributes: Vec<(&'static str, Attribute)>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A call of somebody else.
    Client,
    /// The run of a job.
    Consumer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    Text(Cow<'static, str>),
    Number(i64),
}

/// Where spans go when they are over. It must not wait.
pub type Sink = Arc<dyn Fn(Span) + Send + Sync>;

/// The trace of one run.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    here: Option<Traceparent>,
    recorded: Option<Arc<Recorded>>,
}

struct Recorded {
    sink: Sink,
    /// The run began then, by the clock of the queue and by that of this machine.
    began: (Millis, Instant),
    calls: AtomicU64,
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").field("began", &self.began.0).field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl Recorded {
    fn now(&self) -> u64 {
        nanos(self.began.0).saturating_add(u64::try_from(self.began.1.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// As spans have their times.
#[must_use]
pub fn nanos(time: Millis) -> u64 {
    u64::try_from(time.0).unwrap_or(0).saturating_mul(1_000_000)
}

impl Trace {
    /// One that nobody records here: what comes after is told of it.
    #[must_use]
    pub fn unrecorded(here: Option<Traceparent>) -> Self {
        Self { here, recorded: None }
    }

    /// That of a run which is recorded under this position, and which begins now.
    #[must_use]
    pub fn recorded(here: Traceparent, began: Millis, sink: Sink) -> Self {
        let recorded = Recorded { sink, began: (began, Instant::now()), calls: AtomicU64::new(0) };
        Self { here: Some(here), recorded: Some(Arc::new(recorded)) }
    }

    /// The `traceparent` for whoever is called without a span of its own.
    #[must_use]
    pub fn header(&self) -> Option<String> {
        self.here.map(|here| here.to_string())
    }

    /// A call of somebody else, from now until the span is dropped. Say its name without anything of the payload.
    #[must_use]
    pub fn child(&self, name: &str) -> Child {
        let (Some(parent), Some(recorded)) = (self.here, &self.recorded) else {
            return Child { here: self.here, open: None };
        };
        let mut hash = DefaultHasher::new();
        (parent.trace, parent.span, recorded.calls.fetch_add(1, Ordering::Relaxed)).hash(&mut hash);
        let here = Traceparent { span: hash.finish().max(1), ..parent };
        let span = Span {
            here,
            parent: Some(parent.span),
            kind: Kind::Client,
            name: name.to_owned(),
            began: recorded.now(),
            ended: 0,
            attributes: Vec::new(),
            failure: None,
        };
        Child { here: Some(here), open: Some((span, Arc::clone(recorded))) }
    }
}

/// A call under way. It is over when this is dropped, also by a timeout or a panic.
#[derive(Debug)]
pub struct Child {
    here: Option<Traceparent>,
    open: Option<(Span, Arc<Recorded>)>,
}

impl Child {
    /// The `traceparent` to send with the call.
    #[must_use]
    pub fn header(&self) -> Option<String> {
        self.here.map(|here| here.to_string())
    }

    /// What is worth knowing of the call, such as the status of an answer; never a payload, a secret, or a whole URL.
    pub fn note(&mut self, name: &'static str, value: Attribute) {
        if let Some((span, _)) = &mut self.open {
            span.attributes.push((name, value));
        }
    }

    /// It did not do what it should. The reason is one that may stand in a log.
    pub fn failed(&mut self, why: &str) {
        if let Some((span, _)) = &mut self.open {
            span.failure = Some(why.to_owned());
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some((mut span, recorded)) = self.open.take() {
            span.ended = recorded.now();
            (recorded.sink)(span);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const HERE: Traceparent = Traceparent { trace: 7, span: 9, sampled: true };

    #[test]
    fn without_an_exporter_the_header_goes_on_and_nothing_else_is_done() {
        let trace = Trace::unrecorded(Some(HERE));
        let mut child = trace.child("call");
        child.note("http.response.status_code", Attribute::Number(200));
        child.failed("why");
        assert_eq!(child.header(), trace.header());
        assert_eq!(trace.header().as_deref(), Some("00-00000000000000000000000000000007-0000000000000009-01"));
        assert_eq!(Trace::default().child("call").header(), None);
    }

    #[test]
    fn each_call_is_a_span_of_its_own_below_the_run() {
        let seen: Arc<Mutex<Vec<Span>>> = Arc::default();
        let sink = Arc::clone(&seen);
        let sink: Sink = Arc::new(move |span| sink.lock().expect("spans").push(span));
        let trace = Trace::recorded(HERE, Millis(1_000), sink);
        let (mut first, second) = (trace.child("first"), trace.clone().child("second"));
        let headers = [&first, &second].map(|child| child.header().expect("a header"));
        first.note("attempt", Attribute::Number(1));
        first.failed("refused");
        drop(first);
        drop(second);
        let seen = seen.lock().expect("spans");
        assert_eq!(seen.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["first", "second"]);
        assert_eq!(seen.iter().map(|span| span.here.to_string()).collect::<Vec<_>>(), headers);
        assert!(headers[0] != headers[1] && headers.iter().all(|header| Some(header) != trace.header().as_ref()));
        for span in seen.iter() {
            assert_eq!((span.here.trace, span.parent, span.kind), (HERE.trace, Some(HERE.span), Kind::Client));
            assert!(1_000_000_000 <= span.began && span.began <= span.ended, "{span:?}");
        }
        assert_eq!(seen[0].failure.as_deref(), Some("refused"));
        assert_eq!(seen[0].attributes, [("attempt", Attribute::Number(1))]);
    }
}
