//! A job in this process's hands: what it is, under which claim it is held, and how far it has come.

use std::{
    ops::Range,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    acknowledger::Acknowledger,
    bonds::{BatchEnd, Words},
    claim::{Claim, Hold},
    clock::Millis,
    flow::{Flow, Stage},
    meters::Meters,
    names::{JobId, QueueName},
    outcome::{RunOutcome, Verdict},
    scripts::held::ClaimedItem,
    state::Priority,
};

/// What earlier runs left behind: claims, attempts and crashes, as they stand in Redis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tries {
    pub runs: u32,
    pub attempts: u32,
    /// Deaths of a process in which it ran alone.
    pub crashes: u32,
    /// An operator asked for it now: what its last run promised holds no more.
    pub hurried: bool,
}

impl Tries {
    fn parse(text: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(text).ok()?.split(' ');
        let mut next = || words.next()?.parse().ok();
        let (runs, attempts, crashes) = (next()?, next()?, next()?);
        Some(Self { runs, attempts, crashes, hurried: words.next() == Some("now") })
    }

    pub(crate) fn line(self) -> String {
        let hurried = if self.hurried { " now" } else { "" };
        format!("{} {} {}{hurried}", self.runs, self.attempts, self.crashes)
    }
}

/// What the history knows about a job that may have run before.
#[derive(Debug, Clone, Default)]
pub struct Past {
    pub last_run: u32,
    /// Attempts that this life of the job has used up, as far as they were recorded.
    pub attempts: u32,
    /// When its last attempt promised to be followed by the next, if the promise was recorded and then lost in a crash.
    pub not_before: Option<Millis>,
    /// The job has ended already: it must not run again.
    pub ended: Option<PastEnd>,
}

/// How a job has ended, as the history knows it.
#[derive(Debug, Clone)]
pub struct PastEnd {
    pub outcome: RunOutcome,
    /// What a waiting host is told.
    pub told: String,
}

/// One claimed job.
#[derive(Debug)]
pub struct Claimed {
    pub id: JobId,
    pub queue: QueueName,
    pub band: Priority,
    /// The id came from the host, so it is remembered when the job leaves.
    pub given: bool,
    bonds: Option<Range<usize>>,
    pub enqueued_at: Millis,
    pub claimed_at: Millis,
    pub verdict: Option<Verdict>,
    pub past: OnceLock<Past>,
    started_ms: AtomicI64,
    tries: Option<Tries>,
    /// Who took it back, and why.
    cancelled: OnceLock<String>,
    cancel_notice: Notify,
    stored: Vec<u8>,
    envelope_at: usize,
    pub(crate) claim: Arc<Claim>,
    /// Here and not in the claim: the leases hold claims, and must not keep the settling task waiting for a sender.
    acknowledger: Acknowledger,
    flow: Arc<Flow>,
    stage: AtomicU8,
}

/// What stands before the envelope in Redis: time of enqueueing (13 digits), band (a digit), whether the id was given
/// and whether bonds follow (one character for both); then the bonds, if any, and a line feed.
struct Header {
    enqueued_at: Millis,
    band: Priority,
    given: bool,
    bonds: Option<Range<usize>>,
}

impl Header {
    const LEN: usize = 15;

    fn parse(stored: &[u8]) -> Option<Self> {
        let head = stored.get(..Self::LEN)?;
        // Bytes, not characters: what stands there may be anything.
        let time =
            head[..13].iter().try_fold(0i64, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))?;
        let given = matches!(head[14], b'+' | b'#');
        let bonds = if matches!(head[14], b'#' | b'=') {
            let long = stored[Self::LEN..].iter().position(|byte| *byte == b'\n')?;
            Some(Self::LEN..Self::LEN + long)
        } else {
            None
        };
        Some(Self { enqueued_at: Millis(time), band: Priority::from_digit(head[13])?, given, bonds })
    }
}

impl Claimed {
    pub(crate) fn new(
        item: ClaimedItem,
        claim: &Arc<Claim>,
        flow: &Arc<Flow>,
        acknowledger: &Acknowledger,
        now: Millis,
    ) -> Self {
        // What another release may have stored otherwise is taken for an envelope without a header; if it is none, it
        // is buried as malformed instead of being stuck here.
        let header = Header::parse(&item.stored);
        flow.enter(Stage::Buffered);
        flow.carry(item.stored.len());
        Self {
            id: JobId::known(&item.id),
            queue: claim.queue.base(),
            band: header.as_ref().map_or(Priority::Normal, |header| header.band),
            given: header.as_ref().is_some_and(|header| header.given),
            enqueued_at: header.as_ref().map_or(now, |header| header.enqueued_at),
            claimed_at: now,
            verdict: (!item.verdict.is_empty()).then(|| Verdict::parse(&String::from_utf8_lossy(&item.verdict))),
            past: OnceLock::new(),
            started_ms: AtomicI64::new(0),
            tries: Tries::parse(&item.tries),
            cancelled: OnceLock::new(),
            cancel_notice: Notify::new(),
            envelope_at: match &header {
                Some(Header { bonds: Some(bonds), .. }) => bonds.end + 1,
                Some(_) => Header::LEN,
                None => 0,
            },
            bonds: header.and_then(|header| header.bonds),
            stored: item.stored,
            claim: Arc::clone(claim),
            acknowledger: acknowledger.clone(),
            flow: Arc::clone(flow),
            stage: AtomicU8::new(Stage::Buffered as u8),
        }
    }

