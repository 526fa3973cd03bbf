//! What a job author gets.

mod context;
mod job;
mod limits;

pub use context::Context;
pub(crate) use job::Job;
pub use job::{Entry, Sample};
pub use limits::Limits;
