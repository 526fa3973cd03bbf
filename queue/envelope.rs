//! The envelope: what a host writes to ask for a job, and the one judge of it in Rust.
//!
//! The scripted door judges the same rules in `lua/enqueue.lua`; a property test holds the two against each other.
//! Its parser is laxer about JSON itself (`NaN`, a name that stands twice): such a job is buried when it is claimed.
//! Unknown fields are kept and ignored, so that a newer host may talk to an older daemon.

use std::{borrow::Cow, fmt, time::Duration};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    bonds::{self, Bonds, Lane, Unique},
    clock::Millis,
    names::{BatchId, JobId, JobName, QueueName},
    state::Priority,
};

/// What surrounds the arguments in an envelope may take this much.
pub const MAX_SURROUNDINGS: usize = 4096;
/// Deeper JSON is refused before anything recurses into it.
pub const MAX_DEPTH: usize = 64;
pub const MAX_ATTEMPTS: u32 = 1000;
pub const MAX_TIMEOUT: Duration = Duration::from_hours(24);
pub const MAX_TRACE: usize = 256;
/// The last millisecond of the year 9999; later instants are typing mistakes.
pub const MAX_TIME: i64 = 253_402_300_799_999;

/// What is settable about envelopes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub max_args: usize,
    /// How many jobs may wait in one lane.
    pub max_lane_depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_args: 256 * 1024, max_lane_depth: 10_000 }
    }
}

impl Limits {
    /// For what was accepted once: it is never refused for its size later, whatever the limits are by then.
    pub const NONE: Self = Self { max_args: usize::MAX / 2, max_lane_depth: u32::MAX };

    #[must_use]
    pub const fn max_envelope(self) -> usize {
        self.max_args + MAX_SURROUNDINGS
    }
}

/// A judged envelope.
#[derive(Debug)]
pub struct Envelope<'a> {
    pub id: Option<JobId>,
    pub job: JobName,
    pub args: Option<&'a RawValue>,
    pub queue: Option<QueueName>,
    pub priority: Priority,
    pub run_at: Option<Millis>,
    pub expires_at: Option<Millis>,
    pub max_attempts: Option<u32>,
    pub timeout: Option<Duration>,
    pub trace: Option<String>,
    pub reply: bool,
    pub lane: Option<Lane>,
    pub unique: Option<Unique>,
    pub batch: Option<BatchId>,
}

/// Why an envelope was refused: the field, what is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

pub(crate) fn refuse<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(reason.into()))
}

/// The fields as they were written; each is judged by itself so that the reason can name it.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    job: Option<&'a RawValue>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    #[serde(borrow)]
    queue: Option<&'a RawValue>,
    #[serde(borrow)]
    priority: Option<&'a RawValue>,
    #[serde(borrow)]
    run_at: Option<&'a RawValue>,
    #[serde(borrow)]
    expires_at: Option<&'a RawValue>,
    #[serde(borrow)]
    max_attempts: Option<&'a RawValue>,
    #[serde(borrow)]
    timeout_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    trace: Option<&'a RawValue>,
    #[serde(borrow)]
    reply: Option<&'a RawValue>,
    #[serde(borrow)]
    lane: Option<&'a RawValue>,
    #[serde(borrow)]
    unique: Option<&'a RawValue>,
    #[serde(borrow)]
    batch: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// What ties this job to others.
    #[must_use]
    pub fn bonds(&self) -> Bonds {
        let Self { lane, unique, batch, expires_at, .. } = self;
        Bonds { lane: lane.clone(), unique: unique.clone(), batch: batch.clone(), expires_at: *expires_at }
    }

    /// Read and judge one envelope.
    ///
    /// # Errors
    /// The first thing that is wrong with it, by field, with the remedy.
    pub fn judge(bytes: &'a [u8], limits: Limits) -> Result<Self, Refusal> {
        if bytes.len() > limits.max_envelope() {
            return refuse(format!(
                "the envelope has {} bytes, {} more than the {} allowed; send a reference to the data instead",
                bytes.len(),
                bytes.len() - limits.max_envelope(),
                limits.max_envelope()
            ));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|e| Refusal(format!("not UTF-8 at byte {}; send JSON in UTF-8", e.valid_up_to())))?;
        if deeper_than(bytes, MAX_DEPTH) {
            return refuse(format!("not accepted: nested more than {MAX_DEPTH} deep; flatten the arguments"));
        }
        if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
            return refuse(match serde_json::from_str::<serde::de::IgnoredAny>(text) {
                Ok(_) => "not a JSON object; send one object such as {\"job\": \"noop\"}".to_owned(),
                Err(fault) => format!("not JSON: {fault}; send one JSON object on one line"),
            });
        }
        let written: Written = serde_json::from_str(text)
            .map_err(|fault| Refusal(format!("not JSON: {fault}; send one JSON object on one line")))?;
        written.judge(limits)
    }
}

