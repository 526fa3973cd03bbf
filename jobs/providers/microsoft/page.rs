//! A page of Graph put together: instances with their master, each thing once.
//!
//! When a series changes, Graph sends its master and all instances that are left in the window, on one page; an instance
//! that was deleted is just not there. So what comes with a master is the whole series.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::item::{Item, Read};
use crate::providers::{Change, Event};

/// What the page says, in its order. `fetched` are masters that had to be asked for.
pub(super) fn changes(items: Vec<Read>, fetched: &[Item]) -> Vec<Change> {
    let items = last_of_each(items);
    let mut masters: BTreeMap<String, Item> = BTreeMap::new();
    for item in items.iter().flatten().filter(|item| item.is_master() && !item.is_removed()) {
        masters.insert(item.id.clone(), item.clone());
    }
    let mut series: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    let mut found = Vec::new();
    for item in items {
        let item = match item {
            Ok(item) => item,
            Err(odd) => {
                found.push(odd);
                continue;
            }
        };
        if item.is_removed() {
            found.push(Change::Gone(item.id));
            continue;
        }
        if item.is_master() {
            // Its start is that of the first instance: it is no event by itself.
            series.entry(item.id).or_default();
            continue;
        }
        let Some(of) = item.series_master_id.clone() else {
            found.push(item.change());
            continue;
        };
        if let Some(master) = masters.get(&of) {
            match item.with(master).change() {
                Change::Is(event) => series.entry(of).or_default().push(*event),
                // One that does not take place is not among those that do.
                Change::Gone(_) => drop(series.entry(of).or_default()),
                odd => found.push(odd),
            }
            continue;
        }
        match fetched.iter().find(|master| master.id == of) {
            Some(master) => found.push(item.with(master).change()),
            None if !item.is_bare() => found.push(item.change()),
            // Its series is gone, and the next round says so.
            None => {}
        }
    }
    found.extend(series.into_iter().map(|(id, events)| Change::Series { id, events }));
    found
}

/// Masters that bare instances need and that are not on the page.
pub(super) fn missing(items: &[Read]) -> BTreeSet<&str> {
    let here = |id: &str| items.iter().flatten().any(|item| item.id == id);
    let bare = items.iter().flatten().filter(|item| item.is_bare() && !item.is_removed());
    let needed: BTreeSet<_> = bare.filter_map(|item| item.series_master_id.as_deref()).collect();
    needed.into_iter().filter(|id| !here(id)).collect()
}

/// Something may be sent twice: the last is how it is.
fn last_of_each(items: Vec<Read>) -> Vec<Read> {
    let mut seen = BTreeSet::new();
    let mut kept: Vec<_> = items
        .into_iter()
        .rev()
        .filter(|item| item.as_ref().map_or(true, |item| seen.insert(item.id.clone())))
        .collect();
    kept.reverse();
    kept
}

