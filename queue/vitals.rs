//! Signs of life: every part that must progress beats its pulse each time it comes round, and says what it waits for.
//!
//! A beat is one addition to a number, so it may stand in any loop. Nobody judges here: whoever looks twice sees which
//! number stood still. A part that has ended, as after a stop, dropped its pulse, and is not looked at any more.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicU64, Ordering},
};

use crate::clock::{Clock, Millis};

/// All parts of a process. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Vitals(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    list: Mutex<Vec<Weak<Part>>>,
    /// Numbers are given out once: of two parts of one name, as before and after a reload, each has its own.
    given: AtomicU64,
}

/// One part's end of it; clones are the same part. The part is there until the last of them is dropped.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Part>);

#[derive(Debug)]
struct Part {
    number: u64,
    name: String,
    beats: AtomicU64,
    trouble: Mutex<Option<Trouble>>,
}

/// What a part waits for that should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Such as `Redis does not answer`.
    pub what: String,
    pub since: Millis,
}

/// A part at one moment.
#[derive(Debug, Clone)]
pub struct Sign {
    pub number: u64,
    /// In words, such as `the claimer of queue emails`.
    pub name: String,
    pub beats: u64,
    pub trouble: Option<Trouble>,
}

impl Vitals {
    /// A new part, named in words that go into a sentence.
    #[must_use]
    pub fn part(&self, name: impl Into<String>) -> Pulse {
        let number = self.0.given.fetch_add(1, Ordering::Relaxed);
        let part = Part { number, name: name.into(), beats: AtomicU64::new(0), trouble: Mutex::default() };
        let part = Arc::new(part);
        let mut list = self.0.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|part| part.strong_count() > 0);
        list.push(Arc::downgrade(&part));
        Pulse(part)
    }

    /// All parts that are there, in the order in which they came.
    #[must_use]
    pub fn signs(&self) -> Vec<Sign> {
        let list = self.0.list.lock().unwrap_or_else(PoisonError::into_inner);
        let sign = |part: Arc<Part>| Sign {
            number: part.number,
            name: part.name.clone(),
            beats: part.beats.load(Ordering::Relaxed),
            trouble: part.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        list.iter().filter_map(Weak::upgrade).map(sign).collect()
    }
}

impl Pulse {
    /// The part came round once more.
    pub fn beat(&self) {
        self.0.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// It waits for what should be there, from now on or still: that is trouble, and it is calm.
    pub fn waits_for(&self, what: &str) {
        let mut trouble = self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *trouble {
            // Since when is what counts, also if the words for it change meanwhile.
            Some(known) => what.clone_into(&mut known.what),
            None => *trouble = Some(Trouble { what: what.to_owned(), since: Clock::wall() }),
        }
    }

    /// What it waited for is there.
    pub fn has_all(&self) {
        *self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_there_as_long_as_its_pulse() {
        let vitals = Vitals::default();
        let (first, second) = (vitals.part("the keeper"), vitals.part("the keeper"));
        second.beat();
        let signs = vitals.signs();
        assert_eq!(signs.iter().map(|sign| sign.beats).collect::<Vec<_>>(), [0, 1]);
        assert_ne!(signs[0].number, signs[1].number);
        drop(first);
        assert_eq!(vitals.signs().len(), 1);
    }

    #[test]
    fn trouble_counts_from_its_beginning() {
        let vitals = Vitals::default();
        let pulse = vitals.part("the keeper");
        pulse.waits_for("Redis does not answer");
        let since = vitals.signs()[0].trouble.clone().expect("trouble").since;
        pulse.waits_for("Redis is full");
        assert_eq!(vitals.signs()[0].trouble, Some(Trouble { what: "Redis is full".into(), since }));
        pulse.has_all();
        assert_eq!(vitals.signs()[0].trouble, None);
    }
}
