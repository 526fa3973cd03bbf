//! The scripts on a real server beside the model: each step is taken in both, and what they say is compared.

use std::{collections::BTreeMap, time::Duration};

use redis::Value;

use super::{
    Dice, Step,
    model::{Held, Model, Place},
    server::Server,
};
use crate::{
    admitter::{Admitter, Round},
    batches::Batches,
    bonds::{Bonds, Conflict, Lane, Scope, Unique},
    clock::{Clock, Millis},
    envelope::Limits,
    error::QueueError,
    isolation::Isolation,
    names::{BatchId, JobId, LaneName, QueueName, UniqueKey},
    outcome::RunOutcome,
    scripts::{
        Scripts,
        held::{ClaimTerms, Leaving, Parking},
        text,
        waiting::{Objection, Putting},
    },
    state::Priority,
};

const LEASE: Duration = Duration::from_secs(10);
const MEMORY: i64 = 5_000;
const LIMIT: u32 = 2;
const LIMITS: Limits = Limits { max_args: 1024, max_lane_depth: 3 };
const OUTCOMES: [RunOutcome; 4] = [RunOutcome::Done, RunOutcome::Dead, RunOutcome::Expired, RunOutcome::Cancelled];
/// More rounds than any backlog of a sequence can need.
const DRAIN_ROUNDS: usize = 300;

/// What Redis holds, as far as it can be wrong.
#[derive(Debug, Default)]
struct Dump {
    hashes: BTreeMap<&'static str, BTreeMap<String, String>>,
    lists: BTreeMap<&'static str, Vec<String>>,
    sets: BTreeMap<&'static str, BTreeMap<String, f64>>,
}

pub(super) struct World {
    scripts: Scripts,
    admitter: Admitter,
    clock: Clock,
    model: Model,
    claims: u64,
    fresh: u64,
}

type Check = Result<(), String>;

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(what()) }
}

fn shown(fault: &QueueError) -> String {
    format!("Redis said: {}", crate::error::chain(fault))
}

impl World {
    pub(super) async fn new(server: &Server) -> Self {
        let model = Model { now: 1_000_000, ..Model::default() };
        let clock = Clock::fixed(Millis(model.now));
        let link = server.link();
        for command in [redis::cmd("FLUSHALL"), redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(0).clone()] {
            link.call("start afresh", &command).await.expect("an empty server");
        }
        let scripts = Scripts::new(link, QueueName::default_queue(), clock.clone());
        let admitter = Admitter::new(scripts.clone(), LIMITS, "model".to_owned());
        Self { scripts, admitter, clock, model, claims: 0, fresh: 0 }
    }

    pub(super) async fn take(&mut self, step: Step, mut dice: Dice) -> Check {
        match step {
            Step::Put => self.put(&mut dice).await,
            Step::Door => self.door(&mut dice).await,
            Step::Inbox => self.inbox(&mut dice).await,
            Step::Claim => self.claim(&mut dice, false).await.map(drop),
            Step::Acknowledge => self.acknowledge(&mut dice).await,
            Step::Park => self.park(&mut dice).await,
            Step::Extend => self.extend(&mut dice).await,
            Step::Crash => {
                self.crash(&mut dice);
                Ok(())
            }
            Step::LoseAnswer => self.lose_answer(&mut dice).await,
            Step::Pass => {
                let long = [1, 100, 900, 2_000, 3_900, 12_000][dice.roll(6)];
                self.pass(long);
                Ok(())
            }
            Step::Reap => self.reap().await,
            Step::Cancel => self.cancel(&mut dice).await,
            Step::Hurry => self.shift(&mut dice, false).await,
            Step::Reprioritise => self.shift(&mut dice, true).await,
            Step::Skip => self.skip(&mut dice).await,
            Step::Purge => self.purge(&mut dice).await,
            Step::Pause => self.pause(!self.model.paused).await,
            Step::Batch => self.batch(&mut dice).await,
            Step::Revive => self.revive(&mut dice).await,
            Step::Full => self.fill(!self.model.full).await,
        }
    }

    fn pass(&mut self, long: u64) {
        self.clock.advance(Duration::from_millis(long));
        self.model.now += i64::try_from(long).unwrap_or(0);
    }

    fn new_id(&mut self, dice: &mut Dice) -> (JobId, bool) {
        let given = dice.one_in(2);
        // A few given ids come again and again.
        let text = if given && dice.one_in(2) {
            format!("same-{}", dice.roll(4))
        } else {
            self.fresh += 1;
            format!("job-{}", self.fresh)
        };
        (JobId::parse(&text).expect("an id"), given)
    }

