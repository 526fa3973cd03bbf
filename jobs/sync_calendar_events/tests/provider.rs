//! A provider of calendars in memory, which changes right before it answers.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};

use super::hour;
use crate::{
    kit::Called,
    providers::{Change, Event, Fault, Next, Page, Shown, When, Window},
    sync_calendar_events::round::Source,
};

/// What happens before an answer.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Put(u32, i64),
    Remove(u32),
    /// No cursor is good any more.
    Forget,
    Say(Fault),
}

/// Events by their ids: the change that they stand as, and when they are.
#[derive(Default)]
pub(super) struct Book {
    events: BTreeMap<String, (u64, Option<i64>)>,
    changes: u64,
    generation: u64,
    /// Before each answer these happen.
    acts: Vec<Vec<Act>>,
    pub(super) asked: usize,
    /// The same page for ever.
    pub(super) circles: bool,
    /// Also of full rounds.
    pub(super) circles_at_once: bool,
}

pub(super) struct Provider {
    book: Mutex<Book>,
    page: usize,
}

impl Book {
    fn act(&mut self, act: Act) -> Option<Fault> {
        match act {
            Act::Put(id, at) => self.set(id, Some(at)),
            Act::Remove(id) => self.set(id, None),
            Act::Forget => self.generation += 1,
            Act::Say(fault) => return Some(fault),
        }
        None
    }

    fn set(&mut self, id: u32, at: Option<i64>) {
        self.changes += 1;
        self.events.insert(format!("e{id:03}"), (self.changes, at));
    }

    /// `full generation began after` or `since generation from began after`, with what comes after which event.
    fn page(&self, at: Option<&str>, size: usize) -> Result<Page, Fault> {
        let text = at.map_or_else(|| format!("full {} 0 {} ", self.generation, self.changes), str::to_owned);
        let parts: Vec<&str> = text.splitn(5, ' ').collect();
        let number = |at: usize| parts.get(at).and_then(|part| part.parse::<u64>().ok()).expect("our own cursor");
        let (is_full, generation, from) = (parts[0] == "full", number(1), number(2));
        if generation != self.generation {
            return Err(Fault::Expired { why: "the cursor is too old".to_owned() });
        }
        // An incremental round knows how far it goes when it begins.
        let began = if parts[3] == "now" { self.changes } else { number(3) };
        let after = parts.get(4).copied().unwrap_or_default();
        let news = |(changed, at): &(u64, Option<i64>)| if is_full { at.is_some() } else { *changed > from };
        let mut found: Vec<_> = self.events.iter().filter(|(id, event)| id.as_str() > after && news(event)).collect();
        let is_last = found.len() <= size;
        found.truncate(size);
        let next = match found.last() {
            Some((id, _)) if !is_last => Next::Page(format!("{} {generation} {from} {began} {id}", parts[0])),
            _ => Next::End(Some(format!("since {generation} {began} now "))),
        };
        let changes = found.into_iter().map(|(id, (changed, at))| change(id, *changed, *at)).collect();
        Ok(Page { changes, zone: None, next })
    }
}

fn change(id: &str, changed: u64, at: Option<i64>) -> Change {
    let Some(at) = at else { return Change::Gone(id.to_owned()) };
    Change::Is(Box::new(Event {
        id: id.to_owned(),
        series: None,
        uid: None,
        when: When::Timed { start: hour(at), end: hour(at + 1) },
        title: Some(format!("title {id}")),
        shown: Shown::Busy,
        declined: false,
        private: false,
        version: Some(changed.to_string()),
    }))
}

impl Source for Provider {
    async fn page(&self, at: Option<&str>, _window: Window) -> Called<Page> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.asked += 1;
        let acts = book.acts.pop().unwrap_or_default();
        let said: Vec<Fault> = acts.into_iter().filter_map(|act| book.act(act)).collect();
        if let Some(fault) = said.into_iter().next() {
            return Ok(Err(fault));
        }
        let circles = book.circles && at.is_some_and(|at| at.starts_with("since") || at == "circle");
        if circles || book.circles_at_once {
            let changes = vec![change("e000", 1, Some(1))];
            return Ok(Ok(Page { changes, zone: None, next: Next::Page("circle".to_owned()) }));
        }
        Ok(book.page(at, self.page))
    }
}

impl Provider {
    pub(super) fn of(events: u32, page: usize) -> Self {
        let mut book = Book::default();
        (0..events).for_each(|id| book.set(id, Some(i64::from(id))));
        Self { book: Mutex::new(book), page }
    }

    pub(super) fn book<T>(&self, look: impl FnOnce(&mut Book) -> T) -> T {
        look(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// These happen before the next answers, the first ones first.
    pub(super) fn then(&self, mut acts: Vec<Vec<Act>>) {
        acts.reverse();
        self.book(|book| book.acts = acts);
    }

    /// Who is busy when, as the provider has it.
    pub(super) fn truth(&self) -> Vec<(String, DateTime<Utc>)> {
        let at = |(id, (_, at)): (&String, &(u64, Option<i64>))| Some((id.clone(), hour((*at)?)));
        self.book(|book| book.events.iter().filter_map(at).collect())
    }
}
