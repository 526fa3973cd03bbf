//! What all jobs share; made once, by the daemon.

use std::{fmt, sync::Arc};

use liaison_queue::Producer;
use liaison_store::Store;

use super::{CalendarSettings, Hosts, Mailer, MeetingRules, Retention, TokenKeeper, outbound::Outbound};
use crate::{providers::Registry, send_webhook::Webhooks};

pub struct Services {
    /// None only where nothing is recorded, as in a benchmark of the bare queue.
    pub store: Option<Store>,
    pub producer: Producer,
    /// None where there is no store.
    pub tokens: Option<Arc<TokenKeeper>>,
    /// The way out, for all who call an address.
    pub outbound: Outbound,
    /// Clients of all providers, where they are configured to be.
    pub providers: Registry,
    /// How the servers of providers have answered lately.
    pub hosts: Arc<Hosts>,
    pub mailer: Mailer,
    /// What deliveries of webhooks share.
    pub webhooks: Webhooks,
    pub retention: Retention,
    /// What holds for all meetings.
    pub meetings: MeetingRules,
    pub calendars: CalendarSettings,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}
