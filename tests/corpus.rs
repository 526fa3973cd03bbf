//! Rolling upgrades: what a release has left in Redis and in the store is read, run and finished by this one; and this
//! one writes nothing that the release before it could not read.
//!
//! `tests/corpus/VERSION/` is what that release wrote, recorded once and never changed: every key of Redis as the
//! command that makes it, the store as SQL, and what values look like (`forms.txt`; `rare.txt` has by hand what the scene
//! does not show each time). The tests record the same scene
//! with this build into `target/tmp/corpus/`. For a release, copy that folder to `tests/corpus/VERSION/`; how to change
//! a form is in docs/decisions.md, "Why a corpus of what releases wrote?".

mod dump;
mod forms;
mod scene;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::support::{House, until};

/// The releases whose leavings must be understood, the newest last.
const RELEASES: &[&str] = &["0.1.0"];

fn recorded(version: &str, backend: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(version).join(backend)
}

/// What this release is known to write: in the scene, and at moments that the scene does not meet each time.
fn known(version: &str) -> String {
    ["forms.txt", "rare.txt"].map(|name| read(&recorded(version, name))).concat()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|fault| panic!("{}: {fault}: record it first", path.display()))
}

/// Let this build take over what a release left, in the middle of everything, and bring it to its end.
fn take_over(house: &House, folder: &Path) {
    let commands = dump::commands(&read(&folder.join("redis.jsonl")));
    dump::load_redis(house, &commands);
    let migrated = house.cli(&["migrate"]);
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));

    // First the ways to look at it.
    let lists = ["queues", "workers", "limits", "lanes", "batches"].map(|what| house.json(&[what, "list"]).to_string());
    for (list, name) in lists.iter().skip(2).zip(["limit:a", "lane:a", "import:1"]) {
        assert!(list.contains(name), "no {name} in {list}");
    }
    let letter = house.json(&["dead", "show", "dead:letter", "--reveal"]);
    let envelope = letter["envelope"].as_str().unwrap_or_default();
    assert!(envelope.contains(r#""args":{"times": 9}"#), "{letter}");

    let worker = house.worker();
    for queue in ["default", "second"] {
        house.json(&["queues", "resume", queue]);
    }
    for id in scene::LATER {
        house.json(&["jobs", "run-now", id]);
    }
    house.json(&["batches", "seal", "import:1", "--size", "2"]);
    house.json(&["dead", "revive", "dead:letter", "--args", r#"{"times": 0}"#]);

    // The name of each says how it is to end.
    let ids = scene::ids(&commands);
    assert!(ids.len() > 30, "the record is not read rightly: {ids:?}");
    let ends =
        |id: &str| house.runs(id).last().is_some_and(|run| run["outcome"] == *id.split(':').next().unwrap_or(id));
    for id in &ids {
        until(&format!("{id} has ended as its name says"), || ends(id));
    }
    until("the letter is done after all", || {
        house.runs("dead:letter").last().is_some_and(|run| run["outcome"] == "done")
    });
    until("the follow-up of the batch has run", || ends("done:then"));
    until("the tick that a daemon died over has run", || ends("done:tick"));
    until("the ticks are in the history", || {
        house.json(&["schedule", "history", "yearly"]).as_array().is_some_and(|rows| rows.len() == 4)
    });
    assert!(house.json(&["schedule", "list"])[0]["paused"].as_str().is_some_and(|by| by.starts_with("by ann at ")));
    for queue in ["default", "second", "third", "parts", "parts#1"] {
        // A key that is taken for a year stays.
        let left = || {
            house
                .redis
                .leftovers(queue)
                .into_iter()
                .filter(|key| !key.ends_with("uniques") && !key.ends_with("lapsing"))
        };
        until(&format!("nothing is left in {queue}: {:?}", left().collect::<Vec<_>>()), || left().next().is_none());
    }
    let doubled = house.json(&["runs", "list", "--outcome", "done", "--limit", "10000"]);
    let done: Vec<&Value> = doubled.as_array().expect("a list").iter().map(|run| &run["job_id"]).collect();
    assert_eq!(done.iter().map(ToString::to_string).collect::<BTreeSet<_>>().len(), done.len());
    worker.stop();
}

#[test]
fn what_a_release_left_with_sqlite_is_finished() {
    for version in RELEASES {
        let folder = recorded(version, "sqlite");
        let house = scene::settings(House::sqlite());
        dump::load_sqlite(&house, &folder.join("store.sql"));
        take_over(&house, &folder);
    }
}

#[test]
fn what_a_release_left_with_postgres_is_finished() {
    for version in RELEASES {
        let folder = recorded(version, "postgres");
        let house = House::postgres();
        let url = house.postgres.as_ref().expect("a PostgreSQL").database();
        dump::load_postgres(&url, &folder.join("store.sql"));
        take_over(&scene::settings(house.set("LIAISON_DATABASE_URL", &url)), &folder);
    }
}

/// A daemon of the release before goes on writing while this one has migrated already: its rows must get in.
#[test]
fn the_schema_takes_the_rows_that_a_release_writes() {
    for version in RELEASES {
        let house = House::sqlite();
        let rows = dump::rows(&read(&recorded(version, "sqlite").join("store.sql")));
        assert!(rows.contains("INSERT INTO \"job_runs\" (\"job_id\""), "the record is not read rightly");
        dump::run_sqlite(&house, &rows);
        let house = House::postgres();
        let rows = dump::rows(&read(&recorded(version, "postgres").join("store.sql")));
        assert!(rows.contains("INSERT INTO public.job_runs (job_id"), "the record is not read rightly");
        dump::run_postgres(&house.postgres_url(), &rows);
    }
}

/// Record the scene anew with this build, and hold what it wrote against what the last release can read.
#[test]
fn what_this_build_writes_the_release_before_it_can_read() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus");
    let mut found = BTreeSet::new();
    for (backend, house) in [("sqlite", House::sqlite()), ("postgres", House::postgres())] {
        let house = scene::settings(house);
        scene::play(&house);
        let commands = dump::redis(&house);
        let folder = folder.join(backend);
        fs::create_dir_all(&folder).expect("make a folder");
        fs::write(folder.join("redis.jsonl"), dump::lines(&commands)).expect("write the record");
        let store = if backend == "sqlite" { dump::sqlite(&house) } else { dump::postgres(&house.postgres_url()) };
        fs::write(folder.join("store.sql"), &store).expect("write the record");
        found.extend(forms::of(&commands));
        found.extend(forms::of_rows(&dump::rows(&store)));
    }
    let text: Vec<&str> = found.iter().map(String::as_str).collect();
    fs::write(folder.join("forms.txt"), text.join("\n") + "\n").expect("write the forms");

    let version = RELEASES.last().expect("a release");
    let known = known(version);
    let new: Vec<&String> = found.iter().filter(|form| !forms::is_known(form, &known)).collect();
    assert!(
        new.is_empty(),
        "release {version} has never seen, so may not read:\n{new:#?}\nWrite it in a form that it knows, or let one \
         release read the new form before another one writes it (docs/decisions.md). If {version} is not out yet, or \
         ignores it for certain, take over {}",
        folder.display()
    );
}

/// A key that no record has is one whose form nobody watches.
#[test]
fn the_record_has_every_key_that_holds_something() {
    // What is there for a moment only, or never; and what needs a slow other side, or a lane whose head is passed.
    let absent = ["outbound", "never", "fronts", "returning", "late"];
    let known = known(RELEASES.last().expect("a release"));
    let table = crate::documents::rows(crate::documents::section(crate::documents::WIRE_PROTOCOL, "## Keys"));
    let of_lists = table.iter().map(|row| row[0].clone());
    let missing: Vec<String> = of_lists
        .filter(|key| !absent.iter().any(|name| key.ends_with(&format!(":{name}"))))
        .filter(|key| !known.lines().any(|line| line.starts_with(&format!("{key} "))))
        .collect();
    assert!(missing.is_empty(), "tests/corpus/scene.rs leaves nothing in {missing:?}: add a step that does");
}
