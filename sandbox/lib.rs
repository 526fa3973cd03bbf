//! Stand-in providers for `liaison dev` and the tests.
//!
//! Each listens on the loopback interface only, keeps what it is told in memory within a limit, and leaves no task behind
//! when it is stopped. It knows nothing of queues, stores and jobs: it sees what a provider would see.

mod http;
mod smtp_sink;
mod webhook_receiver;

pub use http::{Answer, Request};
pub use smtp_sink::{BadDay, Mail, SmtpSettings, SmtpSink};
pub use webhook_receiver::WebhookReceiver;
