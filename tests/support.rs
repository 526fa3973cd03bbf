//! Real servers, private to the test that started them, gone with it, also when it panics.

pub(crate) mod calendar_server;
pub(crate) mod daemon;
pub(crate) mod disk;
pub(crate) mod http;
pub(crate) mod machine;
#[path = "../store/test_postgres.rs"]
pub(crate) mod postgres;
pub(crate) mod proxy;
#[path = "../jobs/providers/caldav/test_radicale.rs"]
pub(crate) mod radicale;
pub(crate) mod records;
pub(crate) mod redis;
pub(crate) mod servers;
pub(crate) mod systemd;

use std::{
    thread,
    time::{Duration, Instant},
};

pub(crate) use daemon::{Daemon, House};
pub(crate) use machine::Machine;
pub(crate) use records::on_both;
pub(crate) use redis::Redis;
pub(crate) use servers::{Cluster, Sentinels, Server};

/// Far longer than anything takes on a busy machine; a test that needs it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Wait until something that sends no event has happened: a row in a database, a key in Redis.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for: {what}");
        thread::park_timeout(Duration::from_millis(10));
    }
}
