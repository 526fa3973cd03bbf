//! The store: whether it is there, fits this build, belongs to this Redis, has room, and what piles up in it.

use std::path::Path;

use chrono::TimeDelta;
use liaison_queue::{Link, clock::Clock};
use liaison_store::{DatabaseUrl, SealedCount, Store, migration_status};

use super::clocks::Skew;
use super::{Check, Finding, Severity, unanswered, within};
use crate::app::App;

/// Letters looked at from either end.
const SAMPLE: u32 = 100;
/// Below these a disk is full soon, or as good as full.
const LITTLE: u64 = 1 << 30;
const NOTHING: u64 = 100 << 20;
/// Fewer in an hour are no trend.
const FEW_DEAD: u64 = 10;

#[derive(Default)]
pub(super) struct Seen {
    pub(super) clock: Option<Skew>,
    pub(super) identity: Option<String>,
    pub(super) findings: Vec<Finding>,
}

pub(super) async fn look(app: &App) -> Seen {
    let mut seen = Seen::default();
    let url = match app.database() {
        Ok(url) => url,
        Err(fault) => {
            let what = format!("{fault:#}");
            let remedy = "correct store.url";
            seen.findings.push(Finding::new(Check::StoreReachable, Severity::Error, "store.url", what, remedy));
            return seen;
        }
    };
    let place = url.redacted();
    if let DatabaseUrl::Sqlite(path) = &url {
        seen.findings.push(space(path));
    }
    match within(migration_status(&url)).await {
        Ok(status) => seen.findings.push(schema(&place, &status)),
        Err(problem) => {
            let remedy = "see that it runs and that store.url is right; nothing else of it was looked at";
            seen.findings.push(Finding::new(Check::StoreReachable, Severity::Error, &place, problem, remedy));
            return seen;
        }
    }
    // Without the right keys everything but sealed letters can still be looked at.
    let has_keys = matches!(app.keys(), Ok(Some(_)));
    let opened = async { if has_keys { app.store_with_keys().await } else { app.store().await } };
    match within(opened).await {
        Ok(store) => inside(&store, &place, has_keys, &mut seen).await,
        Err(problem) if seen.findings.iter().any(|finding| finding.severity == Severity::Error) => drop(problem),
        Err(problem) => seen.findings.push(unanswered(Check::StoreReachable, &place, &problem)),
    }
    seen
}

async fn inside(store: &Store, place: &str, has_keys: bool, seen: &mut Seen) {
    let before = Clock::wall().0;
    match within(store.describe()).await {
        Ok(facts) => {
            let after = Clock::wall().0;
            seen.findings.push(Finding::ok(Check::StoreReachable, place, "answers"));
            seen.findings.push(Finding::ok(Check::StoreVersion, place, facts.version.as_str()));
            let (ahead_ms, doubt_ms) = (facts.now_ms - i64::midpoint(before, after), (after - before) / 2);
            seen.clock = Some(Skew { place: place.to_owned(), ahead_ms, doubt_ms });
        }
        // One that hangs is not asked anything else: every look would take its whole time.
        Err(problem) => return seen.findings.push(unanswered(Check::StoreReachable, place, &problem)),
    }
    seen.identity = within(store.identity()).await.ok();
    let sealed = if has_keys { sealed(store, place).await } else { no_keys() };
    seen.findings.push(sealed);
    if has_keys {
        seen.findings.push(keys(store, place).await);
    }
    seen.findings.push(rising(store, place).await);
    seen.findings.push(super::integrations::look(store, place).await);
}

fn schema(place: &str, status: &[(String, bool)]) -> Finding {
    let pending: Vec<&str> = status.iter().filter(|(_, applied)| !applied).map(|(name, _)| name.as_str()).collect();
    // A newer release's migrations are known by their number only.
    let newer = status.iter().filter(|(name, _)| name.bytes().all(|byte| byte.is_ascii_digit())).count();
    if !pending.is_empty() {
        let what = format!("lacks {} migrations: {}", pending.len(), pending.join(", "));
        return Finding::new(Check::StoreSchema, Severity::Error, place, what, "run `liaison migrate`");
    }
    if newer > 0 {
        let what = format!("has {newer} migrations of a newer release: a daemon of this one does not start");
        return Finding::new(Check::StoreSchema, Severity::Error, place, what, "upgrade this machine's liaison");
    }
    Finding::ok(Check::StoreSchema, place, format!("up to date, {} migrations", status.len()))
}

fn no_keys() -> Finding {
    let what = "without keys no envelope can be opened, and no daemon starts";
    let remedy = "make a key with `liaison keys generate`, and set it; or run this as a user who may read it";
    Finding::new(Check::StoreSealed, Severity::Warning, "store.key_file", what, remedy)
}

