//! Which jobs a process runs: the rest of us, or those that were there when a process died.
//!
//! Nobody can say which job killed a process. So all that were present run in a process of their own next time, and if
//! that dies too, each runs alone. Only deaths while alone count, so the one that kills is found, and no neighbour pays.

use crate::state::closed_set;

closed_set! {
    /// What a process runs.
    #[derive(Default)]
    Isolation {
        /// Everything but suspects: a daemon.
        #[default]
        None => "none",
        /// Suspects, together.
        Apart => "apart",
        /// Suspects whose company has died, one at a time and nothing beside it.
        Alone => "alone",
    }
}

impl Isolation {
    /// How the claim script is asked.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Apart => "apart",
            Self::Alone => "alone",
        }
    }

    /// What marks the tokens of such claims, and the due time of a suspect that is not cleared yet.
    pub(crate) const fn mark(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Apart => "g",
            Self::Alone => "h",
        }
    }
}

/// How many suspects wait in a queue, for whoever can give them a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Suspects {
    pub apart: u64,
    pub alone: u64,
}
