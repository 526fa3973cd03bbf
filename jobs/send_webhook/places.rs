//! What this process knows of each endpoint: its calls under way, how long they take, and how the last one ended.
//!
//! The row in the store says the same a commit later; here it is known at once, so that of two deliveries right after each
//! other the second one knows how the first has ended. Dies with the process, and is learned again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use liaison_store::{Endpoint, EndpointSecrets};

/// Endpoints that are remembered; those without calls are forgotten first.
const MAX_PLACES: usize = 20_000;
/// A call that takes longer may be one that hangs: nothing more is sent there until it ends.
const SLOW: Duration = Duration::from_secs(1);
/// Between two that come back: what one call takes, shared by all that may run at once, within these.
const MIN_STEP: Duration = Duration::from_millis(1);
const MAX_STEP: Duration = Duration::from_secs(1);
/// Nobody waits longer for a place before asking again …
const MAX_WAIT: Duration = Duration::from_secs(10);
/// … nor than this where a call seems to hang.
const MAX_WAIT_FOR_SLOW: Duration = Duration::from_secs(30);
/// For so long at most an endpoint that asks for it is left alone by all deliveries; the one that was asked waits for all
/// of its time.
const MAX_QUIET: Duration = Duration::from_mins(5);
/// How old a row may be that is used again: as long as a change may take to be obeyed.
const FRESH: Duration = Duration::from_secs(1);
/// How long what was seen counts; the store has known it long before.
const SEEN_FOR: Duration = Duration::from_mins(1);

/// An endpoint and what it is sent.
pub(super) type Row = Arc<(Endpoint, EndpointSecrets)>;

#[derive(Debug, Default)]
pub(super) struct Places(Mutex<HashMap<String, Place>>);

#[derive(Debug, Default)]
struct Place {
    /// When each call under way began.
    began: Vec<Instant>,
    mean: Duration,
    next: Option<Instant>,
    seen: Option<(Instant, Health)>,
    row: Option<(Instant, Row)>,
    /// It asked to be left alone until then.
    quiet_until: Option<Instant>,
}

/// How an endpoint has answered lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) failures: u32,
    pub(super) last: Option<DateTime<Utc>>,
    /// It has taken a delivery, ever.
    pub(super) proven: bool,
}

impl Health {
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        let failures = u32::try_from(endpoint.failures_in_a_row).unwrap_or(0);
        Self { failures, last: endpoint.last_triggered_at, proven: endpoint.last_success_at.is_some() }
    }

    /// Whether several calls at once may be made.
    pub(super) fn is_good(&self) -> bool {
        self.proven && self.failures == 0
    }
}

/// A call under way; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Visit {
    places: Arc<Places>,
    id: String,
    began: Instant,
}

impl Places {
    fn with<T>(&self, id: &str, work: impl FnOnce(&mut Place) -> T) -> T {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MAX_PLACES && !places.contains_key(id) {
            places.retain(|_, place| !place.began.is_empty());
        }
        if let Some(place) = places.get_mut(id) {
            return work(place);
        }
        work(places.entry(id.to_owned()).or_default())
    }

    /// What is known of it: by the row, or by what was seen since.
    pub(super) fn health(&self, endpoint: &Endpoint) -> Health {
        let by_row = Health::of(endpoint);
        let seen = self.with(&endpoint.id, |place| place.seen.filter(|(at, _)| at.elapsed() < SEEN_FOR));
        match seen {
            // Enabled again, or answered another daemon meanwhile: then the row is newer.
            Some((_, seen)) if seen.last > by_row.last && seen.last > Some(endpoint.updated_at) => seen,
            Some(_) | None => by_row,
        }
    }

    /// How a call ended.
    pub(super) fn saw(&self, endpoint: &Endpoint, at: DateTime<Utc>, well: bool, quiet: Option<Duration>) {
        let before = self.health(endpoint);
        let failures = if well { 0 } else { before.failures + 1 };
        let health = Health { failures, last: Some(at), proven: before.proven || well };
        self.with(&endpoint.id, |place| {
            place.seen = Some((Instant::now(), health));
            place.quiet_until = quiet.map(|quiet| Instant::now() + quiet.min(MAX_QUIET));
            if !well {
                place.row = None;
            }
        });
    }

