//! The environment: `LIAISON_<SECTION>__<KEY>`, a few short forms, and who types. Nobody else reads it.

use std::collections::{BTreeMap, BTreeSet};

use super::hint::distance;
use super::key::Value;
use super::origin::{Origin, Place};
use super::raw::{LISTS, RawConfig, Written};

/// Every variable of ours begins with it.
pub(super) const PREFIX: &str = "LIAISON_";

/// Names the configuration file.
pub(crate) const CONFIG: &str = "LIAISON_CONFIG";

/// The short forms: variable, section, key.
const SHORT: [(&str, &str, &str); 2] =
    [("LIAISON_REDIS_URL", "redis", "url"), ("LIAISON_DATABASE_URL", "store", "url")];

/// What a test breaks in this process. It is no setting: only builds of tests know it.
const FAULTS: &str = "LIAISON_FAULTS";

/// The faults that a test has planned, in a build that has any.
#[expect(clippy::disallowed_methods, reason = "the one home of the environment")]
pub(crate) fn faults() -> Option<String> {
    if liaison_queue::faults::ENABLED { std::env::var(FAULTS).ok() } else { None }
}

/// Who types: the one behind `sudo`, else whoever is logged in, else the number of the user. For the records only.
#[expect(clippy::disallowed_methods, reason = "the one home of the environment")]
pub(crate) fn operator() -> String {
    name_of(|name| std::env::var_os(name).map(|text| text.to_string_lossy().into_owned()))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

fn name_of(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| variable(name).filter(|value| !value.trim().is_empty()))
}

/// Where systemd says that a service may keep its state: the first of its `StateDirectory=`.
#[expect(clippy::disallowed_methods, reason = "the one home of the environment")]
pub(super) fn state_folder() -> Option<std::path::PathBuf> {
    let folders = std::env::var("STATE_DIRECTORY").ok()?;
    folders.split(':').next().filter(|folder| !folder.is_empty()).map(Into::into)
}

/// What systemd tells a unit that notifies: where, how often it wants a sign of life, and from which process.
#[derive(Debug, Default)]
pub(crate) struct Supervisor {
    pub(crate) socket: Option<std::ffi::OsString>,
    pub(crate) watchdog_usec: Option<u64>,
    pub(crate) watchdog_pid: Option<u32>,
}

/// Its variables. They are for this process alone: one that we start must not inherit them.
pub(crate) const SUPERVISOR: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

#[expect(clippy::disallowed_methods, reason = "the one home of the environment")]
pub(crate) fn supervisor() -> Supervisor {
    let [socket, usec, pid] = SUPERVISOR.map(std::env::var_os);
    let text = |value: Option<std::ffi::OsString>| value.and_then(|value| value.into_string().ok());
    Supervisor {
        socket: socket.filter(|socket| !socket.is_empty()),
        watchdog_usec: text(usec).and_then(|usec| usec.parse().ok()),
        watchdog_pid: text(pid).and_then(|pid| pid.parse().ok()),
    }
}

/// Lay the variables over what the file wrote.
pub(super) fn read(environment: &BTreeMap<String, String>, raw: &mut RawConfig) {
    for section in LISTS {
        open_entries(section, environment, raw);
    }
    for (name, value) in environment {
        let Some(rest) = name.strip_prefix(PREFIX).filter(|_| name != CONFIG) else { continue };
        let origin = Origin::Environment(name.clone());
        let short = SHORT.iter().find(|(short, ..)| short == name);
        let place = short.map(|(_, section, key)| Place::new(section, key)).or_else(|| place_of(rest));
        match place {
            Some(place) => lay(place, value, origin, raw),
            None => refuse_near_miss(name, origin, raw),
        }
    }
}

