//! The events of one calendar: alone, or as a series with its instances. Each has the number of its last change.

use crate::calendars::{self, Shelf as _};
use crate::series::Series;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

#[derive(Debug, Default)]
pub struct Shelf {
    /// In the order in which they came: pages go by that, so none shifts when something is put in or taken out.
    pub(super) kept: BTreeMap<u64, Kept>,
    by_id: HashMap<String, u64>,
    /// Of the last change.
    pub(super) seq: u64,
    /// Cursors of another one are not good.
    pub(super) generation: u64,
}

/// What is told together.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) seq: u64,
    pub(super) is_deleted: bool,
    /// An event, or the master of a series.
    pub(super) event: Value,
    pub(super) instances: Vec<Value>,
}

impl calendars::Shelf for Shelf {
    fn put(&mut self, id: &str, mut event: Value) -> Value {
        self.seq += 1;
        event["id"] = json!(id);
        self.stamp(&mut event);
        for (name, usual) in [
            ("type", json!("singleInstance")),
            ("iCalUId", json!(format!("uid-{id}"))),
            ("showAs", json!("busy")),
            ("isAllDay", json!(false)),
            ("isCancelled", json!(false)),
            ("sensitivity", json!("normal")),
            ("webLink", json!(format!("https://outlook.office365.com/owa/?itemid={id}"))),
        ] {
            if event[name].is_null() {
                event[name] = usual;
            }
        }
        self.keep(id, Kept { seq: self.seq, is_deleted: false, event: event.clone(), instances: Vec::new() });
        event
    }

    fn put_series(&mut self, series: &Series) {
        let instances = series.instances();
        let Some(first) = instances.first() else { return self.remove(&series.id) };
        self.put(
            &series.id,
            json!({
                "type": "seriesMaster",
                "subject": series.title,
                "start": time(first.start),
                "end": time(first.end),
                "recurrence": {"pattern": {"type": "daily", "interval": series.every_days}},
            }),
        );
        let told = instances.iter().map(|one| {
            let mut event = json!({
                "@odata.type": "#microsoft.graph.event",
                "id": format!("{}.{}", series.id, one.number),
                "seriesMasterId": series.id,
                "type": if one.is_moved { "exception" } else { "occurrence" },
                "start": time(one.start),
                "end": time(one.end),
            });
            self.stamp(&mut event);
            event
        });
        let told: Vec<_> = told.collect();
        let at = self.by_id[&series.id];
        self.kept.get_mut(&at).expect("kept right before").instances = told;
    }

    fn remove(&mut self, id: &str) {
        let Some(kept) = self.by_id.get(id).and_then(|at| self.kept.get_mut(at)) else { return };
        if !kept.is_deleted {
            self.seq += 1;
            (kept.seq, kept.is_deleted) = (self.seq, true);
        }
    }

    fn living(&self) -> impl Iterator<Item = &Value> {
        let living = self.kept.values().filter(|kept| !kept.is_deleted);
        living.flat_map(|kept| {
            let alone = kept.instances.is_empty().then_some(&kept.event);
            alone.into_iter().chain(&kept.instances)
        })
    }

    fn set_generation(&mut self, generation: u64) {
        self.generation = generation;
    }

    fn count_from(&mut self, number: u32) {
        self.seq = self.seq.max(number.into());
    }
}

impl Shelf {
    fn stamp(&self, event: &mut Value) {
        event["changeKey"] = json!(format!("CK{:08}", self.seq));
        event["@odata.etag"] = json!(format!("W/\"CK{:08}\"", self.seq));
    }

    fn keep(&mut self, id: &str, kept: Kept) {
        let next = self.kept.last_key_value().map_or(0, |(last, _)| last + 1);
        let at = *self.by_id.entry(id.to_owned()).or_insert(next);
        self.kept.insert(at, kept);
    }

    /// An event or a master that was not deleted.
    pub(super) fn look(&self, id: &str) -> Option<&Value> {
        let kept = self.kept.get(self.by_id.get(id)?)?;
        (!kept.is_deleted).then_some(&kept.event)
    }

    pub(super) fn of_transaction(&self, transaction: &Value) -> Option<&Value> {
        let is_it = |event: &&Value| !transaction.is_null() && event["transactionId"] == *transaction;
        self.living().find(is_it)
    }

    pub(super) fn fresh_id(&self) -> String {
        // Ids of Graph hold such characters.
        format!("AAMk{:06}-_==", self.seq + 1)
    }
}

fn time(at: DateTime<Utc>) -> Value {
    json!({"dateTime": at.format("%Y-%m-%dT%H:%M:%S.0000000").to_string(), "timeZone": "UTC"})
}
