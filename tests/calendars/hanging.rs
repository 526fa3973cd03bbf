//! A provider that hangs delays only its own.

use std::iter::repeat_n;

use liaison_sandbox::Trouble;

use super::{event, town::Town};
use crate::support::{House, until};

const HANGING: usize = 12;
const HEALTHY: usize = 40;

/// Few slots, many calendars at a provider that hangs, and more at one that does not.
fn town() -> Town {
    let town = Town::new(House::sqlite().set("LIAISON_WORKER__CONCURRENCY", "8"));
    for n in 0..HANGING {
        town.connect("microsoft", &hanging(n));
    }
    for n in 0..HEALTHY {
        town.connect("google", &healthy(n));
        town.google.put(&healthy(n), event("e", 1));
    }
    town
}

fn hanging(n: usize) -> String {
    format!("hangs-{n}")
}

fn healthy(n: usize) -> String {
    format!("well-{n}")
}

fn hang(town: &Town) {
    town.microsoft.desk().script("", "", repeat_n(Trouble::Hang, 1_000));
}

/// All that are well end, and of those that hang none has.
fn the_healthy_end_first(town: &Town) {
    for n in 0..HEALTHY {
        town.ask("sync_calendar_events", &format!("sync-{}", healthy(n)), &healthy(n));
    }
    until("all healthy calendars are synchronised", || {
        (0..HEALTHY).all(|n| town.state(&healthy(n)).last_sync_at.is_some())
    });
    for n in 0..HANGING {
        let runs = town.house.runs(&format!("sync-{}", hanging(n)));
        assert!(runs.is_empty(), "it hangs, or waits at no cost of an attempt: {runs:?}");
    }
}

#[test]
fn a_provider_that_never_answers_holds_an_eighth_of_the_slots() {
    let town = town();
    hang(&town);
    let worker = town.house.worker();
    for n in 0..HANGING {
        town.ask("sync_calendar_events", &format!("sync-{}", hanging(n)), &hanging(n));
    }
    until("it hangs", || town.microsoft.desk().calls() > 0);
    the_healthy_end_first(&town);
    assert_eq!(town.microsoft.desk().calls(), 1, "one of eight slots");
    worker.kill();
}

#[test]
fn a_provider_that_begins_to_hang_gives_back_the_slots_that_it_holds() {
    let town = town();
    let worker = town.house.worker();
    for n in 0..HANGING {
        town.sync(&format!("first-{n}"), &hanging(n));
    }
    hang(&town);
    let before = town.microsoft.desk().calls();
    for n in 0..HANGING {
        town.ask("sync_calendar_events", &format!("sync-{}", hanging(n)), &hanging(n));
    }
    until("all slots hang", || town.microsoft.desk().calls() >= before + 8);
    the_healthy_end_first(&town);
    assert_eq!(town.microsoft.desk().calls(), before + 8, "nobody else was sent there");
    worker.kill();
}
