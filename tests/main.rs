//! The promises, by behaviour.

mod claiming;
mod command_line;
mod corpus;
mod crashing;
mod documents;
mod doors;
mod embedding;
mod lanes;
mod leasing;
mod limiting;
mod operating;
mod outages;
mod packaging;
mod recording;
mod regressions;
mod retrying;
mod scheduling;
mod sharding;
mod stopping;
mod support;
mod tidy;
mod topologies;
mod tying;
mod watching;
mod wire_protocol;
