//! The permits that this process holds. Whoever drops one gives it back; the keeper sends it, and renews the others.
//!
//! A permit that cannot be given back, because the process dies or Redis is away, lapses with its lease.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::{
    names::{JobId, LimitKey},
    scripts::limits::Back,
};

/// The right to go on; it ends when it is dropped.
#[derive(Debug)]
#[must_use = "whoever drops the permit gives it back"]
pub struct Permit(Option<Held>);

#[derive(Debug)]
struct Held {
    permits: Arc<Permits>,
    who: Who,
}

/// What is limited, and the job with the token of its claim: a run that came too late is somebody else.
type Who = (LimitKey, JobId, String);

#[derive(Debug, Default)]
pub(crate) struct Permits {
    state: Mutex<State>,
    pub(super) wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    held: HashMap<Who, Holding>,
    returned: Vec<(LimitKey, Back, Instant)>,
    /// Permits so far.
    made: u64,
}

#[derive(Debug)]
struct Holding {
    /// New for each permit: one that is given back late takes nothing from a job that has passed again meanwhile.
    token: String,
    /// A job that passes the same limit twice in one run holds one permit.
    times: usize,
    /// Since when it is held; before the answer, only its return matters.
    since: Option<Instant>,
}

impl Permit {
    /// Where nothing is held.
    pub(super) fn empty() -> Self {
        Self(None)
    }

    /// Made before the question is sent: should nobody wait for the answer any more, what it gave is given back.
    /// With the token that Redis is to know it by.
    pub(super) fn asked(permits: &Arc<Permits>, key: &LimitKey, id: &JobId, token: &str) -> (Self, String) {
        let who = (key.clone(), id.clone(), token.to_owned());
        let known_by = permits.with(|state| {
            state.made += 1;
            let fresh = || Holding { token: format!("{token}#{}", state.made), times: 0, since: None };
            let holding = state.held.entry(who.clone()).or_insert_with(fresh);
            holding.times += 1;
            holding.token.clone()
        });
        (Self(Some(Held { permits: Arc::clone(permits), who })), known_by)
    }

    pub(super) fn granted(self) -> Self {
        if let Some(Held { permits, who }) = &self.0 {
            permits.with(|state| {
                if let Some(holding) = state.held.get_mut(who) {
                    holding.since.get_or_insert_with(Instant::now);
                }
            });
        }
        self
    }

    /// The answer was no: there is nothing to give back.
    pub(super) fn refused(mut self) {
        if let Some(Held { permits, who }) = self.0.take() {
            permits.with(|state| {
                if let Some(holding) = state.held.get_mut(&who) {
                    holding.times -= 1;
                    if holding.times == 0 {
                        state.held.remove(&who);
                    }
                }
            });
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(Held { permits, who }) = self.0.take() else { return };
        permits.with(|state| {
            let Some(holding) = state.held.get_mut(&who) else { return };
            holding.times -= 1;
            if holding.times == 0
                && let Some(Holding { token, since, .. }) = state.held.remove(&who)
            {
                let (key, id, _) = who;
                let back = Back { id, token, held: since.map(|since| since.elapsed()) };
                state.returned.push((key, back, Instant::now()));
                permits.wake.notify_one();
            }
        });
    }
}

impl Permits {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What came back and has not arrived yet, by key. What has lapsed meanwhile is forgotten.
    pub(super) fn returned(&self, lease: Duration) -> HashMap<LimitKey, Vec<Back>> {
        let mut by_key: HashMap<LimitKey, Vec<_>> = HashMap::new();
        self.with(|state| {
            state.returned.retain(|(_, _, at)| at.elapsed() < lease);
            for (key, back, _) in &state.returned {
                by_key.entry(key.clone()).or_default().push(back.clone());
            }
        });
        by_key
    }

    /// These have arrived.
    pub(super) fn arrived(&self, key: &LimitKey, backs: &[Back]) {
        let tokens: HashSet<&str> = backs.iter().map(|back| back.token.as_str()).collect();
        self.with(|state| {
            state.returned.retain(|(of, back, _)| of != key || !tokens.contains(back.token.as_str()));
        });
    }

    /// Somebody else holds these now.
    #[cfg_attr(not(feature = "worker"), expect(dead_code, reason = "the keeper renews"))]
    pub(super) fn lost(&self, key: &LimitKey, ids: &[String]) {
        self.with(|state| state.held.retain(|(of, id, _), _| of != key || !ids.iter().any(|lost| lost == id.as_str())));
    }

    /// What is held, by key.
    #[cfg_attr(not(feature = "worker"), expect(dead_code, reason = "the keeper renews"))]
    pub(super) fn held(&self) -> HashMap<LimitKey, Vec<(JobId, String)>> {
        let mut by_key: HashMap<LimitKey, Vec<_>> = HashMap::new();
        self.with(|state| {
            for ((key, id, _), holding) in state.held.iter().filter(|(_, holding)| holding.since.is_some()) {
                by_key.entry(key.clone()).or_default().push((id.clone(), holding.token.clone()));
            }
        });
        by_key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(permits: &Arc<Permits>) -> Permit {
        Permit::asked(permits, &LimitKey::parse("k").unwrap(), &JobId::parse("a").unwrap(), "t").0
    }

    fn returned(permits: &Permits) -> usize {
        permits.returned(Duration::from_mins(1)).values().map(Vec::len).sum()
    }

    #[test]
    fn a_permit_comes_back_once_however_often_its_job_passed() {
        let permits = Arc::<Permits>::default();
        let first = ask(&permits).granted();
        let second = ask(&permits).granted();
        drop(first);
        assert_eq!((returned(&permits), permits.held().len()), (0, 1));
        drop(second);
        assert_eq!((returned(&permits), permits.held().len()), (1, 0));
    }

    #[test]
    fn what_comes_back_is_kept_until_it_has_arrived_and_takes_nothing_from_the_next() {
        let permits = Arc::<Permits>::default();
        drop(ask(&permits).granted());
        let next = ask(&permits).granted();
        let (key, backs) = permits.returned(Duration::from_mins(1)).into_iter().next().unwrap();
        assert_ne!(backs[0].token, permits.held()[&key][0].1, "the permit of the same job is another one");
        assert_eq!(returned(&permits), 1, "not yet");
        permits.arrived(&key, &backs);
        assert_eq!((returned(&permits), permits.held().len()), (0, 1));
        assert!(permits.returned(Duration::ZERO).is_empty());
        drop(next);
    }

    #[test]
    fn what_was_refused_is_not_given_back_and_what_nobody_waited_for_is() {
        let permits = Arc::<Permits>::default();
        ask(&permits).refused();
        assert_eq!(returned(&permits), 0);
        let unanswered = ask(&permits);
        assert!(permits.held().is_empty(), "nothing is renewed before it was granted");
        drop(unanswered);
        assert_eq!(returned(&permits), 1);
    }
}
