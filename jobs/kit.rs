//! What a job author gets.

mod context;
mod job;
mod journal;
mod limits;
mod services;
mod tokens;
mod trace;
mod traceparent;

pub use context::{Context, Surroundings};
pub(crate) use job::Job;
pub use job::{Entry, Sample};
pub use journal::Journal;
pub use limits::Limits;
pub use services::Services;
pub(crate) use tokens::{Denied, Need, NoToken};
pub use tokens::{
    ClientAuth, KNOWN_PROVIDERS, KnownProvider, Provider, Providers, Recovered, Spool, TokenKeeper, TokenSettings,
    TokenTools, notice,
};
pub use trace::{Attribute, Child, Kind, Sink, Span, Trace, nanos};
pub use traceparent::Traceparent;
