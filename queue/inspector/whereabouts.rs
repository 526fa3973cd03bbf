//! Where a job is, and which jobs are where.

use std::collections::HashSet;

use redis::Value;
use serde::Serialize;

use super::{Inspector, stamp};
use crate::{
    cards,
    error::QueueError,
    lanes::standing,
    names::{JobId, QueueName},
    scripts::text,
    state::{Priority, State},
};

/// How far back in a band a place is looked for: cheap at any depth.
const PLACES: usize = 10_000;

/// What may stand before an id in the due set: see `lua/parts/lanes.lua`.
const DUE_MARKS: [char; 8] = ['0', '1', '2', 'a', 'b', 'c', 'g', 'h'];

/// A job that Redis knows.
#[derive(Debug, Clone, Serialize)]
pub struct Whereabouts {
    pub id: JobId,
    pub queue: QueueName,
    pub state: State,
    pub job: Option<String>,
    pub priority: Priority,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lane: Option<String>,
    pub enqueued_at: i64,
    /// Its place in its band, from 1, unless it is too far back to be counted cheaply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running_since: Option<i64>,
    pub runs: u32,
    pub attempts: u32,
    pub crashes: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
}

impl Inspector {
    /// The names of up to so many jobs, drawn at random from all that wait or run here.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn sample_names(&self, most: u32) -> Result<Vec<String>, QueueError> {
        let draw = redis::cmd("HRANDFIELD").arg(&self.0.keys.jobs).arg(most).arg("WITHVALUES").clone();
        let Value::Array(pairs) = self.0.link.call("draw jobs", &draw).await? else { return Ok(Vec::new()) };
        // Flat, or in pairs: as the protocol of the connection has it.
        let texts: Vec<String> = pairs
            .iter()
            .flat_map(|one| if let Value::Array(pair) = one { pair.iter().collect() } else { vec![one] })
            .filter_map(text)
            .collect();
        let stored = texts.iter().skip(1).step_by(2);
        Ok(stored.filter_map(|stored| envelope_of(stored).and_then(job_name)).collect())
    }

    /// Where this job is, if Redis knows it.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn find(&self, id: &JobId) -> Result<Option<Whereabouts>, QueueError> {
        let k = &self.0.keys;
        let mut pipe = redis::pipe();
        for key in [&k.jobs, &k.held, &k.tries, &k.verdicts] {
            pipe.cmd("HGET").arg(key).arg(id.as_str());
        }
        for mark in DUE_MARKS {
            pipe.cmd("ZSCORE").arg(&k.due).arg(format!("{mark}{id}"));
        }
        for band in Priority::ALL {
            pipe.cmd("LPOS").arg(k.ready(*band)).arg(id.as_str()).arg("MAXLEN").arg(PLACES);
        }
        for list in [&k.apart, &k.alone] {
            pipe.cmd("LPOS").arg(list).arg(id.as_str());
        }
        let v = self.0.link.calls("find", &pipe).await?;
        let Some(stored) = text(&v[0]) else { return Ok(None) };
        let numbers: Vec<u32> =
            text(&v[2]).unwrap_or_default().split(' ').filter_map(|number| number.parse().ok()).collect();
        let (due, places, suspects) = (&v[4..12], &v[12..15], &v[15..17]);
        let due_at = due.iter().filter_map(text).find_map(|score| score.parse::<f64>().ok());
        let holder = text(&v[1]);
        let priority = stored.as_bytes().get(13).and_then(|d| Priority::from_digit(*d)).unwrap_or(Priority::Normal);
        let lane = lane_of(&stored);
        let state = match (&holder, due_at) {
            (Some(_), _) => State::Running,
            (None, Some(_)) => State::Scheduled,
            (None, None) if text(&v[3]).is_some() => State::Departing,
            (None, None) if suspects.iter().any(|place| matches!(place, Value::Int(_))) => State::Suspect,
            (None, None) if self.waits_in(id, lane).await? => State::Waiting,
            (None, None) => State::Ready,
        };
        let worker = holder.and_then(|token| token.split_once('/').map(|(worker, _)| worker.to_owned()));
        let running_since = match &worker {
            Some(worker) => cards::all(&self.0)
                .await?
                .iter()
                .filter(|card| card.worker == *worker)
                .flat_map(|card| &card.jobs)
                .find(|job| job.id == id.as_str())
                .map(|job| job.since),
            None => None,
        };
        Ok(Some(Whereabouts {
            id: id.clone(),
            queue: self.0.queue.clone(),
            state,
            job: envelope_of(&stored).and_then(job_name),
            lane: lane.map(|(lane, _)| lane.to_owned()),
            priority,
            enqueued_at: stamp(&stored).unwrap_or(0),
            // In another band it may have left a ghost.
            place: match places.get(priority as usize) {
                Some(Value::Int(n)) if state == State::Ready => Some(n.unsigned_abs() + 1),
                _ => None,
            },
            #[expect(
                clippy::cast_possible_truncation,
                reason = "milliseconds up to the year 9999 are exact in a double"
            )]
            due_at: due_at.map(|at| at as i64),
            worker,
            running_since,
            runs: numbers.first().copied().unwrap_or(0),
            attempts: numbers.get(1).copied().unwrap_or(0),
            crashes: numbers.get(2).copied().unwrap_or(0),
            verdict: text(&v[3]),
        }))
    }

    /// Whether the job at this place of a lane still waits for its turn.
    async fn waits_in(&self, id: &JobId, lane: Option<(&str, &str)>) -> Result<bool, QueueError> {
        let Some((lane, place)) = lane else { return Ok(false) };
        let k = &self.0.keys;
        let mut pipe = redis::pipe();
        pipe.cmd("HGET").arg(&k.lanes).arg(format!("{lane} {place}"));
        for band in Priority::ALL {
            let member = format!("{lane} {:016} {} {id}", place.parse::<u64>().unwrap_or(0), band.digit());
            pipe.cmd("ZSCORE").arg(&k.returning).arg(member);
        }
        let found = self.0.link.calls("find", &pipe).await?;
        let stands = text(&found[0]).is_some_and(|value| standing(&value) == Some(id.as_str()));
        Ok(stands || found[1..].iter().any(|score| *score != Value::Nil))
    }

    /// The first jobs in a state, in the order in which they will be taken.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn list(&self, state: State, limit: usize) -> Result<Vec<Whereabouts>, QueueError> {
        let k = &self.0.keys;
        let last = limit.max(1) - 1;
        let mut pipe = redis::pipe();
        match state {
            State::Scheduled => {
                pipe.cmd("ZRANGE").arg(&k.due).arg(0).arg(last);
            }
            State::Ready => {
                for band in Priority::ALL {
                    pipe.cmd("LRANGE").arg(k.ready(*band)).arg(0).arg(last);
                }
            }
            State::Departing => {
                pipe.cmd("LRANGE").arg(&k.departing).arg(0).arg(last);
            }
            State::Running => {
                // Held jobs have no order; so many different ones, or all there are.
                pipe.cmd("HRANDFIELD").arg(&k.held).arg(limit);
            }
            State::Waiting => {
                // Over all lanes there is no order; first come those who are back.
                pipe.cmd("ZRANGE").arg(&k.returning).arg(0).arg(last);
                pipe.cmd("HRANDFIELD").arg(&k.lanes).arg(limit).arg("WITHVALUES");
            }
            State::Suspect => {
                pipe.cmd("LRANGE").arg(&k.alone).arg(0).arg(last).cmd("LRANGE").arg(&k.apart).arg(0).arg(last);
            }
            State::Done | State::Dead | State::Expired | State::Cancelled | State::Replaced => return Ok(Vec::new()),
        }
        let mut ids: Vec<(usize, String)> = Vec::new();
        for (band, answer) in self.0.link.calls("list jobs", &pipe).await?.into_iter().enumerate() {
            let Value::Array(parts) = answer else { continue };
            let id = |member: String| match state {
                // A mark stands before the id.
                State::Scheduled => member.get(1..).map(str::to_owned),
                State::Waiting if band == 0 => member.rsplit(' ').next().map(str::to_owned),
                State::Waiting => standing(&member).map(str::to_owned),
                _ => Some(member),
            };
            // Of fields with their values, every second is a value.
            let skip = usize::from(state == State::Waiting && band == 1);
            let members = parts.iter().skip(skip).step_by(1 + skip).filter_map(text);
            ids.extend(members.filter_map(id).map(|id| (band, id)));
        }
        if state == State::Ready {
            ids = without_ghosts(ids);
        }
        ids.truncate(limit);
        let mut jobs = Vec::with_capacity(ids.len());
        for (band, id) in ids.iter().filter_map(|(band, id)| Some((*band, JobId::parse(id).ok()?))) {
            // One that moved on between the two looks is left out.
            let is_there = |found: &Whereabouts| {
                found.state == state && (state != State::Ready || found.priority as usize == band)
            };
            jobs.extend(self.find(&id).await?.filter(is_there));
        }
        Ok(jobs)
    }
}

