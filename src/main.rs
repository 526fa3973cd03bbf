//! Liaison: a durable job-queue worker daemon for integrations.

mod app;
mod cli;
mod config;
mod embedded;
mod faults;
mod historian;
mod isolation;
mod lifecycle;
mod patience;
mod recorder;
mod runner;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
