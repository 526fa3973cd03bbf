//! What a job author gets.

mod context;
mod job;
mod journal;
mod limits;
mod mailer;
mod services;
mod trace;
mod traceparent;

pub use context::{Context, Surroundings};
pub(crate) use job::Job;
pub use job::{Entry, Sample};
pub use journal::Journal;
pub use limits::Limits;
pub(crate) use mailer::{Content, Errand, MAX_RECIPIENTS, Recipient, digest, send};
pub use mailer::{MailFault, MailTransport, Mailer, MailerOptions, Security, SmtpOptions, Templates, judge_address};
pub use services::Services;
pub use trace::{Attribute, Child, Kind, Sink, Span, Trace, nanos};
pub use traceparent::Traceparent;