    /// The envelope as the host sent it.
    #[must_use]
    pub fn envelope(&self) -> &[u8] {
        &self.stored[self.envelope_at..]
    }

    /// What ties it to others, as it stands in Redis.
    pub(crate) fn bonds(&self) -> Option<Words<'_>> {
        self.bonds.clone().and_then(|at| std::str::from_utf8(&self.stored[at]).ok()).map(Words)
    }

    /// The batch whose end this job follows, with how its jobs have ended.
    #[must_use]
    pub fn batch_end(&self) -> Option<BatchEnd> {
        self.bonds()?.batch_end()
    }

    #[must_use]
    pub fn tries(&self) -> Tries {
        self.tries.unwrap_or_default()
    }

    /// Whether history has to be asked before this job may run: it was claimed before, or a host may have reused its id.
    #[must_use]
    pub fn may_have_a_past(&self) -> bool {
        self.given || self.tries.is_some()
    }

    /// The number of this run: it counts claims, over revivals too.
    #[must_use]
    pub fn run(&self) -> u32 {
        self.tries().runs.max(self.past.get().map_or(0, |past| past.last_run)) + 1
    }

    /// The number of the attempt that this run is.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.tries().attempts.max(self.past.get().map_or(0, |past| past.attempts)) + 1
    }

    /// Whether the job is still ours.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.claim.hold()
    }

    /// The worker whose claim this is.
    #[must_use]
    pub fn worker(&self) -> &str {
        self.claim.token.split_once('/').map_or("", |(worker, _)| worker)
    }

    /// Under which token it is held: with its id, who it is to a limiter.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.claim.token
    }

    /// The handler begins, at this time of the queue's clock.
    pub fn start(&self, now: Millis) {
        self.started_ms.store(now.0, Ordering::Release);
    }

    /// It was enqueued to run at once, and runs for the first time: that is how long hosts wait for a slot.
    pub fn started_first(&self) {
        if let Some(started) = self.started_at().filter(|_| self.tries.is_none()) {
            let wait = u64::try_from(started.0 - self.enqueued_at.0).unwrap_or(0);
            self.flow.meters.waited(Duration::from_millis(wait));
        }
    }

    /// Its lease was lost, and so its result is not recorded.
    pub fn dropped(&self) {
        self.flow.meters.late.inc();
    }

    pub(crate) fn meters(&self) -> &Meters {
        &self.flow.meters
    }

    /// When the handler began; nothing for a job that ended without one.
    #[must_use]
    pub fn started_at(&self) -> Option<Millis> {
        let at = self.started_ms.load(Ordering::Acquire);
        (at > 0).then_some(Millis(at))
    }

    /// Since when the handler runs; nothing before it begins and after it ended.
    #[must_use]
    pub fn running_since(&self) -> Option<Millis> {
        self.started_at().filter(|_| self.stage.load(Ordering::Acquire) == Stage::Running as u8)
    }

    /// Somebody took it back while it ran: tell the handler.
    pub(crate) fn cancel(&self, why: String) {
        let _ = self.cancelled.set(why);
        self.cancel_notice.notify_waiters();
    }

    /// Who took it back and why, if anybody did.
    #[must_use]
    pub fn cancellation(&self) -> Option<&str> {
        self.cancelled.get().map(String::as_str)
    }

    /// Until somebody takes it back.
    pub async fn cancelled(&self) -> &str {
        loop {
            // Asked to be told first, and looked then: nothing falls in between.
            let notice = self.cancel_notice.notified();
            tokio::pin!(notice);
            notice.as_mut().enable();
            if let Some(why) = self.cancellation() {
                return why;
            }
            notice.await;
        }
    }

    pub(crate) fn acknowledger(&self) -> &Acknowledger {
        &self.acknowledger
    }

    pub(crate) fn advance(&self, to: Stage) {
        let from = Stage::from_byte(self.stage.swap(to as u8, Ordering::AcqRel));
        self.flow.leave(from);
        self.flow.enter(to);
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.flow.drop_off(self.stored.len());
        self.flow.leave(Stage::from_byte(self.stage.load(Ordering::Acquire)));
    }
}