/// What is on the page, in its order: the same for the same page. Empty if there is nothing on it.
pub(super) fn fingerprint(items: &[Read]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let mut digest = Sha256::new();
    for item in items {
        let (id, version) = match item {
            Ok(item) => (item.id.as_str(), item.version().unwrap_or_default()),
            Err(Change::Odd { id, .. }) => (id.as_deref().unwrap_or_default(), "odd"),
            Err(_) => ("", ""),
        };
        digest.update(id.as_bytes());
        digest.update([0]);
        digest.update(version.as_bytes());
        digest.update([0]);
    }
    let short = digest.finalize().iter().take(6).fold(0_u64, |short, byte| short << 8 | u64::from(*byte));
    format!("{short:012x}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::providers::{Shown, When, microsoft::item};

    fn at(hour: u8) -> Value {
        json!({"dateTime": format!("2027-01-12T{hour:02}:00:00.0000000"), "timeZone": "UTC"})
    }

    fn master() -> Value {
        json!({"id": "m", "type": "seriesMaster", "subject": "Weekly", "showAs": "tentative", "sensitivity": "private",
            "isCancelled": false, "@odata.etag": "W/\"1\"", "start": at(1), "end": at(2)})
    }

    fn bare(id: &str, hour: u8) -> Value {
        json!({"id": id, "type": "occurrence", "seriesMasterId": "m", "start": at(hour), "end": at(hour + 1)})
    }

    fn single(id: &str) -> Value {
        json!({"id": id, "type": "singleInstance", "showAs": "busy", "start": at(5), "end": at(6)})
    }

    fn read(items: &[Value]) -> Vec<Read> {
        items.iter().map(|item| item::read(&item.to_string())).collect()
    }

    fn told(items: &[Value]) -> Vec<Change> {
        changes(read(items), &[])
    }

    #[test]
    fn bare_instances_are_what_their_master_says_and_the_master_is_none() {
        let exception = json!({"id": "o2", "type": "exception", "seriesMasterId": "m", "subject": "Moved",
            "showAs": "busy", "start": at(9), "end": at(11)});
        let told = told(&[master(), bare("o1", 3), exception]);
        let [Change::Series { id, events }] = &told[..] else { panic!("{told:?}") };
        assert_eq!((id.as_str(), events.len()), ("m", 2));
        let [first, moved] = &events[..] else { panic!() };
        assert_eq!((first.title.as_deref(), first.shown, first.private), (Some("Weekly"), Shown::Tentative, true));
        assert_eq!((moved.title.as_deref(), moved.shown), (Some("Moved"), Shown::Busy));
        let three = When::Timed {
            start: "2027-01-12T03:00:00Z".parse().unwrap(),
            end: "2027-01-12T04:00:00Z".parse().unwrap(),
        };
        assert_eq!((first.when, first.series.as_deref()), (three, Some("m")));
    }

    #[test]
    fn an_instance_is_joined_wherever_its_master_stands_on_the_page() {
        let told = told(&[bare("o1", 3), single("s"), master()]);
        assert!(
            matches!(&told[..], [Change::Is(s), Change::Series { events, .. }] if s.id == "s" && events.len() == 1)
        );
    }

    #[test]
    fn a_series_whose_meeting_was_called_off_has_no_instances() {
        let mut off = master();
        off["isCancelled"] = json!(true);
        assert_eq!(told(&[off, bare("o1", 3)]), [Change::Series { id: "m".to_owned(), events: vec![] }]);
    }

    #[test]
    fn an_instance_without_its_master_is_asked_for_and_else_let_go() {
        let items = read(&[bare("o1", 3), bare("o2", 4), single("s")]);
        assert_eq!(missing(&items).into_iter().collect::<Vec<_>>(), ["m"]);
        assert_eq!(missing(&read(&[bare("o1", 3), master()])).len(), 0);
        let fetched = item::read(&master().to_string()).unwrap();
        let joined = changes(items.clone(), &[fetched]);
        assert_eq!(joined.len(), 3);
        assert!(matches!(&joined[0], Change::Is(event) if event.title.as_deref() == Some("Weekly")));
        assert_eq!(changes(items, &[]).len(), 1);
    }

    #[test]
    fn what_comes_twice_is_as_it_came_last() {
        let gone = json!({"@odata.type": "#microsoft.graph.event", "id": "s", "@removed": {"reason": "deleted"}});
        assert_eq!(told(&[single("s"), gone.clone()]), [Change::Gone("s".to_owned())]);
        assert!(matches!(&told(&[gone, single("s")])[..], [Change::Is(_)]));
        let again = told(&[master(), bare("o1", 3), master(), bare("o1", 4)]);
        assert!(matches!(&again[..], [Change::Series { events, .. }] if events.len() == 1));
    }

    #[test]
    fn a_fingerprint_is_that_of_the_page_and_of_no_other() {
        let of = |items: &[Value]| fingerprint(&read(items));
        assert_eq!(of(&[]), "");
        assert_eq!(of(&[single("a"), single("b")]), of(&[single("a"), single("b")]));
        assert_ne!(of(&[single("a"), single("b")]), of(&[single("b"), single("a")]));
        let mut changed = single("a");
        changed["@odata.etag"] = json!("W/\"2\"");
        assert_ne!(of(&[single("a")]), of(&[changed]));
    }
}
