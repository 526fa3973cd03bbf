//! The scripts on a real server beside the model: each step is taken in both, and what they say is compared.

use std::time::Duration;

use super::{Dice, Step, model::Model, server::Server};
use crate::{
    admitter::{Admitter, Round},
    bonds::{Bonds, Conflict, Lane, Scope, Unique},
    clock::{Clock, Millis},
    envelope::Limits,
    error::QueueError,
    names::{BatchId, JobId, LaneName, QueueName, UniqueKey},
    outcome::RunOutcome,
    scripts::{
        Scripts, text,
        waiting::{Objection, Putting},
    },
    state::Priority,
};

pub(super) const LEASE: Duration = Duration::from_secs(10);
pub(super) const MEMORY: i64 = 5_000;
pub(super) const LIMIT: u32 = 2;
pub(super) const LIMITS: Limits = Limits { max_args: 1024, max_lane_depth: 3 };
pub(super) const OUTCOMES: [RunOutcome; 4] =
    [RunOutcome::Done, RunOutcome::Dead, RunOutcome::Expired, RunOutcome::Cancelled];

pub(super) struct World {
    pub(super) scripts: Scripts,
    admitter: Admitter,
    pub(super) clock: Clock,
    pub(super) model: Model,
    pub(super) claims: u64,
    fresh: u64,
}

pub(super) type Check = Result<(), String>;

pub(super) fn ensure(holds: bool, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(what()) }
}

pub(super) fn shown(fault: &QueueError) -> String {
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
        let admitter = Admitter::new(scripts.clone(), 1, LIMITS, "model".to_owned());
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
            Step::Crash => self.crash(&mut dice).await,
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

    pub(super) fn pass(&mut self, long: u64) {
        self.clock.advance(Duration::from_millis(long));
        self.model.now += i64::try_from(long).unwrap_or(0);
    }

    pub(super) fn new_id(&mut self, dice: &mut Dice) -> (JobId, bool) {
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

    pub(super) fn new_bonds(&self, dice: &mut Dice) -> Bonds {
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

    pub(super) fn new_run_at(&self, dice: &mut Dice) -> i64 {
        if dice.one_in(3) { self.model.now + [50, 1500, 4000][dice.roll(3)] } else { 0 }
    }

    /// As the scripts count it: places that were given up in between included.
    pub(super) async fn lane_depth(&self, lane: &LaneName) -> Result<u64, String> {
        let (keys, link) = (&self.scripts.keys, &self.scripts.link);
        let ask = async |key: &str, field: &str| {
            let found = link.call("look", redis::cmd("HGET").arg(key).arg(field)).await;
            found.map(|value| text(&value)).map_err(|fault| shown(&fault))
        };
        let Some(last) = ask(&keys.ends, lane.as_str()).await? else { return Ok(0) };
        let head = ask(&keys.turns, lane.as_str()).await?.unwrap_or_default();
        let front = match ask(&keys.fronts, lane.as_str()).await? {
            Some(front) => Some(front),
            None => ask(&keys.jobs, &head).await?.and_then(|stored| {
                stored.get(15..)?.lines().next()?.split(' ').find_map(|word| word.strip_prefix('S')).map(str::to_owned)
            }),
        };
        let number = |text: &str| text.parse::<u64>().unwrap_or(0);
        Ok(number(&last).saturating_sub(number(&front.unwrap_or_default())))
    }

    /// Compare what was said to one job with what the model says, and let it in there too.
    pub(super) fn compare(
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

    pub(super) async fn put(&mut self, dice: &mut Dice) -> Check {
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
    pub(super) fn envelope(id: &JobId, run_at: i64, bonds: &Bonds, band: Priority) -> String {
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
    pub(super) fn new_job(&mut self, dice: &mut Dice) -> (JobId, i64, Bonds, String) {
        let (id, _) = self.new_id(dice);
        let (mut bonds, run_at) = (self.new_bonds(dice), self.new_run_at(dice));
        if let Some(at) = &mut bonds.expires_at {
            at.0 = at.0.max(run_at + 1);
        }
        let envelope = Self::envelope(&id, run_at, &bonds, Priority::ALL[dice.roll(3)]);
        (id, run_at, bonds, envelope)
    }

    pub(super) async fn door(&mut self, dice: &mut Dice) -> Check {
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

    pub(super) async fn inbox(&mut self, dice: &mut Dice) -> Check {
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
    pub(super) fn rejected(&mut self, id: &JobId) {
        self.model.condemn(id.as_str(), "dead");
        if let Some(job) = self.model.alive.get_mut(id.as_str()) {
            (job.bonds, job.given) = (Bonds::default(), false);
        }
    }
}
