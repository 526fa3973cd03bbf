//! What each request of an operation passes: a provider counts requests, and an operation may take several.
//!
//! The first one was passed for by whoever began the operation, and who had to wait was parked. Those after it come in the
//! middle of something: what is over soon is waited for here, by few at a time; else the operation ends there and is
//! repeated later, as after any answer that was lost.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use liaison_queue::{Limit, outcome::Failure};

use super::{
    Context,
    limits::{Who, rules},
};
use crate::providers::{Fault, What};

/// A limit for each second lets the next one pass within this time: nobody who has done nothing yet waits longer in a slot.
pub(super) const SOON: Duration = Duration::from_secs(2);
/// Who is in the middle of an operation waits longer: it would have to begin again, and spend the first request again, and
/// of many who do so none would end.
const INSIDE: Duration = Duration::from_secs(20);
/// Between two questions, at the least.
const LEAST: Duration = Duration::from_millis(10);

/// One gate for all requests of an operation, and of those after it; by default it is open.
#[derive(Clone, Default)]
pub(crate) struct Gate(Option<Arc<Inner>>);

struct Inner {
    ctx: Context,
    /// Under what each request passes. Places at once are held by the operation.
    rules: Vec<(String, Vec<Limit>)>,
    is_paid: AtomicBool,
    refused: Mutex<Option<Failure>>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("open", &self.0.is_none()).finish_non_exhaustive()
    }
}

impl Gate {
    /// An operation begins, whose first request has passed.
    pub(super) fn begins(&self) {
        if let Some(inner) = &self.0 {
            inner.is_paid.store(true, Ordering::Relaxed);
            *inner.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Right before a request.
    pub(crate) async fn pass(&self) -> Result<(), Fault> {
        let Some(inner) = &self.0 else { return Ok(()) };
        if inner.is_paid.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        for (key, rules) in &inner.rules {
            let passed = inner.ctx.soon(INSIDE, || inner.ctx.limits.pass(key, rules)).await;
            if let Err(failure) = passed {
                *inner.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                return Err(Fault::Limited { after: None, why: "a limit of ours holds".to_owned() });
            }
        }
        Ok(())
    }

    /// What a request of this operation was told that did not pass: then its fault is ours, and no word of the provider.
    pub(super) fn refused(&self) -> Option<Failure> {
        self.0.as_ref()?.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Context {
    /// The gate of an account.
    pub(super) fn gate<'a>(&self, account: impl Into<Who<'a>>) -> Gate {
        let rules: Vec<_> = rules(account, What::Calls, &self.services.meetings)
            .into_iter()
            .map(|(key, mut rules)| {
                rules.retain(|rule| !matches!(rule, Limit::Concurrent(_)));
                (key, rules)
            })
            .filter(|(_, rules)| !rules.is_empty())
            .collect();
        if rules.is_empty() {
            return Gate::default();
        }
        let (is_paid, refused) = (AtomicBool::new(false), Mutex::default());
        Gate(Some(Arc::new(Inner { ctx: self.clone(), rules, is_paid, refused })))
    }

    /// Pass, or come back later. What is over soon is waited for here, by as many as may: a job that makes two calls would
    /// spend the slot that it comes back for on the first of them, each time.
    pub(super) async fn soon<T, F>(&self, patience: Duration, ask: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let (ends, mut seat) = (Instant::now() + patience, None);
        loop {
            let until = match ask().await {
                Err(Failure::Snooze { until }) => until,
                end => return end,
            };
            let wait = (until.date() - self.now()).to_std().unwrap_or_default().max(LEAST);
            seat = seat.or_else(|| self.services.hosts.seat());
            if seat.is_none() || Instant::now() + wait > ends {
                return Err(Failure::Snooze { until });
            }
            tokio::time::sleep(wait).await;
        }
    }
}
