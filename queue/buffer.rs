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
    pub(crate) fn extend(&self, jobs: impl IntoIterator<Item = Arc<Claimed>>) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).extend(jobs);
        self.waker.wake();
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

    /// Hand out nothing more; whoever closes gets what was not handed out.
    pub(crate) fn close(&self) -> Vec<Arc<Claimed>> {
        self.closed.store(true, Ordering::Release);
        let left = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        self.waker.wake();
        left
    }
}
