//! Which instances a rule makes (RFC 5545, 3.3.10), on the clock of the place where the event is.
//!
//! A rule is asked for a stretch of time, and goes there at once: what it costs follows from that stretch and not from how
//! long ago the event began, but for rules that say how often (`COUNT`) and skip days, which must be counted from their
//! beginning. All work is bounded. What zones do to clocks is `zone.rs`; nothing here knows of them.

mod days;
mod rule;
mod zone;

use chrono::{Datelike as _, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike as _};

use days::Filter;
use rule::Frequency;
pub(crate) use rule::Rule;
pub(crate) use zone::{Zone, Zones, zone_told};

/// Days, times and periods that are looked at for one rule: some ten milliseconds.
const MAX_WORK: usize = 1_000_000;

/// Why a rule is not followed to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooMuch {
    /// It makes more than so many instances.
    Instances(usize),
    /// It makes few, of very many.
    Work,
}

impl std::fmt::Display for TooMuch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Instances(most) => write!(f, "it repeats more than {most} times"),
            Self::Work => f.write_str("its rule repeats so often that it cannot be followed"),
        }
    }
}

/// The instances from one time to another, both included, in order. The beginning is one of them whatever the rule says.
/// `UNTIL` is the caller's, who knows the zone that it needs.
pub(crate) fn instances(
    rule: &Rule,
    start: NaiveDateTime,
    from: NaiveDateTime,
    to: NaiveDateTime,
    most: usize,
) -> Result<Vec<NaiveDateTime>, TooMuch> {
    let mut found = Vec::new();
    if from <= start && start <= to {
        found.push(start);
    }
    let walk = Walk::new(rule, start);
    let mut period = walk.period_of(from.max(start));
    // The beginning counts as the first.
    let mut left = rule.count.map(|count| u64::from(count) - 1);
    if let Some(left) = &mut left {
        match walk.before(period) {
            Some(made) if made >= *left => return Ok(found),
            Some(made) => *left -= made,
            None => period = 0,
        }
    }
    let (mut work, mut made) = (0, Vec::new());
    loop {
        let Some(next) = walk.fill(period, to, &mut made, &mut work)? else { return Ok(found) };
        period = next;
        for at in made.drain(..).filter(|at| *at > start) {
            match &mut left {
                Some(0) => return Ok(found),
                Some(left) => *left -= 1,
                None => {}
            }
            if at > to {
                return Ok(found);
            }
            if at >= from {
                found.push(at);
                if found.len() > most {
                    return Err(TooMuch::Instances(most));
                }
            }
        }
    }
}

/// A rule with what it leaves to the beginning filled in.
struct Walk<'a> {
    rule: &'a Rule,
    start: NaiveDateTime,
    filter: Filter,
    /// Seconds into a day, an hour or a minute, whichever the rule counts in at most.
    offsets: Vec<u32>,
}

impl<'a> Walk<'a> {
    fn new(rule: &'a Rule, start: NaiveDateTime) -> Self {
        let or = |given: &[u32], implied: u32| if given.is_empty() { vec![implied] } else { given.to_vec() };
        let (hours, minutes) = match rule.frequency {
            Frequency::Minutely => (vec![0], vec![0]),
            Frequency::Hourly => (vec![0], or(&rule.minutes, start.minute())),
            Frequency::Daily | Frequency::Weekly | Frequency::Monthly | Frequency::Yearly => {
                (or(&rule.hours, start.hour()), or(&rule.minutes, start.minute()))
            }
        };
        let seconds = or(&rule.seconds, start.second());
        let mut offsets = Vec::with_capacity(hours.len() * minutes.len() * seconds.len());
        for hour in &hours {
            for minute in &minutes {
                offsets.extend(seconds.iter().map(|second| hour * 3600 + minute * 60 + second));
            }
        }
        Self { rule, start, filter: Filter::new(rule, start.date()), offsets }
    }

    fn interval(&self) -> i64 {
        i64::from(self.rule.interval)
    }

    /// Which period of the rule a time is in, counted from that of the beginning; or the one before it.
    fn period_of(&self, at: NaiveDateTime) -> i64 {
        let (start, day) = (self.start, at.date());
        let units = match self.rule.frequency {
            Frequency::Yearly => i64::from(day.year() - start.year()),
            Frequency::Monthly => months(day) - months(start.date()),
            Frequency::Weekly => (self.week(day) - self.week(start.date())).num_days() / 7,
            Frequency::Daily => (day - start.date()).num_days(),
            Frequency::Hourly => (at - self.unit_start()).num_hours(),
            Frequency::Minutely => (at - self.unit_start()).num_minutes(),
        };
        units.max(0) / self.interval()
    }

    fn week(&self, day: NaiveDate) -> NaiveDate {
        days::week_of(day, self.rule.week_start)
    }

    /// The hour or minute of the beginning.
    fn unit_start(&self) -> NaiveDateTime {
        let seconds = match self.rule.frequency {
            Frequency::Hourly => self.start.minute() * 60 + self.start.second(),
            _ => self.start.second(),
        };
        self.start - TimeDelta::seconds(seconds.into())
    }

