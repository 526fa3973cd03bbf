//! What ties a job to others, as it is typed and as the envelope has it.

use std::time::Duration;

use liaison_queue::{BatchId, LaneName, UniqueKey, bonds::MAX_UNIQUE_FOR};
use serde::Serialize;

use crate::{
    cli::{answer::Usage, typed},
    config::units::show_duration,
};

#[derive(clap::Args)]
#[group(skip)]
pub(super) struct Ties {
    /// Its lane: jobs of one lane run one at a time, in order
    #[arg(long, value_name = "NAME")]
    lane: Option<String>,
    /// Let others of the lane pass while it waits for its time
    #[arg(long, requires = "lane")]
    lane_passes: bool,
    /// Its unique key: of one key there is one job
    #[arg(long, value_name = "KEY")]
    unique: Option<String>,
    /// For how long the key is taken [default: until done, or as --unique-for says]
    #[arg(long, value_name = "SCOPE", requires = "unique", value_parser = ["while_queued", "until_done", "for"])]
    unique_scope: Option<String>,
    /// So long from now, whatever becomes of the job: up to 365d
    #[arg(long, value_name = "DURATION", requires = "unique", value_parser = typed::duration)]
    unique_for: Option<Duration>,
    /// Take the place of the job that has the key, if that still waits
    #[arg(long, requires = "unique")]
    replace: bool,
    /// With --replace: run when the other one would have
    #[arg(long, requires = "replace")]
    keep_due: bool,
    /// Its batch, which is open
    #[arg(long, value_name = "ID")]
    batch: Option<String>,
}

/// As the envelope has it: what was not asked for is not there.
#[derive(Debug, Default, Serialize)]
pub(super) struct WrittenTies {
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<Lane>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique: Option<Unique>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<BatchId>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Lane {
    Holds(LaneName),
    Passes { key: LaneName, on_delay: &'static str },
}

#[derive(Debug, Serialize)]
struct Unique {
    key: UniqueKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    for_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_conflict: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<&'static str>,
}

impl Ties {
    pub(super) fn written(&self) -> Result<WrittenTies, Usage> {
        let lane = self
            .lane
            .as_deref()
            .map(typed::name::<LaneName>)
            .transpose()?
            .map(|key| if self.lane_passes { Lane::Passes { key, on_delay: "pass" } } else { Lane::Holds(key) });
        let key = self.unique.as_deref().map(typed::name::<UniqueKey>).transpose()?;
        let unique = key.map(|key| self.unique(key)).transpose()?;
        let batch = self.batch.as_deref().map(typed::name::<BatchId>).transpose()?;
        Ok(WrittenTies { lane, unique, batch })
    }

    fn unique(&self, key: UniqueKey) -> Result<Unique, Usage> {
        let scope = self.unique_scope.clone().or_else(|| self.unique_for.map(|_| "for".to_owned()));
        match (scope.as_deref(), self.unique_for) {
            (Some("for"), None) => {
                return Err(Usage("--unique-scope for: say how long, as in --unique-for 1h".to_owned()));
            }
            (Some(scope @ ("while_queued" | "until_done")), Some(_)) => {
                return Err(Usage(format!("--unique-for: not with the scope {scope}; leave one of the two out")));
            }
            (_, Some(long)) if long.is_zero() || long > MAX_UNIQUE_FOR => {
                let (long, most) = (show_duration(long), show_duration(MAX_UNIQUE_FOR));
                return Err(Usage(format!("--unique-for: {long} is not between 1ms and the {most} allowed")));
            }
            _ => {}
        }
        Ok(Unique {
            key,
            scope,
            for_ms: self.unique_for.map(|long| long.as_millis()),
            on_conflict: self.replace.then_some("replace"),
            due: self.keep_due.then_some("keep"),
        })
    }
}
