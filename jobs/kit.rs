//! What a job author gets.

mod context;
mod job;
mod journal;
mod limits;
mod retention;
mod services;
mod trace;
mod traceparent;

pub use context::{Context, Surroundings};
pub(crate) use job::Job;
pub use job::{Entry, Sample};
pub use journal::Journal;
pub use limits::Limits;
pub use retention::Retention;
pub use services::Services;
pub use trace::{Attribute, Child, Kind, Sink, Span, Trace, nanos};
pub use traceparent::Traceparent;
