//! What a job author gets.

mod context;
pub mod http;
mod job;
mod journal;
mod limits;
pub mod outbound;
mod redact;
mod secret;
mod services;
pub mod signature;
mod trace;
mod traceparent;

pub use context::{Context, Surroundings};
pub(crate) use job::Job;
pub use job::{Entry, Sample};
pub use journal::Journal;
pub use limits::Limits;
pub use redact::redact;
pub use secret::Secret;
pub use services::Services;
pub use trace::{Attribute, Child, Kind, Sink, Span, Trace, nanos};
pub use traceparent::Traceparent;
