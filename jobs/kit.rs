//! What a job author gets.

pub(crate) mod calendars;
mod calling;
mod context;
pub mod http;
mod job;
mod journal;
mod limits;
mod mailer;
pub mod outbound;
mod redact;
mod retention;
mod secret;
mod services;
pub mod signature;
pub mod tokens;
mod trace;
mod traceparent;

pub use calendars::CalendarSettings;
pub(crate) use calling::{Called, again};
pub use context::{Context, Surroundings};
pub(crate) use job::Job;
pub use job::{Entry, Sample};
pub use journal::Journal;
pub use limits::Limits;
pub(crate) use mailer::{Content, Errand, MAX_RECIPIENTS, Recipient, digest, send};
pub use mailer::{MailFault, MailTransport, Mailer, MailerOptions, Security, SmtpOptions, Templates, judge_address};
pub use redact::redact;
pub use retention::Retention;
pub use secret::Secret;
pub use services::Services;
pub(crate) use tokens::{Denied, Need, NoToken, TokenKeeper, TokenSettings};
pub use trace::{Attribute, Child, Kind, Sink, Span, Trace, nanos};
pub use traceparent::Traceparent;
