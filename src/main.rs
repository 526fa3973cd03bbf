//! Liaison: a durable job-queue worker daemon for integrations.

mod app;
mod cli;
mod config;
mod doctor;
mod embedded;
mod faults;
mod historian;
mod http;
mod isolation;
mod lifecycle;
mod mailer;
mod metrics;
mod notify;
mod offline;
mod patience;
mod recorder;
mod reload;
mod runner;
mod scheduler;
mod services;
mod telemetry;
mod tokens;
mod traces;
mod vitals;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
