//! The promises, by behaviour.

mod chaos;
mod claiming;
mod command_line;
mod crashing;
mod documents;
mod doors;
mod embedding;
mod lanes;
mod leasing;
mod limiting;
mod operating;
mod outages;
mod recording;
mod regressions;
mod retrying;
mod sharding;
mod stopping;
mod support;
mod tidy;
mod topologies;
mod tying;
mod wire_protocol;