    /// Forget what was seen: somebody changed the row.
    pub(super) fn forget(&self, id: &str) {
        self.with(id, |place| (place.seen, place.row) = (None, None));
    }

    /// A row that was read so recently that it need not be read again.
    pub(super) fn row(&self, id: &str) -> Option<Row> {
        self.with(id, |place| {
            let (at, row) = place.row.as_ref()?;
            (at.elapsed() < FRESH).then(|| Arc::clone(row))
        })
    }

    pub(super) fn keep(&self, row: &Row) {
        if Health::of(&row.0).is_good() && row.0.is_active {
            self.with(&row.0.id, |place| place.row = Some((Instant::now(), Arc::clone(row))));
        }
    }

    /// Begin a call, if fewer than so many are under way and none of them seems to hang; or say how long to wait.
    pub(super) fn visit(self: &Arc<Self>, id: &str, most: usize) -> Result<Visit, Duration> {
        let began = Instant::now();
        self.with(id, |place| {
            if let Some(quiet) = place.quiet_until.filter(|until| *until > began) {
                return Err((quiet - began) + place.slot(began, most, MAX_WAIT));
            }
            let hangs = place.began.iter().any(|call| call.elapsed() > SLOW);
            if place.began.len() >= most || hangs {
                let longest = if hangs { MAX_WAIT_FOR_SLOW } else { MAX_WAIT };
                return Err(place.slot(began, most, longest));
            }
            place.began.push(began);
            Ok(())
        })?;
        Ok(Visit { places: Arc::clone(self), id: id.to_owned(), began })
    }
}

impl Place {
    /// Each in its own moment, so that those who wait do not come back together.
    fn slot(&mut self, now: Instant, most: usize, longest: Duration) -> Duration {
        let share = self.mean / u32::try_from(most.max(1)).unwrap_or(1);
        let step = share.clamp(MIN_STEP, MAX_STEP);
        let next = self.next.filter(|next| *next > now).unwrap_or(now) + step;
        // Beyond that the line begins anew: who came too early waits again.
        let next = if next > now + longest { now + step } else { next };
        self.next = Some(next);
        next - now
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.places.with(&self.id, |place| {
            if let Some(at) = place.began.iter().position(|began| *began == self.began) {
                place.began.swap_remove(at);
            }
            place.mean = if place.mean.is_zero() { took } else { place.mean * 7 / 8 + took / 8 };
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_counts_until_the_row_is_newer() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let mut endpoint = Endpoint::new("e", "o", "https://example.org/", at(0));
        let places = Arc::<Places>::default();
        assert!(!places.health(&endpoint).is_good(), "it never took a delivery");
        places.saw(&endpoint, at(1), true, None);
        assert!(places.health(&endpoint).is_good());
        places.saw(&endpoint, at(2), false, None);
        places.saw(&endpoint, at(3), false, None);
        assert_eq!(places.health(&endpoint).failures, 2);
        endpoint.updated_at = at(4);
        assert_eq!(places.health(&endpoint).failures, 0, "somebody enabled it");
        (endpoint.updated_at, endpoint.last_triggered_at, endpoint.failures_in_a_row) = (at(0), Some(at(5)), 7);
        assert_eq!(places.health(&endpoint).failures, 7, "another daemon has tried it");
    }

    #[test]
    fn so_many_calls_at_once_and_the_others_wait_one_after_the_other() {
        let places = Arc::<Places>::default();
        let first = places.visit("a", 2).unwrap();
        let _second = places.visit("a", 2).unwrap();
        let (one, two) = (places.visit("a", 2).unwrap_err(), places.visit("a", 2).unwrap_err());
        assert!(one < two && two < Duration::from_millis(100), "{one:?} {two:?}");
        assert!(places.visit("b", 2).is_ok(), "another endpoint waits for nobody");
        drop(first);
        assert!(places.visit("a", 2).is_ok());
    }

    #[test]
    fn nobody_waits_long_for_a_place() {
        let places = Arc::<Places>::default();
        let _held = places.visit("a", 1).unwrap();
        let waits: Vec<Duration> = (0..20_000).map(|_| places.visit("a", 1).unwrap_err()).collect();
        assert!(waits.iter().all(|wait| *wait <= MAX_WAIT));
    }
}
