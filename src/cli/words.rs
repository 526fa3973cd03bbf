//! Times, ages and counts as people read them, and texts from outside made harmless.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use liaison_queue::clock::Millis;
use serde_json::Value;

/// A text from outside on one line, in which nothing can play with the terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if is_tricky(c) { '·' } else { c }).collect()
}

/// The same over several lines, for texts of our own that quote others.
pub(crate) fn lines(text: &str) -> String {
    let harmless = |c| match c {
        '\n' => '\n',
        '\t' => ' ',
        c if is_tricky(c) => '·',
        c => c,
    };
    text.chars().map(harmless).collect()
}

/// Control characters, and those that turn the direction of writing or break the line unseen.
fn is_tricky(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

/// An instant in RFC 3339, UTC.
pub(crate) fn date(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The same of the queue's time.
pub(crate) fn date_of(millis: i64) -> String {
    date(Millis(millis).date())
}

/// A length of time in plain words, as exact as one cares at that length.
pub(crate) fn span(millis: i64) -> String {
    let of = |unit: i64, name: &str| {
        let count = (millis.max(0) + unit / 2) / unit;
        format!("{count} {name}{}", if count == 1 { "" } else { "s" })
    };
    match millis {
        ..1_000 => format!("{} ms", millis.max(0)),
        1_000..10_000 => format!("{}.{} seconds", millis / 1000, millis % 1000 / 100),
        10_000..120_000 => of(1_000, "second"),
        120_000..7_200_000 => of(60_000, "minute"),
        7_200_000..172_800_000 => of(3_600_000, "hour"),
        172_800_000.. => of(86_400_000, "day"),
    }
}

/// A count with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of something: `1 job`, `2 jobs`, `1 dead letter`.
pub(crate) fn of(number: u64, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

/// `1 delivery`, `2 deliveries`.
pub(crate) fn of_deliveries(number: u64) -> String {
    format!("{} {}", count(number), if number == 1 { "delivery" } else { "deliveries" })
}

/// How many in a second, rounded.
pub(crate) fn rate(number: u64, over: Duration) -> String {
    let millis = u64::try_from(over.as_millis()).unwrap_or(u64::MAX).max(1);
    count(number.saturating_mul(1000) / millis)
}

/// The fields that hold an instant as milliseconds inside the queue.
const INSTANTS: &[&str] = &[
    "enqueued_at",
    "due_at",
    "next_due_at",
    "running_since",
    "started_at",
    "beat_at",
    "since",
    "opened_at",
    "oldest_pass_at",
    "newest_pass_at",
    "began_at",
    "next_slot_at",
    "last_slot_at",
    "until",
    "blocked_until",
    "reset_at",
];

/// Programs too get instants as RFC 3339, whoever counted them in milliseconds.
pub(crate) fn with_dates(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_i64() {
                    Some(millis) if INSTANTS.contains(&name.as_str()) => *field = date_of(millis).into(),
                    Some(_) | None => *field = with_dates(field.take()),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = with_dates(item.take())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_plays_with_the_terminal() {
        assert_eq!(plain("a\x1b[31mb\r\nc\u{9b}\u{202e}d\0"), "a·[31mb··c··d·");
        assert_eq!(lines("one\n\ttwo\x07"), "one\n two·");
        assert_eq!(plain("größer ✓"), "größer ✓");
    }

    #[test]
    fn a_length_of_time_is_as_exact_as_one_cares() {
        let spans = [-5, 999, 1_050, 59_600, 119_000, 120_000, 5_400_000, 7_200_000, 172_800_000, i64::MAX / 2];
        let said = spans.map(span);
        let expected =
            ["0 ms", "999 ms", "1.0 seconds", "60 seconds", "119 seconds", "2 minutes", "90 minutes", "2 hours"];
        assert_eq!(said[..8], expected);
        assert_eq!(said[8], "2 days");
    }

    #[test]
    fn counts_have_their_thousands_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((of(1, "job"), of(2, "job")), ("1 job".to_owned(), "2 jobs".to_owned()));
        assert_eq!(rate(500, Duration::from_millis(250)), "2,000");
    }

    #[test]
    fn instants_become_dates_wherever_they_are() {
        let value = with_dates(serde_json::json!({"jobs": [{"since": 0, "attempt": 1}], "due_at": null}));
        let expected =
            serde_json::json!({"jobs": [{"since": "1970-01-01T00:00:00.000Z", "attempt": 1}], "due_at": null});
        assert_eq!(value, expected);
    }
}
