//! How each server that jobs call has answered lately: so that one that hangs delays only its own.
//!
//! * One that answers may have all slots of this process, as far as its calls only read: those can be let go. Calls that
//!   write cannot, and have half of the slots.
//! * One that has not answered yet, or not for an hour, has an eighth of the slots until it does.
//! * One that is silent, because its last call came to nothing or those under way seem to hang, has one call at a time;
//!   of calls that read, and hang, all but an eighth of the slots are let go.
//! * All that are new or silent have at most half of the slots together, and a silent one comes only into the first half
//!   of these.
//!
//! Who may not call comes back later, each in its own moment. Dies with the process, and is learned again.

use std::{
    collections::HashMap,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::providers::Fault;

/// Servers that are remembered; those without calls are forgotten first.
const MAX_HOSTS: usize = 20_000;
/// How long a call may be under way, while nothing else is answered, before it seems to hang: four times as long as one
/// takes usually, within these.
const SLOW: Duration = Duration::from_secs(3);
const MAX_SLOW: Duration = Duration::from_secs(15);
/// How often a call is looked at that may have to be let go.
const LOOK: Duration = Duration::from_millis(500);
/// After so long without an answer, nobody knows how it answers now.
const KNOWN_FOR: Duration = Duration::from_hours(1);
/// Who comes too early to a new one waits so long, and a little longer than whoever waits already.
const NEW_WAIT: Duration = Duration::from_millis(200);
const NEW_STEP: Duration = Duration::from_millis(2);
const NEW_LONGEST: Duration = Duration::from_secs(3);
/// The same where nothing is answered: what one call can take.
const SILENT_WAIT: Duration = Duration::from_secs(1);
const SILENT_STEP: Duration = Duration::from_millis(50);
const SILENT_LONGEST: Duration = Duration::from_secs(30);

/// All servers that this process has called.
#[derive(Debug)]
pub struct Hosts {
    slots: usize,
    state: Mutex<State>,
    /// Places for jobs that wait in their slots.
    seats: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct State {
    hosts: HashMap<String, Host>,
    /// Calls so far.
    made: u64,
    /// Calls under way at servers that were new or silent when they began.
    aside: usize,
}

#[derive(Debug, Default)]
struct Host {
    /// In the order in which they came, with the time at which they were sent.
    under_way: Vec<(u64, Option<Instant>)>,
    /// Without a fault, or with one that came to nothing at once.
    answered: Option<Instant>,
    /// Truly answered: there is a way to it.
    heard: Option<Instant>,
    is_silent: bool,
    mean: Duration,
    next: Option<Instant>,
}

/// What is known of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    New,
    Silent,
}

/// Not now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy {
    pub(super) standing: Standing,
    pub(super) wait: Duration,
}

/// What a call does there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// It can be let go, and made again.
    Read,
    Write,
}

/// A call; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Visit {
    hosts: Arc<Hosts>,
    name: String,
    number: u64,
    is_aside: bool,
}

impl Hosts {
    /// For a process that runs so many jobs at once.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let slots = slots.max(1);
        Self { slots, state: Mutex::default(), seats: Arc::new(Semaphore::new(eighth(slots))) }
    }

    /// A place for a job that waits a moment in its slot, if few do.
    pub(super) fn seat(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.seats).try_acquire_owned().ok()
    }

    /// Call this server, or come back later.
    pub(super) fn visit(self: &Arc<Self>, name: &str, does: Does) -> Result<Visit, Busy> {
        self.visit_at(name, does, Instant::now())
    }

    /// Whether another server than this one has answered lately.
    pub(super) fn hears_others(&self, name: &str) -> bool {
        let (now, state) = (Instant::now(), self.state.lock().unwrap_or_else(PoisonError::into_inner));
        let lately = |at: Instant| now.saturating_duration_since(at) < KNOWN_FOR;
        state.hosts.iter().any(|(known, host)| known != name && host.heard.is_some_and(lately))
    }

    fn visit_at(self: &Arc<Self>, name: &str, does: Does, now: Instant) -> Result<Visit, Busy> {
        self.with(name, |host, made, aside| {
            let standing = host.standing(now);
            let (most, most_aside) = match (standing, does) {
                (Standing::Good, Does::Read) => (usize::MAX, usize::MAX),
                (Standing::Good, Does::Write) => (self.slots.div_ceil(2), usize::MAX),
                (Standing::New, _) => (eighth(self.slots), (self.slots / 2).max(1)),
                (Standing::Silent, _) => (1, (self.slots / 4).max(1)),
            };
            if host.under_way.len() >= most || *aside >= most_aside {
                return Err(Busy { standing, wait: host.moment(standing, most, now) });
            }
            let is_aside = standing != Standing::Good;
            *made += 1;
            *aside += usize::from(is_aside);
            host.under_way.push((*made, None));
            Ok(Visit { hosts: Arc::clone(self), name: name.to_owned(), number: *made, is_aside })
        })
    }

    fn with<T>(&self, name: &str, work: impl FnOnce(&mut Host, &mut u64, &mut usize) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { hosts, made, aside } = &mut *state;
        if hosts.len() >= MAX_HOSTS && !hosts.contains_key(name) {
            hosts.retain(|_, host| !host.under_way.is_empty());
        }
        if let Some(host) = hosts.get_mut(name) {
            return work(host, made, aside);
        }
        work(hosts.entry(name.to_owned()).or_default(), made, aside)
    }
}

