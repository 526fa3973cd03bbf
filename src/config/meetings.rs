//! `[meetings]`: when a provider of video conferences is given up for the next one, and how many meetings a day it makes.

use std::time::Duration;

use liaison_jobs::MeetingRules;

use super::key::Key;
use super::reader::Reader;

pub(crate) const DEFAULT_GIVE_UP_AFTER: Duration = Duration::from_mins(10);
pub(crate) const MIN_GIVE_UP_AFTER: Duration = Duration::ZERO;
pub(crate) const MAX_GIVE_UP_AFTER: Duration = Duration::from_hours(24);
/// Zoom's own: creations and changes of a user on a day of UTC.
pub(crate) const DEFAULT_ZOOM_PER_DAY: u32 = 100;
pub(crate) const DEFAULT_MEET_PER_DAY: u32 = 1000;
pub(crate) const DEFAULT_TEAMS_PER_DAY: u32 = 500;
/// Webex's own: in 24 hours.
pub(crate) const DEFAULT_WEBEX_PER_DAY: u32 = 100;
pub(crate) const MIN_PER_DAY: u32 = 1;
pub(crate) const MAX_PER_DAY: u32 = 10_000;

/// What holds for all meetings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Meetings {
    /// A provider that cannot be had for so long is given up for the next one. Defaults to 10 min.
    pub(crate) give_up_after: Duration,
    /// Creations and changes a day, for each account. Default to 100, 1000, 500 and 100.
    pub(crate) zoom_per_day: u32,
    pub(crate) meet_per_day: u32,
    pub(crate) teams_per_day: u32,
    pub(crate) webex_per_day: u32,
}

impl Meetings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut from = reader.section("meetings");
        let give_up_after = from.value(
            Key::new("give_up_after", "A provider that cannot be had for so long is given up for the next one.")
                .default(DEFAULT_GIVE_UP_AFTER)
                .within(MIN_GIVE_UP_AFTER..=MAX_GIVE_UP_AFTER),
        );
        let mut per_day = |name: &'static str, meaning: &'static str, default: u32| {
            from.value(Key::new(name, meaning).default(default).within(MIN_PER_DAY..=MAX_PER_DAY))
        };
        Self {
            give_up_after,
            zoom_per_day: per_day(
                "zoom_per_day",
                "Meetings that are made or changed with one account of Zoom on a day of UTC.",
                DEFAULT_ZOOM_PER_DAY,
            ),
            meet_per_day: per_day("meet_per_day", "The same, with one account of Google Meet.", DEFAULT_MEET_PER_DAY),
            teams_per_day: per_day(
                "teams_per_day",
                "The same, with one account of Microsoft Teams.",
                DEFAULT_TEAMS_PER_DAY,
            ),
            webex_per_day: per_day(
                "webex_per_day",
                "The same, with one account of Webex in 24 hours.",
                DEFAULT_WEBEX_PER_DAY,
            ),
        }
    }

    /// As the jobs want it.
    pub(crate) fn of_jobs(&self) -> MeetingRules {
        let per_day = [
            ("zoom", self.zoom_per_day),
            ("google", self.meet_per_day),
            ("microsoft", self.teams_per_day),
            ("webex", self.webex_per_day),
        ];
        let per_day = per_day.into_iter().map(|(name, passes)| (name.to_owned(), passes)).collect();
        MeetingRules { give_up_after: self.give_up_after, per_day }
    }
}
