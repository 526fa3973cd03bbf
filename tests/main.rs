//! The promises, by behaviour.

mod claiming;
mod crashing;
mod doors;
mod leasing;
mod outages;
mod recording;
mod retrying;
mod stopping;
mod support;
mod tidy;
