//! Steps of those who hold jobs: claiming, leaving, parking, dying.

use std::time::Duration;

use super::{
    Dice,
    model::{Held, Place},
    world::{Check, LEASE, LIMIT, MEMORY, OUTCOMES, World, ensure, shown},
};
use crate::{
    bonds::Words,
    clock::Millis,
    isolation::Isolation,
    names::JobId,
    outcome::RunOutcome,
    scripts::{
        held::{ClaimTerms, Leaving, Parking},
        text,
    },
    state::Priority,
};

impl World {
    pub(super) async fn claim(&mut self, dice: &mut Dice, everything: bool) -> Result<usize, String> {
        let isolation = [Isolation::None, Isolation::None, Isolation::Apart, Isolation::Alone][dice.roll(4)];
        let most = if isolation == Isolation::Alone { 1 } else { 1 + dice.roll(5) };
        self.claims += 1;
        let token = format!("w/{}{}", isolation.mark(), self.claims);
        let terms = ClaimTerms {
            lease: LEASE,
            most: if everything && isolation != Isolation::Alone { 1000 } else { most },
            low_share: 3,
            until: None,
            isolation,
        };
        let reply = self.scripts.claim(&token, terms).await.map_err(|fault| shown(&fault))?;
        ensure(reply.paused == self.model.paused, || "paused or not".to_owned())?;
        let mut ids = Vec::new();
        for item in &reply.items {
            let now = self.model.now;
            let Some(job) = self.model.alive.get(&item.id) else { return Err(format!("{} is not alive", item.id)) };
            let tries = String::from_utf8_lossy(&item.tries).into_owned();
            let expected = format!("{} {} {}", job.runs, job.attempts, job.crashes);
            ensure(
                if tries.is_empty() { expected == "0 0 0" } else { tries.trim_end_matches(" now") == expected },
                || format!("{}: tries are {tries:?}, not {expected}", item.id),
            )?;
            match (&job.place, job.verdict) {
                (Place::Departing, Some(verdict)) => {
                    let said = String::from_utf8_lossy(&item.verdict).into_owned();
                    ensure(said.starts_with(verdict), || format!("{} departs as {said}, not {verdict}", item.id))?;
                }
                (Place::Waiting, None) => {
                    ensure(!self.model.paused, || format!("{} was claimed from a paused queue", item.id))?;
                    ensure(job.due_at <= now, || format!("{} was claimed {} ms early", item.id, job.due_at - now))?;
                    ensure(item.verdict.is_empty(), || format!("{} has a verdict", item.id))?;
                    ensure(job.suspect == isolation, || format!("{} ran {isolation}, not {}", item.id, job.suspect))?;
                    self.is_its_turn(&item.id)?;
                }
                (place, verdict) => return Err(format!("{} was claimed from {place:?}, {verdict:?}", item.id)),
            }
            self.model.claimed(&item.id, &token);
            ids.push(item.id.clone());
        }
        let count = ids.len();
        if count > 0 {
            let deadline = self.model.now + i64::try_from(LEASE.as_millis()).unwrap_or(0);
            self.model.tokens.insert(token, Held { ids, deadline, isolation });
        }
        Ok(count)
    }

    /// All of its lane that came before it have left, or let it pass.
    pub(super) fn is_its_turn(&self, id: &str) -> Check {
        let Some(job) = self.model.alive.get(id) else { return Ok(()) };
        let Some(lane) = &job.bonds.lane else { return Ok(()) };
        for (other, ahead) in &self.model.alive {
            let same = ahead.bonds.lane.as_ref().is_some_and(|theirs| theirs.name == lane.name);
            if !same || other == id || ahead.is_free {
                continue;
            }
            ensure(!matches!(ahead.place, Place::Held(_)), || format!("{id} and {other} of one lane at once"))?;
            ensure(ahead.order > job.order || ahead.passed || job.passed, || format!("{id} went before {other}"))?;
        }
        Ok(())
    }

    pub(super) fn some_token(&self, dice: &mut Dice) -> Option<String> {
        let tokens: Vec<String> = self.model.tokens.keys().cloned().collect();
        dice.pick(&tokens).cloned()
    }

    /// The claims that end when these jobs leave a token.
    pub(super) fn ends(&self, token: &str, ids: &[String]) -> bool {
        self.model.tokens.get(token).is_some_and(|held| held.ids.iter().all(|id| ids.contains(id)))
    }

