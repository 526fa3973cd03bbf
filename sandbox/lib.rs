//! Stand-in providers for `liaison dev` and the tests.
//!
//! Each listens on the loopback interface only, keeps what it is told in memory within a limit, and leaves no task behind
//! when it is stopped. It knows nothing of queues, stores and jobs: it sees what a provider would see.

mod caldav;
mod calendars;
mod desk;
mod form;
mod google;
mod http;
mod listening;
mod meetings;
mod microsoft;
mod query;
mod series;
mod smtp_sink;
mod stand;
mod token_server;
mod webex;
mod webhook_receiver;
mod zoom;

pub use desk::{Desk, Trouble};
pub use http::{Answer, Request};
pub use microsoft::Reset;
pub use series::Series;
pub use smtp_sink::{BadDay, Mail, SmtpSettings, SmtpSink};
pub use stand::Stand;
pub use token_server::{CLIENT_ID, CLIENT_SECRET, Issued, Mishap, Mood, Style, TokenServer};
pub use webhook_receiver::WebhookReceiver;

/// Somebody's calendar server.
pub type CalDavServer = Stand<caldav::CalDav>;
pub type GoogleServer = Stand<google::Google>;
pub type MicrosoftServer = Stand<microsoft::Graph>;
pub type WebexServer = Stand<webex::Webex>;
pub type ZoomServer = Stand<zoom::Zoom>;