/// Of an id that stands in a list more than once, the last is meant: see `lua/parts/taking_out.lua`.
fn without_ghosts(ids: Vec<(usize, String)>) -> Vec<(usize, String)> {
    let mut seen = HashSet::new();
    let mut kept: Vec<_> = ids.into_iter().rev().filter(|entry| seen.insert(entry.clone())).collect();
    kept.reverse();
    kept
}

/// The envelope of a stored job, behind its header and its bonds.
fn envelope_of(stored: &str) -> Option<&str> {
    let rest = stored.get(15..)?;
    if has_bonds(stored) { rest.split_once('\n').map(|(_, envelope)| envelope) } else { Some(rest) }
}

fn has_bonds(stored: &str) -> bool {
    matches!(stored.as_bytes().get(14), Some(b'#' | b'='))
}

/// The lane of a stored job, and its place in it.
pub(crate) fn lane_of(stored: &str) -> Option<(&str, &str)> {
    let bonds = has_bonds(stored).then(|| stored.get(15..)?.lines().next()).flatten()?;
    let word = |letter: char| bonds.split(' ').find_map(|word| word.strip_prefix(letter));
    Some((word('L')?, word('S')?))
}

fn job_name(envelope: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        job: String,
    }
    serde_json::from_str::<Named>(envelope).ok().map(|named| named.job)
}
