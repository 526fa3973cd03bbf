//! The other side: one client for each provider, with no state and no job in it.
//!
//! A client turns typed requests into calls, pages into typed pages, and what can go wrong into a [`Fault`] that says what
//! to do. It remembers nothing and repeats nothing: whoever calls it decides that, and holds the limits.

mod event;
mod fault;

use std::{future::Future, pin::Pin};

pub(crate) use event::{Change, Event, Next, Page, Shown, When, Window};
pub(crate) use fault::Fault;

/// What a client answers, later. Boxed, so that a job need not know which provider it talks to.
pub(crate) type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

/// A calendar that can be read.
pub(crate) trait Calendar: Send + Sync {
    /// One page of what changed. `at` is what the page before, or the last page of the round before, said; none begins
    /// a full round over the window.
    fn changes<'a>(&'a self, at: Option<&'a str>, window: Window) -> Answering<'a, Page>;
}
