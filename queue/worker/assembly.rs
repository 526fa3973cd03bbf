//! The parts of one queue, put together: at the start of a worker, and whenever a queue is added to it.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::Served;
use crate::{
    acknowledger::{Acknowledger, Settlement},
    admitter::Admitter,
    buffer::Buffer,
    claimer::{Claimer, Screen},
    clock::Clock,
    flow::{Flow, Shares},
    isolation::{Isolation, SuspectWatch, Suspects},
    keeper::{Held, Kept},
    leases::Leases,
    link::Link,
    scripts::{MAX_ITEMS, Scripts, held::ClaimTerms},
    stop::{Phase, Stop, Stopping},
    tuning::Tuning,
    vitals::Vitals,
};

/// A part that runs until its queue is over.
pub(super) type Part = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Makes what runs the jobs of a queue.
pub(super) type Runs = Box<dyn Fn(String, Arc<Buffer>, Arc<Flow>, Stopping) -> Part + Send + Sync>;

/// What the parts of every queue are made of.
pub(super) struct Assembly {
    pub(super) id: String,
    pub(super) link: Link,
    /// The keeper's own.
    pub(super) aside: Link,
    pub(super) lease: Duration,
    pub(super) isolation: Isolation,
    pub(super) tuning: Tuning,
    pub(super) shares: Arc<Shares>,
    pub(super) screen: Arc<dyn Screen>,
    pub(super) runs: Runs,
    pub(super) vitals: Vitals,
}

/// A queue as long as this worker has anything to do with it.
pub(super) struct Serving {
    /// Which it is of all that this worker ever served.
    pub(super) generation: u64,
    pub(super) served: Served,
    pub(super) stop: Stop,
    pub(super) told: Stopping,
    pub(super) flow: Arc<Flow>,
    pub(super) buffer: Arc<Buffer>,
    pub(super) suspects: watch::Receiver<Suspects>,
    pub(super) kept: Vec<Arc<Kept>>,
    /// Parts that have not ended.
    pub(super) open: usize,
    /// Served no more; what it still has here comes to its end.
    pub(super) leaving: bool,
}

/// What has to be run for a queue.
pub(super) struct Parts {
    pub(super) pumps: Vec<Part>,
    pub(super) settlers: Vec<Part>,
}

impl Assembly {
    /// All parts of a queue share its slots: one flow, one buffer, one apalis worker. `times` says how often this
    /// worker has served it before.
    pub(super) fn put_together(&self, served: &Served, generation: u64, times: u64, stop: &Stop) -> (Serving, Parts) {
        let (stop, told) = stop.part();
        let flow = Flow::new(&served.name, &self.shares, served.concurrency, served.weight);
        let buffer = Arc::<Buffer>::default();
        let (known, suspects) = SuspectWatch::over(served.shards);
        // A queue that was here before may still hold claims: its successor must not be taken for it.
        let worker = if times == 0 { self.id.clone() } else { format!("{}.{times}", self.id) };
        let name = format!("{worker}/{}", served.name);
        let mut parts = Parts {
            pumps: vec![(self.runs)(name, Arc::clone(&buffer), Arc::clone(&flow), told.clone())],
            settlers: Vec::new(),
        };
        let (mut kept, alone) = (Vec::new(), Arc::default());
        for number in 0..served.shards {
            let part = served.name.shard(number);
            let leases = Arc::<Leases>::default();
            let held = Held {
                flow: Arc::clone(&flow),
                leases: Arc::clone(&leases),
                suspects: Arc::clone(&known),
                stopping: told.clone(),
            };
            let aside = Scripts::new(self.aside.clone(), part.clone(), Clock::Redis);
            kept.push(Kept::new(aside, worker.clone(), held));
            let pulse = self.vitals.part(format!("the acknowledger of queue {part}"));
            let scripts = Scripts::new(self.link.of_part(&pulse), part.clone(), Clock::Redis);
            let (acknowledger, settler) =
                Acknowledger::new(scripts, Arc::clone(&leases), self.tuning.clone(), told.clone(), pulse);
            let pulse = self.vitals.part(format!("the claimer of queue {part}"));
            let scripts = Scripts::new(self.link.of_part(&pulse), part, Clock::Redis);
            let claimer = Claimer {
                admitter: Admitter::new(scripts.clone(), served.shards, self.tuning.get().limits, worker.clone()),
                scripts,
                worker: worker.clone(),
                terms: self.terms(),
                tuning: self.tuning.clone(),
                flow: Arc::clone(&flow),
                leases,
                buffer: Arc::clone(&buffer),
                screen: Arc::clone(&self.screen),
                acknowledger,
                alone: Arc::clone(&alone),
                stopping: told.clone(),
                pulse,
            };
            parts.settlers.push(Box::pin(settler));
            parts.pumps.push(Box::pin(claimer.run()));
        }
        let open = parts.pumps.len() + parts.settlers.len();
        let served = served.clone();
        (Serving { generation, served, stop, told, flow, buffer, suspects, kept, open, leaving: false }, parts)
    }

    fn terms(&self) -> ClaimTerms {
        ClaimTerms {
            lease: self.lease,
            most: MAX_ITEMS,
            low_share: self.tuning.get().low_share,
            until: None,
            isolation: self.isolation,
        }
    }
}

impl Serving {
    /// Claim no more; whoever waits for a slot goes back, and what runs goes on to its end.
    pub(super) fn leave(&mut self) {
        self.leaving = true;
        self.flow.retire();
        self.stop.advance(Phase::Drain);
    }

    /// With so many slots, and such a weight, from now on. Whether that is anything new.
    pub(super) fn resize(&mut self, wanted: &Served) -> bool {
        // The number of parts stands in Redis and in everybody's routing: it is agreed upon at a start.
        let wanted = Served { shards: self.served.shards, ..wanted.clone() };
        if wanted == self.served {
            return false;
        }
        self.flow.resize(wanted.concurrency, wanted.weight);
        if wanted.concurrency < self.served.concurrency {
            self.hand_back();
        }
        self.served = wanted;
        true
    }

    /// What waits for a slot may wait for long now: anybody may have it.
    pub(super) fn hand_back(&self) {
        for job in self.buffer.shed() {
            Settlement::hand_back(job).send();
        }
    }
}