impl<'a> Written<'a> {
    fn judge(self, limits: Limits) -> Result<Envelope<'a>, Refusal> {
        let Some(job) = self.job else {
            return refuse("job: missing; name the job to run, such as \"noop\"");
        };
        if let Some(args) = self.args
            && args.get().len() > limits.max_args
        {
            return refuse(format!(
                "args: {} bytes, {} more than the {} allowed; send a reference to the data instead",
                args.get().len(),
                args.get().len() - limits.max_args,
                limits.max_args
            ));
        }
        let envelope = Envelope {
            id: self.id.map(|raw| JobId::parse(&string("id", raw)?).map_err(Refusal)).transpose()?,
            job: JobName::parse(&string("job", job)?).map_err(Refusal)?,
            args: self.args,
            queue: self.queue.map(|raw| QueueName::parse(&string("queue", raw)?).map_err(Refusal)).transpose()?,
            priority: self.priority.map_or(Ok(Priority::Normal), |raw| {
                string("priority", raw)?.parse().map_err(|fault| Refusal(format!("priority: {fault}")))
            })?,
            run_at: self.run_at.map(|raw| time("run_at", raw)).transpose()?,
            expires_at: self.expires_at.map(|raw| time("expires_at", raw)).transpose()?,
            max_attempts: self
                .max_attempts
                .map(|raw| number("max_attempts", raw, 1, u64::from(MAX_ATTEMPTS)))
                .transpose()?
                .and_then(|n| u32::try_from(n).ok()),
            timeout: self
                .timeout_ms
                .map(|raw| number("timeout_ms", raw, 1, MAX_TIMEOUT.as_secs() * 1000))
                .transpose()?
                .map(Duration::from_millis),
            trace: self.trace.map(trace).transpose()?,
            reply: match self.reply.map(RawValue::get) {
                None | Some("false") => false,
                Some("true") => true,
                Some(other) => return refuse(format!("reply: {} is neither true nor false", short(other))),
            },
            lane: self.lane.map(bonds::lane).transpose()?,
            unique: self.unique.map(bonds::unique).transpose()?,
            batch: self.batch.map(|raw| BatchId::parse(&string("batch", raw)?).map_err(Refusal)).transpose()?,
        };
        match (envelope.run_at, envelope.expires_at) {
            (Some(run), Some(end)) if end <= run => {
                refuse("expires_at: not after run_at, so the job could never run; give it a later time")
            }
            _ => Ok(envelope),
        }
    }
}

pub(crate) fn string<'a>(field: &str, raw: &'a RawValue) -> Result<Cow<'a, str>, Refusal> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'a>>(raw.get())
        .map(|text| text.0)
        .map_err(|_| Refusal(format!("{field}: {} is not a string; put it in quotes", short(raw.get()))))
}

