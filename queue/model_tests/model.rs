//! What ought to be: jobs, who holds them, and what ties them, in plain maps.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    bonds::{Bonds, Conflict, Scope},
    isolation::Isolation,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Waiting,
    Departing,
    Held(String),
}

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "a list of what has happened to it")]
pub(super) struct Job {
    pub(super) place: Place,
    pub(super) given: bool,
    pub(super) bonds: Bonds,
    /// Not before this it may be claimed.
    pub(super) due_at: i64,
    /// Its place in the order of arrival.
    pub(super) order: u64,
    /// Others of its lane may be ahead of it by now.
    pub(super) passed: bool,
    pub(super) was_claimed: bool,
    /// How it has to run next time.
    pub(super) suspect: Isolation,
    /// When it is looked at whether it has expired.
    pub(super) sweep_at: Option<i64>,
    /// How it ends, decided without a run.
    pub(super) verdict: Option<&'static str>,
    /// Its lane went on without it.
    pub(super) is_free: bool,
    pub(super) runs: u32,
    pub(super) attempts: u32,
    pub(super) crashes: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) ids: Vec<String>,
    pub(super) deadline: i64,
    pub(super) isolation: Isolation,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    pub(super) size: Option<u64>,
    pub(super) follow_up: bool,
    pub(super) left: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) now: i64,
    pub(super) alive: BTreeMap<String, Job>,
    pub(super) tokens: BTreeMap<String, Held>,
    /// Until when given ids are remembered.
    pub(super) recent: BTreeMap<String, i64>,
    /// Who has a key, how, and until when.
    pub(super) keys: BTreeMap<String, (Scope, i64, String)>,
    pub(super) batches: BTreeMap<String, Batch>,
    pub(super) ended_batches: BTreeSet<String>,
    /// Dead letters, with the runs that they had.
    pub(super) dead: BTreeMap<String, u32>,
    pub(super) orders: u64,
    pub(super) paused: bool,
    pub(super) full: bool,
}

impl Model {
    pub(super) fn owner(&mut self, key: &str) -> Option<String> {
        let (scope, until, id) = self.keys.get(key)?.clone();
        if matches!(scope, Scope::For(_)) && until <= self.now {
            self.keys.remove(key);
            return None;
        }
        Some(id)
    }

    fn free_key(&mut self, id: &str, bonds: &Bonds) {
        let Some(unique) = &bonds.unique else { return };
        let key = unique.key.to_string();
        if self.keys.get(&key).is_some_and(|(scope, _, owner)| owner == id && !matches!(scope, Scope::For(_))) {
            self.keys.remove(&key);
        }
    }

    pub(super) fn is_known(&self, id: &str, given: bool) -> bool {
        self.alive.contains_key(id) || (given && self.recent.get(id).is_some_and(|until| *until > self.now))
    }

    /// What is said to a job that wants in, if it is not let in; or which job it replaces.
    pub(super) fn objection(&mut self, id: &str, given: bool, bonds: &Bonds) -> Result<Option<String>, String> {
        if self.is_known(id, given) {
            return Err(format!("duplicate {id}"));
        }
        if bonds.batch.as_ref().is_some_and(|batch| !self.batches.contains_key(batch.as_str())) {
            return Err("rejected".to_owned());
        }
        let Some(unique) = &bonds.unique else { return Ok(None) };
        let Some(other) = self.owner(unique.key.as_str()) else { return Ok(None) };
        let waits = self.alive.get(&other).is_some_and(|job| job.place == Place::Waiting);
        if other == id {
            return Ok(None);
        }
        match unique.on_conflict {
            Conflict::Replace { .. } if waits => Ok(Some(other)),
            _ => Err(format!("duplicate {other}")),
        }
    }

    pub(super) fn let_in(&mut self, id: &str, given: bool, run_at: i64, bonds: &Bonds, replaced: Option<&str>) {
        let mut due_at = run_at;
        if let Some(other) = replaced {
            let theirs = self.alive.get(other).map_or(0, |job| job.due_at);
            let keeps = bonds.unique.as_ref().is_some_and(|u| u.on_conflict == Conflict::Replace { keep_due: true });
            if keeps && theirs > self.now {
                due_at = theirs;
            }
            self.condemn(other, "replaced");
        }
        if let Some(unique) = &bonds.unique {
            let until = match unique.scope {
                Scope::For(long) => self.now + i64::try_from(long.as_millis()).unwrap_or(0),
                Scope::WhileQueued | Scope::UntilDone => 0,
            };
            self.keys.insert(unique.key.to_string(), (unique.scope, until, id.to_owned()));
        }
        self.orders += 1;
        let job = Job {
            place: Place::Waiting,
            given,
            bonds: bonds.clone(),
            due_at,
            order: self.orders,
            passed: bonds.lane.as_ref().is_some_and(|lane| lane.passes),
            was_claimed: false,
            suspect: Isolation::None,
            sweep_at: bonds.expires_at.map(|at| at.0),
            verdict: None,
            is_free: false,
            runs: 0,
            attempts: 0,
            crashes: 0,
        };
        self.alive.insert(id.to_owned(), job);
    }

