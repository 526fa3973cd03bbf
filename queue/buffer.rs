//! Claimed jobs on their way to a slot. Its size is bounded by what the flow lets the claimer ask for.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;

use crate::claimed::Claimed;

#[derive(Debug, Default)]
pub(crate) struct Buffer {
    jobs: Mutex<VecDeque<Arc<Claimed>>>,
    waker: AtomicWaker,
    closed: AtomicBool,
}

impl Buffer {
    /// Gives the jobs back if the buffer is closed.
    #[must_use]
    pub(crate) fn extend(&self, more: Vec<Arc<Claimed>>) -> Vec<Arc<Claimed>> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Ordering::Acquire) {
            return more;
        }
        jobs.extend(more);
        drop(jobs);
        self.waker.wake();
        Vec::new()
    }

    /// The next job; nothing once the buffer is closed and empty.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Arc<Claimed>>> {
        self.waker.register(cx.waker());
        match self.jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
            Some(job) => Poll::Ready(Some(job)),
            None if self.closed.load(Ordering::Acquire) => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// Take out what was not handed out yet.
    pub(crate) fn shed(&self) -> Vec<Arc<Claimed>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }

    /// Hand out nothing more; whoever closes gets what was not handed out.
    pub(crate) fn close(&self) -> Vec<Arc<Claimed>> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that nobody adds to what was closed.
        self.closed.store(true, Ordering::Release);
        let left = jobs.drain(..).collect();
        drop(jobs);
        self.waker.wake();
        left
    }
}
