//! Which days a rule takes.

use chrono::{Datelike as _, Days, NaiveDate, Weekday};

use super::{Frequency, Rule};

/// What a rule asks of a day, with what it leaves to the beginning filled in. An empty list asks nothing.
pub(super) struct Filter {
    months: Vec<u32>,
    month_days: Vec<i32>,
    year_days: Vec<i32>,
    weeks: Vec<i32>,
    week_start: Weekday,
    /// A weekday, and which of its kind: 0 is each.
    weekdays: Vec<(i32, Weekday)>,
    /// The which of its kind is of the month, and not of the year.
    of_month: bool,
}

impl Filter {
    pub(super) fn new(rule: &Rule, start: NaiveDate) -> Self {
        let mut filter = Self {
            months: rule.months.clone(),
            month_days: rule.month_days.clone(),
            year_days: rule.year_days.clone(),
            weeks: rule.weeks.clone(),
            week_start: rule.week_start,
            weekdays: rule.weekdays.clone(),
            of_month: rule.frequency == Frequency::Monthly || !rule.months.is_empty(),
        };
        let ordinals_count = match rule.frequency {
            Frequency::Monthly => true,
            Frequency::Yearly => rule.weeks.is_empty(),
            Frequency::Weekly | Frequency::Daily | Frequency::Hourly | Frequency::Minutely => false,
        };
        if !ordinals_count {
            filter.weekdays.iter_mut().for_each(|(ordinal, _)| *ordinal = 0);
        }
        let says_no_day = filter.month_days.is_empty() && filter.year_days.is_empty() && filter.weekdays.is_empty();
        match rule.frequency {
            Frequency::Yearly if says_no_day && !filter.weeks.is_empty() => {
                filter.weekdays = vec![(0, start.weekday())];
            }
            Frequency::Yearly if says_no_day => {
                filter.month_days = vec![day_of(start)];
                if filter.months.is_empty() {
                    filter.months = vec![start.month()];
                }
            }
            Frequency::Monthly if says_no_day => filter.month_days = vec![day_of(start)],
            Frequency::Weekly if says_no_day => filter.weekdays = vec![(0, start.weekday())],
            Frequency::Yearly
            | Frequency::Monthly
            | Frequency::Weekly
            | Frequency::Daily
            | Frequency::Hourly
            | Frequency::Minutely => {}
        }
        filter
    }

    pub(super) fn takes(&self, day: NaiveDate) -> bool {
        (self.months.is_empty() || self.months.contains(&day.month()))
            && (self.weekdays.is_empty() || self.takes_weekday(day))
            && (self.month_days.is_empty() || {
                let at = day_of(day);
                has(&self.month_days, at, at - in_month(day) - 1)
            })
            && (self.year_days.is_empty() || {
                let at = ordinal(day);
                has(&self.year_days, at, at - in_year(day) - 1)
            })
            && (self.weeks.is_empty() || {
                let (week, weeks) = week_number(day, self.week_start);
                has(&self.weeks, week, week - weeks - 1)
            })
    }

    fn takes_weekday(&self, day: NaiveDate) -> bool {
        let (at, last) = if self.of_month { (day_of(day), in_month(day)) } else { (ordinal(day), in_year(day)) };
        let (which, from_behind) = ((at - 1) / 7 + 1, -((last - at) / 7 + 1));
        let fits = |ordinal: i32| ordinal == 0 || ordinal == which || ordinal == from_behind;
        self.weekdays.iter().any(|(ordinal, weekday)| *weekday == day.weekday() && fits(*ordinal))
    }
}

fn has(list: &[i32], at: i32, from_behind: i32) -> bool {
    list.contains(&at) || list.contains(&from_behind)
}

fn day_of(day: NaiveDate) -> i32 {
    day.day().cast_signed()
}

fn ordinal(day: NaiveDate) -> i32 {
    day.ordinal().cast_signed()
}

fn in_year(day: NaiveDate) -> i32 {
    if day.leap_year() { 366 } else { 365 }
}

pub(super) fn in_month(day: NaiveDate) -> i32 {
    match day.month() {
        2 if day.leap_year() => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The first day of the week that a day is in.
pub(super) fn week_of(day: NaiveDate, week_start: Weekday) -> NaiveDate {
    let into = day.weekday().days_since(week_start);
    day.checked_sub_days(Days::new(into.into())).unwrap_or(day)
}

/// The number of a day's week, and how many weeks its year has. A week is of the year that most of its days are in.
fn week_number(day: NaiveDate, week_start: Weekday) -> (i32, i32) {
    let number = |day: NaiveDate| {
        let middle = week_of(day, week_start).checked_add_days(Days::new(3)).unwrap_or(day);
        (middle.year(), middle.ordinal0().cast_signed() / 7 + 1)
    };
    let (year, week) = number(day);
    // The 28th of December is in the last one, whatever weeks begin with.
    let weeks = NaiveDate::from_ymd_opt(year, 12, 28).map_or(52, |day| number(day).1);
    (week, weeks)
}