    fn new_bonds(&self, dice: &mut Dice) -> Bonds {
        let lane = dice.one_in(2).then(|| Lane {
            name: LaneName::parse(["a", "a:b", "b"][dice.roll(3)]).expect("a lane"),
            passes: dice.one_in(3),
        });
        let unique = dice.one_in(3).then(|| Unique {
            key: UniqueKey::parse(["k", "l"][dice.roll(2)]).expect("a key"),
            scope: [Scope::WhileQueued, Scope::UntilDone, Scope::For(Duration::from_secs(2))][dice.roll(3)],
            on_conflict: [
                Conflict::Reject,
                Conflict::Replace { keep_due: false },
                Conflict::Replace { keep_due: true },
            ][dice.roll(3)],
        });
        let batch = dice.one_in(4).then(|| BatchId::parse(["x", "y:z"][dice.roll(2)]).expect("a batch"));
        let expires_at =
            dice.one_in(5).then(|| Millis(self.model.now + 500 + 1000 * i64::try_from(dice.roll(5)).unwrap_or(0)));
        Bonds { lane, unique, batch, expires_at }
    }

    fn new_run_at(&self, dice: &mut Dice) -> i64 {
        if dice.one_in(3) { self.model.now + [50, 1500, 4000][dice.roll(3)] } else { 0 }
    }

    async fn lane_depth(&self, lane: &LaneName) -> Result<u64, String> {
        let mut command = redis::cmd("ZLEXCOUNT");
        command.arg(&self.scripts.keys.lanes).arg(format!("[{lane} ")).arg(format!("({lane}!"));
        match self.scripts.link.call("count", &command).await {
            Ok(Value::Int(count)) => Ok(count.unsigned_abs()),
            other => Err(format!("{other:?}")),
        }
    }

    /// Compare what was said to one job with what the model says, and let it in there too.
    fn compare(
        &mut self,
        (id, given, run_at, bonds): (&JobId, bool, i64, &Bonds),
        said: Option<&Objection>,
        lane_may_be_full: bool,
    ) -> Check {
        let expected = self.model.objection(id.as_str(), given, bonds);
        match (expected, said) {
            (Ok(replaced), None) => {
                self.model.let_in(id.as_str(), given, run_at, bonds, replaced.as_deref());
                Ok(())
            }
            (Ok(None), Some(Objection::Rejected(why))) if why.starts_with("lane: ") && lane_may_be_full => Ok(()),
            (Err(expected), Some(Objection::Duplicate(of))) => {
                ensure(expected == format!("duplicate {of}"), || format!("{id} is a duplicate of {of}, not {expected}"))
            }
            (Err(expected), Some(Objection::Rejected(why))) => {
                ensure(expected == "rejected", || format!("{id} was rejected ({why}), not {expected}"))
            }
            (expected, said) => Err(format!("{id} with {bonds:?}: expected {expected:?}, was told {said:?}")),
        }
    }

    async fn put(&mut self, dice: &mut Dice) -> Check {
        let mut jobs = Vec::new();
        for _ in 0..=dice.roll(3) {
            let (id, given) = self.new_id(dice);
            let bonds = if dice.one_in(2) { self.new_bonds(dice) } else { Bonds::default() };
            jobs.push((id, given, self.new_run_at(dice), bonds, Priority::ALL[dice.roll(3)]));
        }
        let mut full = Vec::new();
        for (_, _, _, bonds, _) in &jobs {
            full.push(match &bonds.lane {
                Some(lane) => self.lane_depth(&lane.name).await? + jobs.len() as u64 > u64::from(LIMITS.max_lane_depth),
                None => false,
            });
        }
        let words: Vec<String> = jobs.iter().map(|(.., bonds, _)| bonds.words()).collect();
        let items: Vec<_> = jobs
            .iter()
            .zip(&words)
            .map(|((id, given, run_at, _, band), bonds)| Putting {
                id,
                given: *given,
                band: *band,
                run_at: *run_at,
                bonds,
                envelope: br#"{"job":"noop"}"#,
            })
            .collect();
        let said = match self.scripts.put(LIMITS, &items).await {
            Ok(said) => said,
            // All of them or, where the first write of the step frees memory as a replacement does, none of them.
            Err(QueueError::Full { .. }) if self.model.full => return Ok(()),
            Err(fault) => return Err(shown(&fault)),
        };
        for (((id, given, run_at, bonds, _), said), full) in jobs.iter().zip(&said).zip(full) {
            self.compare((id, *given, *run_at, bonds), said.as_ref(), full)?;
        }
        Ok(())
    }

