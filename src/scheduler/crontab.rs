//! When, as crontab says it: five fields, or six with the seconds first, or a word such as `@daily`.
//!
//! Which readings of a clock match is the `cron` crate's to find. It wants seconds, counts weekdays from Sunday = 1 and
//! knows no "or" between the two kinds of days, so what is written here is read as crontab first: every mistake is told
//! with its field, and the crate is given plain lists of numbers.

use std::{collections::BTreeSet, fmt::Write as _, str::FromStr as _};

use chrono::NaiveDateTime;
use cron::Schedule;

/// The longest line that is read, in bytes.
const MAX_TEXT: usize = 512;

/// One field of a line.
struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    words: &'static [&'static str],
}

const SECOND: Field = Field { name: "second", first: 0, last: 59, words: &[] };
const MINUTE: Field = Field { name: "minute", first: 0, last: 59, words: &[] };
const HOUR: Field = Field { name: "hour", first: 0, last: 23, words: &[] };
const DAY: Field = Field { name: "day", first: 1, last: 31, words: &[] };
const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const MONTH: Field = Field { name: "month", first: 1, last: 12, words: MONTHS };
/// Sunday is 0, and 7 too.
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const WEEKDAY: Field = Field { name: "weekday", first: 0, last: 7, words: WEEKDAYS };

const NICKNAMES: &[(&str, &str)] = &[
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The numbers that each field allows, in the order in which people read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(super) seconds: BTreeSet<u32>,
    pub(super) minutes: BTreeSet<u32>,
    pub(super) hours: BTreeSet<u32>,
    pub(super) days: BTreeSet<u32>,
    pub(super) months: BTreeSet<u32>,
    /// From Sunday = 0 to Saturday = 6.
    pub(super) weekdays: BTreeSet<u32>,
    /// Day and weekday are both narrowed: then a day that is either of them counts, as crontab has it.
    pub(super) either_day: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Crontab {
    pub(crate) text: String,
    pub(super) fields: Fields,
    /// Two of them where either kind of day counts.
    schedules: Vec<Schedule>,
}

impl Crontab {
    /// # Errors
    /// What is wrong, with the field and what it allows.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_TEXT {
            return Err(format!("{} bytes are more than the {MAX_TEXT} that are read", text.len()));
        }
        let fields = Fields::parse(text)?;
        let schedules: Result<Vec<_>, _> = fields.lines().iter().map(|line| Schedule::from_str(line)).collect();
        let schedules = schedules.map_err(|fault| format!("it cannot be understood: {fault}"))?;
        let crontab = Self { text: text.to_owned(), fields, schedules };
        if crontab.next_reading(NaiveDateTime::default()).is_none() {
            return Err("it can never fire: no month that it names has such a day".to_owned());
        }
        Ok(crontab)
    }

    /// The first matching reading of a clock after this one.
    pub(super) fn next_reading(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        // A clock without a time zone is one that shows UTC.
        let after = after.and_utc();
        self.schedules.iter().filter_map(|one| one.after(&after).next()).min().map(|next| next.naive_utc())
    }

    /// It counts elapsed time, and not appointments: every hour is one of its hours.
    pub(super) fn every_hour(&self) -> bool {
        self.fields.hours.len() == 24
    }
}

