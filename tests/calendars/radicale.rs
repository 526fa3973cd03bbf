//! The cases of the corpus that are iCalendar, in a calendar server that others use.

use liaison_store::CalendarPlace;
use serde_json::Value;

use super::{
    corpus::{Case, all_block_what_they_must, cases},
    town::{Town, object},
};
use crate::support::{
    House,
    radicale::{PASSWORD, Radicale, USER},
};

fn path(case: &Case, name: &str) -> String {
    format!("/{USER}/{}/{name}", case.id)
}

/// The server takes all of them, odd ones as well: it refuses only what is no iCalendar.
fn happens(server: &Radicale, case: &Case, what: &Value) {
    if let Some(name) = what["remove"].as_str() {
        return server.delete(&path(case, &format!("{name}.ics")));
    }
    let (name, text) = object(what);
    server.put(&path(case, &name), &text);
}

#[test]
fn every_case_of_icalendar_blocks_in_radicale_what_it_must() {
    let (town, server) = (Town::new(House::sqlite()), Radicale::start());
    let cases: Vec<Case> = cases().into_iter().filter(|case| case.provider == "caldav").collect();
    assert!(cases.len() >= 39, "{}", cases.len());
    for case in &cases {
        let calendar = server.calendar(&case.id);
        case.list("put").iter().for_each(|what| happens(&server, case, what));
        town.add(("caldav", &case.id, &case.id), USER, PASSWORD.to_owned());
        let time_zone = case.what["zone"].as_str().unwrap_or("Europe/Berlin").to_owned();
        let (server_url, calendar_id) = (Some(server.url()), Some(calendar));
        town.place(&case.id, CalendarPlace { calendar_id, server_url, time_zone: Some(time_zone) });
    }
    all_block_what_they_must(&town, &cases, &|case, what| happens(&server, case, what));
}
