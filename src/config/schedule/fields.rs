//! The fields of one entry, each read by itself, so that all mistakes come together.

use std::time::Duration;

use chrono_tz::{TZ_VARIANTS, Tz};
use liaison_queue::{EntryName, QueueName, state::Priority};
use serde_json::{Map, Number, Value as Json};
use toml::de::{DeTable, DeValue};

use super::{CatchUp, Entry, MAX_CATCH_UP, MAX_DESCRIPTION, MAX_LATER, MAX_WITHIN, Overlap, Reading, mistake};
use crate::{
    config::{
        file::{what, written},
        hint::nearest,
        key::{Fault, Setting},
        mistake::quote,
        origin::Origin,
        units::show_duration,
    },
    scheduler::{crontab::Crontab, ticks::Ticks},
};

/// As deep as arguments may be nested.
const MAX_DEPTH: usize = 32;
const DURATIONS: &str = "a duration such as \"30s\"";

/// What is wrong with a field: the problem, what is allowed, and the remedy.
type Wrong = (String, String, String);

fn wrong(problem: impl Into<String>, allowed: impl Into<String>, remedy: impl Into<String>) -> Wrong {
    (problem.into(), allowed.into(), remedy.into())
}

impl Reading<'_> {
    /// The entry, if it is without mistakes.
    pub(super) fn entry(&mut self, key: &str, keys: &DeTable<'_>, origin: &Origin) -> Option<Entry> {
        let before = self.mistakes.len();
        let mut from = Fields { reading: self, key, keys, origin };
        let name = from.required("name", "name = \"nightly_cleanup\"", |value| a_name(value, EntryName::parse));
        let job = from.required("job", "job = \"…\", a name from `liaison jobs catalog`", |value| {
            text(value).map(str::to_owned)
        });
        let cron = from.required("cron", "cron = \"*/5 * * * *\"", cron);
        let zone = from.read("timezone", zone);
        let args = from.read("args", args);
        let queue = from.read("queue", |value| a_name(value, QueueName::parse));
        let bands = [Priority::High, Priority::Normal, Priority::Low].map(|band| (band.as_str(), band));
        let priority = from.read("priority", |value| word(value, bands));
        let catch_up = from.read("catch_up", catch_up);
        let overlaps = [("allow", Overlap::Allow), ("skip", Overlap::Skip), ("queue", Overlap::Queue)];
        let overlap = from.read("overlap", |value| word(value, overlaps));
        let jitter = from.read("jitter", |value| later(value, MAX_LATER));
        let spread = from.read("spread", |value| later(value, MAX_LATER));
        let enabled = from.read("enabled", flag);
        let description = from.read("description", description);
        let args = args.unwrap_or_else(|| Json::Object(Map::new()));
        let enabled = enabled.unwrap_or(true);
        let (written, most) = (args.to_string(), from.reading.max_args);
        if written.len() > most {
            let problem = format!("is {} bytes of JSON, {} too many", written.len(), written.len() - most);
            let place = from.find("args").map_or_else(|| origin.clone(), |(origin, _)| origin);
            from.refuse("args", place, wrong(problem, format!("at most {most} bytes (queues.max_args)"), "shorten it"));
        }
        if let (Some(job), true) = (&job, enabled) {
            from.fits(job, &written);
        }
        if from.reading.mistakes.len() > before {
            return None;
        }
        Some(Entry {
            name: name?,
            job: job?,
            ticks: Ticks { crontab: cron?, zone: zone.unwrap_or(Tz::UTC) },
            args,
            queue: queue.unwrap_or_else(QueueName::default_queue),
            priority: priority.unwrap_or(Priority::Normal),
            catch_up: catch_up.unwrap_or(CatchUp::Last),
            overlap: overlap.unwrap_or(Overlap::Skip),
            jitter: jitter.unwrap_or_default(),
            spread: spread.unwrap_or_default(),
            enabled,
            description,
        })
    }
}

struct Fields<'a, 'b> {
    reading: &'a mut Reading<'b>,
    key: &'a str,
    keys: &'a DeTable<'a>,
    origin: &'a Origin,
}

impl Fields<'_, '_> {
    fn find(&self, name: &str) -> Option<(Origin, &DeValue<'_>)> {
        let (key, value) = self.keys.iter().find(|(key, _)| key.get_ref() == name)?;
        Some((self.reading.document.at(key.span().start), value.get_ref()))
    }