impl Fields {
    fn parse(text: &str) -> Result<Self, String> {
        if text.trim_start().starts_with('@') {
            return Self::parse(nickname(text.trim())?);
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let (second, rest) = match words.len() {
            5 => ("0", words.as_slice()),
            6 => (words[0], &words[1..]),
            n => {
                let fields = if n == 1 { "1 field".to_owned() } else { format!("{n} fields") };
                return Err(format!(
                    "it has {fields}; write 5, minute hour day month weekday, or 6 with the second before them"
                ));
            }
        };
        let [minute, hour, day, month, weekday] = rest else { unreachable!("counted above") };
        let narrowed = |field: &str| !field.starts_with('*');
        Ok(Self {
            seconds: SECOND.parse(second)?,
            minutes: MINUTE.parse(minute)?,
            hours: HOUR.parse(hour)?,
            days: DAY.parse(day)?,
            months: MONTH.parse(month)?,
            weekdays: WEEKDAY.parse(weekday)?.into_iter().map(|day| day % 7).collect(),
            either_day: narrowed(day) && narrowed(weekday),
        })
    }

    /// As the `cron` crate reads them.
    fn lines(&self) -> Vec<String> {
        let weekdays: BTreeSet<u32> = self.weekdays.iter().map(|day| day + 1).collect();
        let (all_days, all_weekdays) = ((1..=31).collect(), (1..=7).collect());
        let line = |days: &BTreeSet<u32>, weekdays: &BTreeSet<u32>| {
            [&self.seconds, &self.minutes, &self.hours, days, &self.months, weekdays].map(list).join(" ")
        };
        if self.either_day {
            vec![line(&self.days, &all_weekdays), line(&all_days, &weekdays)]
        } else {
            vec![line(&self.days, &weekdays)]
        }
    }
}

fn list(numbers: &BTreeSet<u32>) -> String {
    let mut text = String::new();
    for number in numbers {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{number}");
    }
    text
}

fn nickname(text: &str) -> Result<&'static str, String> {
    let known = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map(|(_, line)| *line).ok_or_else(|| {
        let names = NICKNAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        format!("{text} is not one of {names}")
    })
}

impl Field {
    fn parse(&self, text: &str) -> Result<BTreeSet<u32>, String> {
        let mut numbers = BTreeSet::new();
        for part in text.split(',') {
            numbers.extend(self.part(part)?);
        }
        Ok(numbers)
    }