fn trace(raw: &RawValue) -> Result<String, Refusal> {
    let text = string("trace", raw)?;
    if text.len() > MAX_TRACE || !text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return refuse(format!("trace: more than {MAX_TRACE} bytes or not plain ASCII; send a W3C traceparent"));
    }
    Ok(text.into_owned())
}

pub(crate) fn number(field: &str, raw: &RawValue, min: u64, max: u64) -> Result<u64, Refusal> {
    whole(raw)
        .and_then(|n| u64::try_from(n).ok())
        .filter(|n| (min..=max).contains(n))
        .ok_or_else(|| Refusal(format!("{field}: {} is not a whole number from {min} to {max}", short(raw.get()))))
}

/// A whole number, however it is spelt: JSON knows no difference between 1000, 1e3 and 1000.0.
#[expect(clippy::cast_possible_truncation, reason = "whole, and within what a double holds exactly")]
fn whole(raw: &RawValue) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = serde_json::from_str::<f64>(raw.get()).ok()?;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

fn time(field: &str, raw: &RawValue) -> Result<Millis, Refusal> {
    let wrong = || {
        Refusal(format!(
            "{field}: {} is not a time; send RFC 3339 (\"2030-01-31T08:00:00Z\") or whole milliseconds since the epoch",
            short(raw.get())
        ))
    };
    let millis = if raw.get().starts_with('"') {
        rfc3339(&string(field, raw)?).ok_or_else(wrong)?
    } else {
        whole(raw).ok_or_else(wrong)?
    };
    if (0..=MAX_TIME).contains(&millis) { Ok(Millis(millis)) } else { Err(wrong()) }
}

/// The form `2030-01-31T08:00:00[.fraction](Z|±hh:mm)` and no other, as the Lua judge reads it too.
#[must_use]
pub fn rfc3339(text: &str) -> Option<i64> {
    let plain = text.is_ascii() && text.as_bytes().get(10) == Some(&b'T') && !text.contains(":60");
    plain.then(|| chrono::DateTime::parse_from_rfc3339(text).ok())?.map(|time| time.timestamp_millis())
}

