//! The configuration: what was written, checked, and where each value came from.
//!
//! The layers, weakest first: defaults, what hosts call their mail settings and their clients at providers, the file, `LIAISON_…` variables,
//! flags, and what a command itself decides.
//! `RawConfig` is what was written; `Config` is what runs. Every mistake is found before anything starts, and all are
//! reported at once. To add a key, write its field and its line in the section's `read`: the hints, the variable's name
//! and the tests of `liaison.toml` and `docs/configuration.md` follow from there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod address;
pub(crate) mod calendars;
pub(crate) mod changes;
mod clients;
mod django;
#[cfg(test)]
mod documents;
pub(crate) mod environment;
mod file;
pub(crate) mod hint;
pub(crate) mod http;
mod key;
pub(crate) mod log;
pub(crate) mod mail;
pub(crate) mod meetings;
pub(crate) mod mistake;
pub(crate) mod origin;
pub(crate) mod outbound;
mod print;
mod providers;
pub(crate) mod queues;
mod raw;
mod reader;
pub(crate) mod redis;
pub(crate) mod retention;
pub(crate) mod schedule;
pub(crate) mod scheduler;
pub(crate) mod secret;
pub(crate) mod store;
#[cfg(test)]
mod tests;
pub(crate) mod tokens;
pub(crate) mod traces;
pub(crate) mod units;
pub(crate) mod url;
pub(crate) mod webhooks;
pub(crate) mod worker;

use calendars::Calendars;
use http::Http;
use key::Value;
use log::Log;
use mail::Mail;
use meetings::Meetings;
use mistake::{ConfigError, Warning};
use origin::{Origin, Place};
use outbound::Outbound;
pub(crate) use providers::Provider;
use queues::{Queue, Queues};
use raw::{RawConfig, Written};
use reader::{Entry, Known, Reader};
use redis::Redis;
use retention::Retention;
use scheduler::Scheduler;
use secret::Secret;
use store::Store;
use tokens::Tokens;
use traces::Traces;
use webhooks::Webhooks;
use worker::Worker;

/// What runs: valid, complete, and with the queues that this process serves.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) redis: Redis,
    pub(crate) store: Store,
    pub(crate) worker: Worker,
    /// What holds for every queue.
    pub(crate) queues: Queues,
    /// The queues to serve; at least one.
    pub(crate) queue: Vec<Queue>,
    pub(crate) scheduler: Scheduler,
    pub(crate) tokens: Tokens,
    /// Who gives tokens.
    pub(crate) provider: Vec<Provider>,
    pub(crate) retention: Retention,
    pub(crate) http: Http,
    pub(crate) traces: Traces,
    pub(crate) outbound: Outbound,
    pub(crate) mail: Mail,
    pub(crate) meetings: Meetings,
    pub(crate) webhooks: Webhooks,
    pub(crate) calendars: Calendars,
    pub(crate) log: Log,
    entries: Vec<Entry>,
}

impl Config {
    fn read(reader: &mut Reader) -> Self {
        let redis = Redis::read(reader);
        let store = Store::read(reader);
        let worker = Worker::read(reader);
        let queues = Queues::read(reader);
        let queue = Queue::read_all(reader, worker.concurrency);
        let scheduler = Scheduler::read(reader);
        let tokens = Tokens::read(reader, &store);
        let provider = Provider::read_all(reader);
        let retention = Retention::read(reader);
        let http = Http::read(reader);
        let traces = Traces::read(reader);
        let outbound = Outbound::read(reader);
        let mail = Mail::read(reader);
        let meetings = Meetings::read(reader);
        let webhooks = Webhooks::read(reader);
        let calendars = Calendars::read(reader);
        let log = Log::read(reader);
        let entries = std::mem::take(&mut reader.entries);
        Self {
            redis,
            store,
            worker,
            queues,
            queue,
            scheduler,
            tokens,
            provider,
            retention,
            http,
            traces,
            outbound,
            mail,
            meetings,
            webhooks,
            calendars,
            log,
            entries,
        }
    }
}

/// The flags that configure something. Their values arrive as they were typed, so that all mistakes come together.
#[derive(Default)]
pub(crate) struct Flags {
    pub(crate) config: Option<PathBuf>,
    pub(crate) redis_url: Option<String>,
    pub(crate) database_url: Option<String>,
    /// Empty means all that are configured.
    pub(crate) queues: Vec<String>,
    pub(crate) concurrency: Option<String>,
}

/// Everything that a configuration is made of. May hold secrets: it has no `Debug`.
#[derive(Default)]
pub(crate) struct Sources {
    /// Where a file is looked for when none is named; the first that exists counts.
    pub(crate) search: Vec<PathBuf>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) flags: Flags,
    /// What the command itself decides, such as `("redis.url", "unix:///…")` in `liaison dev`. Stronger than all.
    pub(crate) fixed: Vec<(&'static str, String)>,
}

impl Sources {
    /// From this process: its environment is read here, once.
    pub(crate) fn of_this_process(flags: Flags) -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self::new(std::env::vars_os().map(|(name, value)| (text(name), text(value))), flags)
    }

    /// The usual places for the file, and of the environment what is ours.
    pub(crate) fn new(environment: impl IntoIterator<Item = (String, String)>, flags: Flags) -> Self {
        let is_ours =
            |name: &str| name.starts_with(environment::PREFIX) || django::is_known(name) || clients::is_known(name);
        let ours = environment.into_iter().filter(|(name, _)| is_ours(name));
        Self { search: file::usual_places(), environment: ours.collect(), flags, fixed: Vec::new() }
    }
}

