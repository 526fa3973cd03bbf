//! `[webhooks]`: what holds for every endpoint.

use std::time::Duration;

use liaison_jobs::webhooks::{MAX_TIMEOUT as LONGEST_CALL, WebhookSettings};

use super::key::{Fault, Key, Setting, Value};
use super::mistake::quote;
use super::reader::Reader;
use super::units::{Bytes, parse_duration, show_duration};

pub(crate) const DEFAULT_PER_ENDPOINT: u32 = 8;
pub(crate) const MIN_PER_ENDPOINT: u32 = 1;
pub(crate) const MAX_PER_ENDPOINT: u32 = 10_000;
/// That of the Standard Webhooks specification.
pub(crate) const DEFAULT_SCHEDULE: &str = "5s,5m,30m,2h,5h,10h,14h,20h,1d";
pub(crate) const MAX_WAIT: Duration = Duration::from_hours(24);
pub(crate) const MAX_WAITS: usize = 20;
pub(crate) const DEFAULT_BREAKER_AFTER: u32 = 5;
pub(crate) const MIN_BREAKER_AFTER: u32 = 1;
pub(crate) const MAX_BREAKER_AFTER: u32 = 1_000;
pub(crate) const DEFAULT_BREAKER_WAIT: Duration = Duration::from_secs(30);
pub(crate) const MIN_BREAKER_WAIT: Duration = Duration::from_millis(10);
pub(crate) const MAX_BREAKER_WAIT: Duration = Duration::from_hours(1);
pub(crate) const DEFAULT_WARN_AFTER: Duration = Duration::from_hours(24);
pub(crate) const MIN_WARN_AFTER: Duration = Duration::from_secs(1);
pub(crate) const MAX_WARN_AFTER: Duration = Duration::from_hours(365 * 24);
pub(crate) const DEFAULT_DISABLE_AFTER: Duration = Duration::from_hours(5 * 24);
pub(crate) const MIN_DISABLE_AFTER: Duration = Duration::from_secs(1);
pub(crate) const MAX_DISABLE_AFTER: Duration = Duration::from_hours(365 * 24);
pub(crate) const DEFAULT_MAX_REQUEST: Bytes = Bytes::new(256 << 10);
pub(crate) const MIN_MAX_REQUEST: Bytes = Bytes::new(1 << 10);
pub(crate) const MAX_MAX_REQUEST: Bytes = Bytes::new(16 << 20);
pub(crate) const DEFAULT_MAX_TIMEOUT: Duration = LONGEST_CALL;
pub(crate) const MIN_MAX_TIMEOUT: Duration = Duration::from_secs(1);
pub(crate) const MAX_MAX_TIMEOUT: Duration = LONGEST_CALL;

/// What holds for every endpoint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Webhooks {
    /// Calls of one endpoint at once, by this process. Defaults to 8.
    pub(crate) per_endpoint: u32,
    /// The waits between attempts. Defaults to those of the specification.
    pub(crate) schedule: Waits,
    /// Failures in a row after which deliveries park. Defaults to 5.
    pub(crate) breaker_after: u32,
    /// How long they park first. Defaults to 30 s.
    pub(crate) breaker_wait: Duration,
    /// Defaults to 1 d.
    pub(crate) warn_after: Duration,
    /// Defaults to 5 d.
    pub(crate) disable_after: Duration,
    /// Defaults to 256 KiB.
    pub(crate) max_request: Bytes,
    /// Defaults to 30 s.
    pub(crate) max_timeout: Duration,
}

impl Webhooks {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut from = reader.section("webhooks");
        Self {
            per_endpoint: from.value(
                Key::new("per_endpoint", "Calls of one endpoint at once, by this process.")
                    .default(DEFAULT_PER_ENDPOINT)
                    .within(MIN_PER_ENDPOINT..=MAX_PER_ENDPOINT),
            ),
            schedule: from.value(
                Key::new("schedule", "The waits between the attempts of a delivery; the last one is repeated.")
                    .default(Waits::usual()),
            ),
            breaker_after: from.value(
                Key::new("breaker_after", "Failures in a row after which deliveries to an endpoint park.")
                    .default(DEFAULT_BREAKER_AFTER)
                    .within(MIN_BREAKER_AFTER..=MAX_BREAKER_AFTER),
            ),
            breaker_wait: from.value(
                Key::new("breaker_wait", "How long they park before one tries again; doubled each time, up to 1h.")
                    .default(DEFAULT_BREAKER_WAIT)
                    .within(MIN_BREAKER_WAIT..=MAX_BREAKER_WAIT),
            ),
            warn_after: from.value(
                Key::new("warn_after", "After so long without a success an endpoint's organizer is warned.")
                    .default(DEFAULT_WARN_AFTER)
                    .within(MIN_WARN_AFTER..=MAX_WARN_AFTER),
            ),
            disable_after: from.value(
                Key::new("disable_after", "After so long without a success an endpoint is disabled.")
                    .default(DEFAULT_DISABLE_AFTER)
                    .within(MIN_DISABLE_AFTER..=MAX_DISABLE_AFTER),
            ),
            max_request: from.value(
                Key::new("max_request", "The largest body that is sent.")
                    .default(DEFAULT_MAX_REQUEST)
                    .within(MIN_MAX_REQUEST..=MAX_MAX_REQUEST),
            ),
            max_timeout: from.value(
                Key::new("max_timeout", "The longest that a call may take, whatever its endpoint asks for.")
                    .default(DEFAULT_MAX_TIMEOUT)
                    .within(MIN_MAX_TIMEOUT..=MAX_MAX_TIMEOUT),
            ),
        }
    }

    /// As the jobs want it.
    pub(crate) fn settings(&self) -> WebhookSettings {
        WebhookSettings {
            per_endpoint: self.per_endpoint as usize,
            schedule: self.schedule.0.clone(),
            breaker_after: self.breaker_after,
            breaker_wait: self.breaker_wait,
            warn_after: self.warn_after,
            disable_after: self.disable_after,
            max_request: usize::try_from(self.max_request.get()).unwrap_or(usize::MAX),
            max_timeout: self.max_timeout,
        }
    }
}

/// Several durations, one after the other.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub(crate) struct Waits(Vec<Duration>);

impl Waits {
    fn usual() -> Self {
        Self(DEFAULT_SCHEDULE.split(',').filter_map(|text| parse_duration(text).ok()).collect())
    }
}

impl Setting for Waits {
    const ALLOWED: &'static str = "1 to 20 durations up to 1d, with commas between them";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let text = written.text()?;
        let waits: Result<Vec<_>, String> = text.split(',').map(|text| parse_duration(text.trim())).collect();
        let waits = waits.map_err(Fault::new)?;
        if waits.len() > MAX_WAITS || waits.iter().any(|wait| *wait > MAX_WAIT) {
            return Err(Fault::new(format!(
                "{} has more than {MAX_WAITS} waits, or one of more than a day",
                quote(text)
            )));
        }
        Ok(Self(waits))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.0.iter().map(|wait| show_duration(*wait)).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_durations_with_commas() {
        let parse = |text: &str| Waits::parse(&Value::Text(text.to_owned()));
        assert_eq!(parse("5s, 5m").unwrap().show(), toml::Value::String("5s,5m".to_owned()));
        for bad in ["", "5", "5s,,5m", "2d", &vec!["1s"; 21].join(",")] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
