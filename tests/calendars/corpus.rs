//! Events as providers have them, and the blocked times that each must produce: `tests/calendars/cases/`, one case a line.
//!
//! `put` is what stands in the calendar at first, `then` what happens after it was synchronised once. An entry is an event
//! in the words of the provider, or `{"remove": id}`, `{"series": …}`, `{"zone": …}`, `{"expire": …}`. What is expected was
//! worked out by hand from the rules of the zones and the documentation of the providers, never taken from what came out.

use serde_json::Value;

use super::town::Town;
use crate::support::{House, until};

const CASES: [(&str, &str); 3] = [
    ("google", include_str!("cases/google.json")),
    ("microsoft", include_str!("cases/graph.json")),
    ("caldav", include_str!("cases/ical.json")),
];

pub(super) struct Case {
    pub(super) provider: &'static str,
    /// Its account and its organizer.
    pub(super) id: String,
    pub(super) what: Value,
}

impl Case {
    pub(super) fn list(&self, name: &str) -> &[Value] {
        self.what[name].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// What is wrong with what came out.
    fn wrong(&self, town: &Town) -> Option<String> {
        let blocks = town.blocks(&self.id);
        let show = |block: &liaison_store::BlockedTime| {
            let time = |at: chrono::NaiveDateTime| at.format("%Y-%m-%dT%H:%MZ").to_string();
            let flags = [(block.all_day, " all-day"), (block.tentative, " tentative")];
            let flags: String = flags.into_iter().filter(|(is, _)| *is).map(|(_, flag)| flag).collect();
            format!("{}/{}{flags}", time(block.starts_at), time(block.ends_at))
        };
        let mut found: Vec<String> = blocks.iter().map(show).collect();
        found.sort();
        let mut expected: Vec<&str> = self.list("blocks").iter().filter_map(Value::as_str).collect();
        expected.sort_unstable();
        let mut wrong = Vec::new();
        if found != expected {
            wrong.push(format!("blocks {found:#?}, and not {expected:#?}"));
        }
        let titles: Vec<Value> = blocks.iter().map(|block| block.title.clone().into()).collect();
        if self.what["titles"].is_array() && titles != self.list("titles") {
            wrong.push(format!("is called {titles:?}"));
        }
        if self.what["odd"].is_number() {
            let last =
                if self.what["then"].is_null() { format!("all:{}", self.id) } else { format!("then:{}", self.id) };
            let result = town.result(&last);
            if result["odd"] != self.what["odd"] {
                wrong.push(format!("keeps {} aside", result["odd"]));
            }
        }
        let name = self.what["name"].as_str().unwrap_or_default();
        (!wrong.is_empty()).then(|| format!("{}: {name}: {}", self.provider, wrong.join("; ")))
    }
}

pub(super) fn cases() -> Vec<Case> {
    let of = |(provider, text): &(&'static str, &str)| {
        let all: Vec<Value> = serde_json::from_str(text).unwrap_or_else(|fault| panic!("{provider}: {fault}"));
        let number = |(number, what)| Case { provider, id: format!("{provider}-{number}"), what };
        all.into_iter().enumerate().map(number).collect::<Vec<_>>()
    };
    CASES.iter().flat_map(of).collect()
}

fn every_case_blocks_what_it_must(house: House) {
    let (town, cases) = (Town::new(house), cases());
    assert!(cases.len() >= 120, "{}", cases.len());
    for case in &cases {
        town.connect(case.provider, &case.id);
        town.zone(case.provider, &case.id, case.what["zone"].as_str().unwrap_or("Europe/Berlin"));
        case.list("put").iter().for_each(|what| town.happens(case.provider, &case.id, what));
    }
    all_block_what_they_must(&town, &cases, &|case, what| town.happens(case.provider, &case.id, what));
}

/// Synchronise these, once as they are, and once more after what happens then.
pub(super) fn all_block_what_they_must(town: &Town, cases: &[Case], happens: &dyn Fn(&Case, &Value)) {
    let worker = town.house.worker();
    town.house.redis.push("default", &[r#"{"id": "all", "job": "sync_all_calendar_integrations"}"#.to_owned()]);
    let result = town.result("all");
    assert_eq!((&result["calendars"], &result["enqueued"]), (&cases.len().into(), &cases.len().into()));
    let synced = |case: &Case| {
        let state = town.state(&case.id);
        state.last_sync_at.is_some() && !state.changed && state.blocks_version == state.blocks_told
    };
    until("all are synchronised", || cases.iter().all(synced));
    let later: Vec<&Case> = cases.iter().filter(|case| !case.list("then").is_empty()).collect();
    for case in &later {
        case.list("then").iter().for_each(|what| happens(case, what));
        town.ask("sync_calendar_events", &format!("then:{}", case.id), &case.id);
    }
    for case in &later {
        town.result(&format!("then:{}", case.id));
    }
    until("all have settled", || cases.iter().all(synced));
    let wrong: Vec<String> = cases.iter().filter_map(|case| case.wrong(town)).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    worker.stop();
}

#[test]
fn every_case_of_the_corpus_blocks_what_it_must_in_sqlite() {
    every_case_blocks_what_it_must(House::sqlite());
}

#[test]
fn every_case_of_the_corpus_blocks_what_it_must_in_postgres() {
    every_case_blocks_what_it_must(House::postgres());
}