fn lay(place: Place, value: &str, origin: Origin, raw: &mut RawConfig) {
    let section = place.section.clone();
    let (list, most) = raw.list(&section);
    let before = list.len();
    if place.index.is_some_and(|index| index >= before) {
        let next = Place::at(&section, Some(before), "name").environment();
        let problem = format!("leaves a gap: there are {before} {section}s before it");
        let allowed = format!("at most {most} {section}s, without gaps");
        return raw.mistake(place.to_string(), origin, problem, allowed, format!("go on with {next}"));
    }
    if let Some(Written { value: Value::Word(other), origin: Origin::Environment(twin) }) = raw.values.get(&place)
        && other != value
        && twin.starts_with(PREFIX)
    {
        let problem = format!("says something else than {twin}");
        return raw.mistake(place.to_string(), origin, problem, "one of the two", format!("unset it, or {twin}"));
    }
    raw.set(place, Value::Word(value.to_owned()), origin);
}

/// `SECTION__KEY`, or `QUEUE__0__KEY`.
fn place_of(rest: &str) -> Option<Place> {
    let parts: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
    match parts.as_slice() {
        [section, name] if !is_list(section) => Some(Place::new(section, name)),
        [section, index, name] if is_list(section) => index.parse().ok().map(|at| Place::at(section, Some(at), name)),
        [section, name @ ..] if name.len() > 1 && !is_list(section) => Some(Place::new(section, &name.join("__"))),
        _ => None,
    }
}

fn is_list(section: &str) -> bool {
    LISTS.contains(&section)
}

/// Entries that only the environment describes go on where the file stops.
fn open_entries(section: &str, environment: &BTreeMap<String, String>, raw: &mut RawConfig) {
    let entry = |name: &String| {
        place_of(name.strip_prefix(PREFIX)?).filter(|place| place.section == section).and_then(|place| place.index)
    };
    // Sorted as numbers: 10 comes after 9.
    let indices: BTreeSet<usize> = environment.keys().filter_map(entry).collect();
    let (list, most) = raw.list(section);
    for index in indices {
        if index == list.len() && index < most {
            list.push(Origin::Environment(Place::at(section, Some(index), "name").environment()));
        }
    }
}

/// A variable without a double underscore is somebody else's, unless it nearly is one of ours: orchestrators invent
/// names such as `LIAISON_REDIS_PORT` for a service called so.
fn refuse_near_miss(name: &str, origin: Origin, raw: &mut RawConfig) {
    let long = raw.known.iter().map(|known| {
        let index = is_list(known.section).then_some(0);
        Place::at(known.section, index, known.name).environment()
    });
    let short = SHORT.iter().map(|(short, ..)| *short).chain([CONFIG]).map(str::to_owned);
    let flat = |name: &str| name.replace("__", "_");
    let near = short.chain(long).map(|ours| (distance(&flat(name), &flat(&ours)), ours)).min();
    let remedy = match near {
        Some((0..=2, ours)) => format!("did you mean {ours}?"),
        Some(_) | None if name.contains("__") => "unset it".to_owned(),
        Some(_) | None => return,
    };
    let allowed = format!("{PREFIX}<SECTION>__<KEY>, with two underscores, and {PREFIX}QUEUE__0__<KEY>");
    raw.mistake(name, origin, "is not a variable of this configuration", allowed, remedy);
}

#[cfg(test)]
mod tests {
    use crate::config::{ConfigError, Loaded, Sources, load};

    fn with(environment: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        let owned = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(&Sources { environment: owned.collect(), ..Sources::default() })
    }

    fn mistake(name: &str, value: &str) -> String {
        let error = with(&[(name, value)]).unwrap_err();
        assert_eq!(error.mistakes.len(), 1, "{error}");
        error.mistakes[0].to_string()
    }

