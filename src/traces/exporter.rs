//! Takes spans from the queue and delivers them in batches; while the collector is away it waits, longer each time, says
//! so once, and keeps what it holds.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use liaison_jobs::Span;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info, warn};

use super::{
    DROPPED, EXPORTED, MAX_WAITING,
    destination::{Destination, Fault},
    otlp::{Resource, request},
};

/// Spans in one delivery: some hundred kilobytes.
const BATCH: usize = 512;
/// How long the first span of a batch waits for others: whoever looks at a trace waits longer for its page.
const GATHER: Duration = Duration::from_secs(1);
/// Between two attempts while the collector is away.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

pub(super) struct Exporter {
    destination: Destination,
    resource: Resource,
    spans: mpsc::Receiver<Span>,
    batch: Vec<Span>,
    trouble: Option<Trouble>,
}

/// While deliveries fail.
struct Trouble {
    waits: ExponentialBackoff,
    dropped_before: u64,
}

impl Exporter {
    pub(super) fn new(destination: Destination, resource: Resource, spans: mpsc::Receiver<Span>) -> Self {
        Self { destination, resource, spans, batch: Vec::with_capacity(BATCH), trouble: None }
    }

    /// Until it is stopped, and has tried once more what it holds. A delivery under way is not broken off: whether it
    /// was taken would be in doubt.
    pub(super) async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut stopping = false;
        loop {
            if self.batch.is_empty() && !stopping {
                tokio::select! {
                    () = self.gather() => {}
                    _ = &mut stopped => stopping = true,
                }
            }
            if stopping {
                self.spans.close();
                self.fill();
            }
            if self.batch.is_empty() {
                if stopping {
                    return;
                }
                continue;
            }
            let Err(wait) = self.deliver().await else { continue };
            if stopping {
                let left = self.batch.len() + self.spans.len();
                DROPPED.inc_by(left as u64);
                return warn!("the collector did not take the last {left} spans; they are dropped");
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = &mut stopped => stopping = true,
            }
        }
    }

    /// Until there is a batch: a full one, or what has come a while after its first. Nothing is lost if it is dropped.
    async fn gather(&mut self) {
        let Some(first) = self.spans.recv().await else { return std::future::pending().await };
        self.batch.push(first);
        let more = async {
            while self.batch.len() < BATCH {
                let room = BATCH - self.batch.len();
                if self.spans.recv_many(&mut self.batch, room).await == 0 {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(GATHER, more).await;
    }

    /// With what is there already.
    fn fill(&mut self) {
        while self.batch.len() < BATCH
            && let Ok(span) = self.spans.try_recv()
        {
            self.batch.push(span);
        }
    }

    /// Deliver the batch once. If it may be taken later: how long to wait for that.
    async fn deliver(&mut self) -> Result<(), Duration> {
        let count = self.batch.len() as u64;
        let place = self.destination.shown();
        match self.destination.post(request(&self.resource, &self.batch)).await {
            Ok(rejected) => {
                let lost = rejected.as_ref().map_or(0, |(lost, _)| *lost).min(count);
                if let Some((_, why)) = rejected {
                    debug!(error = why, "the collector {place} could not use {lost} of {count} spans");
                }
                EXPORTED.inc_by(count - lost);
                DROPPED.inc_by(lost);
                if let Some(trouble) = self.trouble.take() {
                    let dropped = DROPPED.get() - trouble.dropped_before;
                    info!("the collector {place} takes spans again; {dropped} were dropped meanwhile");
                }
            }
            Err(Fault::Refused { why }) => {
                if self.trouble.is_none() {
                    warn!(error = why, "the collector {place} refuses spans: they are dropped; jobs go on");
                }
                self.trouble.get_or_insert_with(Trouble::begin);
                DROPPED.inc_by(count);
            }
            Err(Fault::Away { why, retry_after }) => {
                if self.trouble.is_none() {
                    warn!(
                        error = why,
                        "the collector {place} does not take spans: trying again, and dropping what comes beyond \
                         {MAX_WAITING}; jobs go on"
                    );
                }
                let wait = self.trouble.get_or_insert_with(Trouble::begin).waits.next().unwrap_or(LONGEST_WAIT);
                return Err(retry_after.map_or(wait, |asked| asked.clamp(wait, LONGEST_WAIT.max(wait))));
            }
        }
        self.batch.clear();
        Ok(())
    }
}

impl Trouble {
    fn begin() -> Self {
        let waits = ExponentialBuilder::default().with_min_delay(FIRST_WAIT).with_max_delay(LONGEST_WAIT);
        Self { waits: waits.without_max_times().with_jitter().build(), dropped_before: DROPPED.get() }
    }
}
