//! What became of a call that did not go well, in the words of a job that has to decide.

use std::{fmt, time::Duration};

/// `why` names the provider and what it said, without tokens or bodies: it goes into logs as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Network, 5xx, an answer that is no answer: later it may go well. The call may have had its effect.
    Retry { after: Option<Duration>, why: String },
    /// A limit of the provider: wait, at no cost of an attempt. Nothing was done.
    Limited { after: Option<Duration>, why: String },
    /// 401: the token is taken no more. Refresh it once; if the next one is refused as well, it is `Reconnect`.
    Unauthorized { why: String },
    /// Only the owner can help, by connecting the account again.
    Reconnect { why: String },
    /// What was asked for is not there, or not any more.
    Gone { why: String },
    /// The cursor is taken no more: begin a full round.
    Expired { why: String },
    /// It is there already, or has changed since it was read.
    Conflict { why: String },
    /// The same would be refused again.
    Refused { why: String },
    /// The operator's fault: a client, a URL, a permission of the application.
    Misconfigured { why: String },
}

impl Fault {
    /// One word for counters and columns.
    #[cfg(test)]
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry",
            Self::Limited { .. } => "limited",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Reconnect { .. } => "reconnect",
            Self::Gone { .. } => "gone",
            Self::Expired { .. } => "expired",
            Self::Conflict { .. } => "conflict",
            Self::Refused { .. } => "refused",
            Self::Misconfigured { .. } => "misconfigured",
        }
    }

    pub(crate) fn why(&self) -> &str {
        match self {
            Self::Retry { why, .. }
            | Self::Limited { why, .. }
            | Self::Unauthorized { why }
            | Self::Reconnect { why }
            | Self::Gone { why }
            | Self::Expired { why }
            | Self::Conflict { why }
            | Self::Refused { why }
            | Self::Misconfigured { why } => why,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why())
    }
}
