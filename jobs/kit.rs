//! What a job author gets.

mod booking;
mod context;
mod desk;
pub mod http;
mod job;
mod journal;
mod limits;
mod mailer;
mod meetings;
pub mod outbound;
mod redact;
mod retention;
mod secret;
mod services;
pub mod signature;
pub mod tokens;
mod trace;
mod traceparent;

pub(crate) use booking::{Booking, Name, store_failure};
pub use context::{Context, Surroundings};
pub(crate) use desk::Trouble;
pub(crate) use job::Job;
pub use job::{Entry, Sample};
pub use journal::Journal;
pub use limits::Limits;
pub(crate) use mailer::{Content, Errand, MAX_RECIPIENTS, Recipient, digest, send};
pub use mailer::{MailFault, MailTransport, Mailer, MailerOptions, Security, SmtpOptions, Templates, judge_address};
pub use meetings::MeetingRules;
pub use redact::redact;
pub use retention::Retention;
pub use secret::Secret;
pub use services::Services;
pub(crate) use tokens::{Denied, Need, NoToken, TokenKeeper, TokenSettings};
pub use trace::{Attribute, Child, Kind, Sink, Span, Trace, nanos};
pub use traceparent::Traceparent;
