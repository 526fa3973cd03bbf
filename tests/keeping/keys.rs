//! Keys are changed while daemons work, and nothing is ever sealed that one of them cannot open.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{House, until};

fn die(house: &House, ids: &[String]) {
    let line = |id: &String| format!(r#"{{"job":"fail","id":"{id}","args":{{"times":9}},"max_attempts":1}}"#);
    house.redis.push("default", &ids.iter().map(line).collect::<Vec<_>>());
}

fn dead(house: &House) -> usize {
    house.json(&["dead", "list", "--limit", "10000"]).as_array().expect("a list").len()
}

fn role<'a>(keys: &'a Value, id: &str) -> (&'a str, u64) {
    let key = keys.as_array().expect("a list").iter().find(|key| key["id"] == id);
    let key = key.unwrap_or_else(|| panic!("no key {id} in {keys}"));
    (key["role"].as_str().expect("a word"), key["values"].as_u64().expect("a count"))
}

#[test]
fn a_key_is_rotated_while_two_daemons_bury_jobs() {
    let house = House::sqlite();
    let workers = [house.worker(), house.worker()];
    let stop = AtomicBool::new(false);
    let ids = std::thread::scope(|scope| {
        let burying = scope.spawn(|| {
            let mut ids = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let more: Vec<String> = (0..5).map(|n| format!("dead-{:04}", ids.len() + n)).collect();
                die(&house, &more);
                ids.extend(more);
                until("they are buried", || dead(&house) >= ids.len());
            }
            ids
        });
        until("some are buried", || dead(&house) >= 10);
        let rotated = house.cli(&["keys", "rotate", "--id", "new", "--json"]);
        let more = dead(&house) + 5;
        until("some more are buried", || dead(&house) >= more);
        stop.store(true, Ordering::Relaxed);
        assert!(rotated.status.success(), "{rotated:?}");
        burying.join().expect("its ids")
    });
    for worker in workers {
        worker.stop();
    }
    let keys = house.json(&["keys", "list"]);
    assert_eq!(role(&keys, "new"), ("seals", ids.len() as u64), "{keys}");
    assert_eq!(role(&keys, "test"), ("opens", 0), "{keys}");
    let text = fs::read_to_string(house.path("key")).expect("the key file");
    assert!(text.starts_with("new:") && text.contains("\ntest:"), "{}", text.lines().count());
    let mode = fs::metadata(house.path("key")).expect("the key file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let doctor = house.cli(&["doctor", "--all"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("nothing is sealed any more with the keys test"), "{said}");
    // Without the old key everything opens.
    house.write("key", text.lines().next().expect("the new key"));
    for id in &ids {
        assert!(house.json(&["dead", "show", id, "--reveal"])["envelope"].as_str().expect("opened").contains(id));
    }
}

#[test]
fn a_daemon_that_does_not_answer_holds_a_rotation_up_and_it_is_gone_on_with_later() {
    let house = House::sqlite();
    let worker = house.worker();
    die(&house, &["one".to_owned()]);
    until("it is buried", || dead(&house) == 1);
    until("its card is there", || house.json(&["workers", "list"])[0]["alive"] == true);
    worker.signal(Signal::STOP);
    let held_up = house.cli(&["keys", "rotate", "--id", "new", "--wait", "1s"]);
    let said = String::from_utf8_lossy(&held_up.stderr).into_owned();
    assert!(!held_up.status.success() && said.contains("liaison keys rotate --id new"), "{said}");
    let text = fs::read_to_string(house.path("key")).expect("the key file");
    assert!(text.starts_with("test:") && text.contains("\nnew:"), "it only opens");
    worker.signal(Signal::CONT);
    house.json(&["keys", "rotate", "--id", "new"]);
    let keys = house.json(&["keys", "list"]);
    assert_eq!((role(&keys, "new"), role(&keys, "test")), (("seals", 1), ("opens", 0)));
    worker.says("key new seals now");
    worker.stop();
}

#[test]
fn a_lost_key_is_one_error_for_each_value_and_the_rest_goes_on() {
    let house = House::postgres();
    let worker = house.worker();
    die(&house, &["a".to_owned(), "b".to_owned()]);
    until("they are buried", || dead(&house) == 2);
    worker.stop();
    let lost_line = fs::read_to_string(house.path("key")).expect("the key file");
    house.write("key", "other:HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    let worker = house.worker();
    die(&house, &["c".to_owned()]);
    until("it is buried", || dead(&house) == 3);
    worker.stop();
    house.json(&["keys", "add", "--id", "newest"]);
    let output = house.cli(&["keys", "reseal", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&answer["resealed"], &answer["key"]), (&1.into(), &"newest".into()), "{answer}");
    let lost = answer["closed"].as_array().expect("a list");
    assert_eq!(lost.len(), 2, "{answer}");
    assert!(lost.iter().all(|one| one["why"].as_str().expect("why").contains("`test`")), "{answer}");
    let listed = house.cli(&["keys", "list", "--json"]);
    assert_eq!(listed.status.code(), Some(1));
    let keys: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!((role(&keys, "test"), role(&keys, "newest")), (("missing", 2), ("seals", 1)));
    let doctor = house.cli(&["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("2 of dead_letters.envelope are sealed with key test"), "{said}");
    // It was found again.
    let text = fs::read_to_string(house.path("key")).expect("the key file");
    house.write("key", &format!("{text}{lost_line}"));
    assert_eq!(house.json(&["keys", "reseal"])["resealed"], 2);
    assert_eq!(role(&house.json(&["keys", "list"]), "newest"), ("seals", 3));
}

#[test]
fn a_daemon_that_does_not_know_the_key_keeps_others_from_sealing_with_it() {
    let house = House::sqlite();
    let worker = house.worker();
    until("its card is there", || house.json(&["workers", "list"])[0]["alive"] == true);
    house.json(&["keys", "add", "--id", "new"]);
    let refused = house.cli(&["keys", "reseal"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("do not know key new"), "{said}");
    worker.signal(Signal::HUP);
    worker.says("key new seals now");
    until("its card says so", || house.cli(&["keys", "reseal"]).status.success());
    worker.stop();
}
