//! What is measured in this process, and its text form for Prometheus.
//!
//! `docs/operations.md` describes every metric. A label has only values that are configured or built in: queues, jobs of
//! the catalogue, outcomes. Counters and histograms are kept as things happen; what is a state is looked up for a scrape.

pub(crate) mod runs;
mod states;

use liaison_queue::meters::SECONDS;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, TextEncoder,
    core::Collector,
};
use tracing::warn;

pub(crate) use self::states::{Depths, States};

/// A new metric of this process. Each is made once, in a `LazyLock`.
fn register<M: Collector + Clone + 'static>(metric: prometheus::Result<M>) -> M {
    let metric = metric.expect("a metric has a name and labels that Prometheus allows");
    prometheus::register(Box::new(metric.clone())).expect("a metric is made once, under a name of its own");
    metric
}

pub(crate) fn counter(name: &str, help: &str) -> IntCounter {
    register(IntCounter::new(name, help))
}

pub(crate) fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register(IntCounterVec::new(Opts::new(name, help), labels))
}

pub(crate) fn gauge(name: &str, help: &str) -> IntGauge {
    register(IntGauge::new(name, help))
}

pub(crate) fn gauges(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    register(IntGaugeVec::new(Opts::new(name, help), labels))
}

pub(crate) fn histogram(name: &str, help: &str, buckets: &[f64]) -> Histogram {
    register(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
}

/// Of times in seconds.
pub(crate) fn histograms(name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    register(HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), labels))
}

/// Everything, as Prometheus reads it.
pub(crate) fn text() -> String {
    let families = prometheus::gather();
    let samples: usize = families.iter().map(|family| family.get_metric().len()).sum();
    // Histograms have a dozen lines each, and half of all samples are of one: written without growing.
    let mut text = String::with_capacity(samples * 256);
    if let Err(fault) = TextEncoder::new().encode_utf8(&families, &mut text) {
        warn!(error = %fault, "metrics cannot be written");
        text.clear();
    }
    text
}
