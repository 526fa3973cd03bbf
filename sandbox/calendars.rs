//! What the stand-ins of calendars have in common: a shelf of events for each account, pages that end early, meetings
//! that take their time, and what attendees are told.

use crate::series::Series;
use crate::stand::{Provider, Stand};
use serde_json::Value;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// The events of one calendar.
pub trait Shelf: Default + Send {
    /// Put an event in, or in the place of the one of this id; as it stands then.
    fn put(&mut self, id: &str, event: Value) -> Value;
    /// Put in all instances of a series, or what it is now; those that are no more are deleted.
    fn put_series(&mut self, series: &Series);
    /// Delete an event, or a series with all its instances.
    fn remove(&mut self, id: &str);
    fn living(&self) -> impl Iterator<Item = &Value>;
    /// Cursors of another generation are not good.
    fn set_generation(&mut self, generation: u64);
    /// Changes, and ids that are made up, go on from there.
    fn count_from(&mut self, number: u32);
}

/// All calendars of a provider.
#[derive(Debug)]
pub struct Calendars<S> {
    shelves: HashMap<String, S>,
    /// Another one in each process: what a stand-in before this one has told leads nowhere.
    generation: u64,
    first: u32,
    /// Pages are no longer than this.
    pub(crate) page_size: Option<usize>,
    /// How often an event is looked at before its meeting is there.
    pub(crate) meeting_takes: u32,
    looks: HashMap<String, u32>,
    pub(crate) no_meetings: bool,
    /// What was told to attendees, and of which event.
    mails: Vec<(String, String)>,
}

impl<S> Default for Calendars<S> {
    fn default() -> Self {
        Self {
            shelves: HashMap::new(),
            // It has to fit into a cursor, where it is signed.
            generation: RandomState::new().build_hasher().finish() >> 32,
            first: 0,
            page_size: None,
            meeting_takes: 0,
            looks: HashMap::new(),
            no_meetings: false,
            mails: Vec::new(),
        }
    }
}

impl<S: Shelf> Calendars<S> {
    pub(crate) fn of(&mut self, who: &str) -> &mut S {
        let (generation, first) = (self.generation, self.first);
        self.shelves.entry(who.to_owned()).or_insert_with(|| {
            let mut empty = S::default();
            empty.set_generation(generation);
            empty.count_from(first);
            empty
        })
    }

    pub(crate) fn count_from(&mut self, number: u32) {
        self.first = number;
        self.shelves.values_mut().for_each(|shelf| shelf.count_from(number));
    }

    /// No cursor of this account that was given so far is good any more.
    pub(crate) fn renew(&mut self, who: &str) {
        self.generation += 1;
        let generation = self.generation;
        self.of(who).set_generation(generation);
    }

    /// Count a look at an event; whether its meeting is there by now.
    pub(crate) fn looked(&mut self, id: &str) -> bool {
        let looks = self.looks.entry(id.to_owned()).or_default();
        *looks += 1;
        *looks >= self.meeting_takes
    }

    /// Mail to whoever is invited.
    pub(crate) fn tell(&mut self, event: &Value, what: &str) {
        if event["attendees"].as_array().is_some_and(|list| !list.is_empty()) {
            self.mails.push((what.to_owned(), event["id"].as_str().unwrap_or_default().to_owned()));
        }
    }
}

/// A provider with calendars.
pub trait Keeps: Provider {
    type Shelf: Shelf;

    fn calendars(&mut self) -> &mut Calendars<Self::Shelf>;
}

impl<P: Keeps> Stand<P> {
    /// Put an event into the calendar of `who`, or another one in its place: JSON as the provider has it, with an `id`.
    ///
    /// # Panics
    /// When it has none.
    pub fn put(&self, who: &str, event: Value) {
        let id = event["id"].as_str().expect("an event has an id").to_owned();
        self.provider().calendars().of(who).put(&id, event);
    }

    /// Put in all instances of a series, or what it is now; those that are no more are deleted.
    pub fn put_series(&self, who: &str, series: &Series) {
        self.provider().calendars().of(who).put_series(series);
    }

    /// Delete an event, or a series with all its instances.
    pub fn remove(&self, who: &str, id: &str) {
        self.provider().calendars().of(who).remove(id);
    }

    /// What stands in the calendar, without the masters of series.
    #[must_use]
    pub fn events(&self, who: &str) -> Vec<Value> {
        self.provider().calendars().of(who).living().cloned().collect()
    }

    /// Pages are no longer than this, whatever is asked for.
    pub fn page_size(&self, size: usize) {
        self.provider().calendars().page_size = Some(size);
    }

    /// A meeting is there only after its event was looked at so often.
    pub fn meeting_takes(&self, looks: u32) {
        self.provider().calendars().meeting_takes = looks;
    }

    /// No meeting can be made any more.
    pub fn no_meetings(&self) {
        self.provider().calendars().no_meetings = true;
    }

    /// What was told to attendees, and of which event.
    #[must_use]
    pub fn mails(&self) -> Vec<(String, String)> {
        self.provider().calendars().mails.clone()
    }
}