    /// The same as an envelope, as hosts write it.
    fn envelope(id: &JobId, run_at: i64, bonds: &Bonds, band: Priority) -> String {
        let mut envelope = serde_json::json!({"job": "noop", "id": id, "priority": band});
        if run_at > 0 {
            envelope["run_at"] = run_at.into();
        }
        if let Some(lane) = &bonds.lane {
            envelope["lane"] = if lane.passes {
                serde_json::json!({"key": lane.name, "on_delay": "pass"})
            } else {
                lane.name.as_str().into()
            };
        }
        if let Some(unique) = &bonds.unique {
            let (scope, for_ms) = match unique.scope {
                Scope::WhileQueued => ("while_queued", None),
                Scope::UntilDone => ("until_done", None),
                Scope::For(long) => ("for", Some(u64::try_from(long.as_millis()).unwrap_or(0))),
            };
            let (conflict, due) = match unique.on_conflict {
                Conflict::Reject => ("reject", "move"),
                Conflict::Replace { keep_due: false } => ("replace", "move"),
                Conflict::Replace { keep_due: true } => ("replace", "keep"),
            };
            envelope["unique"] = serde_json::json!({
                "key": unique.key, "scope": scope, "for_ms": for_ms, "on_conflict": conflict, "due": due,
            });
        }
        if let Some(batch) = &bonds.batch {
            envelope["batch"] = batch.as_str().into();
        }
        if let Some(at) = bonds.expires_at {
            envelope["expires_at"] = at.0.into();
        }
        envelope.to_string()
    }

    /// A job whose id was given, good in itself.
    fn new_job(&mut self, dice: &mut Dice) -> (JobId, i64, Bonds, String) {
        let (id, _) = self.new_id(dice);
        let (mut bonds, run_at) = (self.new_bonds(dice), self.new_run_at(dice));
        if let Some(at) = &mut bonds.expires_at {
            at.0 = at.0.max(run_at + 1);
        }
        let envelope = Self::envelope(&id, run_at, &bonds, Priority::ALL[dice.roll(3)]);
        (id, run_at, bonds, envelope)
    }

    async fn door(&mut self, dice: &mut Dice) -> Check {
        let (id, run_at, bonds, envelope) = self.new_job(dice);
        let full = match &bonds.lane {
            Some(lane) => self.lane_depth(&lane.name).await? >= u64::from(LIMITS.max_lane_depth),
            None => false,
        };
        let said = match self.scripts.enqueue(LIMITS, &[(&id, envelope.as_bytes())]).await {
            Ok(said) => said.into_iter().next().ok_or("no answer")?,
            Err(QueueError::Full { .. }) if self.model.full => return Ok(()),
            Err(fault) => return Err(shown(&fault)),
        };
        let objection = match said.split_once(' ') {
            Some(("queued", _)) => None,
            _ => Some(Objection::parse(&said).ok_or(said)?),
        };
        self.compare((&id, true, run_at, &bonds), objection.as_ref(), full)
    }

    async fn inbox(&mut self, dice: &mut Dice) -> Check {
        let (id, run_at, bonds, envelope) = self.new_job(dice);
        let link = &self.scripts.link;
        match link.call("push", redis::cmd("RPUSH").arg(&self.scripts.keys.inbox).arg(&envelope)).await {
            Ok(_) => {}
            Err(QueueError::Full { .. }) if self.model.full => return Ok(()),
            Err(fault) => return Err(shown(&fault)),
        }
        let expected = self.model.objection(id.as_str(), true, &bonds);
        let full = match &bonds.lane {
            Some(lane) => self.lane_depth(&lane.name).await? >= u64::from(LIMITS.max_lane_depth),
            None => false,
        };
        match (expected, self.admitter.round().await) {
            (Ok(replaced), Ok(Round::Admitted { jobs: 1, .. })) => {
                self.model.let_in(id.as_str(), true, run_at, &bonds, replaced.as_deref());
                // Nobody was there to be told that it was rejected: it departs.
                if replaced.is_none() && full {
                    self.rejected(&id);
                }
                Ok(())
            }
            (Err(why), Ok(Round::Admitted { jobs: 0, duplicates: 1, .. })) if why.starts_with("duplicate ") => Ok(()),
            (Err(why), Ok(Round::Admitted { jobs: 1, .. })) if why == "rejected" => {
                self.model.let_in(id.as_str(), false, 0, &Bonds::default(), None);
                self.rejected(&id);
                Ok(())
            }
            (expected, round) => Err(format!("{envelope}: expected {expected:?}, but {round:?}")),
        }
    }

    /// Buried without its ties.
    fn rejected(&mut self, id: &JobId) {
        self.model.condemn(id.as_str(), "dead");
        if let Some(job) = self.model.alive.get_mut(id.as_str()) {
            (job.bonds, job.given) = (Bonds::default(), false);
        }
    }