    fn required<T>(&mut self, name: &str, sample: &str, read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>) -> Option<T> {
        if self.find(name).is_none() {
            let missing = wrong("is missing", "one in every entry", format!("write {sample}"));
            self.refuse(name, self.origin.clone(), missing);
        }
        self.read(name, read)
    }

    /// The value; none if it is left out, or wrong: that is noted.
    fn read<T>(&mut self, name: &str, read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>) -> Option<T> {
        let (origin, value) = self.find(name)?;
        match read(value) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.refuse(name, origin, wrong);
                None
            }
        }
    }

    fn refuse(&mut self, name: &str, origin: Origin, (problem, allowed, remedy): Wrong) {
        self.reading.mistakes.push(mistake(&format!("{}.{name}", self.key), origin, problem, allowed, remedy));
    }

    /// Whether this build knows the job, and whether the job takes the arguments.
    fn fits(&mut self, job: &str, args: &str) {
        let diagnostics = self.reading.diagnostics;
        let place = |name: &str| self.find(name).map_or_else(|| self.origin.clone(), |(origin, _)| origin);
        match liaison_jobs::find(job, diagnostics) {
            Err(said) => {
                let known = liaison_jobs::CATALOG.iter().filter(|entry| diagnostics || !entry.diagnostic);
                let known: Vec<_> = known.map(|entry| entry.name).collect();
                let remedy = match nearest(job, known.iter().copied()) {
                    Some(near) => format!("did you mean {near}? Or set enabled = false until a release knows it"),
                    None => "check the name, or set enabled = false until a release knows it".to_owned(),
                };
                let said = said.strip_prefix("job: ").unwrap_or(&said).to_owned();
                let allowed = if known.is_empty() { "none yet in this build".to_owned() } else { known.join(", ") };
                self.refuse("job", place("job"), wrong(said, allowed, remedy));
            }
            Ok(entry) => {
                if let Err(said) = (entry.check)(args) {
                    let remedy = format!("correct the arguments of {job}");
                    self.refuse("args", place("args"), wrong(said, format!("what {job} takes"), remedy));
                }
            }
        }
    }
}

fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, Wrong> {
    match value {
        DeValue::String(text) if text.is_empty() => {
            Err(wrong("is empty", "a text", "give it a value, or leave it out"))
        }
        DeValue::String(text) => Ok(text),
        other => Err(wrong(format!("is {}", what(other)), "a string in quotes", "put it into quotes")),
    }
}

fn a_name<T>(value: &DeValue<'_>, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, Wrong> {
    let text = text(value)?;
    parse(text).map_err(|said| {
        let said = said.split_once(": ").map_or(said.as_str(), |(_, said)| said).to_owned();
        wrong(format!("{}: {said}", quote(text)), "a name", "rename it")
    })
}

fn cron(value: &DeValue<'_>) -> Result<Crontab, Wrong> {
    let text = text(value)?;
    Crontab::parse(text).map_err(|said| {
        let allowed = "minute hour day month weekday, with the second before them or without; or @daily and its kin";
        wrong(format!("cron {}: {said}", quote(text)), allowed, "write, for example, cron = \"*/5 * * * *\"")
    })
}

fn zone(value: &DeValue<'_>) -> Result<Tz, Wrong> {
    let text = text(value)?;
    text.parse().map_err(|_| {
        let names = TZ_VARIANTS.iter().map(|zone| zone.name());
        let same_city = || {
            let city = |name: &str| name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase().replace(' ', "_");
            TZ_VARIANTS.iter().map(|zone| zone.name()).find(|name| city(name) == city(text))
        };
        let remedy = match same_city().or_else(|| nearest(text, names)) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "write the name of a city's zone, such as \"Europe/Berlin\"".to_owned(),
        };
        wrong(format!("no time zone is called {}", quote(text)), "a name of the IANA time zone database", remedy)
    })
}

fn flag(value: &DeValue<'_>) -> Result<bool, Wrong> {
    bool::parse(&written(value)).map_err(|fault| of_fault(fault, bool::ALLOWED))
}

fn of_fault(fault: Fault, allowed: &str) -> Wrong {
    wrong(fault.problem, allowed, fault.remedy.unwrap_or_else(|| format!("write {allowed}")))
}

