//! The events of one calendar, each with the number of its last change.

use crate::calendars;
use crate::series::Series;
use chrono::SecondsFormat;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

#[derive(Debug)]
pub struct Shelf {
    /// In the order in which they came: pages go by that, so none shifts when something is put in or taken out.
    pub(super) kept: BTreeMap<u64, Kept>,
    by_id: HashMap<String, u64>,
    /// Of the last change.
    pub(super) seq: u64,
    /// Cursors of another one are not good.
    pub(super) generation: u64,
    pub(super) zone: String,
}

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) seq: u64,
    pub(super) event: Value,
}

impl Default for Shelf {
    fn default() -> Self {
        let zone = "Europe/Berlin".to_owned();
        Self { kept: BTreeMap::new(), by_id: HashMap::new(), seq: 0, generation: 0, zone }
    }
}

impl Kept {
    pub(super) fn is_deleted(&self) -> bool {
        self.event["status"] == "cancelled"
    }
}

impl calendars::Shelf for Shelf {
    fn put(&mut self, id: &str, mut event: Value) -> Value {
        self.seq += 1;
        if let Some(object) = event.as_object_mut() {
            object.retain(|_, value| !value.is_null());
            for time in ["start", "end", "reminders"] {
                if let Some(Value::Object(time)) = object.get_mut(time) {
                    time.retain(|_, value| !value.is_null());
                }
            }
        }
        event["kind"] = json!("calendar#event");
        event["etag"] = json!(format!("\"{}\"", 3_000_000 + self.seq));
        for (name, usual) in [
            ("status", "confirmed".to_owned()),
            ("iCalUID", format!("{id}@google.com")),
            ("htmlLink", format!("https://www.google.com/calendar/event?eid={id}")),
        ] {
            if event[name].is_null() {
                event[name] = json!(usual);
            }
        }
        self.keep(id, event.clone());
        event
    }

    fn put_series(&mut self, series: &Series) {
        let mut here = Vec::new();
        for one in series.instances() {
            let id = format!("{}_{}", series.id, one.original.format("%Y%m%dT%H%M%SZ"));
            let time = |at: chrono::DateTime<chrono::Utc>| {
                let local = at.with_timezone(&series.zone).to_rfc3339_opts(SecondsFormat::Secs, true);
                json!({"dateTime": local, "timeZone": series.zone.name()})
            };
            let event = json!({
                "id": id,
                "summary": series.title,
                "start": time(one.start),
                "end": time(one.end),
                "recurringEventId": series.id,
                "originalStartTime": time(one.original),
                "iCalUID": format!("{}@google.com", series.id),
            });
            let is_same = self.look(&id).is_some_and(|known| {
                ["summary", "start", "end"].iter().all(|name| known[*name] == event[*name])
                    && known["status"] != "cancelled"
            });
            if !is_same {
                self.put(&id, event);
            }
            here.push(id);
        }
        let gone = |kept: &&Kept| {
            kept.event["recurringEventId"] == series.id.as_str()
                && !here.iter().any(|id| kept.event["id"] == id.as_str())
                && !kept.is_deleted()
        };
        let gone: Vec<_> = self.kept.values().filter(gone).filter_map(|kept| kept.event["id"].as_str()).collect();
        for id in gone.into_iter().map(str::to_owned).collect::<Vec<_>>() {
            self.bury(&id);
        }
    }

    fn remove(&mut self, id: &str) {
        let of = |kept: &&Kept| kept.event["recurringEventId"] == id && !kept.is_deleted();
        let instances = self.kept.values().filter(of).filter_map(|kept| kept.event["id"].as_str().map(str::to_owned));
        for id in instances.collect::<Vec<_>>() {
            self.bury(&id);
        }
        self.bury(id);
    }

    fn living(&self) -> impl Iterator<Item = &Value> {
        self.kept.values().filter(|kept| !kept.is_deleted()).map(|kept| &kept.event)
    }

    fn set_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    fn count_from(&mut self, number: u32) {
        self.seq = self.seq.max(number.into());
    }
}

impl Shelf {
    fn keep(&mut self, id: &str, event: Value) {
        let next = self.kept.last_key_value().map_or(0, |(last, _)| last + 1);
        let at = *self.by_id.entry(id.to_owned()).or_insert(next);
        self.kept.insert(at, Kept { seq: self.seq, event });
    }

    /// What is left of a deleted event is little.
    fn bury(&mut self, id: &str) {
        let Some(known) = self.look(id).cloned() else { return };
        self.seq += 1;
        let mut rest = json!({
            "kind": "calendar#event",
            "etag": format!("\"{}\"", 3_000_000 + self.seq),
            "id": id,
            "status": "cancelled",
        });
        for name in ["recurringEventId", "originalStartTime"] {
            if !known[name].is_null() {
                rest[name] = known[name].clone();
            }
        }
        self.keep(id, rest);
    }

    pub(super) fn look(&mut self, id: &str) -> Option<&mut Value> {
        let at = self.by_id.get(id)?;
        self.kept.get_mut(at).map(|kept| &mut kept.event)
    }

    /// Also by an event that was deleted.
    pub(super) fn is_taken(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub(super) fn fresh_id(&self) -> String {
        format!("made{:06}", self.seq)
    }
}

/// As a patch does: objects are merged, lists replaced, and null takes out.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let object = target.as_object_mut().expect("made one right before");
    for (name, value) in patch {
        if value.is_null() {
            object.remove(name);
        } else {
            merge(object.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}
