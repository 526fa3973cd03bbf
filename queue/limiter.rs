//! Limits that hold over all daemons: windows, buckets, daily quotas, permits, and what the other side said.
//!
//! A job asks before it calls. All rules of a key are judged in one step, and a job that may not pass is told until
//! when to wait: it is parked without an attempt or a row, and keeps its place in the line, so that parked jobs come
//! back one after the other. What counts is the actual pass: to come back late, or never, breaks no rule, and blocks
//! nobody for longer than ten seconds. When Redis does not answer, the job waits a little; nothing passes unasked.

mod days;
mod permits;
mod rule;
mod view;

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tracing::{debug, info, warn};

use crate::{
    clock::{Clock, Millis},
    error::{QueueError, chain},
    link::Link,
    names::{JobId, LimitKey},
    outcome::Failure,
    scripts::{
        MAX_ITEMS,
        limits::{Ask, Heard, LimitScripts, Rule, Terms},
    },
};

pub(crate) use self::permits::Permits;
pub use self::{
    permits::Permit,
    rule::{Limit, Zone},
    view::{DayView, HolderView, LimitView, list, reset, show},
};

/// A place is kept for this long after its slot, for a daemon that is slow to claim; then others need not wait for it.
const GRACE: Duration = Duration::from_secs(10);
/// For this long after that, a job that comes back all the same has its old place.
const LATE_MEMORY: Duration = Duration::from_hours(1);
/// Between two slots where only a quota, or the word of the other side, holds: ten a second are no herd at midnight,
/// and a day of a thousand is through in less than two minutes. A larger quota is spaced over its day.
const SPACING: Duration = Duration::from_millis(100);
/// Jobs that have a place in one line; those behind them wait, too, but in no order that is kept.
const MAX_LINE: usize = 100_000;
/// What is sent so shortly before midnight may arrive after it.
const DAY_MARGIN: Duration = rule::MARGIN;
/// The bounds of the estimate of when a permit comes free.
const MIN_PERMIT_WAIT: Duration = Duration::from_millis(50);
const MAX_PERMIT_WAIT: Duration = Duration::from_secs(30);
/// Nothing that the other side says holds longer.
const MAX_TOLD: Duration = Duration::from_hours(24);
/// How long "so many left" holds when no reset was named.
const UNSAID_RESET: Duration = Duration::from_mins(1);
/// Resets are told in whole seconds: one that is later by no more is the same.
const NEW_WINDOW: Duration = Duration::from_millis(1500);
/// When Redis gave no answer: the least time until the question is asked again, and over how long those are spread.
const UNDECIDED: Duration = Duration::from_secs(1);
/// A pass that was not used comes again so soon.
const AGAIN: Duration = Duration::from_millis(20);

/// What the other side said about its own limit, in a response's headers mostly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Said {
    /// Nothing for so long.
    pub retry_after: Option<Duration>,
    /// So many more …
    pub remaining: Option<u32>,
    /// … until this instant.
    pub reset_at: Option<Millis>,
}

/// A cheap handle; clones share what they hold.
#[derive(Debug, Clone)]
pub struct Limiter {
    scripts: LimitScripts,
    permits: Arc<Permits>,
    lease: Duration,
    watch: Arc<Watch>,
}

/// What is learned from the answers.
#[derive(Debug)]
struct Watch {
    /// How far Redis's clock is ahead of ours.
    offset_ms: AtomicI64,
    /// At most what the quickest answer takes, in µs: what is above it is jitter.
    floor_us: AtomicU64,
    away: AtomicBool,
}

impl Limiter {
    /// Permits lapse after `lease` unless a keeper renews them.
    #[must_use]
    pub fn new(link: Link, clock: Clock, lease: Duration) -> Self {
        let watch = Watch { offset_ms: AtomicI64::new(0), floor_us: AtomicU64::new(0), away: AtomicBool::new(false) };
        Self { scripts: LimitScripts { link, clock }, permits: Arc::default(), lease, watch: Arc::new(watch) }
    }

