//! A crontab line as people say it. What has no short way to be said stays as it is written.

use std::collections::BTreeSet;

use super::crontab::{Crontab, Fields};

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// As many times of day as one still reads.
const MOST: usize = 4;

impl Crontab {
    pub(crate) fn words(&self) -> String {
        let said = self.fields.clock().and_then(|clock| Some(format!("{clock}{}", self.fields.days()?)));
        said.unwrap_or_else(|| format!("at {}", self.text))
    }
}

impl Fields {
    /// When in a day.
    fn clock(&self) -> Option<String> {
        let every_hour = self.hours.len() == 24;
        let on_the_minute = self.seconds.len() == 1 && self.seconds.contains(&0);
        match (one(&self.minutes), every_hour) {
            (None, true) if self.minutes.len() == 60 => match step(&self.seconds, 60)? {
                60 => Some(match one(&self.seconds)? {
                    0 => "every minute".to_owned(),
                    second => format!("every minute at second {second}"),
                }),
                step => Some(every(step, "second")),
            },
            (None, true) if on_the_minute => Some(every(step(&self.minutes, 60)?, "minute")),
            (Some(0), true) if on_the_minute => Some("every hour".to_owned()),
            (Some(minute), true) if on_the_minute => Some(format!("every hour at minute {minute}")),
            (Some(0), false) if on_the_minute && self.hours.len() > MOST && self.hours.contains(&0) => {
                Some(every(step(&self.hours, 24)?, "hour"))
            }
            _ if self.hours.len() * self.minutes.len() <= MOST && self.seconds.len() == 1 => Some(self.times()),
            _ => None,
        }
    }

    /// `at 03:30 and 15:30`.
    fn times(&self) -> String {
        let second = one(&self.seconds).filter(|second| *second > 0);
        let second = second.map(|second| format!(":{second:02}")).unwrap_or_default();
        let hours = self.hours.iter().flat_map(|hour| self.minutes.iter().map(move |minute| (hour, minute)));
        let times: Vec<_> = hours.map(|(hour, minute)| format!("{hour:02}:{minute:02}{second}")).collect();
        let every_day = self.days.len() == 31 && self.weekdays.len() == 7 && self.months.len() == 12;
        format!("{}at {}", if every_day { "every day " } else { "" }, listed(&times))
    }

    /// On which days, none said where it is all of them.
    fn days(&self) -> Option<String> {
        if self.either_day {
            return None;
        }
        let weekdays: Vec<_> = self.weekdays.iter().map(|day| *day as usize).collect();
        let weekdays = match weekdays.as_slice() {
            [_, _, _, _, _, _, _] => String::new(),
            [1, 2, 3, 4, 5] => ", Monday to Friday".to_owned(),
            days => format!(", on {}", listed(&days.iter().map(|day| format!("{}s", DAYS[*day])).collect::<Vec<_>>())),
        };
        let days = match self.days.len() {
            31 => String::new(),
            1..=MOST => {
                let days: Vec<_> = self.days.iter().map(ToString::to_string).collect();
                format!(", on day {} of the month", listed(&days))
            }
            _ => return None,
        };
        let months: Vec<_> = self.months.iter().map(|month| MONTHS[*month as usize - 1].to_owned()).collect();
        let months = if months.len() == 12 { String::new() } else { format!(", in {}", listed(&months)) };
        Some(format!("{weekdays}{days}{months}"))
    }
}

fn one(numbers: &BTreeSet<u32>) -> Option<u32> {
    numbers.first().copied().filter(|_| numbers.len() == 1)
}

/// The constant distance of the numbers, round and round; none if there is none.
fn step(numbers: &BTreeSet<u32>, round: u32) -> Option<u32> {
    let step = round / u32::try_from(numbers.len()).ok()?;
    let evenly = numbers.iter().zip(0..).all(|(number, at)| *number == at * step) || numbers.len() == 1;
    (evenly && step * u32::try_from(numbers.len()).ok()? == round).then_some(step)
}

fn every(step: u32, unit: &str) -> String {
    if step == 1 { format!("every {unit}") } else { format!("every {step} {unit}s") }
}

fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [word] => word.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_said_as_people_say_them() {
        for (line, words) in [
            ("* * * * *", "every minute"),
            ("*/5 * * * *", "every 5 minutes"),
            ("* * * * * *", "every second"),
            ("*/10 * * * * *", "every 10 seconds"),
            ("30 * * * * *", "every minute at second 30"),
            ("@hourly", "every hour"),
            ("20 * * * *", "every hour at minute 20"),
            ("0 */2 * * *", "every 2 hours"),
            ("30 3 * * *", "every day at 03:30"),
            ("0 9,17 * * 1-5", "at 09:00 and 17:00, Monday to Friday"),
            ("0 0 1 * *", "at 00:00, on day 1 of the month"),
            ("0 0 1 1 *", "at 00:00, on day 1 of the month, in January"),
            ("*/15 * * * sat,sun", "every 15 minutes, on Sundays and Saturdays"),
            ("*/7 * * * *", "at */7 * * * *"),
            ("0 0 13 * 5", "at 0 0 13 * 5"),
        ] {
            assert_eq!(Crontab::parse(line).unwrap().words(), words, "{line}");
        }
    }
}
