//! What a job author gets.

mod context;
mod job;
mod limits;
mod trace;
mod traceparent;

pub use context::Context;
pub(crate) use job::Job;
pub use job::{Entry, Sample};
pub use limits::Limits;
pub use trace::{Attribute, Child, Kind, Sink, Span, Trace, nanos};
pub use traceparent::Traceparent;
