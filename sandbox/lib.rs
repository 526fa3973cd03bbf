//! Stand-in providers for `liaison dev` and the tests.
//!
//! Each listens on the loopback interface only, keeps what it is told in memory within a limit, and leaves no task behind
//! when it is stopped. It knows nothing of queues, stores and jobs: it sees what a provider would see.

mod form;
mod http;
mod smtp_sink;
mod stand_in;
mod token_server;
mod webex;
mod webhook_receiver;
mod zoom;

pub use http::{Answer, Request};
pub use smtp_sink::{BadDay, Mail, SmtpSettings, SmtpSink};
pub use stand_in::Trouble;
pub use token_server::{CLIENT_ID, CLIENT_SECRET, Issued, Mishap, Style, TokenServer};
pub use webex::Webex;
pub use webhook_receiver::WebhookReceiver;
pub use zoom::Zoom;
