//! Steps of operators: taking back, hurrying, emptying, bringing together, bringing back.

use super::{
    Dice,
    model::Place,
    world::{Check, LIMITS, World, ensure, shown},
};
use crate::{
    batches::{BatchError, Batches},
    bonds::Bonds,
    error::QueueError,
    names::{BatchId, JobId, LaneName},
    scripts::waiting::Putting,
    state::Priority,
};

impl World {
    pub(super) fn some_ids(&self, dice: &mut Dice) -> Vec<JobId> {
        let ids: Vec<String> = self.model.alive.keys().cloned().chain(["nobody".to_owned()]).collect();
        (0..=dice.roll(2)).filter_map(|_| dice.pick(&ids).and_then(|id| JobId::parse(id).ok())).collect()
    }

    pub(super) async fn cancel(&mut self, dice: &mut Dice) -> Check {
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
    pub(super) async fn shift(&mut self, dice: &mut Dice, to_another_band: bool) -> Check {
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

    pub(super) async fn skip(&mut self, dice: &mut Dice) -> Check {
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

    pub(super) async fn purge(&mut self, dice: &mut Dice) -> Check {
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

    pub(super) async fn pause(&mut self, pause: bool) -> Check {
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

    pub(super) async fn fill(&mut self, full: bool) -> Check {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("maxmemory").arg(u8::from(full));
        self.scripts.link.call("fill", &command).await.map_err(|fault| shown(&fault))?;
        self.model.full = full;
        Ok(())
    }

    pub(super) async fn batch(&mut self, dice: &mut Dice) -> Check {
        let batch = BatchId::parse(["x", "y:z"][dice.roll(2)]).expect("a batch");
        let batches = Batches::of(self.scripts.clone());
        let known = self.model.batches.contains_key(batch.as_str());
        let result = if known && dice.one_in(2) {
            let left: u64 = self.model.batches[batch.as_str()].left.values().sum();
            let members = self.model.alive.values().filter(|job| job.bonds.batch.as_ref() == Some(&batch)).count();
            let size = left + members as u64;
            let result = batches.seal(&batch, size).await;
            if result.is_ok() {
                if let Some(open) = self.model.batches.get_mut(batch.as_str()) {
                    open.size = Some(size);
                }
                self.model.end_batch(batch.as_str());
            }
            result
        } else {
            let follows = dice.one_in(2);
            let then = serde_json::json!({"job": "noop", "id": format!("{batch}/end")}).to_string();
            let result = batches.open(&batch, follows.then_some(then.as_bytes())).await;
            if result.is_ok() && !self.model.ended_batches.contains(batch.as_str()) {
                self.model.batches.entry(batch.to_string()).or_default().follow_up |= follows;
            }
            result
        };
        match result {
            Ok(_) => Ok(()),
            Err(BatchError::Queue(QueueError::Full { .. })) if self.model.full => Ok(()),
            Err(fault) => Err(format!("{fault:?}")),
        }
    }

    pub(super) async fn revive(&mut self, dice: &mut Dice) -> Check {
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
}