    /// `*`, `5`, `mon`, `1-5`, and each of them with `/2`.
    fn part(&self, part: &str) -> Result<Vec<u32>, String> {
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => (range, Some(self.step(part, step)?)),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.first, self.last),
            Some((from, to)) => (self.number(from, part)?, self.number(to, part)?),
            // As in `10/20`: from there on.
            None if step.is_some() => (self.number(range, part)?, self.last),
            None => {
                let number = self.number(range, part)?;
                (number, number)
            }
        };
        // Saturday to Sunday goes on, although Sunday is the first of the week.
        let to = if to == 0 && from > 0 && self.last == 7 { 7 } else { to };
        if from > to {
            let Self { name, .. } = self;
            return Err(format!("{name} {part} goes backwards; write the parts one by one, with commas"));
        }
        Ok((from..=to).step_by(step.unwrap_or(1)).collect())
    }

    fn step(&self, part: &str, step: &str) -> Result<usize, String> {
        let span = usize::try_from(self.last - self.first).unwrap_or_default();
        match step.parse::<usize>() {
            Ok(0) => Err(format!("{} {part} has no step; write at least /1", self.name)),
            Ok(step) if step <= span => Ok(step),
            Ok(_) => Err(format!("{} {part} has a step that is not in 1–{span}", self.name)),
            Err(_) => Err(format!("{} {part} has a step that is no number", self.name)),
        }
    }

    fn number(&self, word: &str, part: &str) -> Result<u32, String> {
        let Self { name, first, last, words } = self;
        let lower = word.to_ascii_lowercase();
        if let Some(at) = words.iter().position(|known| lower == *known) {
            return Ok(*first + u32::try_from(at).unwrap_or_default());
        }
        match word.parse::<u32>() {
            Ok(number) if (*first..=*last).contains(&number) && !word.starts_with('+') => Ok(number),
            Ok(number) => Err(format!("{name} {number} is not in {first}–{last}")),
            Err(_) if word.is_empty() => Err(format!("{name} {part:?} lacks a number")),
            Err(_) => {
                let or = words.first().zip(words.last()).map(|(a, z)| format!(", nor one of {a} to {z}"));
                Err(format!("{name} {word:?} is not in {first}–{last}{}", or.unwrap_or_default()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(line: &str, from: &str, count: usize) -> Vec<String> {
        let crontab = Crontab::parse(line).unwrap();
        let mut at: NaiveDateTime = from.parse().unwrap();
        let next = std::iter::from_fn(|| {
            at = crontab.next_reading(at)?;
            Some(at.format("%a %Y-%m-%d %H:%M:%S").to_string())
        });
        next.take(count).collect()
    }

    #[test]
    fn five_fields_mean_what_crontab_means() {
        assert_eq!(
            readings("*/20 9-10 * * mon-fri", "2026-11-20T10:00:00", 3),
            ["Fri 2026-11-20 10:20:00", "Fri 2026-11-20 10:40:00", "Mon 2026-11-23 09:00:00",]
        );
        for sunday in ["0", "7", "sun", "SUN"] {
            assert_eq!(readings(&format!("0 0 * * {sunday}"), "2026-11-20T00:00:00", 1), ["Sun 2026-11-22 00:00:00"]);
        }
        assert_eq!(
            readings("0 0 * * sat-sun", "2026-11-20T00:00:00", 2),
            ["Sat 2026-11-21 00:00:00", "Sun 2026-11-22 00:00:00",]
        );
    }

    #[test]
    fn of_two_kinds_of_days_either_counts_unless_one_begins_with_a_star() {
        let either = readings("0 12 13 * fri", "2026-11-01T00:00:00", 3);
        assert_eq!(either, ["Fri 2026-11-06 12:00:00", "Fri 2026-11-13 12:00:00", "Fri 2026-11-20 12:00:00"]);
        let both = readings("0 12 */2 * fri", "2026-11-01T00:00:00", 2);
        assert_eq!(both, ["Fri 2026-11-13 12:00:00", "Fri 2026-11-27 12:00:00"]);
    }

    #[test]
    fn six_fields_begin_with_the_second_and_nicknames_are_lines() {
        assert_eq!(readings("30 * * * * *", "2026-11-20T10:00:00", 1), ["Fri 2026-11-20 10:00:30"]);
        assert_eq!(readings("@daily", "2026-11-20T10:00:00", 1), ["Sat 2026-11-21 00:00:00"]);
        assert_eq!(readings("0 0 29 2 *", "2096-03-01T00:00:00", 1), [] as [&str; 0]);
        assert_eq!(readings("0 0 29 2 *", "2026-03-01T00:00:00", 1), ["Tue 2028-02-29 00:00:00"]);
    }

    #[test]
    fn every_mistake_names_its_field_and_what_it_allows() {
        for (line, says) in [
            ("61 * * * *", "minute 61 is not in 0–59"),
            ("* 24 * * *", "hour 24 is not in 0–23"),
            ("* * 0 * *", "day 0 is not in 1–31"),
            ("* * * 13 *", "month 13 is not in 1–12"),
            ("* * * * 8", "weekday 8 is not in 0–7"),
            ("* * * * fre", "weekday \"fre\" is not in 0–7, nor one of sun to sat"),
            ("60 * * * * *", "second 60 is not in 0–59"),
            ("*/0 * * * *", "minute */0 has no step; write at least /1"),
            ("*/90 * * * *", "minute */90 has a step that is not in 1–59"),
            ("*/x * * * *", "minute */x has a step that is no number"),
            ("5-1 * * * *", "minute 5-1 goes backwards; write the parts one by one, with commas"),
            ("1,,2 * * * *", "minute \"\" lacks a number"),
            ("? * * * *", "minute \"?\" is not in 0–59"),
            ("* * * *", "it has 4 fields; write 5, minute hour day month weekday, or 6 with the second before them"),
            ("", "it has 0 fields; write 5, minute hour day month weekday, or 6 with the second before them"),
            ("0 0 30 2 *", "it can never fire: no month that it names has such a day"),
            ("0 0 31 4,6,9,11 *", "it can never fire: no month that it names has such a day"),
            ("@reboot", "@reboot is not one of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly"),
        ] {
            assert_eq!(Crontab::parse(line).unwrap_err(), says, "{line}");
        }
    }
}
