//! An event that takes place again and again, as the stand-ins of calendars expand it.

use chrono::{DateTime, Days, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

/// Every so many days at the same time of a zone, so many times, but for those that were moved or taken out.
#[derive(Clone, Debug)]
pub struct Series {
    pub id: String,
    pub title: String,
    /// Of the first one, on the clocks of the zone.
    pub start: NaiveDateTime,
    pub zone: Tz,
    pub minutes: i64,
    pub every_days: u64,
    pub times: u64,
    /// Which of them do not take place; the first is 0.
    pub cancelled: Vec<u64>,
    /// Which of them begin at another time, and when.
    pub moved: Vec<(u64, DateTime<Utc>)>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) number: u64,
    /// When it was to begin.
    pub(crate) original: DateTime<Utc>,
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
    pub(crate) is_moved: bool,
}

impl Series {
    /// At nine in the morning in Berlin, for an hour, every day.
    #[must_use]
    pub fn daily(id: &str, start: NaiveDateTime, times: u64) -> Self {
        Self {
            id: id.to_owned(),
            title: "Every day".to_owned(),
            start,
            zone: Tz::Europe__Berlin,
            minutes: 60,
            every_days: 1,
            times,
            cancelled: Vec::new(),
            moved: Vec::new(),
        }
    }

    /// The same, every week.
    #[must_use]
    pub fn weekly(id: &str, start: NaiveDateTime, times: u64) -> Self {
        Self { title: "Every week".to_owned(), every_days: 7, ..Self::daily(id, start, times) }
    }

    pub(crate) fn instances(&self) -> Vec<Instance> {
        let all = (0..self.times).filter(|number| !self.cancelled.contains(number));
        all.filter_map(|number| {
            let local = self.start.checked_add_days(Days::new(number * self.every_days))?;
            let original = self.zone.from_local_datetime(&local).earliest()?.to_utc();
            let moved = self.moved.iter().find(|(which, _)| *which == number).map(|(_, to)| *to);
            let start = moved.unwrap_or(original);
            let end = start + TimeDelta::minutes(self.minutes);
            Some(Instance { number, original, start, end, is_moved: moved.is_some() })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_keeps_its_hour_when_clocks_change() {
        let mut series = Series::weekly("s", "2027-03-22T09:00:00".parse().unwrap(), 4);
        series.cancelled = vec![2];
        series.moved = vec![(3, "2027-04-13T12:00:00Z".parse().unwrap())];
        let starts: Vec<_> = series.instances().iter().map(|one| one.start.to_rfc3339()).collect();
        assert_eq!(starts, ["2027-03-22T08:00:00+00:00", "2027-03-29T07:00:00+00:00", "2027-04-13T12:00:00+00:00"]);
    }
}
