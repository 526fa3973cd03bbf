//! `[queues]`, which holds for every queue, and `[[queue]]`, one entry for each queue this worker serves.

use std::collections::BTreeMap;
use std::time::Duration;

use liaison_queue::envelope::Limits;

use super::hint::nearest;
use super::key::{Fault, Key, Setting, Value};
use super::mistake::quote;
use super::origin::{Origin, Place};
use super::raw::Written;
use super::reader::Reader;
use super::units::Bytes;
use super::worker::{MAX_CONCURRENCY, MIN_CONCURRENCY};

pub(crate) const DEFAULT_ID_MEMORY: Duration = Duration::from_mins(10);
pub(crate) const MIN_ID_MEMORY: Duration = Duration::from_secs(1);
pub(crate) const MAX_ID_MEMORY: Duration = Duration::from_hours(7 * 24);
pub(crate) const DEFAULT_MAX_ARGS: Bytes = Bytes::new(256 << 10);
pub(crate) const MIN_MAX_ARGS: Bytes = Bytes::new(1 << 10);
pub(crate) const MAX_MAX_ARGS: Bytes = Bytes::new(16 << 20);
pub(crate) const DEFAULT_MAX_LANE_DEPTH: u32 = 10_000;
pub(crate) const MIN_MAX_LANE_DEPTH: u32 = 1;
pub(crate) const MAX_MAX_LANE_DEPTH: u32 = 10_000_000;
pub(crate) const DEFAULT_LOW_PRIORITY_SHARE: u32 = 8;
pub(crate) const MIN_LOW_PRIORITY_SHARE: u32 = 2;
pub(crate) const MAX_LOW_PRIORITY_SHARE: u32 = 1000;
pub(crate) const DEFAULT_NAME: &str = "default";
pub(crate) const MAX_NAME: usize = 64;
pub(crate) const DEFAULT_WEIGHT: u32 = 1;
pub(crate) const MIN_WEIGHT: u32 = 1;
pub(crate) const MAX_WEIGHT: u32 = 1000;
pub(crate) const DEFAULT_SHARDS: u32 = 1;
pub(crate) const MIN_SHARDS: u32 = 1;
pub(crate) const MAX_SHARDS: u32 = liaison_queue::shards::MAX_SHARDS;

/// What holds for every queue.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Queues {
    /// How long the id of a finished job is still refused as a duplicate. Defaults to 10 min.
    pub(crate) id_memory: Duration,
    /// The largest arguments of a job. Defaults to 256 KiB.
    pub(crate) max_args: Bytes,
    /// Every how many claims the lowest priority is served first. Defaults to 8.
    pub(crate) low_priority_share: u32,
    /// How many jobs may wait in one lane. Defaults to 10,000.
    pub(crate) max_lane_depth: u32,
}

impl Queues {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut from = reader.section("queues");
        Self {
            id_memory: from.value(
                Key::new("id_memory", "How long the id of a finished job is still refused as a duplicate.")
                    .default(DEFAULT_ID_MEMORY)
                    .within(MIN_ID_MEMORY..=MAX_ID_MEMORY),
            ),
            max_args: from.value(
                Key::new("max_args", "The largest arguments of a job, as JSON.")
                    .default(DEFAULT_MAX_ARGS)
                    .within(MIN_MAX_ARGS..=MAX_MAX_ARGS),
            ),
            low_priority_share: from.value(
                Key::new("low_priority_share", "Every how many claims the lowest priority is served first.")
                    .default(DEFAULT_LOW_PRIORITY_SHARE)
                    .within(MIN_LOW_PRIORITY_SHARE..=MAX_LOW_PRIORITY_SHARE),
            ),
            max_lane_depth: from.value(
                Key::new("max_lane_depth", "How many jobs may wait in one lane; more are refused.")
                    .default(DEFAULT_MAX_LANE_DEPTH)
                    .within(MIN_MAX_LANE_DEPTH..=MAX_MAX_LANE_DEPTH),
            ),
        }
    }
}

impl Queues {
    /// What is refused at the door.
    pub(crate) fn limits(&self) -> Limits {
        let max_args = usize::try_from(self.max_args.get()).unwrap_or(usize::MAX);
        Limits { max_args, max_lane_depth: self.max_lane_depth }
    }
}

/// A queue that this worker serves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Queue {
    /// `[a-z0-9][a-z0-9_.-]{0,63}`, each once. Without any `[[queue]]` there is one, `default`.
    pub(crate) name: String,
    /// Its share of the claims, against the weights of the others. Defaults to 1.
    pub(crate) weight: u32,
    /// Jobs of this queue run at once by this process. Defaults to `worker.concurrency`, which also holds.
    pub(crate) concurrency: u32,
    /// Parts over which the queue is spread. Defaults to 1.
    pub(crate) shards: u32,
}

