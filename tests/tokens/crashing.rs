//! Whoever dies in the middle of a refresh loses as little as the provider allows.

use liaison_queue::faults::Point;
use liaison_sandbox::{Mishap, Style};
use serde_json::json;

use super::{POINTS, town::Town};
use crate::support::{Daemon, House, until};

/// A daemon dies here while it refreshes; another one takes over.
fn die_at(point: Point, style: Style) -> Town {
    let town = Town::new(House::sqlite().set("LIAISON_WORKER__LEASE", "1s"), style);
    town.add("a", &town.server.issue(), 30);
    let mut command = town.house.command(&["worker"]);
    command.env("LIAISON_FAULTS", format!("{point}:kill"));
    let mut dying = Daemon::spawn(command);
    dying.says("ready:");
    town.refresh("r", "a");
    assert!(!dying.end().success(), "it died at {point}");
    town.tells_no_secret(&dying.log());
    let worker = town.house.worker();
    until("the job is done", || town.outcomes("r").last().is_some_and(|outcome| outcome == "done"));
    town.spool_is_empty();
    town.tells_no_secret(&worker.stop());
    town
}

#[test]
fn a_death_after_the_answer_was_written_down_loses_no_token() {
    for style in [Style::SingleUse, Style::Renewed, Style::Kept] {
        for point in [Point::TokenSpooled, Point::TokenStored] {
            let town = die_at(point, style);
            assert_eq!((town.server.refreshes(), town.server.count()), (vec![1], 1), "{point} {style:?}");
            let row = town.show("a");
            assert_eq!((row["state"].clone(), row["version"].clone()), (json!("connected"), json!(2)), "{point}");
            assert_eq!(town.logged("a", "token_refreshed"), 1, "{point}: told once");
        }
    }
}

#[test]
fn a_death_before_the_provider_was_asked_is_as_if_nothing_had_happened() {
    for style in [Style::SingleUse, Style::Kept] {
        let town = die_at(Point::BeforeTokenCall, style);
        assert_eq!((town.server.refreshes(), town.server.count()), (vec![1], 1));
        assert_eq!(town.show("a")["state"], "connected");
    }
}

/// The one window that is left, as `docs/tokens.md` says: between the last byte of the answer and the spool.
#[test]
fn a_death_on_the_answer_itself_costs_a_single_use_grant_and_no_other() {
    let town = die_at(Point::TokenAnswered, Style::Kept);
    assert_eq!((town.server.refreshes(), town.show("a")["state"].clone()), (vec![2], json!("connected")));
    let town = die_at(Point::TokenAnswered, Style::Renewed);
    assert_eq!((town.server.refreshes(), town.show("a")["state"].clone()), (vec![2], json!("connected")));
    let town = die_at(Point::TokenAnswered, Style::SingleUse);
    assert_eq!((town.server.refreshes(), town.show("a")["state"].clone()), (vec![1], json!("disconnected")));
    assert_eq!(POINTS.len(), 4, "every point is played in this file");
}

#[test]
fn an_answer_that_is_lost_on_the_way_costs_a_single_use_grant_only() {
    for (style, state) in [(Style::Kept, "connected"), (Style::SingleUse, "disconnected")] {
        let town = Town::new(House::sqlite(), style);
        town.add("a", &town.server.issue(), 30);
        town.server.script([Mishap::LostAnswer]);
        let worker = town.house.worker();
        town.refresh("r", "a");
        until("the job is done", || town.outcomes("r").last().is_some_and(|outcome| outcome == "done"));
        let row = town.show("a");
        assert_eq!(row["state"], state, "{row}");
        if style == Style::SingleUse {
            assert!(row["disconnected_reason"].as_str().expect("why").contains("lost on the way"), "{row}");
        }
        worker.stop();
    }
}

#[test]
fn what_waits_in_the_spool_is_stored_when_a_daemon_starts() {
    let town = Town::new(House::sqlite().set("LIAISON_WORKER__LEASE", "1s"), Style::SingleUse);
    town.add("a", &town.server.issue(), 30);
    let mut command = town.house.command(&["worker"]);
    command.env("LIAISON_FAULTS", "token_spooled:kill");
    let mut dying = Daemon::spawn(command);
    dying.says("ready:");
    town.refresh("r", "a");
    dying.end();
    assert_eq!((town.spooled(), town.show("a")["version"].clone()), (1, json!(1)));
    // One that serves another queue runs none of these jobs.
    let worker = town.house.worker_with(&["--queues", "elsewhere"]);
    worker.says("were put into its row from the spool");
    assert_eq!((town.spooled(), town.show("a")["version"].clone()), (0, json!(2)));
    town.tells_no_secret(&worker.stop());
}
