//! What stands in a calendar, the same for all providers: instances that take place, never rules that make them.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

/// Which part of a calendar is mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
}

/// When an event takes place. The end is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Timed {
        start: DateTime<Utc>,
        end: DateTime<Utc>,
    },
    /// Whole days, of whichever zone the calendar is in.
    AllDay {
        first: NaiveDate,
        after: NaiveDate,
    },
}

/// How its owner shows it to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Busy,
    Tentative,
    Away,
    Free,
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// The provider's, unique in its calendar; of an instance of a series, that of the instance.
    pub(crate) id: String,
    /// What it is an instance of.
    pub(crate) series: Option<String>,
    /// What it is called in all calendars.
    pub(crate) uid: Option<String>,
    pub(crate) when: When,
    pub(crate) title: Option<String>,
    pub(crate) shown: Shown,
    /// Its owner was invited, and does not come.
    pub(crate) declined: bool,
    /// Its title is nobody else's business.
    pub(crate) private: bool,
    /// Another one whenever it changes.
    pub(crate) version: Option<String>,
}

/// What a page says of one event or series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Is(Box<Event>),
    /// No instance of this id takes place any more; nor of this series, if it is one.
    Gone(String),
    /// These are all instances of a series in the window: what else is known of it takes place no more.
    Series {
        id: String,
        events: Vec<Event>,
    },
    /// It cannot be understood. It is kept aside, and the sync goes on.
    Odd {
        id: Option<String>,
        why: String,
    },
}

/// Where a round goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// There are more pages of this round.
    Page(String),
    /// The round is whole; the next one begins with this. None: nothing can be asked for incrementally.
    End(Option<String>),
}

/// One answer of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) changes: Vec<Change>,
    /// The zone of the calendar, by its IANA name, if the provider says so: days are days there.
    pub(crate) zone: Option<String>,
    pub(crate) next: Next,
}
