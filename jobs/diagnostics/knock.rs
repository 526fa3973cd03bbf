//! Pass a limit if there is one, then connect to an address and say who it is: so that runs are counted where it matters.
//!
//! Safe to run twice: it knocks twice, and whoever counts there sees it.

use std::time::Duration;

use liaison_queue::{
    Limit, Said, Zone,
    outcome::{Done, Failure, Outcome},
    retry::Retry,
};
use serde::Deserialize;

use super::call;
use crate::kit::{Context, Job, Sample};

#[derive(Debug, Deserialize)]
pub(crate) struct Knock {
    address: String,
    /// None: it just connects.
    limit: Option<Rules>,
    /// How long the connection stays open.
    #[serde(default)]
    hold_ms: u32,
    /// Whether it says its `traceparent` as well, behind its id.
    #[serde(default)]
    trace: bool,
    /// What to do once it has knocked, instead of ending well.
    #[serde(default)]
    then: Then,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Then {
    #[default]
    End,
    Panic,
    Fail,
}

#[derive(Debug, Deserialize)]
struct Rules {
    key: String,
    per_second: Option<u32>,
    window: Option<Window>,
    per_day: Option<u32>,
    /// Of the day: an IANA name; `UTC` if there is none.
    zone: Option<String>,
    concurrent: Option<u32>,
    /// As if the address had answered with such a `Retry-After`, in seconds.
    retry_after: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Window {
    passes: u32,
    ms: u32,
}

impl Rules {
    fn all(&self) -> Result<Vec<Limit>, Failure> {
        let zone = match &self.zone {
            None => Zone::UTC,
            Some(name) => name
                .parse()
                .map_err(|_| Failure::fatal(format!("args.limit.zone: no zone `{name}`; use an IANA name")))?,
        };
        let window = |window: &Window| Limit::window(window.passes, Duration::from_millis(window.ms.into()));
        let rules = [
            self.per_second.map(Limit::per_second),
            self.window.as_ref().map(window),
            self.per_day.map(|passes| Limit::daily(passes, zone)),
            self.concurrent.map(Limit::concurrent),
        ];
        Ok(rules.into_iter().flatten().collect())
    }
}

impl Job for Knock {
    const NAME: &'static str = "knock";
    const ABOUT: &'static str = "passes a limit, then connects to `address`";
    const TIMEOUT: Duration = Duration::from_mins(10);
    const RETRY: Retry = Retry::doubling(Duration::from_millis(500)).attempts(3);
    // It needs somebody to knock at.
    const SAMPLE: Option<Sample> = None;

    async fn run(self, ctx: &Context) -> Outcome {
        let _permit = match &self.limit {
            Some(limit) => Some(ctx.limits.pass(&limit.key, &limit.all()?).await?),
            None => None,
        };
        let mut span = ctx.trace.child("knock");
        let trace = span.header().filter(|_| self.trace);
        let words = trace.map_or_else(|| ctx.id.to_string(), |trace| format!("{} {trace}", ctx.id));
        call(&self.address, &words, self.hold_ms).await.inspect_err(|_| span.failed("nobody opened"))?;
        drop(span);
        if let Some((limit, after)) = self.limit.as_ref().and_then(|limit| Some((limit, limit.retry_after?))) {
            let retry_after = Some(Duration::from_secs(after.into()));
            ctx.limits.told(&limit.key, Said { retry_after, ..Said::default() }).await?;
        }
        match self.then {
            Then::End => Ok(Done(None)),
            Then::Panic => panic!("panicking as told"),
            Then::Fail => Err(Failure::fatal("failing as told")),
        }
    }
}
