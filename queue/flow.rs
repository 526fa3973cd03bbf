//! How much may be claimed: slots, what is on its way to them, and what waits to be recorded.
//!
//! Claiming stops when the slots are taken, when the store cannot keep up, or when somebody calls a halt; that is how
//! backpressure reaches Redis. Jobs are fetched ahead only as far as they are short, so that a long job that waits
//! here is not kept from an idle daemon elsewhere.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use crate::{
    clock::{Clock, Millis},
    meters::Meters,
    names::QueueName,
};

/// Finished but unrecorded jobs beyond which claiming stops.
pub(crate) const MAX_UNRECORDED: usize = 10_000;
/// Bytes of held envelopes beyond which claiming stops; the last claim may go over by its own budget.
const MAX_HELD: usize = 64 * 1024 * 1024;
/// What is fetched ahead covers this much work: measured, 10 ms drained 0.47 of the floor and 30 ms 0.57 of it.
const AHEAD: Duration = Duration::from_millis(30);
const MAX_AHEAD: usize = 4000;
const SAMPLE: Duration = Duration::from_millis(50);

/// How far a claimed job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    Buffered,
    Running,
    Unrecorded,
}

impl Stage {
    pub(crate) fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Buffered,
            1 => Self::Running,
            _ => Self::Unrecorded,
        }
    }
}

/// The slots of a process, shared by its queues by weight whenever more than one queue is hungry.
#[derive(Debug)]
pub struct Shares {
    total: AtomicUsize,
    queues: Mutex<Vec<Weak<Flow>>>,
    /// Something outside (the store) asks for a halt; it says why for itself.
    halted: AtomicBool,
    offset_ms: AtomicI64,
    /// Whether Redis has told its time yet.
    knows_time: AtomicBool,
}

impl Shares {
    #[must_use]
    pub fn new(total: usize) -> Arc<Self> {
        Arc::new(Self {
            total: AtomicUsize::new(total),
            queues: Mutex::default(),
            halted: AtomicBool::new(false),
            offset_ms: AtomicI64::new(0),
            knows_time: AtomicBool::new(false),
        })
    }

    /// Stop or resume claiming in all queues; what is held is kept.
    pub fn halt(&self, halted: bool) {
        if self.halted.swap(halted, Ordering::AcqRel) && !halted {
            self.look_again();
        }
    }

    /// So many slots from now on. What runs goes on.
    pub(crate) fn resize(&self, total: usize) {
        self.total.store(total, Ordering::Release);
        self.look_again();
    }

    pub(crate) fn total(&self) -> usize {
        self.total.load(Ordering::Acquire)
    }

    /// There may be room where there was none.
    fn look_again(&self) {
        for flow in self.queues.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade) {
            flow.room.notify_one();
            flow.slot.wake();
        }
    }

    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Acquire)
    }

    /// Now, as Redis counts it: what is due and expired is decided there.
    #[must_use]
    pub fn now(&self) -> Millis {
        Millis(Clock::wall().0 + self.offset_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn learn_time(&self, redis: Millis) {
        self.offset_ms.store(redis.0 - Clock::wall().0, Ordering::Relaxed);
        self.knows_time.store(true, Ordering::Release);
    }

    /// The same as `now`, once Redis has told its time.
    pub(crate) fn known_now(&self) -> Option<Millis> {
        self.knows_time.load(Ordering::Acquire).then(|| self.now())
    }

    fn held(&self) -> usize {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.iter().filter_map(Weak::upgrade).map(|flow| flow.held()).sum()
    }

    /// The slots this queue may have while the others want theirs.
    fn budget(&self, weight: u32) -> usize {
        let hungry: u32 = self
            .queues
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|flow| flow.is_hungry())
            .map(|flow| flow.weight())
            .sum();
        let all = hungry.max(weight);
        (self.total() * weight as usize).div_ceil(all as usize).max(1)
    }
}

/// The flow of one queue through this process.
#[derive(Debug)]
pub struct Flow {
    shares: Arc<Shares>,
    concurrency: AtomicUsize,
    weight: AtomicU32,
    /// Served no more: what it still runs counts, but it wants no share of what comes.
    retired: AtomicBool,
    counts: [AtomicUsize; 3],
    bytes: AtomicUsize,
    hungry: AtomicBool,
    finished: AtomicU32,
    pace: Mutex<(Instant, u32, usize)>,
    pub(crate) meters: Meters,
    pub(crate) room: Notify,
    /// Whoever waits for a job to leave its slot.
    slot: AtomicWaker,
}