/// A configuration that can be used.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) warnings: Vec<Warning>,
    /// The file that was read, if any.
    pub(crate) file: Option<PathBuf>,
    /// What stood in it.
    pub(crate) text: Option<Secret>,
}

/// Every key there is, in the order of the documentation.
pub(crate) fn known() -> Vec<Known> {
    let mut reader = Reader::new(RawConfig::new(Vec::new()));
    Config::read(&mut reader);
    reader.known
}

/// The variables that set these keys, for a process that we start; and those that it must not inherit, because they are
/// another word for one of them.
pub(crate) fn variables(fixed: &[(&'static str, String)]) -> (Vec<(String, String)>, Vec<&'static str>) {
    let set =
        |(key, value): &(&str, String)| (format!("LIAISON_{}", key.replace('.', "__").to_uppercase()), value.clone());
    let short = [("redis.url", "LIAISON_REDIS_URL"), ("store.url", "LIAISON_DATABASE_URL")];
    let other_words = short.into_iter().filter(|(key, _)| fixed.iter().any(|(set, _)| set == key));
    // Which entry of a list they are of only the configuration knows: see `of_providers`.
    let fixed_keys = fixed.iter().filter(|(key, _)| !key.contains('+'));
    (fixed_keys.map(set).collect(), other_words.map(|(_, variable)| variable).collect())
}

/// The same for `provider.+.…`, as the configuration has taken them.
#[cfg(feature = "sandbox")]
pub(crate) fn of_providers(fixed: &[(&'static str, String)], config: &Config) -> Vec<(String, String)> {
    let (mut at, mut set) = (None, Vec::new());
    for (key, value) in fixed {
        let Some(name) = key.strip_prefix("provider.+.") else { continue };
        if name == "name" {
            at = config.provider.iter().position(|provider| provider.name == *value);
        }
        set.extend(at.map(|at| (Place::at("provider", Some(at), name).environment(), value.clone())));
    }
    set
}

/// Read all the sources and check them.
pub(crate) fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut raw = RawConfig::new(known());
    django::read(&sources.environment, &mut raw);
    let file = read_file(sources, &mut raw);
    environment::read(&sources.environment, &mut raw);
    django::settle(&mut raw);
    read_flags(&sources.flags, &mut raw);
    let mut chosen = None;
    for (key, value) in &sources.fixed {
        let place = fixed_place((key, value), &mut raw, &mut chosen);
        raw.set(place, Value::Word(value.clone()), Origin::Command);
    }
    clients::settle(&sources.environment, &mut raw);
    let mut reader = Reader::new(raw);
    let mut config = Config::read(&mut reader);
    config.scheduler.look_beside(file.as_deref());
    let RawConfig { mistakes, warnings, text, broken, .. } = reader.raw;
    if mistakes.is_empty() {
        Ok(Loaded { config, warnings, file, text })
    } else {
        Err(ConfigError::new(mistakes, &broken))
    }
}

/// Where a fixed value belongs. `provider.+.name` chooses the entry of this name, or begins one more than anybody wrote; the
/// keys that follow are of that one.
fn fixed_place((key, value): (&str, &str), raw: &mut RawConfig, chosen: &mut Option<usize>) -> Place {
    let (section, name) = key.split_once('.').unwrap_or_default();
    let Some(name) = name.strip_prefix("+.") else { return Place::new(section, name) };
    if name == "name" {
        let has_name = |(place, written): (&Place, &Written)| match &written.value {
            Value::Text(text) | Value::Word(text)
                if place.section == section && place.name == "name" && text == value =>
            {
                place.index
            }
            _ => None,
        };
        *chosen = raw.values.iter().find_map(has_name).or_else(|| {
            let (list, _) = raw.list(section);
            list.push(Origin::Command);
            Some(list.len() - 1)
        });
    }
    Place::at(section, *chosen, name)
}

fn read_file(sources: &Sources, raw: &mut RawConfig) -> Option<PathBuf> {
    let flag = sources.flags.config.as_deref().map(|path| (path, Origin::Flag("--config")));
    let variable = sources.environment.get(environment::CONFIG);
    let variable = variable.map(|path| (Path::new(path), Origin::Environment(environment::CONFIG.to_owned())));
    if let Some((path, origin)) = flag.or(variable) {
        file::read(path, Some(&origin), raw);
        return Some(path.to_owned());
    }
    sources.search.iter().find(|path| file::read(path, None, raw)).cloned()
}

fn read_flags(flags: &Flags, raw: &mut RawConfig) {
    let single = [
        ("redis", "url", "--redis-url", &flags.redis_url),
        ("store", "url", "--database-url", &flags.database_url),
        ("worker", "concurrency", "--concurrency", &flags.concurrency),
    ];
    for (section, name, flag, value) in single {
        if let Some(value) = value {
            raw.set(Place::new(section, name), Value::Word(value.clone()), Origin::Flag(flag));
        }
    }
    queues::pick(raw, &flags.queues);
}
