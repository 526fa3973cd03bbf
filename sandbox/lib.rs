//! Stand-in providers for `liaison dev` and the tests.
//!
//! Each listens on the loopback interface only, keeps what it is told in memory within a limit, and leaves no task behind
//! when it is stopped. It knows nothing of queues, stores and jobs: it sees what a provider would see.

mod form;
mod http;
mod smtp_sink;
mod token_server;
mod webhook_receiver;

pub use http::{Answer, Request};
pub use smtp_sink::{BadDay, Mail, SmtpSettings, SmtpSink};
pub use token_server::{CLIENT_ID, CLIENT_SECRET, Issued, Mishap, Style, TokenServer};
pub use webhook_receiver::WebhookReceiver;
