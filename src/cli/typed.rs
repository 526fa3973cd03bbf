//! What people type: times, limits, names and arguments, each refused with the remedy.

use std::{
    fs::File,
    io::{Read, stdin},
    path::Path,
    time::Duration,
};

use anyhow::Result;
use chrono::{DateTime, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use liaison_jobs::{CATALOG, Entry};
use liaison_queue::{
    QueueName,
    clock::{Clock, Millis},
    envelope::{self, Limits},
};
use serde_json::value::RawValue;

use super::answer::{self, Usage};
use crate::{
    app::App,
    config::{environment::operator, hint::nearest, units::parse_duration},
};

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 10_000;

/// How much of a list is shown.
#[derive(clap::Args)]
pub(crate) struct Limit {
    /// Show at most so many: 1 to 10000
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_LIMIT)))]
    limit: u32,
}

impl Limit {
    /// How many to ask for: one more than is shown, to know whether there are more.
    pub(crate) fn ask(&self) -> u32 {
        self.limit + 1
    }

    /// Keep what is shown, and tell people when that is not all.
    pub(crate) fn cut<T>(&self, found: &mut Vec<T>) {
        if found.len() > self.limit as usize {
            found.truncate(self.limit as usize);
            answer::note(&format!("there are more: these are the first {} (--limit)", self.limit));
        }
    }
}

// A text and not a doc comment, which would want back quotes.
const BY: &str = "Who, for the records [default: the login name, by SUDO_USER, USER or LOGNAME]";

/// Who does this and why: it is recorded with what is taken back.
#[derive(clap::Args)]
pub(crate) struct Because {
    /// Why, for the records
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
    #[arg(long, value_name = "NAME", help = BY)]
    by: Option<String>,
}

impl Because {
    pub(crate) fn by(&self) -> String {
        self.by.clone().unwrap_or_else(operator)
    }
}

/// A length of time: `500ms`, `10s`, `5m`, `1h`, `2d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
}

/// An instant, as an envelope may hold it too.
pub(crate) fn instant(text: &str) -> Result<Millis, String> {
    let found = envelope::rfc3339(text).filter(|at| (0..=envelope::MAX_TIME).contains(at));
    found.map(Millis).ok_or_else(|| "not a time: write RFC 3339, such as 2030-01-31T08:00:00Z".to_owned())
}

/// Since when: a length of time before now, or an instant.
pub(crate) fn since(text: &str) -> Result<DateTime<Utc>, String> {
    match parse_duration(text) {
        Ok(ago) => {
            let ago = chrono::TimeDelta::from_std(ago).unwrap_or(chrono::TimeDelta::MAX);
            Ok(Clock::wall().date().checked_sub_signed(ago).unwrap_or(DateTime::UNIX_EPOCH))
        }
        Err(_) => instant(text).map(Millis::date).map_err(|_| {
            "neither a length of time, such as 1h, nor a time in RFC 3339, such as 2030-01-31T08:00:00Z".to_owned()
        }),
    }
}

/// One of a closed set, shown in the help and completed by the shell.
pub(crate) fn one_of<T>(words: impl Iterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: std::str::FromStr<Err: std::fmt::Display> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words.collect::<Vec<_>>()).try_map(|word| word.parse::<T>().map_err(|e| e.to_string()))
}

/// A name that travels on the wire; its own rules say what is wrong with it, and are short where it is long.
pub(crate) fn name<T: std::str::FromStr<Err = String>>(text: &str) -> Result<T, Usage> {
    text.parse().map_err(Usage)
}

/// The queue that was named, or all that anybody has heard of; part by part.
pub(crate) async fn queues(app: &App, named: Option<&str>) -> Result<Vec<QueueName>> {
    match named {
        Some(named) => Ok(liaison_queue::shards::parts(&app.link, &name(named)?).await?),
        None => app.queues().await,
    }
}

/// Arguments of a job: JSON itself, `@FILE`, or `-` for standard input. At most `max` bytes, plus white space.
pub(crate) fn arguments(written: &str, max: usize) -> Result<Box<RawValue>, Usage> {
    json(written, max).map_err(|wrong| Usage(format!("--args: {wrong}")))
}

/// An envelope, written in the same ways.
pub(crate) fn envelope(flag: &str, written: &str, limits: Limits) -> Result<Box<RawValue>, Usage> {
    json(written, limits.max_envelope()).map_err(|wrong| Usage(format!("{flag}: {wrong}")))
}

