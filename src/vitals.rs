//! How the daemon is: what it is doing, which part is stuck, and what it waits for. One answer for systemd, for HTTP and
//! for the log.

mod attendant;
mod judge;

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use liaison_queue::{Flow, QueueName, Trouble, Vitals, clock::Clock};
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tracing::{error, info};

pub(crate) use self::{attendant::Attendant, judge::bound};

use self::judge::Stuck;
use crate::notify::Notifier;

/// What the daemon is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stage {
    #[default]
    Starting,
    Serving,
    /// The configuration is read anew; work goes on.
    Reloading,
    Draining,
}

/// Shared by all who know something of it and all who tell it on.
#[derive(Clone, Default)]
pub(crate) struct Condition(Arc<Inner>);

#[derive(Default)]
struct Inner {
    vitals: Vitals,
    notifier: Notifier,
    now: Mutex<Now>,
    changed: Notify,
    serving: watch::Sender<bool>,
}

#[derive(Default)]
struct Now {
    stage: Stage,
    /// What the start waits for; later the parts say so themselves.
    start_waits: Option<Trouble>,
    stuck: Vec<Stuck>,
    flows: Vec<(QueueName, Arc<Flow>)>,
    remark: Option<String>,
}

/// Parts that are named when many wait for the same.
const NAMED: usize = 3;

impl Condition {
    pub(crate) fn new(vitals: Vitals, notifier: Notifier) -> Self {
        Self(Arc::new(Inner { vitals, notifier, ..Inner::default() }))
    }

    pub(crate) fn notifier(&self) -> &Notifier {
        &self.0.notifier
    }

    /// The start cannot go on yet, for this reason, but will by itself.
    pub(crate) fn start_waits(&self, what: &str) {
        let since = self.now().start_waits.as_ref().map_or_else(Clock::wall, |known| known.since);
        self.now().start_waits = Some(Trouble { what: what.to_owned(), since });
        self.0.changed.notify_one();
    }

    /// Redis, the store, the schema and the queues are up, or up again after a reload: these are served.
    pub(crate) fn serves(&self, flows: Vec<(QueueName, Arc<Flow>)>) {
        let mut now = self.now();
        if now.stage != Stage::Draining {
            now.stage = Stage::Serving;
        }
        now.start_waits = None;
        now.flows = flows;
        drop(now);
        self.0.serving.send_replace(true);
        self.0.notifier.ready();
        self.0.changed.notify_one();
    }

    /// The configuration is read anew; to be followed by `serves`, also if it was refused.
    pub(crate) fn reloads(&self) {
        self.now().stage = Stage::Reloading;
        self.0.notifier.reloading();
    }

    /// One more thing that an operator should see in the status, such as a file that was refused; or it is over.
    pub(crate) fn remark(&self, remark: Option<String>) {
        self.now().remark = remark;
        self.0.changed.notify_one();
    }

    /// Nothing more is claimed. The next step of the stop ends within so long.
    pub(crate) fn drains(&self, next: Duration) {
        self.now().stage = Stage::Draining;
        self.0.notifier.stopping();
        self.0.notifier.extend(next);
        self.0.changed.notify_one();
    }

    /// Until something happened that is worth a new status.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Until there is something to serve.
    pub(crate) async fn serving(&self) {
        let _ = self.0.serving.subscribe().wait_for(|serving| *serving).await;
    }

    pub(crate) fn signs(&self) -> Vec<liaison_queue::Sign> {
        self.0.vitals.signs()
    }

    /// What the judge found, told once for each part.
    pub(crate) fn judged(&self, stuck: &[Stuck]) {
        let before = std::mem::replace(&mut self.now().stuck, stuck.to_vec());
        let is_in = |list: &[Stuck], part: &str| list.iter().any(|other| other.part == part);
        for Stuck { part, silent } in stuck.iter().filter(|stuck| !is_in(&before, &stuck.part)) {
            let seconds = silent.as_secs();
            error!(
                part,
                seconds,
                "{part} has not come round for {seconds} s, longer than any outage explains: is every thread taken by a \
                 job that blocks? No more signs of life for systemd until it does"
            );
        }
        for Stuck { part, .. } in before.iter().filter(|before| !is_in(stuck, &before.part)) {
            info!(part, "{part} comes round again");
        }
    }

    pub(crate) fn flows(&self) -> Vec<(QueueName, Arc<Flow>)> {
        self.now().flows.clone()
    }