impl Host {
    fn standing(&self, now: Instant) -> Standing {
        if self.is_silent || self.hangs(now) {
            return Standing::Silent;
        }
        let known = self.answered.is_some_and(|at| now.saturating_duration_since(at) < KNOWN_FOR);
        if known { Standing::Good } else { Standing::New }
    }

    /// Whether a call is under way for long, and nothing was answered for as long.
    fn hangs(&self, now: Instant) -> bool {
        let slow = (self.mean * 4).clamp(SLOW, MAX_SLOW);
        let long_ago = |at: Instant| now.saturating_duration_since(at) >= slow;
        self.under_way.iter().filter_map(|(_, sent)| *sent).any(long_ago) && self.answered.is_none_or(long_ago)
    }

    /// When to come back: each in its own moment.
    fn moment(&mut self, standing: Standing, most: usize, now: Instant) -> Duration {
        let (least, step, longest) = match standing {
            Standing::Good => {
                let share = self.mean / u32::try_from(most.max(1)).unwrap_or(u32::MAX);
                (NEW_STEP, share.max(NEW_STEP), NEW_LONGEST)
            }
            Standing::New => (NEW_WAIT, NEW_STEP, NEW_LONGEST),
            Standing::Silent => (SILENT_WAIT, SILENT_STEP, SILENT_LONGEST),
        };
        let next = self.next.filter(|next| *next >= now + least).map_or(now + least, |next| next + step);
        // Beyond that the line begins anew: who came too early waits again.
        let next = if next > now + longest { now + least } else { next };
        self.next = Some(next);
        next - now
    }

    fn ended(&mut self, number: u64, answered: bool, now: Instant) {
        let sent = self.under_way.iter().find(|(known, _)| *known == number).and_then(|(_, sent)| *sent);
        let Some(sent) = sent else { return };
        let took = now.saturating_duration_since(sent);
        if answered {
            self.heard = Some(now);
        }
        // What comes to nothing at once holds nothing.
        if answered || took < SLOW {
            (self.is_silent, self.answered) = (false, Some(now));
            self.mean = if self.mean.is_zero() { took } else { self.mean * 7 / 8 + took / 8 };
        } else if self.answered.is_none_or(|at| at < sent) {
            // If others were answered meanwhile, it is this account's trouble, and not the server's.
            self.is_silent = true;
        }
    }

    fn lets_go(&self, number: u64, keeps: usize, now: Instant) -> bool {
        let rank = self.under_way.iter().position(|(known, _)| *known == number);
        rank.is_some_and(|rank| rank >= keeps) && self.hangs(now)
    }
}

impl Visit {
    /// It is sent now.
    pub(super) fn begins(&self) {
        self.begins_at(Instant::now());
    }

    fn begins_at(&self, now: Instant) {
        self.hosts.with(&self.name, |host, _, _| {
            let call = host.under_way.iter_mut().find(|(number, _)| *number == self.number);
            if let Some((_, sent)) = call {
                *sent = Some(now);
            }
        });
    }

    /// This came of it. Who says when to come again has answered.
    pub(super) fn ended<T>(&self, came: &Result<T, Fault>) {
        self.ended_at(!matches!(came, Err(Fault::Retry { after: None, .. })), Instant::now());
    }

    fn ended_at(&self, answered: bool, now: Instant) {
        self.hosts.with(&self.name, |host, _, _| host.ended(self.number, answered, now));
    }

    /// Make a call that only reads. None: it was let go, because it seems to hang among others that do.
    pub(super) async fn read<T>(&self, call: impl Future<Output = Result<T, Fault>>) -> Option<Result<T, Fault>> {
        self.begins();
        let mut call = pin!(call);
        loop {
            match tokio::time::timeout(LOOK, &mut call).await {
                Ok(came) => {
                    self.ended(&came);
                    return Some(came);
                }
                Err(_) if self.is_let_go(Instant::now()) => return None,
                Err(_) => {}
            }
        }
    }

    fn is_let_go(&self, now: Instant) -> bool {
        let keeps = eighth(self.hosts.slots);
        self.hosts.with(&self.name, |host, _, _| host.lets_go(self.number, keeps, now))
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.hosts.with(&self.name, |host, _, aside| {
            host.under_way.retain(|(number, _)| *number != self.number);
            *aside -= usize::from(self.is_aside);
        });
    }
}

fn eighth(slots: usize) -> usize {
    (slots / 8).max(1)
}

#[cfg(test)]
mod tests;