    #[test]
    fn every_type_can_be_written_in_the_environment() {
        let config = with(&[
            ("LIAISON_WORKER__LEASE", "30s"),
            ("LIAISON_WORKER__DIAGNOSTICS", "true"),
            ("LIAISON_WORKER__CONCURRENCY", "7"),
            ("LIAISON_QUEUES__MAX_ARGS", "1MiB"),
            ("LIAISON_LOG__FORMAT", "json"),
            ("LIAISON_DATABASE_URL", "sqlite:a.db"),
        ]);
        let config = config.unwrap().config;
        assert_eq!(config.worker.lease.as_secs(), 30);
        assert!(config.worker.diagnostics);
        assert_eq!((config.worker.concurrency, config.queue[0].concurrency), (7, 7));
        assert_eq!(config.queues.max_args.get(), 1 << 20);
        assert_eq!((config.log.format.as_str(), config.store.url.expose()), ("json", "sqlite:a.db"));
    }

    #[test]
    fn queues_are_counted_from_zero_and_leave_no_gap() {
        let names: Vec<_> = (0..12).map(|i| (format!("LIAISON_QUEUE__{i}__NAME"), format!("q{i}"))).collect();
        let names: Vec<_> = names.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let config = with(&names).unwrap().config;
        assert_eq!((config.queue.len(), config.queue[10].name.as_str()), (12, "q10"));
        assert!(mistake("LIAISON_QUEUE__1__NAME", "a").contains("go on with LIAISON_QUEUE__0__NAME"));
        assert!(
            mistake("LIAISON_QUEUE__0__WEIGHT", "2")
                .contains("queue[0].name (environment LIAISON_QUEUE__0__NAME): is missing")
        );
    }

    #[test]
    fn a_mistyped_variable_is_a_mistake_with_the_nearest_name() {
        for (name, meant) in [
            ("LIAISON_REDIS__ULR", "did you mean LIAISON_REDIS__URL?"),
            ("LIAISON_WROKER__LEASE", "did you mean LIAISON_WORKER__LEASE?"),
            ("LIAISON_WORKER_LEASE", "did you mean LIAISON_WORKER__LEASE?"),
            ("LIAISON_WORKER__LEVEL", "did you mean LIAISON_LOG__LEVEL?"),
            ("LIAISON_REDIS_URI", "did you mean LIAISON_REDIS_URL?"),
            ("LIAISON_CONFG", "did you mean LIAISON_CONFIG?"),
            ("LIAISON_QUEUE__NAME", "did you mean LIAISON_QUEUE__0__NAME?"),
            ("LIAISON_QUEUE__FIRST__NAME", "unset it"),
            ("LIAISON_NOTHING__LIKE__IT", "take it out"),
            ("LIAISON_QUEUE__0__WIGHT", "did you mean LIAISON_QUEUE__0__WEIGHT?"),
        ] {
            assert!(with(&[(name, "1")]).unwrap_err().to_string().contains(meant), "{name}");
        }
    }

    #[test]
    fn the_one_behind_sudo_is_who_types() {
        let of = |known: &[(&str, &str)]| {
            let known: std::collections::BTreeMap<_, _> = known.iter().copied().collect();
            super::name_of(|name| known.get(name).map(|value| (*value).to_owned()))
        };
        assert_eq!(of(&[("SUDO_USER", "ann"), ("USER", "root")]), Some("ann".to_owned()));
        assert_eq!(of(&[("USER", ""), ("LOGNAME", "bob")]), Some("bob".to_owned()));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn variables_of_others_are_left_alone() {
        let config =
            with(&[("LIAISON_REDIS_PORT", "tcp://10.0.0.1:6379"), ("LIAISON_SERVICE_HOST", "h"), ("PATH", "")]);
        assert_eq!(config.unwrap().warnings, []);
    }

    #[test]
    fn an_empty_variable_and_two_that_disagree_are_mistakes() {
        assert!(mistake("LIAISON_LOG__LEVEL", "").contains("is empty"));
        let error = with(&[("LIAISON_REDIS_URL", "redis://:a@h"), ("LIAISON_REDIS__URL", "redis://:b@h")]).unwrap_err();
        assert!(error.to_string().contains("unset it, or LIAISON_REDIS_URL"), "{error}");
        assert!(with(&[("LIAISON_REDIS_URL", "redis://h"), ("LIAISON_REDIS__URL", "redis://h")]).is_ok());
    }
}