    /// How it is at this moment.
    pub(crate) fn report(&self) -> Report {
        let signs = self.signs();
        let now = self.now();
        let waiting = signs.into_iter().filter_map(|sign| Some((Some(sign.name), sign.trouble?)));
        let waiting = now.start_waits.clone().map(|trouble| (None, trouble)).into_iter().chain(waiting);
        let mut reasons: Vec<Reason> = now.stuck.iter().map(Reason::stuck).collect();
        for (part, trouble) in waiting {
            let since = trouble.since.date().format("%Y-%m-%dT%H:%M:%SZ").to_string();
            match reasons.iter_mut().find(|reason| reason.what == trouble.what) {
                Some(known) => {
                    known.since = known.since.take().min(Some(since));
                    known.parts.extend(part);
                }
                None => {
                    reasons.push(Reason { what: trouble.what, since: Some(since), parts: part.into_iter().collect() });
                }
            }
        }
        Report { stage: now.stage, stuck: now.stuck.clone(), waits_for: reasons, remark: now.remark.clone() }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the daemon is at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) stage: Stage,
    pub(crate) stuck: Vec<Stuck>,
    /// What is stuck, and what is waited for.
    waits_for: Vec<Reason>,
    pub(crate) remark: Option<String>,
}

/// Why the daemon is not ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Reason {
    pub(crate) what: String,
    pub(crate) since: Option<String>,
    pub(crate) parts: Vec<String>,
}

impl Reason {
    fn plain(what: &str) -> Self {
        Self { what: what.to_owned(), since: None, parts: Vec::new() }
    }

    fn stuck(stuck: &Stuck) -> Self {
        Self::plain(&format!("{} has been stuck for {} s", stuck.part, stuck.silent.as_secs()))
    }

    /// One line: what, since when, and for whom.
    pub(crate) fn line(&self) -> String {
        let mut line = self.what.clone();
        if let Some(since) = &self.since {
            let _ = write!(line, " since {since}");
        }
        if !self.parts.is_empty() {
            let named = self.parts.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            let _ = match self.parts.len().saturating_sub(NAMED) {
                0 => write!(line, " ({named})"),
                more => write!(line, " ({named} and {more} more)"),
            };
        }
        line
    }
}

impl Report {
    /// The process progresses, whatever it waits for.
    pub(crate) fn is_healthy(&self) -> bool {
        self.stuck.is_empty()
    }

    /// Nobody who works waits for anything that should be there.
    pub(crate) fn is_ready(&self) -> bool {
        self.reasons().is_empty()
    }

    /// All that keeps the daemon from being ready.
    pub(crate) fn reasons(&self) -> Vec<Reason> {
        let stage = match self.stage {
            Stage::Starting => Some(Reason::plain("starting")),
            Stage::Draining => Some(Reason::plain("draining: nothing more is claimed")),
            Stage::Serving | Stage::Reloading => None,
        };
        stage.into_iter().chain(self.waits_for.iter().cloned()).collect()
    }

    /// What is stuck or waited for, in one line; nothing when all is there.
    pub(crate) fn troubles(&self) -> String {
        self.waits_for.iter().map(Reason::line).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serving() -> (Vitals, Condition) {
        let vitals = Vitals::default();
        let condition = Condition::new(vitals.clone(), Notifier::default());
        condition.serves(Vec::new());
        (vitals, condition)
    }

    #[test]
    fn many_who_wait_for_the_same_are_one_reason_from_the_first_on() {
        let (vitals, condition) = serving();
        assert!(condition.report().is_ready());
        let parts: Vec<_> = (0..5).map(|n| vitals.part(format!("part {n}"))).collect();
        for part in &parts {
            part.waits_for("Redis does not answer");
        }
        let report = condition.report();
        assert!(!report.is_ready() && report.is_healthy());
        let line = report.troubles();
        assert!(line.starts_with("Redis does not answer since 20"), "{line}");
        assert!(line.ends_with("Z (part 0, part 1, part 2 and 2 more)"), "{line}");
        parts.iter().for_each(liaison_queue::Pulse::has_all);
        assert!(condition.report().is_ready());
    }

    #[test]
    fn what_is_stuck_is_neither_healthy_nor_ready() {
        let (_, condition) = serving();
        let stuck = Stuck { part: "the keeper".into(), silent: Duration::from_secs(66) };
        condition.judged(&[stuck]);
        let report = condition.report();
        assert!(!report.is_healthy() && !report.is_ready());
        assert_eq!(report.troubles(), "the keeper has been stuck for 66 s");
        condition.judged(&[]);
        assert!(condition.report().is_healthy());
    }

    #[test]
    fn who_starts_or_drains_is_healthy_and_not_ready() {
        let condition = Condition::default();
        condition.start_waits("Redis does not answer");
        let report = condition.report();
        assert_eq!(report.reasons()[0].what, "starting");
        assert!(report.reasons()[1].line().starts_with("Redis does not answer since "));
        condition.serves(Vec::new());
        condition.reloads();
        condition.remark(Some("the file was refused".into()));
        assert!(condition.report().is_ready(), "work goes on");
        condition.drains(Duration::ZERO);
        condition.serves(Vec::new());
        assert_eq!(condition.report().stage, Stage::Draining, "there is no way back");
        assert!(condition.report().is_healthy() && !condition.report().is_ready());
    }
}