    pub(super) async fn acknowledge(&mut self, dice: &mut Dice) -> Check {
        let Some(token) = self.some_token(dice) else { return Ok(()) };
        let mut ids = self.model.tokens[&token].ids.clone();
        if dice.one_in(2) && ids.len() > 1 {
            ids.truncate(1 + dice.roll(ids.len()));
        }
        let outcome = OUTCOMES[dice.roll(4)];
        self.settle(&token, &ids, outcome).await?;
        // The answer may be lost, and the call sent again: it finds nothing.
        if dice.one_in(4) {
            let twice = self.leave(&token, &ids, outcome, false).await?;
            ensure(twice.len() == ids.len(), || format!("{ids:?} left twice"))?;
        }
        Ok(())
    }

    pub(super) async fn settle(&mut self, token: &str, ids: &[String], outcome: RunOutcome) -> Check {
        let ends = self.ends(token, ids);
        let expected: Vec<usize> = (0..ids.len()).filter(|at| !self.model.holds(&ids[*at], token)).collect();
        let lost = self.leave(token, ids, outcome, ends).await?;
        ensure(lost == expected, || format!("{ids:?} under {token}: lost {lost:?}, expected {expected:?}"))?;
        for id in ids {
            if self.model.holds(id, token) {
                self.model.leaves(id, outcome.as_str(), MEMORY);
            }
            self.model.forget_hold(id, token);
        }
        if ends {
            self.model.tokens.remove(token);
        }
        Ok(())
    }

    async fn stored(&self, ids: &[JobId]) -> Vec<String> {
        let mut stored = Vec::new();
        for id in ids {
            let look = redis::cmd("HGET").arg(&self.scripts.keys.jobs).arg(id.as_str()).clone();
            let found = self.scripts.link.call("look", &look).await;
            stored.push(found.ok().as_ref().and_then(text).unwrap_or_default());
        }
        stored
    }