fn later(value: &DeValue<'_>, most: Duration) -> Result<Duration, Wrong> {
    let length = Duration::parse(&written(value)).map_err(|fault| of_fault(fault, DURATIONS))?;
    if length > most {
        let (length, most) = (show_duration(length), show_duration(most));
        return Err(wrong(
            format!("{length} is too much"),
            format!("0s to {most}"),
            format!("write at most \"{most}\""),
        ));
    }
    Ok(length)
}

fn description(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = text(value)?;
    match text.len() {
        0..=MAX_DESCRIPTION => Ok(text.to_owned()),
        long => Err(wrong(format!("is {long} bytes long"), format!("at most {MAX_DESCRIPTION}"), "shorten it")),
    }
}

fn word<T: Copy, const N: usize>(value: &DeValue<'_>, words: [(&str, T); N]) -> Result<T, Wrong> {
    let text = text(value)?;
    if let Some((_, meant)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*meant);
    }
    let names = words.map(|(word, _)| word);
    let remedy = match nearest(text, names) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("write {:?}, for example", names[0]),
    };
    Err(wrong(format!("{} is none of them", quote(text)), names.map(|name| format!("{name:?}")).join(", "), remedy))
}

fn catch_up(value: &DeValue<'_>) -> Result<CatchUp, Wrong> {
    const ALLOWED: &str = "\"none\", \"last\" or { all = N, within = \"…\" }";
    let DeValue::Table(keys) = value else {
        let words = [("none", CatchUp::None), ("last", CatchUp::Last)];
        return word(value, words).map_err(|(problem, _, _)| {
            wrong(problem, ALLOWED, "write, for example, catch_up = { all = 10, within = \"1h\" }")
        });
    };
    let remedy = "write, for example, { all = 10, within = \"1h\" }";
    if let Some(odd) = keys.keys().find(|key| !["all", "within"].contains(&key.get_ref().as_ref())) {
        return Err(wrong(format!("{} is not a key of it", quote(odd.get_ref())), ALLOWED, remedy));
    }
    let (Some(most), Some(within)) = (keys.get("all"), keys.get("within")) else {
        return Err(wrong("lacks `all` or `within`: both bound what is made up for", ALLOWED, remedy));
    };
    let most = u32::parse(&written(most.get_ref())).map_err(|fault| of_fault(fault, "a whole number"))?;
    if !(1..=MAX_CATCH_UP).contains(&most) {
        return Err(wrong(format!("all = {most} is out of range"), format!("1 to {MAX_CATCH_UP}"), remedy));
    }
    Ok(CatchUp::All { most, within: later(within.get_ref(), MAX_WITHIN)? })
}

fn args(value: &DeValue<'_>) -> Result<Json, Wrong> {
    match value {
        DeValue::Table(_) => json(value, 0),
        other => Err(wrong(format!("is {}", what(other)), "a table", "write args = { key = \"value\" }")),
    }
}

fn json(value: &DeValue<'_>, depth: usize) -> Result<Json, Wrong> {
    if depth > MAX_DEPTH {
        return Err(wrong("is nested too deep", format!("{MAX_DEPTH} levels"), "make it flatter"));
    }
    let no_number = || wrong("holds a number that JSON does not know", "numbers of JSON", "write it as a string");
    Ok(match value {
        DeValue::String(text) => Json::String(text.to_string()),
        DeValue::Boolean(flag) => Json::Bool(*flag),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| no_number())?.into()
        }
        DeValue::Float(number) => {
            let number: f64 = number.as_str().parse().map_err(|_| no_number())?;
            Json::Number(Number::from_f64(number).ok_or_else(no_number)?)
        }
        DeValue::Datetime(_) => {
            return Err(wrong("holds a date without quotes", "what JSON knows", "put the date into quotes"));
        }
        DeValue::Array(items) => {
            Json::Array(items.iter().map(|item| json(item.get_ref(), depth + 1)).collect::<Result<_, _>>()?)
        }
        DeValue::Table(fields) => {
            let mut map = Map::new();
            for (name, field) in fields {
                map.insert(name.get_ref().to_string(), json(field.get_ref(), depth + 1)?);
            }
            Json::Object(map)
        }
    })
}