async fn sealed(store: &Store, place: &str) -> Finding {
    match within(store.sealed_for_good(SAMPLE)).await {
        Ok(found) if found.is_empty() => {
            Finding::ok(Check::StoreSealed, place, format!("the newest and oldest {SAMPLE} letters open"))
        }
        Ok(found) => {
            let (id, why) = &found[0];
            let what = format!("{} of the letters that were tried cannot be opened; {id}: {why}", found.len());
            let remedy = "put the missing key's line back into store.key_file, below the first";
            Finding::new(Check::StoreSealed, Severity::Error, place, what, remedy)
        }
        Err(problem) => unanswered(Check::StoreSealed, place, &problem),
    }
}

/// Values whose key is missing, and keys that have nothing to open.
async fn keys(store: &Store, place: &str) -> Finding {
    let counts = match within(store.sealed_counts()).await {
        Ok(counts) => counts,
        Err(problem) => return unanswered(Check::StoreKeys, place, &problem),
    };
    let ring = store.key_ids();
    let is_known = |count: &&SealedCount| count.key.as_ref().is_some_and(|key| ring.contains(key));
    let lost: Vec<String> = counts.iter().filter(|count| !is_known(count)).map(told).collect();
    if !lost.is_empty() {
        let remedy = "put the line of each missing key back into store.key_file, below the first; what is lost for good \
                      must be set anew";
        return Finding::new(Check::StoreKeys, Severity::Error, place, lost.join("; "), remedy);
    }
    let seals_nothing = |id: &&String| counts.iter().all(|count| count.key.as_ref() != Some(id));
    let idle: Vec<&str> = ring.iter().skip(1).filter(seals_nothing).map(String::as_str).collect();
    if !idle.is_empty() {
        let what = format!("nothing is sealed any more with the keys {} of store.key_file", idle.join(", "));
        let remedy = "take them out once no older backup is needed, and reload";
        return Finding::new(Check::StoreKeys, Severity::Advice, place, what, remedy);
    }
    let values: u64 = counts.iter().map(|count| count.values).sum();
    Finding::ok(Check::StoreKeys, place, format!("all {values} sealed values are of keys that are here"))
}

fn told(count: &SealedCount) -> String {
    let SealedCount { column, key, values } = count;
    let place = format!("{values} of {}.{}", column.table, column.column);
    match key {
        Some(key) => format!("{place} are sealed with key {key}, which the key file does not hold"),
        None => format!("{place} are no sealed values"),
    }
}

async fn rising(store: &Store, place: &str) -> Finding {
    let now = Clock::wall().date().naive_utc();
    let counts = async {
        let hour = store.count_dead_letters_since(now - TimeDelta::hours(1)).await?;
        let day = store.count_dead_letters_since(now - TimeDelta::hours(25)).await?;
        Ok::<_, liaison_store::StoreError>((hour, day - hour.min(day)))
    };
    match within(counts).await {
        // Three times what an hour of the day before had.
        Ok((hour, day)) if hour >= FEW_DEAD && hour > day / 8 => {
            let what = format!("{hour} jobs were given up in the last hour, and {day} in the day before");
            let remedy = "`liaison dead list` says why; mend the cause, then `liaison dead revive`";
            Finding::new(Check::DeadRising, Severity::Warning, place, what, remedy)
        }
        Ok((hour, _)) => Finding::ok(Check::DeadRising, place, format!("{hour} jobs given up in the last hour")),
        Err(problem) => unanswered(Check::DeadRising, place, &problem),
    }
}

/// Room on the disk of a file.
fn space(path: &Path) -> Finding {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let place = folder.display().to_string();
    let free = match rustix::fs::statvfs(folder) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(fault) => return unanswered(Check::StoreSpace, &place, &fault.to_string()),
    };
    let what = format!("{} MiB are free on the disk of the store", free >> 20);
    let remedy = "make room: a store that cannot write stops all claiming";
    match free {
        NOTHING.. if free >= LITTLE => Finding::ok(Check::StoreSpace, &place, what),
        NOTHING.. => Finding::new(Check::StoreSpace, Severity::Warning, &place, what, remedy),
        _ => Finding::new(Check::StoreSpace, Severity::Error, &place, what, remedy),
    }
}

/// Whether Redis keeps its history in this store.
pub(super) fn tie(link: &Link, tied: &str, identity: &str) -> Finding {
    if tied == identity {
        return Finding::ok(Check::StoreTie, link.server(), "belongs to this store");
    }
    let what =
        format!("keeps its history in store {tied}, but store.url is store {identity}: no daemon starts with both");
    let remedy = "use the same database everywhere, or another Redis";
    Finding::new(Check::StoreTie, Severity::Error, link.server(), what, remedy)
}