    /// A waiting job ends without a run.
    pub(super) fn condemn(&mut self, id: &str, verdict: &'static str) {
        let Some(job) = self.alive.get_mut(id) else { return };
        (job.place, job.verdict, job.is_free) = (Place::Departing, Some(verdict), true);
        let bonds = job.bonds.clone();
        self.free_key(id, &bonds);
    }

    pub(super) fn claimed(&mut self, id: &str, token: &str) {
        let Some(job) = self.alive.get_mut(id) else { return };
        job.place = Place::Held(token.to_owned());
        job.was_claimed = true;
        let bonds = job.bonds.clone();
        if bonds.unique.as_ref().is_some_and(|unique| unique.scope == Scope::WhileQueued) {
            self.free_key(id, &bonds);
        }
    }

    pub(super) fn holds(&self, id: &str, token: &str) -> bool {
        self.alive.get(id).is_some_and(|job| job.place == Place::Held(token.to_owned()))
    }

    pub(super) fn forget_hold(&mut self, id: &str, token: &str) {
        if let Some(held) = self.tokens.get_mut(token) {
            held.ids.retain(|other| other != id);
        }
    }

    /// The job is out; the id of a follow-up that set out by that.
    pub(super) fn leaves(&mut self, id: &str, outcome: &'static str, memory: i64) -> Option<String> {
        let job = self.alive.remove(id)?;
        self.free_key(id, &job.bonds);
        if job.given {
            self.recent.insert(id.to_owned(), self.now + memory);
        }
        if outcome == "dead" {
            self.dead.insert(id.to_owned(), job.runs + 1);
        }
        let batch = job.bonds.batch.as_ref()?.to_string();
        *self.batches.get_mut(&batch)?.left.entry(outcome).or_default() += 1;
        self.end_batch(&batch)
    }

    pub(super) fn end_batch(&mut self, batch: &str) -> Option<String> {
        let known = self.batches.get(batch)?;
        if known.size.is_none_or(|size| known.left.values().sum::<u64>() < size) {
            return None;
        }
        let follows = known.follow_up;
        self.batches.remove(batch);
        self.ended_batches.insert(batch.to_owned());
        let id = format!("{batch}/end");
        if !follows || self.alive.contains_key(&id) {
            return None;
        }
        self.let_in(&id, true, 0, &Bonds::default(), None);
        Some(id)
    }

    /// What a dead worker held goes back, or is given up.
    pub(super) fn taken_back(&mut self, id: &str, isolation: Isolation, limit: u32) {
        let Some(job) = self.alive.get_mut(id) else { return };
        job.runs += 1;
        if isolation == Isolation::Alone {
            job.crashes += 1;
        }
        job.suspect = if isolation == Isolation::None { Isolation::Apart } else { Isolation::Alone };
        if job.verdict.is_some() {
            job.place = Place::Departing;
        } else if job.crashes >= limit {
            (job.place, job.verdict) = (Place::Departing, Some("dead"));
        } else {
            job.place = Place::Waiting;
        }
    }

    pub(super) fn given_back(&mut self, id: &str) {
        if let Some(job) = self.alive.get_mut(id) {
            job.place = if job.verdict.is_some() { Place::Departing } else { Place::Waiting };
        }
    }

    /// Those whose time is over, of those that wait.
    pub(super) fn sweep(&mut self, lease: i64) {
        let over: Vec<String> = self
            .alive
            .iter()
            .filter(|(_, job)| job.sweep_at.is_some_and(|at| at <= self.now))
            .map(|(id, _)| id.clone())
            .collect();
        for id in over {
            let Some(job) = self.alive.get_mut(&id) else { continue };
            // What runs may finish; later it is looked at again.
            let later = self.now + lease;
            job.sweep_at = matches!(job.place, Place::Held(_)).then_some(later);
            if job.place == Place::Waiting {
                self.condemn(&id, "expired");
            }
        }
    }
}