impl Queue {
    /// All the queues to serve: those written, or those of them that the command line picked.
    pub(super) fn read_all(reader: &mut Reader, worker_concurrency: u32) -> Vec<Self> {
        if reader.raw.queues.is_empty() {
            reader.raw.queues.push(Origin::Default);
            let name = Written { value: Value::Word(DEFAULT_NAME.to_owned()), origin: Origin::Default };
            reader.raw.values.insert(Place::at("queue", Some(0), "name"), name);
        }
        let all: Vec<_> =
            (0..reader.raw.queues.len()).map(|index| Self::read(reader, index, worker_concurrency)).collect();
        refuse_doubles(reader, &all);
        let picked = reader.raw.picked.clone();
        let is_served = |queue: &Self| picked.is_empty() || picked.contains(&queue.name);
        reader.entries.retain(|entry| {
            entry.place.section != "queue" || entry.place.index.and_then(|index| all.get(index)).is_none_or(is_served)
        });
        all.into_iter().filter(is_served).collect()
    }

    fn read(reader: &mut Reader, index: usize, worker_concurrency: u32) -> Self {
        let mut from = reader.entry_of("queue", index);
        let name = from.optional(Key::new("name", "The name of the queue.").otherwise("required"));
        if from.origin("name").is_none() {
            let (key, origin) = (from.place("name").to_string(), from.raw().queues[index].clone());
            let remedy = format!("write, for example, {}", from.place("name").assignment(&origin, "\"emails\""));
            from.raw().mistake(key, origin, "is missing", QueueName::ALLOWED, remedy);
        }
        let weight = from.value(
            Key::new("weight", "Its share of the claims, against the weights of the other queues.")
                .default(DEFAULT_WEIGHT)
                .within(MIN_WEIGHT..=MAX_WEIGHT),
        );
        let concurrency = from.optional(
            Key::new(
                "concurrency",
                "Jobs of this queue run at once by this process; `worker.concurrency` holds as well.",
            )
            .otherwise("`worker.concurrency`")
            .within(MIN_CONCURRENCY..=MAX_CONCURRENCY),
        );
        let shards = from.value(
            Key::new("shards", "Parts over which the queue is spread, so that one queue can use several masters.")
                .default(DEFAULT_SHARDS)
                .within(MIN_SHARDS..=MAX_SHARDS),
        );
        Self {
            name: name.map(|QueueName(name)| name).unwrap_or_default(),
            weight,
            concurrency: concurrency.unwrap_or(worker_concurrency),
            shards,
        }
    }
}

fn refuse_doubles(reader: &mut Reader, all: &[Queue]) {
    let mut first = BTreeMap::new();
    for (index, queue) in all.iter().enumerate().filter(|(_, queue)| !queue.name.is_empty()) {
        let Some(other) = first.insert(&queue.name, index) else { continue };
        let from = reader.entry_of("queue", index);
        let (key, origin) = (from.place("name").to_string(), from.origin("name").unwrap_or(Origin::Default));
        let problem = format!("{} is also the name of queue[{other}]", quote(&queue.name));
        reader.raw.mistake(key, origin, problem, "each name once", "merge the two, or rename one");
    }
}

/// Serve only these queues. One that is not configured gets the defaults, and a warning if others are configured.
pub(super) fn pick(raw: &mut super::raw::RawConfig, names: &[String]) {
    const FLAG: Origin = Origin::Flag("--queues");
    let name_of = |(place, written): (&Place, &Written)| match (place.index, &written.value) {
        (Some(index), Value::Text(name) | Value::Word(name)) if place.section == "queue" && place.name == "name" => {
            Some((name.clone(), index))
        }
        _ => None,
    };
    let mut configured: BTreeMap<String, usize> = raw.values.iter().filter_map(name_of).collect();
    let before = configured.clone();
    for name in names {
        raw.picked.insert(name.clone());
        if configured.contains_key(name) {
            continue;
        }
        configured.insert(name.clone(), raw.queues.len());
        if !before.is_empty() {
            let hint = nearest(name, before.keys().map(String::as_str));
            let hint = hint.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            raw.warn("queue", FLAG, format!("no [[queue]] configures {}: it gets the defaults{hint}", quote(name)));
        }
        raw.set(Place::at("queue", Some(raw.queues.len()), "name"), Value::Word(name.clone()), FLAG);
        raw.queues.push(FLAG);
    }
}

/// A name that is safe in a key of Redis, in a path and in a log line.
#[derive(Clone, PartialEq, PartialOrd)]
struct QueueName(String);

impl Setting for QueueName {
    const ALLOWED: &'static str = "1 to 64 of a-z, 0-9, _, . and -, beginning with a letter or digit; each name once";

    fn parse(written: &Value) -> Result<Self, Fault> {
        let name = written.text()?;
        let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_good = name.len() <= MAX_NAME
            && name.as_bytes().first().is_some_and(is_word)
            && name.as_bytes().iter().all(|byte| is_word(byte) || b"_.-".contains(byte));
        if is_good {
            return Ok(Self(name.to_owned()));
        }
        Err(Fault::new(format!("{} is not a name for a queue", quote(name))).remedy("rename it, such as emails-2"))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.0.clone())
    }
}