    /// Let a job, held under this token, pass under all rules; or tell it until when to wait.
    ///
    /// Ask right before the call that is limited: what happens in between is jitter that no margin knows of.
    ///
    /// # Errors
    /// A snooze until the job's slot, which uses up no attempt; fatal when a rule has numbers that no limit can have.
    pub async fn pass(&self, key: &LimitKey, limits: &[Limit], id: &JobId, token: &str) -> Result<Permit, Failure> {
        rule::check(limits).map_err(Failure::fatal)?;
        let holds = limits.iter().any(|limit| matches!(limit, Limit::Concurrent(_)));
        let (permit, token) =
            if holds { Permit::asked(&self.permits, key, id, token) } else { (Permit::empty(), token.to_owned()) };
        let terms = self.terms();
        // Midnight may come between the look at the clock and the question, but hardly twice.
        for _ in 0..3 {
            let rules: Vec<Rule> = limits.iter().map(|limit| limit.rule(self.now())).collect();
            let asked = Instant::now();
            let answer = self.scripts.ask(key, (id, &token), &terms, &rules).await;
            let took = asked.elapsed();
            match answer {
                Ok(Ask::Passed { now }) => {
                    self.heard(now);
                    let margin = limits.iter().filter_map(Limit::margin).min();
                    if margin.is_some_and(|margin| self.is_late(took, margin)) {
                        return Err(self.forgo(key, id, now, took, &rules).await);
                    }
                    return Ok(permit.granted());
                }
                Ok(Ask::Wait { now, until, ahead }) => {
                    self.heard(now);
                    permit.refused();
                    debug!(job.id = %id, limit = %key, ahead, "{id} waits for limit {key} until {}", until.date());
                    return Err(Failure::Snooze { until });
                }
                Ok(Ask::OtherDay { now }) => self.heard(now),
                Err(fault) => return Err(self.undecided(key, id, &fault)),
            }
        }
        permit.refused();
        Err(self.later(id))
    }

    /// Obey what the other side said. The stricter word holds until its time is over; one about a later window counts
    /// anew. What is absurd is cut to a day.
    pub async fn told(&self, key: &LimitKey, said: Said) {
        let heard = Heard { retry_after: said.retry_after, remaining: said.remaining, reset_at: said.reset_at };
        if let Err(fault) = self.scripts.told(key, &heard, MAX_TOLD, UNSAID_RESET, NEW_WINDOW).await {
            warn!(limit = %key, error = chain(&fault), "limit {key}: what the other side said could not be noted");
        }
    }

    /// Send back what was dropped. The keeper does so by itself; what cannot be sent is kept until it has lapsed.
    pub async fn settle(&self) {
        for (key, backs) in self.permits.returned(self.lease) {
            for chunk in backs.chunks(MAX_ITEMS) {
                match self.scripts.give_back(&key, chunk).await {
                    Ok(()) => self.permits.arrived(&key, chunk),
                    Err(fault) => debug!(limit = %key, error = chain(&fault), "permits could not be given back"),
                }
            }
        }
    }

    /// Keep what is held and give back what was dropped, for ever, over a link of its own. Never ends by itself.
    #[cfg(feature = "worker")]
    pub(crate) async fn tend(&self) {
        // Twice as often as a lost renewal can be afforded.
        let period = self.lease / 4;
        let mut next = Instant::now() + period;
        loop {
            if tokio::time::timeout_at(next.into(), self.permits.wake.notified()).await.is_err() {
                next = Instant::now() + period;
                self.renew().await;
            }
            self.settle().await;
        }
    }

