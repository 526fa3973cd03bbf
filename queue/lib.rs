//! HOW work waits, is claimed, is retried and is parked: the queue in Redis.
//!
//! Producers need no more than this crate without its `worker` feature. The wire is described in
//! `docs/wire-protocol.md`, which changes before this code does.

#[cfg(feature = "worker")]
mod acknowledger;
#[cfg(feature = "worker")]
mod admitter;
#[cfg(feature = "worker")]
mod backend;
pub mod batches;
#[cfg(feature = "worker")]
pub mod bench;
pub mod bonds;
#[cfg(feature = "worker")]
mod buffer;
mod cards;
#[cfg(feature = "worker")]
mod claim;
#[cfg(feature = "worker")]
mod claimed;
#[cfg(feature = "worker")]
mod claimer;
pub mod clock;
pub mod envelope;
mod error;
mod examiner;
pub mod faults;
#[cfg(feature = "worker")]
mod flow;
mod inspector;
mod isolation;
#[cfg(feature = "worker")]
mod keeper;
mod keys;
mod lanes;
#[cfg(feature = "worker")]
mod leases;
pub mod limiter;
mod link;
#[cfg(feature = "worker")]
pub mod meters;
#[cfg(all(test, feature = "worker"))]
mod model_tests;
mod names;
mod operator;
pub mod outcome;
mod producer;
pub mod retry;
pub mod schedule;
mod scripts;
mod server;
pub mod shards;
pub mod state;
#[cfg(feature = "worker")]
mod stop;
#[cfg(feature = "worker")]
mod tuning;
mod vitals;
#[cfg(feature = "worker")]
mod wake;
#[cfg(feature = "worker")]
mod worker;

pub use cards::{Reread, RunningCard, WorkerCard};
pub use error::{QueueError, chain};
pub use examiner::{ServerFacts, Stranger, servers, strangers, tied_to};
pub use inspector::{Depths, Inspector, Whereabouts, now, queues};
pub use isolation::{Isolation, Suspects};
pub use lanes::{LaneCard, LaneView};
pub use limiter::{
    DayView, HolderView, Limit, LimitView, Limiter, Permit, Said, Zone, list as limits, reset as reset_limit,
    show as limit,
};
pub use link::{Link, LinkOptions, SentinelUser, TlsFiles};
pub use names::{BatchId, EntryName, JobId, JobName, LaneName, LimitKey, QueueName, UniqueKey};
pub use operator::{Cancelled, Moved, Operator, Skipped};
pub use producer::{Producer, Receipt, Revival};
pub use scripts::door;
pub use server::{Durability, Fitness, check, tie_to_store};
pub use vitals::{Pulse, Sign, Trouble, Vitals};

#[cfg(feature = "worker")]
pub use self::{
    acknowledger::{Memory, Settlement},
    backend::{Ended, said_in_panic},
    claim::Hold,
    claimed::{Claimed, Past, PastEnd, Tries},
    claimer::Screen,
    flow::{Flow, Shares, Stage},
    stop::{Phase, Stop, Stopping},
    tuning::Settings,
    worker::{Changes, Served, ServedQueue, StartError, Worker, WorkerOptions},
};