impl Flow {
    #[must_use]
    pub fn new(queue: &QueueName, shares: &Arc<Shares>, concurrency: usize, weight: u32) -> Arc<Self> {
        let flow = Arc::new(Self {
            shares: Arc::clone(shares),
            concurrency: AtomicUsize::new(concurrency),
            weight: AtomicU32::new(weight),
            retired: AtomicBool::new(false),
            counts: Default::default(),
            bytes: AtomicUsize::new(0),
            hungry: AtomicBool::new(false),
            finished: AtomicU32::new(0),
            pace: Mutex::new((Instant::now(), 0, 0)),
            meters: Meters::of(queue),
            room: Notify::new(),
            slot: AtomicWaker::new(),
        });
        let mut queues = shares.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|known| known.strong_count() > 0);
        queues.push(Arc::downgrade(&flow));
        drop(queues);
        flow
    }

    #[must_use]
    pub fn count(&self, stage: Stage) -> usize {
        self.counts[stage as usize].load(Ordering::Acquire)
    }

    /// Jobs of this queue that may run at once.
    #[must_use]
    pub fn concurrency(&self) -> usize {
        self.concurrency.load(Ordering::Acquire).min(self.shares.total())
    }

    fn weight(&self) -> u32 {
        self.weight.load(Ordering::Acquire)
    }

    /// So many slots, and such a share, from now on. What runs goes on.
    pub(crate) fn resize(&self, concurrency: usize, weight: u32) {
        self.concurrency.store(concurrency, Ordering::Release);
        self.weight.store(weight, Ordering::Release);
        self.shares.look_again();
    }

    /// It takes no more of the shares.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.shares.look_again();
    }

    /// Until a slot is free. One task asks.
    pub(crate) fn poll_slot(&self, cx: &Context<'_>) -> Poll<()> {
        let is_free = || self.count(Stage::Running) < self.concurrency();
        if is_free() {
            return Poll::Ready(());
        }
        self.slot.register(cx.waker());
        // A job may have left between the look and the registration.
        if is_free() { Poll::Ready(()) } else { Poll::Pending }
    }

    pub(crate) fn shares(&self) -> &Shares {
        &self.shares
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.counts[stage as usize].fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn leave(&self, stage: Stage) {
        self.counts[stage as usize].fetch_sub(1, Ordering::AcqRel);
        if stage == Stage::Running {
            self.finished.fetch_add(1, Ordering::Relaxed);
            self.slot.wake();
        }
        self.room.notify_one();
    }

    /// Bytes of the envelopes that are held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    pub(crate) fn carry(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    pub(crate) fn drop_off(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }

    fn is_hungry(&self) -> bool {
        self.hungry.load(Ordering::Acquire) && !self.retired.load(Ordering::Acquire)
    }

    /// How the last claim went: a full one means that there is more.
    pub(crate) fn fed(&self, asked: usize, got: usize) {
        self.hungry.store(got >= asked, Ordering::Release);
    }

    /// How many jobs to ask for now.
    pub(crate) fn want(&self) -> usize {
        let full = self.count(Stage::Unrecorded) >= MAX_UNRECORDED || self.bytes() >= MAX_HELD;
        if full || self.shares.is_halted() {
            return 0;
        }
        let held = self.held();
        let ahead = self.ahead();
        let own = (self.concurrency().min(self.shares.budget(self.weight())) + ahead).saturating_sub(held);
        let free = (self.shares.total() + ahead).saturating_sub(self.shares.held());
        // A queue that has nothing here may always put one foot in the door: so the others learn that it is hungry.
        own.min(free.max(usize::from(held == 0)))
    }

    /// Nothing is here, not even what only has to be recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held() + self.count(Stage::Unrecorded) == 0
    }

    fn held(&self) -> usize {
        self.count(Stage::Running) + self.count(Stage::Buffered)
    }

    /// How many jobs this queue gets through in a few round trips.
    fn ahead(&self) -> usize {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = pace.0.elapsed();
        if elapsed >= SAMPLE {
            let finished = self.finished.load(Ordering::Relaxed);
            let done = finished.wrapping_sub(pace.1);
            let ahead = u128::from(done) * AHEAD.as_micros() / elapsed.as_micros().max(1);
            *pace = (Instant::now(), finished, usize::try_from(ahead).unwrap_or(MAX_AHEAD).min(MAX_AHEAD));
        }
        pace.2
    }
}
