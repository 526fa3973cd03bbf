//! Dates, times and durations, as values have them.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// A date, or a time on a clock that is named elsewhere, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp {
    Day(NaiveDate),
    Local(NaiveDateTime),
    Utc(NaiveDateTime),
}

impl Stamp {
    /// `20270111`, `20270111T100000` or `20270111T100000Z`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.is_ascii() || text.len() < 8 {
            return None;
        }
        let day = NaiveDate::from_ymd_opt(number(&text[..4])?, unsigned(&text[4..6])?, unsigned(&text[6..8])?)?;
        let Some(time) = text[8..].strip_prefix(['T', 't']) else {
            return (text.len() == 8).then_some(Self::Day(day));
        };
        let (time, is_utc) = match time.strip_suffix(['Z', 'z']) {
            Some(time) => (time, true),
            None => (time, false),
        };
        if time.len() != 6 {
            return None;
        }
        // A leap second is the end of the one before it.
        let second = unsigned(&time[4..])?.min(if &time[4..] == "60" { 59 } else { u32::MAX });
        let time = day.and_time(NaiveTime::from_hms_opt(unsigned(&time[..2])?, unsigned(&time[2..4])?, second)?);
        Some(if is_utc { Self::Utc(time) } else { Self::Local(time) })
    }

    /// What a clock shows then; of a day its beginning.
    pub(crate) fn naive(self) -> NaiveDateTime {
        match self {
            Self::Day(day) => day.and_time(NaiveTime::MIN),
            Self::Local(time) | Self::Utc(time) => time,
        }
    }
}

fn unsigned(digits: &str) -> Option<u32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn number(digits: &str) -> Option<i32> {
    unsigned(digits).and_then(|number| number.try_into().ok())
}

/// How long something takes: days on the calendar, which have 23 to 25 hours, and seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) days: i64,
    pub(crate) seconds: i64,
}

/// A thousand years: nothing takes longer.
const MAX_SPAN: i64 = 366_000;

impl Span {
    /// `P7W`, `P1DT2H`, `-PT15M`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (sign, text) = match text.strip_prefix('-') {
            Some(text) => (-1, text),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let mut rest = text.strip_prefix(['P', 'p'])?;
        let (mut days, mut seconds, mut in_time, mut parts) = (0_i64, 0_i64, false, 0);
        while !rest.is_empty() {
            if let Some(time) = rest.strip_prefix(['T', 't']).filter(|_| !in_time) {
                (in_time, rest) = (true, time);
                continue;
            }
            let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
            let count: i64 = rest[..end].parse().ok().filter(|count| *count <= MAX_SPAN * 86_400)?;
            match (rest.as_bytes()[end].to_ascii_uppercase(), in_time) {
                (b'W', false) => days += count * 7,
                (b'D', false) => days += count,
                (b'H', true) => seconds += count * 3600,
                (b'M', true) => seconds += count * 60,
                (b'S', true) => seconds += count,
                _ => return None,
            }
            parts += 1;
            if parts > 5 || days > MAX_SPAN || seconds > MAX_SPAN * 86_400 {
                return None;
            }
            rest = &rest[end + 1..];
        }
        (parts > 0).then_some(Self { days: sign * days, seconds: sign * seconds })
    }
}
