//! What operators see of the limits.

use std::collections::{BTreeSet, HashMap};

use redis::Value;
use serde::Serialize;

use crate::{
    clock::{Clock, Millis},
    error::QueueError,
    link::Link,
    names::LimitKey,
    scripts::{limits::LimitScripts, text},
};

/// Keys of Redis that one list looks at, and in how many at a time.
const MAX_LOOKED_AT: usize = 1_000_000;
const STEP: usize = 1_000;
/// As many holders as a person reads.
const MAX_HOLDERS: usize = 100;

/// One limit at a glance. A limit that nobody uses leaves Redis by itself.
#[derive(Debug, Clone, Serialize)]
pub struct LimitView {
    pub key: LimitKey,
    /// Passes that its windows still remember, and when the oldest and the newest of them were.
    pub passes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_pass_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest_pass_at: Option<i64>,
    /// Passes of each day that is counted, by when the day began.
    pub days: Vec<DayView>,
    /// Jobs that have a place in the line, and when the first and the last of them come.
    pub waiting: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_slot_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_slot_at: Option<i64>,
    /// Jobs that did not come at their time.
    pub late: u64,
    pub held: u64,
    pub holders: Vec<HolderView>,
    /// For how long a permit is held, on average.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_hold_ms: Option<i64>,
    /// The word of the other side: nothing until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_until: Option<i64>,
    /// The word of the other side: so many until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reset_at: Option<i64>,
}

#[derive(Debug, Clone, Serialize)]
pub struct DayView {
    pub began_at: i64,
    pub passes: i64,
}

/// A job that holds a permit.
#[derive(Debug, Clone, Serialize)]
pub struct HolderView {
    pub id: String,
    pub worker: String,
    /// When it lapses unless it is renewed.
    pub until: i64,
}

/// The limits that Redis knows, at most so many, in order.
///
/// # Errors
/// When Redis does not answer.
pub async fn list(link: &Link, most: usize) -> Result<Vec<LimitView>, QueueError> {
    let scripts = LimitScripts { link: link.clone(), clock: Clock::Redis };
    let mut found = BTreeSet::new();
    for (_, master) in link.masters().await? {
        let there = LimitScripts { link: master, clock: Clock::Redis };
        let mut cursor = 0;
        for _ in 0..MAX_LOOKED_AT / STEP {
            let (next, keys) = there.scan(cursor, STEP).await?;
            found.extend(keys);
            cursor = next;
            if cursor == 0 || found.len() >= most {
                break;
            }
        }
    }
    let mut views = Vec::new();
    for key in found.into_iter().take(most) {
        // One that expired between the two looks is left out.
        views.extend(view(&scripts, key).await?);
    }
    Ok(views)
}

/// One limit, if Redis knows it.
///
/// # Errors
/// When Redis does not answer.
pub async fn show(link: &Link, key: LimitKey) -> Result<Option<LimitView>, QueueError> {
    view(&LimitScripts { link: link.clone(), clock: Clock::Redis }, key).await
}

/// Forget what passed and what the other side said, and who waits for a slot: the next job passes as if it were the first.
/// Jobs that are parked come at the time that they were told. Permits are held on. Whether there was anything.
///
/// # Errors
/// When Redis does not answer.
pub async fn reset(link: &Link, key: &LimitKey) -> Result<bool, QueueError> {
    LimitScripts { link: link.clone(), clock: Clock::Redis }.reset(key).await
}

async fn view(scripts: &LimitScripts, key: LimitKey) -> Result<Option<LimitView>, QueueError> {
    let v = scripts.look(&key, MAX_HOLDERS).await?;
    let [time, state, passes, oldest, newest, waiting, next, last, late, held, permits, holders] = v.as_slice() else {
        return Err(scripts.link.odd("look at a limit", &Value::Array(v)));
    };
    let now = crate::inspector::redis_time(time);
    let state: HashMap<String, String> = pairs(state).into_iter().collect();
    let tokens: HashMap<String, String> = pairs(holders).into_iter().collect();
    let number = |field: &str| state.get(field).and_then(|value| whole(value));
    let later = |field: &str| number(field).filter(|at| *at > now.0);
    let mut days: Vec<DayView> = state
        .iter()
        .filter_map(|(field, count)| {
            Some(DayView { began_at: field.strip_prefix("day:")?.parse().ok()?, passes: whole(count)? })
        })
        .collect();
    days.sort_by_key(|day| day.began_at);
    let worker = |id: &str| tokens.get(id).and_then(|token| token.split_once('/')).map_or("", |(worker, _)| worker);
    let reset_at = later("reset");
    let found = LimitView {
        key,
        passes: count(passes),
        oldest_pass_at: text(oldest).and_then(|at| whole(&at)),
        newest_pass_at: text(newest).and_then(|at| whole(&at)),
        days,
        waiting: count(waiting),
        next_slot_at: pairs(next).first().and_then(|(_, at)| whole(at)),
        last_slot_at: pairs(last).first().and_then(|(_, at)| whole(at)),
        late: count(late),
        held: count(held),
        holders: pairs(permits)
            .into_iter()
            .map(|(id, until)| HolderView { worker: worker(&id).to_owned(), until: whole(&until).unwrap_or(0), id })
            .collect(),
        mean_hold_ms: number("hold"),
        blocked_until: later("blocked"),
        remaining: reset_at.and(number("left")),
        reset_at,
    };
    let is_there = !state.is_empty() || found.passes + found.waiting + found.late + found.held > 0;
    Ok(is_there.then_some(found))
}

fn count(value: &Value) -> u64 {
    if let Value::Int(number) = value { number.unsigned_abs() } else { 0 }
}

/// Times and counts stand in Redis as decimals; people care about whole ones.
fn whole(text: &str) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds up to the year 9999 are exact in a double")]
    text.parse::<f64>().ok().map(|number| number as i64)
}

/// Every two values of an answer.
fn pairs(value: &Value) -> Vec<(String, String)> {
    let flat = match value {
        Value::Array(values) => values.iter().filter_map(text).collect(),
        Value::Map(pairs) => pairs.iter().flat_map(|(key, value)| [text(key), text(value)]).flatten().collect(),
        _ => Vec::new(),
    };
    flat.chunks_exact(2).map(|two| (two[0].clone(), two[1].clone())).collect()
}

impl LimitView {
    /// Until when nobody passes, if that is known.
    #[must_use]
    pub fn closed_until(&self) -> Option<Millis> {
        let spent = self.reset_at.filter(|_| self.remaining.is_some_and(|left| left <= 0));
        self.blocked_until.max(spent).map(Millis)
    }
}