    /// How many instances the periods before this one hold behind the beginning, if that can be told without looking at
    /// more than the first.
    fn before(&self, period: i64) -> Option<u64> {
        if period == 0 {
            return Some(0);
        }
        if self.offsets.len() != 1 || !self.rule.is_even() {
            return None;
        }
        let mut made = Vec::new();
        self.fill(0, NaiveDateTime::MAX, &mut made, &mut 0).ok()?;
        let first = made.iter().filter(|at| **at > self.start).count();
        let (first, each) = (u64::try_from(first).ok()?, u64::try_from(made.len()).ok()?);
        each.checked_mul(u64::try_from(period - 1).ok()?)?.checked_add(first)
    }

    /// The instances of a period, in order, and the next period to look at; nothing if it lies behind `to`.
    fn fill(
        &self,
        period: i64,
        to: NaiveDateTime,
        made: &mut Vec<NaiveDateTime>,
        work: &mut usize,
    ) -> Result<Option<i64>, TooMuch> {
        let Some(units) = period.checked_mul(self.interval()) else { return Ok(None) };
        if matches!(self.rule.frequency, Frequency::Hourly | Frequency::Minutely) {
            return self.fill_within_a_day(period, units, to, made, work);
        }
        let Some((first, days)) = self.days(units) else { return Ok(None) };
        if first.and_time(NaiveTime::MIN) > to {
            return Ok(None);
        }
        *work += days;
        for day in first.iter_days().take(days).filter(|day| self.filter.takes(*day)) {
            *work += self.offsets.len();
            if *work > MAX_WORK {
                return Err(TooMuch::Work);
            }
            let midnight = day.and_time(NaiveTime::MIN);
            made.extend(self.offsets.iter().map(|offset| midnight + TimeDelta::seconds((*offset).into())));
        }
        self.pick(made);
        if *work > MAX_WORK { Err(TooMuch::Work) } else { Ok(Some(period + 1)) }
    }

    /// The first day of a period of days, and how many it has; nothing behind the end of all calendars.
    fn days(&self, units: i64) -> Option<(NaiveDate, usize)> {
        let start = self.start.date();
        match self.rule.frequency {
            Frequency::Yearly => {
                let year = i32::try_from(i64::from(start.year()).checked_add(units)?).ok()?;
                let first = NaiveDate::from_yo_opt(year, 1)?;
                Some((first, if first.leap_year() { 366 } else { 365 }))
            }
            Frequency::Monthly => {
                let month = months(start).checked_add(units)?;
                let year = i32::try_from(month.div_euclid(12)).ok()?;
                let first = NaiveDate::from_ymd_opt(year, u32::try_from(month.rem_euclid(12)).ok()? + 1, 1)?;
                Some((first, days::in_month(first).try_into().ok()?))
            }
            Frequency::Weekly => {
                Some((self.week(start).checked_add_days(Days::new(u64::try_from(units).ok()?.checked_mul(7)?))?, 7))
            }
            _ => Some((start.checked_add_days(Days::new(u64::try_from(units).ok()?))?, 1)),
        }
    }

    /// As `fill`, for hours and minutes. Days and hours that the rule leaves out are passed over as a whole.
    fn fill_within_a_day(
        &self,
        period: i64,
        units: i64,
        to: NaiveDateTime,
        made: &mut Vec<NaiveDateTime>,
        work: &mut usize,
    ) -> Result<Option<i64>, TooMuch> {
        *work += 1;
        if *work > MAX_WORK {
            return Err(TooMuch::Work);
        }
        let unit = if self.rule.frequency == Frequency::Hourly { 3600 } else { 60 };
        let away = units.checked_mul(unit).and_then(TimeDelta::try_seconds);
        let Some(at) = away.and_then(|away| self.unit_start().checked_add_signed(away)) else { return Ok(None) };
        if at > to {
            return Ok(None);
        }
        let beyond = |seconds: u32| {
            let step = self.interval() * unit;
            Ok(Some(period + (i64::from(seconds) + step - 1) / step))
        };
        if !self.filter.takes(at.date()) {
            return beyond(86_400 - at.num_seconds_from_midnight());
        }
        if !self.rule.hours.is_empty() && !self.rule.hours.contains(&at.hour()) {
            return beyond(3600 - at.num_seconds_from_midnight() % 3600);
        }
        let minutes = &self.rule.minutes;
        if self.rule.frequency == Frequency::Hourly || minutes.is_empty() || minutes.contains(&at.minute()) {
            *work += self.offsets.len();
            made.extend(self.offsets.iter().map(|offset| at + TimeDelta::seconds((*offset).into())));
            self.pick(made);
        }
        Ok(Some(period + 1))
    }

    /// Of the instances of a period, those that `BYSETPOS` names.
    fn pick(&self, made: &mut Vec<NaiveDateTime>) {
        if self.rule.positions.is_empty() {
            return;
        }
        let index = |position: &i32| {
            let from_behind = if *position < 0 { made.len() } else { 0 };
            let at = i64::from(*position) - i64::from(*position > 0) + i64::try_from(from_behind).unwrap_or(i64::MAX);
            usize::try_from(at).ok().filter(|at| *at < made.len())
        };
        let mut picked: Vec<usize> = self.rule.positions.iter().filter_map(index).collect();
        picked.sort_unstable();
        picked.dedup();
        *made = picked.into_iter().map(|at| made[at]).collect();
    }
}

fn months(day: NaiveDate) -> i64 {
    i64::from(day.year()) * 12 + i64::from(day.month0())
}
