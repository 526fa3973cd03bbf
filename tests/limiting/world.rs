//! A limiter on a clock that stands still until it is told otherwise.

use std::time::Duration;

use liaison_queue::{
    JobId, Limit, LimitKey, Limiter, Link, LinkOptions, Permit, Said,
    clock::{Clock, Millis},
    outcome::Failure,
};
use tokio::runtime::Runtime;

use crate::support::Redis;

/// A Sunday morning.
const BEGIN: i64 = 1_773_561_600_000;

pub(super) struct World {
    pub(super) redis: Redis,
    runtime: Runtime,
    link: Link,
}

/// One key at one time.
pub(super) struct Gate<'a> {
    world: &'a World,
    pub(super) limiter: Limiter,
    pub(super) clock: Clock,
    key: LimitKey,
    now: i64,
}

pub(super) const LEASE: Duration = Duration::from_secs(5);

impl World {
    pub(super) fn new() -> Self {
        Self::on(Redis::start())
    }

    pub(super) fn on(redis: Redis) -> Self {
        let link = Link::new(&redis.url(), LinkOptions::default()).expect("a link");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { redis, runtime, link }
    }

    pub(super) fn gate(&self, key: &str) -> Gate<'_> {
        self.gate_on(key, Clock::fixed(Millis(BEGIN)))
    }

    /// On the clock of Redis.
    pub(super) fn real_gate(&self, key: &str) -> Gate<'_> {
        self.gate_on(key, Clock::Redis)
    }

    fn gate_on(&self, key: &str, clock: Clock) -> Gate<'_> {
        let limiter = Limiter::new(self.link.clone(), clock.clone(), LEASE);
        Gate { world: self, limiter, clock, key: LimitKey::parse(key).expect("a key"), now: BEGIN }
    }
}

impl Gate<'_> {
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    pub(super) fn advance(&mut self, ms: i64) {
        self.now += ms;
        self.clock.advance(Duration::from_millis(ms.unsigned_abs()));
    }

    pub(super) fn advance_to(&mut self, at: i64) {
        let ms = (at - self.now).max(0);
        self.advance(ms);
    }

    /// A permit, or until when to wait.
    pub(super) fn pass(&self, id: &str, rules: &[Limit]) -> Result<Permit, i64> {
        let id = JobId::parse(id).expect("an id");
        let passed = self.world.runtime.block_on(self.limiter.pass(&self.key, rules, &id, "worker/1"));
        passed.map_err(|failure| match failure {
            Failure::Snooze { until } => until.0,
            other => panic!("neither a pass nor a snooze: {other:?}"),
        })
    }

    pub(super) fn told(&self, said: Said) {
        self.world.runtime.block_on(self.limiter.told(&self.key, said));
    }

    pub(super) fn settle(&self) {
        self.world.runtime.block_on(self.limiter.settle());
    }

    /// The length of a set or a list of this key.
    pub(super) fn size(&self, command: &str, part: &str) -> usize {
        self.world.redis.ask(&[command, &format!("liaison:{{limit:{}}}:{part}", self.key)])
    }
}
