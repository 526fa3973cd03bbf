//! What Redis holds, and what must be true of it at any time.

use std::collections::BTreeMap;

use redis::Value;

use super::{
    Dice,
    model::Place,
    world::{Check, LEASE, World, ensure, shown},
};
use crate::{
    isolation::Isolation,
    outcome::RunOutcome,
    scripts::{held::ClaimTerms, text},
};

/// More rounds than any backlog of a sequence can need.
const DRAIN_ROUNDS: usize = 300;

impl World {
    pub(super) async fn dump(&self) -> Result<Dump, String> {
        const HASHES: [&str; 12] = [
            "jobs", "held", "claims", "tries", "verdicts", "turns", "ends", "fronts", "lanes", "uniques", "batches",
            "ghosts",
        ];
        const LISTS: [&str; 7] = ["ready:high", "ready:normal", "ready:low", "apart", "alone", "departing", "inbox"];
        const SETS: [&str; 7] = ["due", "returning", "leases", "lapsing", "expiring", "recent", "outbound"];
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
        Self::inspect_claims(&dump)?;
        self.inspect_batches(&dump)
    }

    pub(super) fn inspect_lanes(&self, dump: &Dump) -> Check {
        let mut lanes: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
        for (id, job) in &self.model.alive {
            if let (Some(lane), false) = (&job.bonds.lane, job.is_free) {
                lanes.entry(lane.name.as_str()).or_default().push(id);
            }
        }
        for (lane, ids) in &lanes {
            let head = dump.hashes["turns"].get(*lane);
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
        let (with_turn, with_end): (Vec<_>, Vec<_>) =
            (dump.hashes["turns"].keys().collect(), dump.hashes["ends"].keys().collect());
        ensure(with_turn == with_end, || format!("lanes with a turn {with_turn:?}, but with an end {with_end:?}"))?;
        let stray = dump.hashes["fronts"].keys().find(|lane| !dump.hashes["turns"].contains_key(*lane));
        ensure(stray.is_none(), || format!("{stray:?} has a front and no turn"))?;
        for (lane, head) in &dump.hashes["turns"] {
            let is_there = lanes.get(lane.as_str()).is_some_and(|ids| ids.contains(&head));
            ensure(is_there, || format!("lane {lane} has the head {head}, which is not in it"))?;
        }
        let members: usize = dump.hashes["lanes"].len() + dump.sets["returning"].len();
        let expected = self.model.alive.keys().filter(|id| dump.places_of(id) == ["lanes"]).count();
        ensure(members == expected, || format!("{members} stand in lanes, not {expected}"))
    }

    pub(super) fn inspect_keys(&mut self, dump: &Dump) -> Check {
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

    pub(super) fn inspect_claims(dump: &Dump) -> Check {
        for (id, token) in &dump.hashes["held"] {
            let listed = dump.hashes["claims"].get(token).is_some_and(|claim| claim.split(' ').any(|word| word == id));
            ensure(listed, || format!("{id} is held by {token}, which does not list it"))?;
            ensure(dump.sets["leases"].contains_key(token), || format!("{token} has no lease"))?;
        }
        let (claims, leases): (Vec<_>, Vec<_>) =
            (dump.hashes["claims"].keys().collect(), dump.sets["leases"].keys().collect());
        ensure(claims == leases, || format!("claims {claims:?} but leases {leases:?}"))
    }

    pub(super) fn inspect_batches(&self, dump: &Dump) -> Check {
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
        for name in ["held", "claims", "tries", "verdicts", "turns", "ends", "fronts", "lanes", "ghosts", "jobs"] {
            ensure(dump.hashes[name].is_empty(), || format!("{name} is not empty: {:?}", dump.hashes[name]))?;
        }
        for name in ["due", "returning", "leases", "expiring"] {
            ensure(dump.sets[name].is_empty(), || format!("{name} is not empty: {:?}", dump.sets[name]))?;
        }
        Ok(())
    }
}

/// What Redis holds, as far as it can be wrong.
#[derive(Debug, Default)]
pub(super) struct Dump {
    pub(super) hashes: BTreeMap<&'static str, BTreeMap<String, String>>,
    lists: BTreeMap<&'static str, Vec<String>>,
    sets: BTreeMap<&'static str, BTreeMap<String, f64>>,
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
        let standing = self.hashes["lanes"].values().filter(|value| match value.split_once(' ') {
            Some((_, delayed)) => delayed == id,
            None => value.get(1..) == Some(id),
        });
        let back = self.sets["returning"].keys().filter(|member| member.rsplit(' ').next() == Some(id));
        places.extend(std::iter::repeat_n("lanes", standing.count() + back.count()));
        places.extend(self.hashes["held"].contains_key(id).then_some("held"));
        places
    }
}