/// A value as it is shown in a reason: never long, never with control characters.
pub(crate) fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(40).map(|c| if c.is_control() { '·' } else { c }).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// Whether brackets outside strings nest deeper than `limit`; no recursion, one pass.
fn deeper_than(bytes: &[u8], limit: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reason(line: &str) -> String {
        Envelope::judge(line.as_bytes(), Limits::default()).expect_err(line).0
    }

    #[test]
    fn only_the_job_is_required() {
        let envelope = Envelope::judge(br#"{"job":"noop","from_the_future":[1]}"#, Limits::default()).unwrap();
        assert_eq!(envelope.job.as_str(), "noop");
        assert_eq!(envelope.priority, Priority::Normal);
        assert!(envelope.id.is_none() && envelope.args.is_none() && !envelope.reply);
    }

    #[test]
    fn null_is_as_good_as_absent() {
        let envelope = Envelope::judge(br#"{"job":"noop","id":null,"run_at":null,"lane":null}"#, Limits::default());
        assert!(envelope.unwrap().id.is_none());
    }

    #[test]
    fn a_time_is_a_date_or_milliseconds() {
        for line in [r#"{"job":"a","run_at":1893456000123}"#, r#"{"job":"a","run_at":"2030-01-01T01:00:00.123+01:00"}"#]
        {
            let envelope = Envelope::judge(line.as_bytes(), Limits::default()).unwrap();
            assert_eq!(envelope.run_at, Some(Millis(1_893_456_000_123)));
        }
    }

    #[test]
    fn every_refusal_names_the_field_and_the_remedy() {
        let long = format!(r#"{{"job":"a","id":"{}"}}"#, "x".repeat(10_000));
        let deep = format!(r#"{{"job":"a","args":{}{}}}"#, "[".repeat(100), "]".repeat(100));
        let big = format!(r#"{{"job":"a","args":"{}"}}"#, "x".repeat(300_000));
        for (line, word) in [
            ("nonsense", "not JSON"),
            ("[1]", "not a JSON object"),
            ("{}", "job: missing"),
            (r#"{"job":7}"#, "job: 7 is not a string"),
            (r#"{"job":"a b"}"#, "job: "),
            (r#"{"job":"a","run_at":"tomorrow"}"#, "run_at: \"tomorrow\" is not a time"),
            (r#"{"job":"a","run_at":1.5}"#, "run_at: 1.5 is not a time"),
            (r#"{"job":"a","max_attempts":-1}"#, "max_attempts: -1 is not a whole number from 1 to 1000"),
            (r#"{"job":"a","timeout_ms":0}"#, "timeout_ms: 0 is not"),
            (r#"{"job":"a","queue":"a}b"}"#, "queue: "),
            (r#"{"job":"a","priority":"urgent"}"#, "priority: `urgent` is none of high, normal, low"),
            (r#"{"job":"a","reply":"yes"}"#, "reply: "),
            (r#"{"job":"a","lane":"a b"}"#, "lane: the character at position 2"),
            (r#"{"job":"a","lane":{"on_delay":"pass"}}"#, "lane.key: missing"),
            (r#"{"job":"a","lane":{"key":"a","on_delay":"wait"}}"#, "lane.on_delay: `\"wait\"` is none of hold, pass"),
            (r#"{"job":"a","unique":{"key":"a","scope":"for"}}"#, "unique.for_ms: missing"),
            (r#"{"job":"a","unique":{"key":"a","for_ms":5}}"#, "unique.for_ms: only with"),
            (r#"{"job":"a","unique":{"key":"a","scope":"ever"}}"#, "unique.scope: `\"ever\"` is none of while_queued"),
            (r#"{"job":"a","batch":7}"#, "batch: 7 is not a string"),
            (r#"{"job":"a","run_at":20,"expires_at":10}"#, "expires_at: not after run_at"),
            ("{\"job\":\"a\0\"}", "not JSON"),
            (r#"{"job":"a\u0000b"}"#, "job: "),
            (&long, "id: "),
            (&deep, "nested more than 64 deep"),
            (&big, "more than the"),
        ] {
            let reason = reason(line);
            assert!(reason.contains(word), "{line:.60} gave {reason}");
            assert!(reason.len() < 300 && !reason.contains('\0'), "{reason}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        assert!(Envelope::judge(b"{\"job\":\"\xff\"}", Limits::default()).unwrap_err().0.contains("not UTF-8"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_judge_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Envelope::judge(&bytes, Limits { max_args: 64, ..Limits::default() });
        }

        #[test]
        fn what_was_written_is_what_is_read(
            id in "[A-Za-z0-9_.:-]{1,128}", job in "[a-z][a-z0-9_.]{0,60}", band in 0usize..3,
            at in 0i64..MAX_TIME - 1, attempts in 1u32..=MAX_ATTEMPTS, text in "\\PC{0,40}",
        ) {
            let line = serde_json::json!({
                "id": id, "job": job, "priority": Priority::ALL[band].as_str(), "run_at": at, "expires_at": at + 1,
                "max_attempts": attempts, "args": {"text": text}, "reply": true,
            }).to_string();
            let envelope = Envelope::judge(line.as_bytes(), Limits::default()).unwrap();
            prop_assert_eq!(envelope.id.as_ref().map(JobId::as_str), Some(id.as_str()));
            prop_assert_eq!(envelope.job.as_str(), job);
            prop_assert_eq!(envelope.priority, Priority::ALL[band]);
            prop_assert_eq!(envelope.run_at, Some(Millis(at)));
            prop_assert_eq!(envelope.max_attempts, Some(attempts));
            let args: serde_json::Value = serde_json::from_str(envelope.args.unwrap().get()).unwrap();
            prop_assert_eq!(args["text"].as_str().unwrap(), text);
            prop_assert!(envelope.reply);
        }
    }
}
