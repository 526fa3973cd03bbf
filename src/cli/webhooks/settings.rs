//! What an endpoint sets for itself, as it is typed.

use std::time::Duration;

use liaison_jobs::{
    events,
    webhooks::{MAX_RETRIES, MAX_TIMEOUT, check_header, check_signature_header},
};
use liaison_store::EndpointChanges;

use crate::{
    app::App,
    cli::{answer::Usage, typed},
};

/// More headers than any endpoint needs, and more bytes.
const MAX_HEADERS: usize = 32;
const MAX_HEADERS_BYTES: usize = 16 * 1024;
/// The limiter's own.
const MAX_LIMIT: i64 = 10_000;

#[derive(clap::Args)]
#[group(skip)]
pub(super) struct EndpointSettings {
    /// What people call it
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// An event it wants, or a pattern such as booking_*; several times for several [a new one: *]
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,
    /// How it is called [a new one: POST]
    #[arg(long, value_parser = ["POST", "PUT", "PATCH"])]
    method: Option<String>,
    /// How it is signed [a new one: both]
    #[arg(long, value_parser = ["both", "standard", "plain"])]
    signature: Option<String>,
    /// In which header the plain signature stands [a new one: X-Webhook-Signature]
    #[arg(long, value_name = "NAME")]
    signature_header: Option<String>,
    /// Whether sha256= stands before the plain signature [a new one: true]
    #[arg(long, value_name = "BOOL")]
    signature_prefix: Option<bool>,
    /// Whether a failed delivery is tried again [a new one: true]
    #[arg(long, value_name = "BOOL")]
    retry_failed: Option<bool>,
    /// How often it is tried again: 0 to 20 [a new one: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..=i64::from(MAX_RETRIES)))]
    max_retries: Option<i32>,
    /// How long a call may take: 1s to 30s [a new one: 15s]
    #[arg(long, value_name = "DURATION", value_parser = typed::duration)]
    timeout: Option<Duration>,
    /// The most calls at once over all daemons; 0 for no limit of its own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..=MAX_LIMIT))]
    max_concurrent: Option<i32>,
    /// The most calls in a second over all daemons; 0 for no limit of its own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..=MAX_LIMIT))]
    max_per_second: Option<i32>,
    /// Whether deliveries of one subject keep their order [a new one: false]
    #[arg(long, value_name = "BOOL")]
    ordered: Option<bool>,
    /// A file with more headers for each call, one "Name: value" a line; empty for none
    #[arg(long, value_name = "FILE")]
    headers_file: Option<std::path::PathBuf>,
}

impl EndpointSettings {
    /// As a change, if nothing is wrong with it.
    pub(super) fn changes(&self) -> Result<EndpointChanges, Usage> {
        for pattern in &self.events {
            events::check_pattern(pattern).map_err(|wrong| Usage(format!("--event {pattern}: {wrong}")))?;
        }
        if let Some(name) = &self.signature_header {
            check_signature_header(name).map_err(|wrong| Usage(format!("--signature-header: {wrong}")))?;
        }
        if let Some(timeout) = self.timeout.filter(|t| *t < Duration::from_secs(1) || *t > MAX_TIMEOUT) {
            let most = MAX_TIMEOUT.as_secs();
            return Err(Usage(format!("--timeout: {timeout:?}; use whole seconds from 1s to {most}s")));
        }
        Ok(EndpointChanges {
            name: self.name.clone(),
            webhook_url: None,
            method: self.method.clone(),
            events: (!self.events.is_empty()).then(|| self.events.clone()),
            signature: self.signature.clone(),
            signature_header: self.signature_header.clone(),
            signature_prefix: self.signature_prefix,
            retry_failed: self.retry_failed,
            max_retries: self.max_retries,
            timeout_seconds: self.timeout.map(|timeout| i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX)),
            max_concurrent: self.max_concurrent,
            max_per_second: self.max_per_second,
            ordered: self.ordered,
        })
    }

    /// The headers of the file, if there is one.
    pub(super) fn headers(&self) -> Result<Option<Vec<(String, String)>>, Usage> {
        let Some(path) = &self.headers_file else { return Ok(None) };
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|fault| Usage(format!("cannot read {shown}: {fault}")))?;
        if text.len() > MAX_HEADERS_BYTES {
            return Err(Usage(format!("{shown} has {} bytes; the most is {MAX_HEADERS_BYTES}", text.len())));
        }
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let headers: Result<Vec<_>, Usage> = lines.map(|(at, line)| header(&shown.to_string(), at + 1, line)).collect();
        let headers = headers?;
        if headers.len() > MAX_HEADERS {
            return Err(Usage(format!("{shown} has {} headers; the most is {MAX_HEADERS}", headers.len())));
        }
        Ok(Some(headers))
    }
}

fn header(file: &str, line: usize, text: &str) -> Result<(String, String), Usage> {
    let Some((name, value)) = text.split_once(':') else {
        return Err(Usage(format!("{file}: line {line} is not \"Name: value\"")));
    };
    let (name, value) = (name.trim(), value.trim());
    check_header(name, value).map_err(|wrong| Usage(format!("{file}: line {line}: {wrong}")))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// An address that may be called, as far as it shows.
pub(super) fn check_url(app: &App, url: &str) -> anyhow::Result<()> {
    let outbound = App::outbound_of(&app.config)?;
    outbound.check(url).map_err(|fault| Usage(format!("--url: {fault}")).into())
}