    /// The bonds of jobs as they stand in Redis.
    async fn words_of(&self, ids: &[JobId]) -> Vec<String> {
        let words = |stored: &String| match stored.as_bytes().get(14) {
            Some(b'#' | b'=') => stored[15..].lines().next().unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        self.stored(ids).await.iter().map(words).collect()
    }

    pub(super) async fn leave(
        &self,
        token: &str,
        ids: &[String],
        outcome: RunOutcome,
        ends: bool,
    ) -> Result<Vec<usize>, String> {
        let known: Vec<JobId> = ids.iter().filter_map(|id| JobId::parse(id).ok()).collect();
        let (stored, words) = (self.stored(&known).await, self.words_of(&known).await);
        let items: Vec<_> = known
            .iter()
            .zip(stored.iter().zip(&words))
            .map(|(id, (stored, words))| {
                let kind = stored.as_bytes().get(14).copied().unwrap_or(b'-');
                let tied = matches!(kind, b'#' | b'=').then(|| (Words(words).for_leaving(), outcome));
                Leaving { id, token, given: matches!(kind, b'#' | b'+'), tied, reply: None }
            })
            .collect();
        let ended: Vec<&str> = if ends { vec![token] } else { vec![] };
        let memory = Duration::from_millis(MEMORY.unsigned_abs());
        self.scripts.acknowledge(&items, &ended, memory, memory).await.map_err(|fault| shown(&fault))
    }

    pub(super) async fn park(&mut self, dice: &mut Dice) -> Check {
        let Some(token) = self.some_token(dice) else { return Ok(()) };
        let mut ids = self.model.tokens[&token].ids.clone();
        if dice.one_in(2) && ids.len() > 1 {
            ids.truncate(1 + dice.roll(ids.len()));
        }
        if ids.is_empty() {
            return Ok(());
        }
        let isolation = self.model.tokens[&token].isolation;
        // A retry, a snooze or a hand-back.
        let kind = dice.roll(3);
        let at = (kind < 2).then(|| Millis(self.model.now + [10, 700, 3000][dice.roll(3)]));
        let known: Vec<JobId> = ids.iter().filter_map(|id| JobId::parse(id).ok()).collect();
        let bonds = self.words_of(&known).await;
        let mut items = Vec::new();
        for (at_id, id) in known.iter().enumerate() {
            let Some(job) = self.model.alive.get(id.as_str()) else { continue };
            let tries =
                format!("{} {} {}", job.runs + u32::from(kind == 0), job.attempts + u32::from(kind == 0), job.crashes);
            let passed_by =
                job.bonds.lane.as_ref().filter(|lane| lane.passes && at.is_some()).map(|_| bonds[at_id].as_str());
            let suspect = if kind == 0 { Isolation::None } else { isolation };
            let band = self.band(id).await;
            items.push(Parking { id, token: &token, band, suspect, passed_by, at, tries });
        }
        if items.is_empty() {
            return Ok(());
        }
        let ends = self.ends(&token, &ids);
        let ended: Vec<&str> = if ends { vec![&token] } else { vec![] };
        let expected: Vec<usize> =
            (0..items.len()).filter(|at| !self.model.holds(items[*at].id.as_str(), &token)).collect();
        let lost = self.scripts.park(&items, &ended).await.map_err(|fault| shown(&fault))?;
        let mut sorted = lost.clone();
        sorted.sort_unstable();
        ensure(sorted == expected, || format!("{ids:?} under {token}: lost {lost:?}, expected {expected:?}"))?;
        for id in &ids {
            if self.model.holds(id, &token) {
                self.model.given_back(id);
                if let Some(job) = self.model.alive.get_mut(id) {
                    job.runs += u32::from(kind == 0);
                    job.attempts += u32::from(kind == 0);
                    job.due_at = at.map_or(0, |at| at.0);
                    // Whoever ended an attempt is cleared.
                    job.suspect = if kind == 0 { Isolation::None } else { isolation };
                }
            }
            self.model.forget_hold(id, &token);
        }
        if ends {
            self.model.tokens.remove(&token);
        }
        Ok(())
    }

    pub(super) async fn band(&self, id: &JobId) -> Priority {
        let found =
            self.scripts.link.call("look", redis::cmd("HGET").arg(&self.scripts.keys.jobs).arg(id.as_str())).await;
        let stored = found.ok().as_ref().and_then(text).unwrap_or_default();
        stored.as_bytes().get(13).and_then(|digit| Priority::from_digit(*digit)).unwrap_or(Priority::Normal)
    }

    pub(super) async fn extend(&mut self, dice: &mut Dice) -> Check {
        match self.some_token(dice) {
            Some(token) => self.extend_one(&token).await,
            None => Ok(()),
        }
    }

    async fn extend_one(&mut self, token: &str) -> Check {
        let lost = self.scripts.extend(LEASE, &[token]).await.map_err(|fault| shown(&fault))?;
        let is_held = |id: &String| self.model.holds(id, token);
        let there = self.model.tokens.get(token).is_some_and(|held| held.ids.iter().any(is_held));
        if !lost.is_empty() {
            return ensure(!there, || format!("{token} lost its lease, and still holds jobs"));
        }
        if let Some(held) = self.model.tokens.get_mut(token) {
            held.deadline = self.model.now + i64::try_from(LEASE.as_millis()).unwrap_or(0);
        }
        Ok(())
    }

    /// A worker dies while the others live on, until its lease has lapsed.
    pub(super) async fn crash(&mut self, dice: &mut Dice) -> Check {
        let dead = self.some_token(dice);
        for _ in 0..=LEASE.as_secs() {
            self.pass(1_000);
            for token in self.model.tokens.keys().cloned().collect::<Vec<_>>() {
                if dead.as_ref() != Some(&token) {
                    self.extend_one(&token).await?;
                }
            }
            self.reap().await?;
        }
        Ok(())
    }

    pub(super) async fn lose_answer(&mut self, dice: &mut Dice) -> Check {
        self.claim(dice, false).await?;
        let Some((token, _)) = self.model.tokens.iter().next_back().map(|(token, held)| (token.clone(), held.clone()))
        else {
            return Ok(());
        };
        let held = self.model.tokens.remove(&token).ok_or("no token")?;
        self.scripts.release(&token).await.map_err(|fault| shown(&fault))?;
        for id in &held.ids {
            if self.model.holds(id, &token) {
                self.model.given_back(id);
            }
        }
        Ok(())
    }

    pub(super) async fn reap(&mut self) -> Check {
        let reaped = self.scripts.reap(LEASE, LIMIT).await.map_err(|fault| shown(&fault))?;
        self.model.sweep(i64::try_from(LEASE.as_millis()).unwrap_or(0));
        if reaped.calm_until.is_some() {
            return ensure(reaped.back == 0, || "reaped in a calm".to_owned());
        }
        let now = self.model.now;
        let late: Vec<String> =
            self.model.tokens.iter().filter(|(_, held)| held.deadline <= now).map(|(token, _)| token.clone()).collect();
        let mut back = 0;
        for token in late {
            let Some(held) = self.model.tokens.get_mut(&token) else { continue };
            let (ids, isolation) = (held.ids.clone(), held.isolation);
            // The worker may be alive after all and speak under it: then it hears that it was too late.
            held.deadline = i64::MAX;
            for id in &ids {
                if self.model.holds(id, &token) {
                    self.model.taken_back(id, isolation, LIMIT);
                    back += 1;
                }
            }
        }
        ensure(reaped.back == back, || format!("{} were taken back, not {back}", reaped.back))
    }
}
