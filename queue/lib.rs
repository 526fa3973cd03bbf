//! HOW work waits, is claimed, is retried and is parked: the queue in Redis.
//!
//! Producers need no more than this crate without its `worker` feature. The wire is described in
//! `docs/wire-protocol.md`, which changes before this code does.

mod acknowledger;
mod admitter;
#[cfg(feature = "worker")]
mod backend;
pub mod bench;
mod buffer;
mod claimed;
mod claimer;
pub mod clock;
pub mod envelope;
mod error;
mod flow;
mod inspector;
mod keeper;
mod keys;
mod leases;
mod link;
mod names;
pub mod outcome;
mod producer;
pub mod retry;
mod scripts;
mod server;
pub mod state;
mod stop;
mod wake;
#[cfg(feature = "worker")]
mod worker;

pub use acknowledger::{Memory, Settlement};
#[cfg(feature = "worker")]
pub use backend::Ended;
pub use claimed::{Claimed, Hold, Past, Tries};
pub use claimer::Screen;
pub use error::{QueueError, chain};
pub use flow::{Flow, Shares, Stage};
pub use inspector::{Depths, Inspector, Whereabouts, queues};
pub use keeper::{RunningCard, WorkerCard};
pub use link::{Link, LinkOptions};
pub use names::{JobId, JobName, QueueName};
pub use producer::{Producer, Receipt, Revival};
pub use server::{Durability, Fitness, check, tie_to_store};
pub use stop::{Phase, Stop, Stopping};
#[cfg(feature = "worker")]
pub use worker::{Served, StartError, Worker, WorkerOptions};
