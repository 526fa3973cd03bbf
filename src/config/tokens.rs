//! `[tokens]`: when the tokens of integrations are refreshed, and where answers wait for the database.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::environment;
use super::key::Key;
use super::reader::Reader;
use super::store::Store;

pub(crate) const DEFAULT_REFRESH_BEFORE: Duration = Duration::from_mins(10);
pub(crate) const MIN_REFRESH_BEFORE: Duration = Duration::from_secs(10);
pub(crate) const MAX_REFRESH_BEFORE: Duration = Duration::from_hours(24);
pub(crate) const DEFAULT_SKEW: Duration = Duration::from_mins(1);
pub(crate) const MIN_SKEW: Duration = Duration::ZERO;
pub(crate) const MAX_SKEW: Duration = Duration::from_mins(10);
/// The scan comes every five minutes: what it found is under way when the next one looks.
pub(crate) const DEFAULT_SPREAD: Duration = Duration::from_mins(4);
pub(crate) const MIN_SPREAD: Duration = Duration::ZERO;
pub(crate) const MAX_SPREAD: Duration = Duration::from_hours(1);
pub(crate) const DEFAULT_CONCURRENCY: u32 = 16;
pub(crate) const MIN_CONCURRENCY: u32 = 1;
pub(crate) const MAX_CONCURRENCY: u32 = 1000;

/// What the folder is called, beside the database or in the folder of the service's state.
const FOLDER: &str = "tokens";
/// Where packages keep the state, when nobody says otherwise.
const STATE: &str = "/var/lib/liaison";

/// How tokens are kept good.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tokens {
    /// So long before its end a token is refreshed. Defaults to 10 min.
    pub(crate) refresh_before: Duration,
    /// A token that ends so soon is not used. Defaults to 1 min.
    pub(crate) skew: Duration,
    /// Over so long refreshes that are due together are spread. Defaults to 4 min.
    pub(crate) spread: Duration,
    /// Refreshes at one provider at once, over all daemons. Defaults to 16.
    pub(crate) concurrency: u32,
    /// Where answers wait for the database. Defaults to `tokens` beside the file of `SQLite`, or in the folder of the
    /// service's state.
    pub(crate) spool: PathBuf,
}

impl Tokens {
    pub(super) fn read(reader: &mut Reader, store: &Store) -> Self {
        let mut from = reader.section("tokens");
        let refresh_before = from.value(
            Key::new("refresh_before", "How long before its end a token is refreshed; the scan looks so far ahead.")
                .default(DEFAULT_REFRESH_BEFORE)
                .within(MIN_REFRESH_BEFORE..=MAX_REFRESH_BEFORE),
        );
        let skew = from.value(
            Key::new("skew", "A token that ends so soon is not used any more: clocks differ, and calls take time.")
                .default(DEFAULT_SKEW)
                .within(MIN_SKEW..=MAX_SKEW),
        );
        let spread = from.value(
            Key::new("spread", "Refreshes that are found together are spread over so long, each by its own part.")
                .default(DEFAULT_SPREAD)
                .within(MIN_SPREAD..=MAX_SPREAD),
        );
        let concurrency = from.value(
            Key::new("concurrency", "Refreshes at one provider at once, over all daemons.")
                .default(DEFAULT_CONCURRENCY)
                .within(MIN_CONCURRENCY..=MAX_CONCURRENCY),
        );
        let spool = from.optional(
            Key::new("spool", "Where the answers of providers wait, sealed, until the database has them.")
                .otherwise("`tokens` beside the SQLite file, else in the state directory"),
        );
        if let Some(origin) = from.origin("skew").or_else(|| from.origin("refresh_before"))
            && skew >= refresh_before
        {
            let key = from.place("skew").to_string();
            let problem = "is not less than refresh_before, so every token would be too old as soon as it is looked at";
            from.raw().mistake(key, origin, problem, "less than refresh_before", "make it less");
        }
        let spool = spool.unwrap_or_else(|| usual(store));
        Self { refresh_before, skew, spread, concurrency, spool }
    }
}

fn usual(store: &Store) -> PathBuf {
    let beside = store.url.expose().strip_prefix("sqlite:").map(Path::new).and_then(Path::parent).map(Path::to_owned);
    let folder = beside.or_else(environment::state_folder).unwrap_or_else(|| PathBuf::from(STATE));
    folder.join(FOLDER)
}