    async fn claim(&mut self, dice: &mut Dice, everything: bool) -> Result<usize, String> {
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
    fn is_its_turn(&self, id: &str) -> Check {
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

    fn some_token(&self, dice: &mut Dice) -> Option<String> {
        let tokens: Vec<String> = self.model.tokens.keys().cloned().collect();
        dice.pick(&tokens).cloned()
    }

    /// The claims that end when these jobs leave a token.
    fn ends(&self, token: &str, ids: &[String]) -> bool {
        self.model.tokens.get(token).is_some_and(|held| held.ids.iter().all(|id| ids.contains(id)))
    }

    async fn acknowledge(&mut self, dice: &mut Dice) -> Check {
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

    async fn settle(&mut self, token: &str, ids: &[String], outcome: RunOutcome) -> Check {
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

    async fn leave(&self, token: &str, ids: &[String], outcome: RunOutcome, ends: bool) -> Result<Vec<usize>, String> {
        let known: Vec<JobId> = ids.iter().filter_map(|id| JobId::parse(id).ok()).collect();
        let mut stored = Vec::new();
        for id in &known {
            let look = redis::cmd("HGET").arg(&self.scripts.keys.jobs).arg(id.as_str()).clone();
            let found = self.scripts.link.call("look", &look).await;
            stored.push(found.ok().as_ref().and_then(text).unwrap_or_default());
        }
        let items: Vec<_> = known
            .iter()
            .zip(&stored)
            .map(|(id, stored)| {
                let kind = stored.as_bytes().get(14).copied().unwrap_or(b'-');
                let bonds = matches!(kind, b'#' | b'=').then(|| stored[15..].lines().next().unwrap_or_default());
                let given = matches!(kind, b'#' | b'+');
                Leaving { id, token, given, tied: bonds.map(|bonds| (bonds, outcome)), reply: None }
            })
            .collect();
        let ended: Vec<&str> = if ends { vec![token] } else { vec![] };
        let memory = Duration::from_millis(MEMORY.unsigned_abs());
        self.scripts.acknowledge(&items, &ended, memory, memory).await.map_err(|fault| shown(&fault))
    }

    async fn park(&mut self, dice: &mut Dice) -> Check {
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
        let mut items = Vec::new();
        for id in &known {
            let Some(job) = self.model.alive.get(id.as_str()) else { continue };
            let tries =
                format!("{} {} {}", job.runs + u32::from(kind == 0), job.attempts + u32::from(kind == 0), job.crashes);
            let passed_by =
                job.bonds.lane.as_ref().filter(|lane| lane.passes && at.is_some()).map(|lane| lane.name.as_str());
            let suspect = if kind == 0 { Isolation::None } else { isolation };
            let band = self.band(id).await;
            items.push(Parking { id, token: &token, band, suspect, passed_by, at, tries });
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
                }
            }
            self.model.forget_hold(id, &token);
        }
        if ends {
            self.model.tokens.remove(&token);
        }
        Ok(())
    }

    async fn band(&self, id: &JobId) -> Priority {
        let found =
            self.scripts.link.call("look", redis::cmd("HGET").arg(&self.scripts.keys.jobs).arg(id.as_str())).await;
        let stored = found.ok().as_ref().and_then(text).unwrap_or_default();
        stored.as_bytes().get(13).and_then(|digit| Priority::from_digit(*digit)).unwrap_or(Priority::Normal)
    }

    async fn extend(&mut self, dice: &mut Dice) -> Check {
        let Some(token) = self.some_token(dice) else { return Ok(()) };
        let lost = self.scripts.extend(LEASE, &[&token]).await.map_err(|fault| shown(&fault))?;
        let Some(held) = self.model.tokens.get_mut(&token) else { return Ok(()) };
        let there = held
            .ids
            .iter()
            .any(|id| self.model.alive.get(id).is_some_and(|job| job.place == Place::Held(token.clone())));
        if lost.is_empty() {
            held.deadline = self.model.now + i64::try_from(LEASE.as_millis()).unwrap_or(0);
            Ok(())
        } else {
            ensure(!there, || format!("{token} lost its lease, and still holds jobs"))
        }
    }

    /// Nobody extends, acknowledges or parks under some claim any more, until its lease lapses.
    fn crash(&mut self, dice: &mut Dice) {
        if let Some(held) = self.some_token(dice).and_then(|token| self.model.tokens.get_mut(&token)) {
            held.deadline = held.deadline.min(self.model.now + 10_000);
        }
        self.pass(3_900);
    }

    async fn lose_answer(&mut self, dice: &mut Dice) -> Check {
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

    async fn reap(&mut self) -> Check {
        let reaped = self.scripts.reap(LEASE, LIMIT).await.map_err(|fault| shown(&fault))?;
        self.model.sweep();
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

    fn some_ids(&self, dice: &mut Dice) -> Vec<JobId> {
        let ids: Vec<String> = self.model.alive.keys().cloned().chain(["nobody".to_owned()]).collect();
        (0..=dice.roll(2)).filter_map(|_| dice.pick(&ids).and_then(|id| JobId::parse(id).ok())).collect()
    }

    async fn cancel(&mut self, dice: &mut Dice) -> Check {
        let ids = self.some_ids(dice);
        let answer = self.scripts.cancel("by the model", &ids.iter().collect::<Vec<_>>()).await;
        let said = match answer {
            Ok(said) => said,
            Err(QueueError::Full { .. }) if self.model.full => return Ok(()),
            Err(fault) => return Err(shown(&fault)),
        };
        for (id, said) in ids.iter().zip(said) {
            let expected = match self.model.alive.get_mut(id.as_str()) {
                None => "unknown",
                Some(job) => match job.place {
                    Place::Held(_) => {
                        job.verdict = job.verdict.or(Some("cancelled"));
                        "asked"
                    }
                    Place::Departing => "departing",
                    Place::Waiting => {
                        self.model.condemn(id.as_str(), "cancelled");
                        "removed"
                    }
                },
            };
            ensure(said == expected, || format!("the cancelling of {id} says {said}, not {expected}"))?;
        }
        Ok(())
    }

    /// Run now, or in another band.
    async fn shift(&mut self, dice: &mut Dice, to_another_band: bool) -> Check {
        for id in self.some_ids(dice) {
            let band = to_another_band.then(|| Priority::ALL[dice.roll(3)]);
            let said = match self.scripts.move_to(&id, band).await {
                Ok(said) => said,
                Err(QueueError::Full { .. }) if self.model.full => return Ok(()),
                Err(fault) => return Err(shown(&fault)),
            };
            let expected = match self.model.alive.get_mut(id.as_str()) {
                None => "unknown",
                Some(job) => match job.place {
                    Place::Held(_) => "running",
                    Place::Departing => "departing",
                    Place::Waiting if said == "waiting" && job.bonds.lane.is_some() && band.is_none() => "waiting",
                    Place::Waiting if said == "suspect" && job.runs > 0 => "suspect",
                    Place::Waiting => {
                        if band.is_none() {
                            job.due_at = 0;
                        }
                        "moved"
                    }
                },
            };
            ensure(said == expected, || format!("the moving of {id} says {said}, not {expected}"))?;
        }
        Ok(())
    }

    async fn skip(&mut self, dice: &mut Dice) -> Check {
        let lane = LaneName::parse(["a", "a:b", "b"][dice.roll(3)]).expect("a lane");
        let (said, id) = match self.scripts.skip(&lane).await {
            Ok(said) => said,
            Err(QueueError::Full { .. }) if self.model.full => return Ok(()),
            Err(fault) => return Err(shown(&fault)),
        };
        match (said.as_str(), self.model.alive.get_mut(&id)) {
            ("skipped", Some(job)) => {
                job.passed = true;
                ensure(job.place == Place::Waiting, || format!("{id} was skipped in {:?}", job.place))
            }
            ("running", Some(job)) => ensure(matches!(job.place, Place::Held(_)), || format!("{id} does not run")),
            // About to run, or about to leave.
            ("ready", Some(job)) => ensure(!matches!(job.place, Place::Held(_)), || format!("{id} is {:?}", job.place)),
            ("empty", None) => Ok(()),
            (said, job) => Err(format!("the skipping in {lane} says {said} {id}: {job:?}")),
        }
    }

    async fn purge(&mut self, dice: &mut Dice) -> Check {
        let most = 1 + dice.roll(6);
        let count = match self.scripts.purge("by the model", most).await {
            Ok(count) => count,
            Err(QueueError::Full { .. }) if self.model.full => return Ok(()),
            Err(fault) => return Err(shown(&fault)),
        };
        let dump = self.dump().await?;
        let purged: Vec<String> = self
            .model
            .alive
            .iter()
            .filter(|(id, job)| job.place == Place::Waiting && dump.hashes["verdicts"].contains_key(*id))
            .map(|(id, _)| id.clone())
            .collect();
        ensure(purged.len() as u64 == count, || format!("{count} were purged, but {purged:?} depart"))?;
        for id in purged {
            self.model.condemn(&id, "cancelled");
        }
        Ok(())
    }

    async fn pause(&mut self, pause: bool) -> Check {
        let key = &self.scripts.keys.paused;
        let command =
            if pause { redis::cmd("SET").arg(key).arg(1).clone() } else { redis::cmd("DEL").arg(key).clone() };
        match self.scripts.link.call("pause", &command).await {
            Ok(_) => self.model.paused = pause,
            Err(QueueError::Full { .. }) if self.model.full => {}
            Err(fault) => return Err(shown(&fault)),
        }
        Ok(())
    }

    async fn fill(&mut self, full: bool) -> Check {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("maxmemory").arg(if full { 1 } else { 0 });
        self.scripts.link.call("fill", &command).await.map_err(|fault| shown(&fault))?;
        self.model.full = full;
        Ok(())
    }

    async fn batch(&mut self, dice: &mut Dice) -> Check {
        let batch = BatchId::parse(["x", "y:z"][dice.roll(2)]).expect("a batch");
        let batches = Batches::of(self.scripts.clone());
        let known = self.model.batches.contains_key(batch.as_str());
        let result = if known && dice.one_in(2) {
            let left: u64 = self.model.batches[batch.as_str()].left.values().sum();
            let members = self.model.alive.values().filter(|job| job.bonds.batch.as_ref() == Some(&batch)).count();
            let size = left + members as u64;
            let result = batches.seal(&batch, size).await.map_err(crate::batches::BatchError::from);
            if result.is_ok() {
                if let Some(open) = self.model.batches.get_mut(batch.as_str()) {
                    open.size = Some(size);
                }
                self.model.end_batch(batch.as_str());
            }
            result
        } else {
            let follows = dice.one_in(2);
            let result = batches.open(&batch, follows.then_some(br#"{"job":"noop"}"#.as_slice())).await;
            if result.is_ok() && !self.model.ended_batches.contains(batch.as_str()) {
                self.model.batches.entry(batch.to_string()).or_default().follow_up |= follows;
            }
            result
        };
        match result {
            Ok(_) => Ok(()),
            Err(crate::batches::BatchError::Queue(QueueError::Full { .. })) if self.model.full => Ok(()),
            Err(fault) => Err(format!("{fault:?}")),
        }
    }

    async fn revive(&mut self, dice: &mut Dice) -> Check {
        let letters: Vec<(String, u32)> = self.model.dead.iter().map(|(id, runs)| (id.clone(), *runs)).collect();
        let Some((id, runs)) = dice.pick(&letters).cloned() else { return Ok(()) };
        let (known, bonds) =
            (JobId::parse(&id).expect("an id"), Bonds { batch: None, expires_at: None, ..self.new_bonds(dice) });
        let full = match &bonds.lane {
            Some(lane) => self.lane_depth(&lane.name).await? >= u64::from(LIMITS.max_lane_depth),
            None => false,
        };
        let words = bonds.words();
        let item = Putting {
            id: &known,
            given: true,
            band: Priority::Normal,
            run_at: 0,
            bonds: &words,
            envelope: br#"{"job":"noop"}"#,
        };
        let said = match self.scripts.revive(LIMITS, &[runs], &[item]).await {
            Ok(said) => said.into_iter().next().ok_or("no answer")?,
            Err(QueueError::Full { .. }) if self.model.full => return Ok(()),
            Err(fault) => return Err(shown(&fault)),
        };
        self.model.recent.remove(&id);
        let revived = said.is_none();
        self.compare((&known, true, 0, &bonds), said.as_ref(), full)?;
        if revived {
            self.model.dead.remove(&id);
            if let Some(job) = self.model.alive.get_mut(&id) {
                job.runs = runs;
            }
        }
        Ok(())
    }

    async fn dump(&self) -> Result<Dump, String> {
        const HASHES: [&str; 10] =
            ["jobs", "held", "claims", "tries", "verdicts", "heads", "uniques", "batches", "ghosts", "outbound"];
        const LISTS: [&str; 7] = ["ready:high", "ready:normal", "ready:low", "apart", "alone", "departing", "inbox"];
        const SETS: [&str; 6] = ["due", "lanes", "leases", "lapsing", "expiring", "recent"];
        let (keys, mut pipe) = (&self.scripts.keys, redis::pipe());
        for name in HASHES {
            pipe.cmd("HGETALL").arg(keys.named(name));
        }
        for name in LISTS {
            pipe.cmd("LRANGE").arg(keys.named(name)).arg(0).arg(-1);
        }
        for name in SETS {
            pipe.cmd("ZRANGE").arg(keys.named(name)).arg(0).arg(-1).arg("WITHSCORES");
        }
        let answers = self.scripts.link.calls("dump", &pipe).await.map_err(|fault| shown(&fault))?;
        let mut answers = answers.into_iter().map(|answer| match answer {
            Value::Array(values) => values.iter().filter_map(text).collect::<Vec<_>>(),
            _ => Vec::new(),
        });
        let mut dump = Dump::default();
        let pairs =
            |flat: Vec<String>| flat.chunks(2).map(|two| (two[0].clone(), two[1].clone())).collect::<BTreeMap<_, _>>();
        for name in HASHES {
            dump.hashes.insert(name, pairs(answers.next().unwrap_or_default()));
        }
        for name in LISTS {
            dump.lists.insert(name, answers.next().unwrap_or_default());
        }
        for name in SETS {
            let scores = pairs(answers.next().unwrap_or_default());
            dump.sets.insert(name, scores.into_iter().map(|(m, s)| (m, s.parse().unwrap_or(0.0))).collect());
        }
        Ok(dump)
    }

    /// What must be true at any time.
    pub(super) async fn inspect(&mut self) -> Check {
        let dump = self.dump().await?;
        let alive: Vec<&String> = self.model.alive.keys().collect();
        let stored: Vec<&String> = dump.hashes["jobs"].keys().collect();
        ensure(alive == stored, || format!("alive are {alive:?}, but Redis has {stored:?}"))?;
        for (id, job) in &self.model.alive {
            let places = dump.places_of(id);
            let expected = match job.place {
                Place::Departing => places == ["departing"],
                Place::Held(_) => places == ["held"],
                Place::Waiting => places.len() == 1 && places[0] != "departing" && places[0] != "held",
            };
            ensure(expected, || format!("{id} is {:?}, but in {places:?}", job.place))?;
            ensure(job.verdict.is_some() == dump.hashes["verdicts"].contains_key(id), || {
                format!("the verdict of {id}")
            })?;
        }
        for name in ["tries", "verdicts", "held"] {
            let stray: Vec<_> = dump.hashes[name].keys().filter(|id| !self.model.alive.contains_key(*id)).collect();
            ensure(stray.is_empty(), || format!("{name} has {stray:?}, which are not alive"))?;
        }
        let stray: Vec<_> = dump.sets["expiring"].keys().filter(|id| !self.model.alive.contains_key(*id)).collect();
        ensure(stray.is_empty(), || format!("expiring has {stray:?}, which are not alive"))?;
        self.inspect_lanes(&dump)?;
        self.inspect_keys(&dump)?;
        self.inspect_claims(&dump)?;
        self.inspect_batches(&dump)
    }

    fn inspect_lanes(&self, dump: &Dump) -> Check {
        let mut lanes: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
        for (id, job) in &self.model.alive {
            if let (Some(lane), false) = (&job.bonds.lane, job.is_free) {
                lanes.entry(lane.name.as_str()).or_default().push(id);
            }
        }
        for (lane, ids) in &lanes {
            let head = dump.hashes["heads"].get(*lane);
            let turn: Vec<_> = ids
                .iter()
                .filter(|id| {
                    let places = dump.places_of(id);
                    places != ["lanes"] && places != ["passing"]
                })
                .collect();
            ensure(turn.len() <= 1, || format!("in lane {lane} it is the turn of {turn:?}"))?;
            let waiting: Vec<_> = ids.iter().filter(|id| dump.places_of(id) == ["lanes"]).collect();
            ensure(waiting.is_empty() || turn.len() == 1, || {
                format!("lane {lane} is stuck: {waiting:?} wait for nobody")
            })?;
            if let Some(turn) = turn.first() {
                ensure(head == Some(**turn), || format!("the head of {lane} is {head:?}, not {turn}"))?;
            }
        }
        for (lane, head) in &dump.hashes["heads"] {
            let is_there = lanes.get(lane.as_str()).is_some_and(|ids| ids.contains(&head));
            ensure(is_there, || format!("lane {lane} has the head {head}, which is not in it"))?;
        }
        let members: usize = dump.sets["lanes"].len();
        let expected = self.model.alive.keys().filter(|id| dump.places_of(id) == ["lanes"]).count();
        ensure(members == expected, || format!("{members} stand in lanes, not {expected}"))
    }

    fn inspect_keys(&mut self, dump: &Dump) -> Check {
        let now = self.model.now;
        let theirs: BTreeMap<String, String> = dump.hashes["uniques"]
            .iter()
            .filter_map(|(key, value)| {
                let mut words = value.split(' ');
                let (mode, until, id) = (words.next()?, words.next()?.parse::<i64>().ok()?, words.next()?);
                (mode != "t" || until > now).then(|| (key.clone(), id.to_owned()))
            })
            .collect();
        let keys: Vec<String> = self.model.keys.keys().cloned().collect();
        let ours: BTreeMap<String, String> =
            keys.into_iter().filter_map(|key| self.model.owner(&key).map(|id| (key, id))).collect();
        ensure(ours == theirs, || format!("the keys are {ours:?}, but in Redis {theirs:?}"))
    }

    fn inspect_claims(&self, dump: &Dump) -> Check {
        for (id, token) in &dump.hashes["held"] {
            let listed = dump.hashes["claims"].get(token).is_some_and(|claim| claim.split(' ').any(|word| word == id));
            ensure(listed, || format!("{id} is held by {token}, which does not list it"))?;
            ensure(dump.sets["leases"].contains_key(token), || format!("{token} has no lease"))?;
        }
        let (claims, leases): (Vec<_>, Vec<_>) =
            (dump.hashes["claims"].keys().collect(), dump.sets["leases"].keys().collect());
        ensure(claims == leases, || format!("claims {claims:?} but leases {leases:?}"))
    }

    fn inspect_batches(&self, dump: &Dump) -> Check {
        for (batch, known) in &self.model.batches {
            for outcome in RunOutcome::ALL {
                let field = format!("{batch} {outcome}");
                let theirs: u64 = dump.hashes["batches"].get(&field).and_then(|n| n.parse().ok()).unwrap_or(0);
                let ours = known.left.get(outcome.as_str()).copied().unwrap_or(0);
                ensure(ours == theirs, || format!("{field} is {theirs}, not {ours}"))?;
            }
        }
        let stray = dump.hashes["batches"].keys().find(|field| {
            !self.model.batches.contains_key(field.rsplit_once(' ').map_or(field.as_str(), |(batch, _)| batch))
        });
        ensure(stray.is_none(), || format!("batches has {stray:?}, which is not open"))
    }

    /// Let everything come to its end: it must, and nothing may be left.
    pub(super) async fn drain(&mut self) -> Check {
        self.fill(false).await?;
        self.pause(false).await?;
        let mut dice = Dice(self.model.orders);
        for _ in 0..DRAIN_ROUNDS {
            if self.model.alive.is_empty() {
                break;
            }
            for token in self.model.tokens.keys().cloned().collect::<Vec<_>>() {
                let ids = self.model.tokens[&token].ids.clone();
                if ids.is_empty() {
                    self.model.tokens.remove(&token);
                } else if self.model.tokens[&token].deadline < i64::MAX {
                    self.settle(&token, &ids, RunOutcome::Done).await?;
                } else {
                    self.model.tokens.remove(&token);
                }
            }
            self.pass(1_000);
            self.reap().await?;
            self.claim(&mut dice, true).await?;
        }
        // An entry that was taken out of a band is passed over when it comes by, and its ghost with it.
        let terms = ClaimTerms { lease: LEASE, most: 1000, low_share: 3, until: None, isolation: Isolation::None };
        let last = self.scripts.claim("w/last", terms).await.map_err(|fault| shown(&fault))?;
        ensure(last.items.is_empty(), || format!("{:?} came after the end", last.items))?;
        let left: Vec<_> = self.model.alive.iter().map(|(id, job)| (id, &job.place)).collect();
        ensure(left.is_empty(), || format!("never ended: {left:?}"))?;
        self.inspect().await?;
        let dump = self.dump().await?;
        for (name, count) in dump.lists.iter().map(|(name, list)| (name, list.iter().filter(|l| !l.is_empty()).count()))
        {
            ensure(count == 0, || {
                format!("{name} is not empty: {:?}, ghosts {:?}", dump.lists[name], dump.hashes["ghosts"])
            })?;
        }
        for name in ["held", "claims", "tries", "verdicts", "heads", "ghosts", "jobs"] {
            ensure(dump.hashes[name].is_empty(), || format!("{name} is not empty: {:?}", dump.hashes[name]))?;
        }
        for name in ["due", "lanes", "leases", "expiring"] {
            ensure(dump.sets[name].is_empty(), || format!("{name} is not empty: {:?}", dump.sets[name]))?;
        }
        Ok(())
    }
}

impl Dump {
    /// Where a job stands, each place once for each time; ghosts stand nowhere.
    fn places_of(&self, id: &str) -> Vec<&'static str> {
        let mut places = Vec::new();
        for (list, band) in [
            ("ready:high", "0"),
            ("ready:normal", "1"),
            ("ready:low", "2"),
            ("apart", ""),
            ("alone", ""),
            ("departing", ""),
        ] {
            let entries = self.lists[list].iter().filter(|entry| *entry == id).count();
            let ghosts = self.hashes["ghosts"].get(&format!("{band}{id}")).filter(|_| !band.is_empty());
            let ghosts: usize = ghosts.and_then(|count| count.parse().ok()).unwrap_or(0);
            places.extend(std::iter::repeat_n(list, entries.saturating_sub(ghosts)));
        }
        for mark in ["0", "1", "2", "g", "h"] {
            places.extend(self.sets["due"].contains_key(&format!("{mark}{id}")).then_some("due"));
        }
        for mark in ["a", "b", "c"] {
            places.extend(self.sets["due"].contains_key(&format!("{mark}{id}")).then_some("passing"));
        }
        let members = self.sets["lanes"].keys().filter(|member| member.rsplit(' ').next() == Some(id)).count();
        places.extend(std::iter::repeat_n("lanes", members));
        places.extend(self.hashes["held"].contains_key(id).then_some("held"));
        places
    }
}