    /// Keep the permits of the jobs that run.
    #[cfg(feature = "worker")]
    pub(crate) async fn renew(&self) {
        let held = self.permits.held();
        let renewals = held.iter().flat_map(|(key, held)| held.chunks(MAX_ITEMS / 2).map(move |held| (key, held)));
        let renewals =
            renewals.map(|(key, held)| async move { (key, self.scripts.renew(key, self.lease, held).await) });
        for (key, renewed) in futures_util::future::join_all(renewals).await {
            match renewed {
                Ok(lost) if lost.is_empty() => {}
                Ok(lost) => {
                    warn!(limit = %key, jobs = lost.len(), "limit {key}: permits were lost to later runs of their jobs");
                    self.permits.lost(key, &lost);
                }
                Err(fault) => warn!(limit = %key, error = chain(&fault), "limit {key}: permits cannot be renewed"),
            }
        }
    }

    /// The same limiter for the keeper: the permits of this one, over another link.
    #[cfg(feature = "worker")]
    pub(crate) fn aside(&self, link: Link) -> Self {
        let scripts = LimitScripts { link, clock: self.scripts.clock.clone() };
        Self { scripts, ..self.clone() }
    }

    fn terms(&self) -> Terms {
        Terms {
            lease: self.lease,
            grace: GRACE,
            memory: LATE_MEMORY,
            spacing: SPACING,
            line: MAX_LINE,
            margin: DAY_MARGIN,
            waits: (MIN_PERMIT_WAIT, MAX_PERMIT_WAIT),
        }
    }

    /// Redis's time as far as it is known; the script has the last word.
    fn now(&self) -> Millis {
        match &self.scripts.clock {
            Clock::Redis => Millis(Clock::wall().0 + self.watch.offset_ms.load(Ordering::Relaxed)),
            Clock::Fixed(now) => Millis(now.load(Ordering::Relaxed)),
        }
    }

    fn heard(&self, now: Millis) {
        if matches!(self.scripts.clock, Clock::Redis) {
            self.watch.offset_ms.store(now.0 - Clock::wall().0, Ordering::Relaxed);
        }
        if self.watch.away.swap(false, Ordering::AcqRel) {
            info!("the limiter has its answers again");
        }
    }

    /// Whether this answer took so much longer than others that its job, sent off now, could meet the next ones.
    fn is_late(&self, took: Duration, margin: Duration) -> bool {
        // Where time stands still there is no jitter.
        if !matches!(self.scripts.clock, Clock::Redis) {
            return false;
        }
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let floor = self.watch.floor_us.fetch_min(took, Ordering::AcqRel).min(took);
        let late = Duration::from_micros(took - floor) > margin;
        if late {
            // A way that has become longer for good is the floor after a while.
            self.watch.floor_us.store(floor + (took - floor) / 8, Ordering::Release);
        }
        late
    }

    async fn forgo(&self, key: &LimitKey, id: &JobId, passed: Millis, took: Duration, rules: &[Rule]) -> Failure {
        debug!(job.id = %id, limit = %key, "{id} passed limit {key} too late to use it, after {took:?}");
        let until = passed.plus(took + AGAIN);
        let days: Vec<Millis> = rules
            .iter()
            .filter(|rule| rule.kind == "day")
            .filter_map(|rule| rule.terms.split(' ').next()?.parse().ok().map(Millis))
            .collect();
        match self.scripts.forgo(key, id, (passed, until), &days).await {
            Ok(()) => Failure::Snooze { until },
            Err(fault) => self.undecided(key, id, &fault),
        }
    }

    fn undecided(&self, key: &LimitKey, id: &JobId, fault: &QueueError) -> Failure {
        if !self.watch.away.swap(true, Ordering::AcqRel) {
            warn!(limit = %key, error = chain(fault), "limit {key} cannot be asked: jobs wait, and use up no attempt");
        }
        self.later(id)
    }

    /// In a moment, each job in its own.
    fn later(&self, id: &JobId) -> Failure {
        let mut hasher = DefaultHasher::new();
        (id, self.now().0).hash(&mut hasher);
        let part = u32::try_from(hasher.finish() % 1000).unwrap_or(0);
        let spread = UNDECIDED * part / 1000;
        Failure::Snooze { until: self.now().plus(UNDECIDED + spread) }
    }
}
