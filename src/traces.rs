//! Traces: one span for each run of a job, below that of the host whose envelope names one, sent to a collector.
//!
//! Whoever has a span to send never waits: it goes into a short queue, or is counted as dropped. A daemon that dies takes
//! what waits there along: traces are for those who look on, and the records are what counts.

mod destination;
mod exporter;
mod otlp;
mod tracer;

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use liaison_jobs::Sink;
use prometheus::IntCounter;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tracing::warn;

pub(crate) use self::destination::{Destination, Unfit};
use self::exporter::Exporter;
pub(crate) use self::tracer::{Tracer, begin};
use crate::{config::traces::Traces, metrics::counter};

/// Spans that wait for the collector: some seconds of a busy daemon, and some megabytes at most.
const MAX_WAITING: usize = 8192;
/// For what is left when the daemon stops: a collector that is well needs a fraction of it.
const LAST: Duration = Duration::from_secs(2);

static EXPORTED: LazyLock<IntCounter> =
    LazyLock::new(|| counter("liaison_spans_exported_total", "Spans that the collector has taken"));
static DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    counter("liaison_spans_dropped_total", "Spans dropped because the collector was away, too slow, or refused them")
});

/// There from the beginning, like all counters without labels.
pub(crate) fn begin_counting() {
    LazyLock::force(&EXPORTED);
    LazyLock::force(&DROPPED);
}

/// The task that sends spans on.
pub(crate) struct Delivery {
    task: JoinSet<()>,
    stop: oneshot::Sender<()>,
}

/// Begin to send spans, if that is wanted.
///
/// # Errors
/// When a file that `[traces]` names cannot be used.
pub(crate) fn start(traces: &Traces, host: &str) -> Result<Option<(Tracer, Delivery)>, Unfit> {
    let Some(destination) = Destination::of(traces)? else { return Ok(None) };
    let (way, spans) = mpsc::channel(MAX_WAITING);
    let sink: Sink = Arc::new(move |span| {
        if way.try_send(span).is_err() {
            DROPPED.inc();
        }
    });
    let (stop, stopped) = oneshot::channel();
    let mut task = JoinSet::new();
    task.spawn(Exporter::new(destination, otlp::Resource::of(traces, host), spans).run(stopped));
    Ok(Some((Tracer { sink, one_in: traces.one_in }, Delivery { task, stop })))
}

impl Delivery {
    /// Send what is left, if the collector takes it in time.
    pub(crate) async fn end(mut self) {
        let _ = self.stop.send(());
        let sent = async { while self.task.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST, sent).await.is_err() {
            warn!("the collector did not take the last spans within {LAST:?}; they are dropped");
        }
    }
}
