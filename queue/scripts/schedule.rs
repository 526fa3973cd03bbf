//! The calls about entries of the schedule.

use redis::Value;

use super::{Script, millis, script, text};
use crate::{
    clock::{Clock, Millis},
    error::QueueError,
    keys::EntryKeys,
    link::Link,
    schedule::{CLOCK_MISTAKE, MAX_LEFT},
};

script!(ADOPT, "adopt", "../lua/adopt.lua");
script!(DECIDE, "decide", "../lua/decide.lua");
script!(RESUME, "resume an entry", "../lua/resume_entry.lua");

/// Take an entry up as the file has it. Returns Redis' time.
pub(crate) async fn adopt(
    link: &Link,
    keys: &EntryKeys,
    clock: &Clock,
    written: &str,
    enabled: bool,
) -> Result<Millis, QueueError> {
    let mut command = ADOPT.command_of(&[&keys.state]);
    command.arg(clock.argument()).arg(written).arg(if enabled { "on" } else { "off" }).arg(millis(CLOCK_MISTAKE));
    match ADOPT.call(link, &command).await? {
        Value::Int(now) => Ok(Millis(now)),
        odd => Err(link.odd("adopt", &odd)),
    }
}

/// What came of it, and Redis' time: see `lua/decide.lua`.
pub(crate) async fn decide(
    link: &Link,
    keys: &EntryKeys,
    clock: &Clock,
    (from, to): (Millis, Millis),
    last: &str,
    left: &[(Millis, String)],
) -> Result<(i64, Millis), QueueError> {
    let mut command = DECIDE.command_of(&[&keys.state, &keys.left]);
    command.arg(clock.argument()).arg(from.0).arg(to.0).arg(last).arg(MAX_LEFT);
    for (tick, what) in left {
        command.arg(tick.0).arg(what);
    }
    let answer = DECIDE.call(link, &command).await?;
    match &answer {
        Value::Array(parts) if let [Value::Int(what), Value::Int(now)] = parts.as_slice() => Ok((*what, Millis(*now))),
        odd => Err(link.odd("decide", odd)),
    }
}

/// The last tick that was decided before the pause; none when it was not paused.
pub(crate) async fn resume(link: &Link, keys: &EntryKeys, clock: &Clock) -> Result<Option<Millis>, QueueError> {
    let command = RESUME.command_of(&[&keys.state]).arg(clock.argument()).clone();
    let answer = RESUME.call(link, &command).await?;
    Ok(text(&answer).and_then(|tick| tick.parse().ok()).map(Millis))
}
