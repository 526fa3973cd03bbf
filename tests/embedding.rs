//! `liaison dev`: nothing to configure, nothing left behind, and its data found again.

use std::{collections::BTreeMap, os::unix::net::UnixStream};

use chrono::{DateTime, Utc};
use liaison_store::{DatabaseUrl, EventStatus, KeyRing, MeetingStatus, Store, StoreOptions};
use rustix::process::Signal;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::support::{House, http::Front, until};

#[test]
fn dev_runs_one_of_each_job_and_leaves_no_process() {
    let house = House::sqlite();
    for _ in 0..2 {
        let output = house.cli(&["dev", "--once", "--json", "--data", "d"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a list");
        assert!(rows.len() >= 5 && rows.iter().all(|row| row["ok"] == true), "{rows:?}");
        assert!(UnixStream::connect(house.path("d/redis.sock")).is_err(), "its Redis has ended");
    }
}

#[test]
fn dev_answers_probes_like_the_daemon() {
    let (house, front) = Front::of(House::sqlite());
    let first = house.spawn(&["dev", "--data", "d"]);
    until("it is ready", || front.connect().is_ok() && front.get("/readyz").status == 200);
    assert_eq!(front.get("/healthz").status, 200);
    until("it counts", || front.get("/metrics").body.contains(r#"liaison_runs_total{job="echo""#));
    first.signal(Signal::TERM);
    first.says("stopped");
}

#[test]
fn a_second_dev_on_the_same_folder_is_refused_and_a_killed_one_is_cleaned_up_after() {
    let house = House::sqlite();
    let first = house.spawn(&["dev", "--data", "d"]);
    until("its Redis answers", || UnixStream::connect(house.path("d/redis.sock")).is_ok());
    let second = house.cli(&["dev", "--data", "d"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("is in use by process"), "{said}");

    // Its Redis outlives a kill; the next one ends it and takes over its data.
    first.kill();
    let socket = house.path("d/redis.sock");
    assert!(UnixStream::connect(&socket).is_ok());
    let third = house.spawn(&["dev", "--data", "d"]);
    third.says("a power cut may cost");
    third.signal(Signal::TERM);
    third.says("stopped");
    until("its Redis has ended", || UnixStream::connect(&socket).is_err());
}

/// A house whose commands look at what `liaison dev` runs there.
fn beside_dev() -> House {
    let house = House::sqlite();
    let path = |name: &str| house.path(&format!("d/{name}")).display().to_string();
    let (redis, database, key) = (path("redis.sock"), path("liaison.db"), path("key"));
    house
        .set("LIAISON_REDIS_URL", &format!("unix://{redis}"))
        .set("LIAISON_DATABASE_URL", &format!("sqlite:{database}"))
        .set("LIAISON_STORE__KEY_FILE", &key)
}

/// The answer of a command, once there is one.
fn list(house: &House, arguments: &[&str]) -> Vec<Value> {
    let output = house.cli(&[arguments, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

#[test]
fn dev_shows_the_five_jobs_that_it_is_for_from_end_to_end() {
    let house = beside_dev();
    let dev = house.spawn(&["dev", "--data", "d"]);
    for job in [
        "sync_calendar_events",
        "reconcile_calendar_events",
        "generate_meeting_link",
        "send_webhook",
        "refresh_expired_tokens",
        "cleanup_old_integration_logs",
        "create_calendar_event",
    ] {
        let is_done = |run: &Value| run["outcome"] == "done";
        until(&format!("{job} is done"), || list(&house, &["runs", "list", "--job", job]).iter().any(is_done));
    }
    let calendars = ["google", "microsoft", "caldav"];
    for id in calendars {
        until(&format!("{id} is synchronised"), || {
            house.json(&["integrations", "show", id])["sync"]["last_sync_at"].is_string()
        });
    }
    until("their events collide once", || list(&house, &["conflicts", "list", "--organizer", "example"]).len() == 1);
    let is_fresh = |account: &Value| account["state"] == "connected" && account["refreshed_at"].is_string();
    until("all tokens are fresh", || {
        let accounts = list(&house, &["integrations", "list", "--organizer", "example"]);
        accounts.len() == 6 && accounts.iter().all(|account| is_fresh(account) || account["id"] == "caldav")
    });
    let is_told = |delivery: &Value| delivery["event_type"] == "meeting.created" && delivery["status"] == "delivered";
    until("the endpoint was told of the meeting", || list(&house, &["webhooks", "deliveries"]).iter().any(is_told));
    looks_right(&house);
    let dead = list(&house, &["dead", "list"]);
    assert!(dead.len() == 1 && dead[0]["name"] == "panic", "{dead:?}");
    let log = dev.stop();
    assert!(log.contains("zoom=1 webex=0 google=1 microsoft=1 caldav=1"), "each was made once:\n{log}");
}

/// What the store holds of it.
fn looks_right(house: &House) {
    let runtime = Runtime::new().expect("a runtime");
    let url: DatabaseUrl = format!("sqlite:{}", house.path("d/liaison.db").display()).parse().expect("a URL");
    let keys = std::fs::read_to_string(house.path("d/key")).expect("the key");
    let keys = KeyRing::parse(&keys).expect("keys");
    let store = runtime.block_on(Store::open(&url, keys, StoreOptions::default())).expect("the store");
    let busy = || {
        let blocks = runtime.block_on(store.blocked_times("example", DateTime::<Utc>::UNIX_EPOCH, 1000)).expect("read");
        blocks.into_iter().fold(BTreeMap::new(), |mut busy, block| {
            *busy.entry(block.title.unwrap_or_default()).or_insert(0) += 1;
            busy
        })
    };
    let expected = [("Choir", 3), ("Dentist", 1), ("Interview", 1), ("Team meeting", 5), ("Trade fair", 1)];
    let expected = expected.map(|(title, times)| (title.to_owned(), times)).into();
    until("what blocks a time is blocked, and nothing else", || busy() == expected);
    let meeting = runtime.block_on(store.meeting("sample")).expect("read").expect("a meeting");
    assert_eq!((meeting.status, meeting.provider.as_deref()), (MeetingStatus::Created, Some("zoom")));
    assert!(meeting.join_url.is_some_and(|url| url.starts_with("https://zoom.example/j/")));
    until("the booking stands in every calendar", || {
        let events = runtime.block_on(store.external_events("sample")).expect("read");
        events.len() == 3 && events.iter().all(|event| event.status == EventStatus::Created)
    });
}