fn json(written: &str, max: usize) -> Result<Box<RawValue>, String> {
    let (text, place) = match (written, written.strip_prefix('@')) {
        ("-", _) => (read(&mut stdin(), max, "standard input")?, "standard input".to_owned()),
        (_, Some(path)) => {
            let shown = Path::new(path).display().to_string();
            let mut file = File::open(path).map_err(|fault| format!("cannot read {shown}: {fault}"))?;
            (read(&mut file, max, &shown)?, shown)
        }
        (text, None) => (text.to_owned(), String::new()),
    };
    serde_json::from_str(text.trim()).map_err(|fault| {
        let remedy = match text.trim() {
            "" => "it is empty; leave it out, or write {}",
            _ if !place.is_empty() => "send one JSON value",
            _ => "quote it for the shell, as in '{\"ms\": 5}', or put it in a file: @FILE",
        };
        let place = if place.is_empty() { place } else { format!("{place} is ") };
        format!("{place}not JSON: {fault}; {remedy}")
    })
}

fn read(from: &mut dyn Read, max: usize, place: &str) -> Result<String, String> {
    // Twice the limit leaves room for indentation; what is longer would be refused later anyway.
    let most = 2 * max as u64 + 1;
    let mut bytes = Vec::new();
    let count = from.take(most).read_to_end(&mut bytes);
    let count = count.map_err(|fault| format!("cannot read {place}: {fault}"))?;
    if count as u64 == most {
        let remedy = "send a reference to the data instead";
        return Err(format!("{place} has more than the {max} bytes allowed (queues.max_args); {remedy}"));
    }
    String::from_utf8(bytes).map_err(|fault| {
        let at = fault.utf8_error().valid_up_to();
        format!("{place} is not UTF-8 at byte {at}; send JSON in UTF-8")
    })
}

/// The job of this name, if this build knows it; if not, another daemon may, and the nearest name is worth a word.
pub(crate) fn known_job(name: &str) -> Option<&'static Entry> {
    let found = liaison_jobs::find(name, true).ok();
    if found.is_none() {
        let near = nearest(name, CATALOG.iter().map(|entry| entry.name));
        let near =
            near.map_or("`liaison jobs catalog` lists what it knows".to_owned(), |n| format!("did you mean {n}?"));
        answer::note(&format!("this build knows no job `{name}`; the daemon that serves the queue decides. {near}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_length_or_an_instant() {
        assert_eq!(since("2030-01-31T08:00:00Z").unwrap().to_rfc3339(), "2030-01-31T08:00:00+00:00");
        assert!(since("1h").unwrap() < Clock::wall().date());
        assert!(since("99999999d").is_ok(), "longer ago than there are dates");
        for text in ["yesterday", "", "-1h", "2030-01-31", "1e3"] {
            assert!(since(text).unwrap_err().contains("such as 1h"), "{text}");
        }
    }

    #[test]
    fn an_instant_is_one_that_an_envelope_may_hold() {
        assert_eq!(instant("1970-01-01T00:00:01Z"), Ok(Millis(1000)));
        for text in ["1969-12-31T23:59:59Z", "tomorrow", "2030-01-31 08:00:00Z"] {
            assert!(instant(text).unwrap_err().contains("RFC 3339"), "{text}");
        }
    }

    #[test]
    fn arguments_stay_as_they_were_written() {
        assert_eq!(arguments(" {\"n\": 1.0e2} ", 100).unwrap().get(), "{\"n\": 1.0e2}");
        let refusal = arguments("{ms: 5}", 100).unwrap_err().0;
        assert!(
            refusal.contains("not JSON") && refusal.contains("line 1 column 2") && refusal.contains("'{\"ms\": 5}'")
        );
        assert!(arguments("", 100).unwrap_err().0.contains("it is empty"));
        assert!(
            arguments("@/there/is/no/such/file", 100).unwrap_err().0.contains("cannot read /there/is/no/such/file")
        );
    }

    #[test]
    fn a_file_of_arguments_is_read_up_to_the_limit() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b"[1,\n 2]\n").unwrap();
        let written = format!("@{}", file.path().display());
        assert_eq!(arguments(&written, 100).unwrap().get(), "[1,\n 2]");
        assert!(arguments(&written, 2).unwrap_err().0.contains("more than the 2 bytes"));
    }
}
