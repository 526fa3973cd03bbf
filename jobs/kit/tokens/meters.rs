//! What is counted of refreshes. A provider is a label by its configured name, so there are few.

use std::sync::LazyLock;

use prometheus::{IntCounterVec, register_int_counter_vec};

const INVARIANT: &str = "a meter is registered once, under a name of its own";

static REFRESHES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Refreshes of tokens, by what they ended in";
    register_int_counter_vec!("liaison_token_refreshes_total", help, &["provider", "outcome"]).expect(INVARIANT)
});
static DISCONNECTED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Grants that their provider took no more";
    register_int_counter_vec!("liaison_grants_disconnected_total", help, &["provider"]).expect(INVARIANT)
});

/// How a refresh ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Refreshed,
    /// What waited in the spool was put into the row.
    Recovered,
    /// The grant is dead.
    Dead,
    /// The configuration is wrong.
    Client,
    /// Later again.
    Retry,
}

impl Ended {
    const ALL: [Self; 5] = [Self::Refreshed, Self::Recovered, Self::Dead, Self::Client, Self::Retry];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Refreshed => "refreshed",
            Self::Recovered => "recovered",
            Self::Dead => "invalid_grant",
            Self::Client => "invalid_client",
            Self::Retry => "retry",
        }
    }
}

/// Those of this provider are there from the beginning: a counter that appears with its first event hides it.
pub(super) fn begin(provider: &str) {
    for ended in Ended::ALL {
        let _ = REFRESHES.with_label_values(&[provider, ended.as_str()]);
    }
    let _ = DISCONNECTED.with_label_values(&[provider]);
}

pub(super) fn ended(provider: &str, ended: Ended) {
    REFRESHES.with_label_values(&[provider, ended.as_str()]).inc();
}

pub(super) fn disconnected(provider: &str) {
    DISCONNECTED.with_label_values(&[provider]).inc();
}
