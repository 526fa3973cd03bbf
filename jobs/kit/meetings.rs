//! What holds for all meetings, as the operator configured it.

use std::{collections::BTreeMap, time::Duration};

/// What `[meetings]` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeetingRules {
    /// A provider that cannot be had for so long is given up for the next one.
    pub give_up_after: Duration,
    /// Creations and changes a day for each account, by the provider's own name; none: as the provider has it.
    pub per_day: BTreeMap<String, u32>,
}

impl MeetingRules {
    pub(crate) fn per_day(&self, provider: &str) -> Option<u32> {
        self.per_day.get(provider).copied()
    }
}

impl Default for MeetingRules {
    fn default() -> Self {
        Self { give_up_after: Duration::from_mins(10), per_day: BTreeMap::new() }
    }
}
