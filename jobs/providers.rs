//! The other side: one client for each provider, with no state and no job in it.
//!
//! A client turns typed requests into calls, pages into typed pages, and what can go wrong into a [`Fault`] that says what
//! to do. It remembers nothing and repeats nothing: whoever calls it decides that, and holds the limits.

mod caldav;
#[cfg(test)]
mod calendar_tests;
mod draft;
mod event;
mod event_meeting;
mod fault;
mod google;
mod ical;
mod instances;
mod meeting;
#[cfg(test)]
mod meeting_tests;
mod microsoft;
mod recurrence;
mod registry;
mod session;
mod teams;
mod webex;
mod zones;
mod zoom;

use std::{future::Future, pin::Pin};

pub(crate) use draft::{Attendee, Draft, EventKey, EventMeeting, Join, Made};
pub(crate) use event::{Change, Event, Next, Page, Shown, When, Window};
pub(crate) use fault::Fault;
pub(crate) use meeting::{Meeting, MeetingDraft, MeetingSettings, Meetings};
pub(crate) use microsoft::{Microsoft, OnlineMeeting};
pub use registry::{AccountAt, Registry, account_at, default_api_url};
pub(crate) use registry::{Entry, Login, MadeBy, Opening, Per, What, entry};
pub(crate) use session::Session;
pub(crate) use zones::zone;

/// What a client answers, later. Boxed, so that a job need not know which provider it talks to.
pub(crate) type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

/// A calendar that can be read.
pub(crate) trait Calendar: Send + Sync {
    /// One page of what changed. `at` is what the page before, or the last page of the round before, said; none begins
    /// a full round over the window.
    fn changes<'a>(&'a self, at: Option<&'a str>, window: Window) -> Answering<'a, Page>;

    /// Which calendar it is, if nobody said that and it had to be looked for: another time another one may be found.
    fn which(&self) -> Option<String> {
        None
    }
}

/// A calendar that can be written. Every call says what shall be, so that it may be made again.
pub(crate) trait CalendarWriter: Send + Sync {
    /// Write the event. If one of its key is there, nothing is written and that one is the answer: see `Made::differs`.
    /// One that was taken out before is put in again.
    fn create<'a>(&'a self, draft: &'a Draft) -> Answering<'a, Made>;

    /// Make the event what the draft is. With a version only if it is still that one, else `Fault::Conflict`; if there is
    /// none of this id, `Fault::Gone`.
    fn update<'a>(&'a self, id: &'a str, version: Option<&'a str>, draft: &'a Draft) -> Answering<'a, Made>;

    /// Take the event out. That it is not there is as good.
    fn remove<'a>(&'a self, id: &'a str, tell_attendees: bool) -> Answering<'a, ()>;

    /// Take away the meeting that an event was made for. The event goes with it, and nobody is told; one that guests were
    /// invited to stays without its meeting, for whoever invited them and tells them when it goes.
    fn remove_meeting<'a>(&'a self, id: &'a str) -> Answering<'a, ()> {
        self.remove(id, false)
    }

    /// The event as it stands: to wait for its meeting. None of this id: `Fault::Gone`.
    fn look<'a>(&'a self, id: &'a str) -> Answering<'a, Made>;

    /// The event of this key, if it is there: for whoever never got to know its id. `around` is where it was written.
    fn find<'a>(&'a self, key: &'a EventKey, around: Window) -> Answering<'a, Option<Made>>;
}
