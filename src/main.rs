//! Liaison: a durable job-queue worker daemon for integrations.

mod app;
mod cli;
mod config;
mod doctor;
mod embedded;
mod historian;
mod isolation;
mod lifecycle;
mod offline;
mod patience;
mod recorder;
mod reload;
mod runner;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
