//! `[retention]`: how long what happened is kept, and how it goes.

use std::cmp::Ordering;
use std::path::PathBuf;
use std::time::Duration;

use liaison_store::Class;

use super::key::{Fault, Key, Setting, Value};
use super::reader::{Reader, Section};
use super::units::{parse_duration, show_duration};

const DAY: Duration = Duration::from_hours(24);
pub(crate) const DEFAULT_KEEP: Keep = Keep::For(Duration::from_hours(90 * 24));
pub(crate) const MIN_KEEP: Keep = Keep::For(DAY);
/// Ids of jobs may be remembered for a week, and a run tells that its job is done; a booking's rows, what became of it.
pub(crate) const MIN_KEEP_RUNS: Keep = Keep::For(liaison_jobs::RUNS_KEPT_AT_LEAST);
pub(crate) const MAX_KEEP: Keep = Keep::Ever;
pub(crate) const DEFAULT_BATCH: Duration = Duration::from_millis(50);
pub(crate) const MIN_BATCH: Duration = Duration::from_millis(5);
pub(crate) const MAX_BATCH: Duration = Duration::from_secs(5);

/// How long what happened is kept, and how it goes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Retention {
    /// Each class with its time. Defaults to 90 d.
    pub(crate) keep: Vec<(Class, Keep)>,
    /// Where rows are exported to before they are deleted. Defaults to none.
    pub(crate) export_folder: Option<PathBuf>,
    /// How long one batch of a cleanup may keep others who write waiting. Defaults to 50 ms.
    pub(crate) batch: Duration,
}

impl Retention {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut from = reader.section("retention");
        let keep = |from: &mut Section<'_>, class: Class, meaning: &'static str| {
            let least = if class.tells_late_jobs() { MIN_KEEP_RUNS } else { MIN_KEEP };
            let key = Key::new(class.as_str(), meaning).default(DEFAULT_KEEP).within(least..=MAX_KEEP);
            (class, from.value(key))
        };
        Self {
            keep: vec![
                keep(&mut from, Class::IntegrationLogs, "How long lines of the integration log are kept."),
                keep(&mut from, Class::JobRuns, "How long the runs of a job are kept once it is over."),
                keep(&mut from, Class::WebhookDeliveries, "How long deliveries are kept, with their attempts."),
                keep(&mut from, Class::DeadLetters, "How long jobs that were given up can be revived."),
                keep(&mut from, Class::ScheduleTicks, "How long the ticks of the schedule are kept."),
                keep(&mut from, Class::Notifications, "How long it is known who was told what."),
                keep(&mut from, Class::Meetings, "How long meetings are known once their booking is over."),
                keep(&mut from, Class::ExternalEvents, "How long events of bookings are known once these are over."),
                keep(&mut from, Class::RemovedBookings, "How long it is known that a booking was taken out."),
            ],
            export_folder: from.optional(Key::new(
                "export_folder",
                "Where rows are exported to before they are deleted: gzip, a JSON object a line.",
            )),
            batch: from.value(
                Key::new("batch", "How long one batch of a cleanup may keep others who write waiting.")
                    .default(DEFAULT_BATCH)
                    .within(MIN_BATCH..=MAX_BATCH),
            ),
        }
    }

    /// As the jobs want to know it.
    pub(crate) fn of_jobs(&self) -> liaison_jobs::Retention {
        let keep = self.keep.iter().filter_map(|(class, keep)| match keep {
            Keep::For(time) => Some((*class, *time)),
            Keep::Ever => None,
        });
        let (keep, export_folder) = (keep.collect(), self.export_folder.clone());
        liaison_jobs::Retention { keep, export_folder, batch: self.batch }
    }
}

/// A length of time, or for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    For(Duration),
    Ever,
}

impl PartialOrd for Keep {
    /// For ever is the longest.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::For(one), Self::For(other)) => one.partial_cmp(other),
            (Self::For(_), Self::Ever) => Some(Ordering::Less),
            (Self::Ever, Self::For(_)) => Some(Ordering::Greater),
            (Self::Ever, Self::Ever) => Some(Ordering::Equal),
        }
    }
}

impl Setting for Keep {
    const ALLOWED: &'static str = "a duration such as 90d, or never";

    fn parse(written: &Value) -> Result<Self, Fault> {
        match written.text()? {
            "never" => Ok(Self::Ever),
            text => {
                let time = parse_duration(text).map_err(Fault::new)?;
                let nothing = || Fault::new("is no time at all").remedy("write never to keep everything");
                if time.is_zero() { Err(nothing()) } else { Ok(Self::For(time)) }
            }
        }
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(match self {
            Self::For(time) => show_duration(*time),
            Self::Ever => "never".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_never_and_nothing_is_no_time() {
        let parse = |text: &str| Keep::parse(&Value::Text(text.to_owned()));
        for text in ["90d", "1d", "never"] {
            assert_eq!(parse(text).unwrap().show(), toml::Value::String(text.to_owned()));
        }
        assert!(parse("0d").unwrap_err().remedy.unwrap().contains("never"));
        assert!(parse("always").is_err());
        assert!(MIN_KEEP < MIN_KEEP_RUNS && MIN_KEEP_RUNS < DEFAULT_KEEP && DEFAULT_KEEP < MAX_KEEP);
    }
}
