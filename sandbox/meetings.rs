//! What the stand-ins of meetings have in common: the meetings of all users, and how many each may still ask for today.
//!
//! A day ends when a test says so.

use crate::stand::{Provider, Stand};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};

/// More than any test makes.
const MAX_MEETINGS: usize = 100_000;

type Fields = Map<String, Value>;

/// The meetings of all users, by their ids.
#[derive(Debug)]
pub struct Book {
    meetings: BTreeMap<String, (String, Fields)>,
    made: usize,
    /// What the numbers of meetings go on from.
    pub(crate) first: u32,
    /// What passed of each user today.
    today: HashMap<String, u32>,
    pub(crate) daily: u32,
    over: usize,
}

impl Default for Book {
    fn default() -> Self {
        Self { meetings: BTreeMap::new(), made: 0, first: 0, today: HashMap::new(), daily: 100, over: 0 }
    }
}

impl Book {
    /// Whether this user's day is full; if so, that is counted.
    pub(crate) fn is_over(&mut self, user: &str) -> bool {
        let is_over = self.passed(user) >= self.daily;
        self.over += usize::from(is_over);
        is_over
    }

    /// One more of this user has passed today.
    pub(crate) fn pass(&mut self, user: &str) {
        *self.today.entry(user.to_owned()).or_default() += 1;
    }

    fn passed(&self, user: &str) -> u32 {
        self.today.get(user).copied().unwrap_or(0)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.meetings.len() >= MAX_MEETINGS
    }

    /// The number of the next one.
    pub(crate) fn next(&self) -> usize {
        self.first as usize + self.made + 1
    }

    /// A new meeting: what the provider says of it, with what was asked for laid over it.
    pub(crate) fn add(&mut self, id: &str, user: &str, mut meeting: Value, asked: &Value) -> Value {
        lay(&mut meeting, asked);
        self.made += 1;
        if let Value::Object(fields) = meeting.clone() {
            self.meetings.insert(id.to_owned(), (user.to_owned(), fields));
        }
        meeting
    }

    /// A meeting of this user.
    pub(crate) fn find(&self, id: &str, user: &str) -> Option<Value> {
        let (owner, fields) = self.meetings.get(id)?;
        (owner == user).then(|| Value::Object(fields.clone()))
    }

    /// As it is then.
    pub(crate) fn change(&mut self, id: &str, asked: &Value) -> Value {
        let Some((_, fields)) = self.meetings.get_mut(id) else { return Value::Null };
        let mut meeting = Value::Object(std::mem::take(fields));
        lay(&mut meeting, asked);
        if let Value::Object(changed) = meeting.clone() {
            *fields = changed;
        }
        meeting
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.meetings.remove(id);
    }

    /// In the order of their ids.
    pub(crate) fn of(&self, user: &str) -> impl Iterator<Item = &Fields> {
        self.meetings.values().filter(move |(owner, _)| owner == user).map(|(_, meeting)| meeting)
    }
}

fn lay(meeting: &mut Value, asked: &Value) {
    for (name, value) in asked.as_object().into_iter().flatten() {
        meeting[name.as_str()] = value.clone();
    }
}

/// A provider with meetings that stand in no calendar.
pub trait Meets: Provider {
    fn book(&mut self) -> &mut Book;
}

impl<P: Meets> Stand<P> {
    /// All meetings that there are, as the provider would show them.
    #[must_use]
    pub fn meetings(&self) -> Vec<Value> {
        self.provider().book().meetings.values().map(|(_, meeting)| Value::Object(meeting.clone())).collect()
    }

    /// How many were made, of whom some may be gone again.
    #[must_use]
    pub fn made(&self) -> usize {
        self.provider().book().made
    }

    /// A user deletes a meeting in the provider's own pages.
    pub fn forget(&self, id: &str) {
        self.provider().book().remove(id);
    }

    /// A day has passed.
    pub fn next_day(&self) {
        self.provider().book().today.clear();
    }

    /// Requests that came after their user's day was full.
    #[must_use]
    pub fn over_the_limit(&self) -> usize {
        self.provider().book().over
    }

    /// What passed of a user today.
    #[must_use]
    pub fn passed_today(&self, user: &str) -> u32 {
        self.provider().book().passed(user)
    }
}
