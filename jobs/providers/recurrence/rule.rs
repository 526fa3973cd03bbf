//! A rule as it is written: `FREQ=MONTHLY;BYDAY=-1FR;COUNT=12`.

use std::ops::RangeInclusive;

use chrono::Weekday;

use super::super::ical::Stamp;

/// In what a rule counts. Nothing takes place every second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frequency {
    Minutely,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) frequency: Frequency,
    pub(crate) interval: u32,
    pub(crate) count: Option<u32>,
    /// The last time at which there may be an instance.
    pub(crate) until: Option<Stamp>,
    pub(super) months: Vec<u32>,
    pub(super) weeks: Vec<i32>,
    pub(super) year_days: Vec<i32>,
    pub(super) month_days: Vec<i32>,
    pub(super) weekdays: Vec<(i32, Weekday)>,
    pub(super) hours: Vec<u32>,
    pub(super) minutes: Vec<u32>,
    pub(super) seconds: Vec<u32>,
    pub(super) positions: Vec<i32>,
    pub(super) week_start: Weekday,
}

impl Rule {
    /// What is wrong is said without repeating what is written: it goes into logs.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rule = None;
        let mut parts = Vec::new();
        for part in text.trim().split(';').filter(|part| !part.trim().is_empty()) {
            let (name, value) = part.split_once('=').ok_or("its rule has a part without a =")?;
            let (name, value) = (name.trim().to_ascii_uppercase(), value.trim().to_ascii_uppercase());
            if name == "FREQ" {
                rule = Some(Self::every(frequency(&value)?));
            } else {
                parts.push((name, value));
            }
        }
        let mut rule = rule.ok_or("its rule has no FREQ")?;
        for (name, value) in parts {
            rule.add(&name, &value)?;
        }
        for list in [&mut rule.hours, &mut rule.minutes, &mut rule.seconds] {
            list.sort_unstable();
            list.dedup();
        }
        Ok(rule)
    }

    fn every(frequency: Frequency) -> Self {
        Self {
            frequency,
            interval: 1,
            count: None,
            until: None,
            months: Vec::new(),
            weeks: Vec::new(),
            year_days: Vec::new(),
            month_days: Vec::new(),
            weekdays: Vec::new(),
            hours: Vec::new(),
            minutes: Vec::new(),
            seconds: Vec::new(),
            positions: Vec::new(),
            week_start: Weekday::Mon,
        }
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        let wrong = || format!("its rule has a {name} that cannot be");
        match name {
            "INTERVAL" => self.interval = positive(value).ok_or_else(wrong)?,
            "COUNT" => self.count = Some(positive(value).ok_or_else(wrong)?),
            "UNTIL" => self.until = Some(Stamp::parse(value).ok_or_else(wrong)?),
            "BYMONTH" => self.months = numbers(value, 1..=12).ok_or_else(wrong)?,
            "BYWEEKNO" => self.weeks = signed(value, 53).ok_or_else(wrong)?,
            "BYYEARDAY" => self.year_days = signed(value, 366).ok_or_else(wrong)?,
            "BYMONTHDAY" => self.month_days = signed(value, 31).ok_or_else(wrong)?,
            "BYDAY" => self.weekdays = value.split(',').map(weekday).collect::<Option<_>>().ok_or_else(wrong)?,
            "BYHOUR" => self.hours = numbers(value, 0..=23).ok_or_else(wrong)?,
            "BYMINUTE" => self.minutes = numbers(value, 0..=59).ok_or_else(wrong)?,
            // A leap second is the end of the one before it.
            "BYSECOND" => {
                let seconds = numbers(value, 0..=60).ok_or_else(wrong)?;
                self.seconds = seconds.into_iter().map(|second| second.min(59)).collect();
            }
            "BYSETPOS" => self.positions = signed(value, 366).ok_or_else(wrong)?,
            "WKST" => self.week_start = day(value).ok_or_else(wrong)?,
            "RSCALE" if value == "GREGORIAN" => {}
            "SKIP" if value == "OMIT" => {}
            "RSCALE" | "SKIP" | "BYEASTER" => return Err(format!("its rule has a {name}, which is not followed")),
            // Somebody's own: all that may be done with it is to leave it out.
            _ if name.starts_with("X-") => {}
            _ => return Err("its rule has a part that nobody has heard of".to_owned()),
        }
        Ok(())
    }

    /// Whether each period has as many instances as the next, whatever days and times it has.
    pub(super) fn is_even(&self) -> bool {
        let no_lists = self.months.is_empty()
            && self.weeks.is_empty()
            && self.year_days.is_empty()
            && self.month_days.is_empty()
            && self.positions.is_empty();
        no_lists
            && match self.frequency {
                Frequency::Weekly => true,
                Frequency::Daily => self.weekdays.is_empty(),
                Frequency::Hourly => self.weekdays.is_empty() && self.hours.is_empty(),
                Frequency::Minutely => self.weekdays.is_empty() && self.hours.is_empty() && self.minutes.is_empty(),
                Frequency::Monthly | Frequency::Yearly => false,
            }
    }
}

fn frequency(value: &str) -> Result<Frequency, String> {
    Ok(match value {
        "MINUTELY" => Frequency::Minutely,
        "HOURLY" => Frequency::Hourly,
        "DAILY" => Frequency::Daily,
        "WEEKLY" => Frequency::Weekly,
        "MONTHLY" => Frequency::Monthly,
        "YEARLY" => Frequency::Yearly,
        "SECONDLY" => return Err("it repeats every second, which is not followed".to_owned()),
        _ => return Err("its rule has a FREQ that nobody has heard of".to_owned()),
    })
}

fn positive(value: &str) -> Option<u32> {
    value.parse().ok().filter(|number| *number > 0)
}

fn numbers(value: &str, range: RangeInclusive<u32>) -> Option<Vec<u32>> {
    value.split(',').map(|number| number.trim().parse().ok().filter(|number| range.contains(number))).collect()
}

/// From 1, or from behind.
fn signed(value: &str, most: i32) -> Option<Vec<i32>> {
    let fits = |number: &i32| *number != 0 && number.abs() <= most;
    value.split(',').map(|number| number.trim().parse().ok().filter(fits)).collect()
}

fn day(value: &str) -> Option<Weekday> {
    Some(match value {
        "MO" => Weekday::Mon,
        "TU" => Weekday::Tue,
        "WE" => Weekday::Wed,
        "TH" => Weekday::Thu,
        "FR" => Weekday::Fri,
        "SA" => Weekday::Sat,
        "SU" => Weekday::Sun,
        _ => return None,
    })
}

/// `MO`, `2MO`, `-1FR`.
fn weekday(value: &str) -> Option<(i32, Weekday)> {
    let value = value.trim();
    let (ordinal, name) = value.split_at_checked(value.len().checked_sub(2)?)?;
    let ordinal = match ordinal {
        "" => 0,
        ordinal => ordinal.parse().ok().filter(|number: &i32| *number != 0 && number.abs() <= 53)?,
    };
    Some((ordinal, day(name)?))
}
