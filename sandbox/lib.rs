//! Stand-in providers for `liaison dev` and the tests.
//!
//! Each listens on the loopback interface only, keeps what it is told in memory within a limit, and leaves no task behind
//! when it is stopped. It knows nothing of queues, stores and jobs: it sees what a provider would see.

mod caldav;
mod desk;
mod form;
mod google;
mod http;
mod microsoft;
mod query;
mod series;
mod smtp_sink;
mod token_server;
mod webex;
mod webhook_receiver;
mod zoom;

pub use caldav::CalDavServer;
pub use desk::{Api, Desk, Refusal, Said, Trouble};
pub use google::GoogleServer;
pub use http::{Answer, Request};
pub use microsoft::{MicrosoftServer, Reset};
pub use series::Series;
pub use smtp_sink::{BadDay, Mail, SmtpSettings, SmtpSink};
pub use token_server::{CLIENT_ID, CLIENT_SECRET, Issued, Mishap, Mood, Style, TokenServer};
pub use webex::WebexServer;
pub use webhook_receiver::WebhookReceiver;
pub use zoom::ZoomServer;
