//! Limits of providers: never passed, at no cost of an attempt, and of each account for itself.

use std::time::Duration;

use liaison_sandbox::Trouble;
use serde_json::{Value, json};

use super::{City, city::booking};
use crate::support::{House, until};

fn due(city: &City) -> usize {
    city.house.redis.ask(&["ZCARD", "liaison:{default}:due"])
}

fn ask(city: &City, organizer: &str, count: usize) {
    for number in 0..count {
        let mut booking = booking(&format!("{organizer}-{number}"), 1, 9);
        booking["organizer_id"] = json!(organizer);
        city.push(&format!("{organizer}-{number}"), "generate_meeting_link", &json!({"booking": booking}));
    }
}

#[test]
fn a_full_day_of_one_account_parks_its_jobs_and_nobody_elses() {
    const DAY: u32 = 8;
    let city = City::new(House::sqlite().set("LIAISON_MEETINGS__ZOOM_PER_DAY", &DAY.to_string()));
    city.zoom.daily(DAY);
    city.add("video", "one", "z-1", "zoom");
    city.add("video", "two", "z-2", "zoom");
    ask(&city, "one", 20);
    let workers = [city.house.worker(), city.house.worker(), city.house.worker()];
    let made = || city.zoom.passed_today("z-1");
    let waiting = || city.house.cli(&["limits", "show", "zoom:z-1:meetings", "--json"]).stdout;
    let all_wait = || String::from_utf8_lossy(&waiting()).contains("\"waiting\":12");
    until("the day is full, and the others wait", || made() == DAY && due(&city) == 12 && all_wait());
    ask(&city, "two", 4);
    until("the other account has its meetings", || city.zoom.passed_today("z-2") == 4);
    until("what ended is recorded", || city.house.redis.ask::<usize>(&["HLEN", "liaison:{default}:held"]) == 0);
    assert_eq!((made(), city.zoom.over_the_limit()), (DAY, 0), "never above");
    let runs = city.house.json(&["runs", "list", "--job", "generate_meeting_link", "--limit", "1000"]);
    let runs: &Vec<Value> = runs.as_array().expect("a list");
    assert!(runs.len() == 12 && runs.iter().all(|run| run["outcome"] == "done" && run["attempt"] == 1), "{runs:?}");

    // An operator knows better.
    let shown = city.house.json(&["limits", "show", "zoom:z-1:meetings"]);
    assert_eq!((&shown["waiting"], &shown["days"][0]["passes"]), (&json!(12), &json!(DAY)), "{shown}");
    city.zoom.next_day();
    let unsaid = city.house.cli(&["limits", "reset", "zoom:z-1:meetings"]);
    assert!(!unsaid.status.success() && String::from_utf8_lossy(&unsaid.stderr).contains("--yes"));
    let reset = city.house.json(&["limits", "reset", "zoom:z-1:meetings", "--yes"]);
    assert_eq!((&reset["reset"], &reset["waiting"]), (&json!(true), &json!(12)), "{reset}");
    let mut more = booking("one-more", 1, 9);
    more["organizer_id"] = json!("one");
    assert_eq!(city.run("more", "generate_meeting_link", &json!({"booking": more}))["provider"], "zoom");
    for worker in workers {
        worker.stop();
    }
}

#[test]
fn what_the_provider_says_of_its_limit_is_waited_for_without_an_attempt() {
    let city = City::new(House::sqlite());
    city.webex.daily(0, 3600);
    city.video("w", "webex");
    let worker = city.house.worker();
    city.push("one", "generate_meeting_link", &json!({"booking": booking("b-1", 1, 9)}));
    until("it waits", || city.webex.over_the_limit() == 1 && due(&city) == 1);
    city.push("two", "generate_meeting_link", &json!({"booking": booking("b-2", 1, 9)}));
    until("the other one waits as well", || due(&city) == 2);
    assert_eq!((city.webex.over_the_limit(), city.house.runs("one").len()), (1, 0), "nobody asked again");
    assert!(city.video_account("w").rate_limit_reset_at.is_some());
    worker.stop();
}

#[test]
fn each_request_of_a_search_counts_and_none_comes_too_soon() {
    const MEETINGS: usize = 6;
    let city = City::new(House::sqlite());
    city.video("v", "zoom");
    city.zoom.page(1);
    let worker = city.house.worker();
    ask(&city, "org", MEETINGS);
    until("all have their meetings", || city.zoom.made() == MEETINGS);
    // What may have been made is looked for, behind all others.
    city.zoom.desk().script("POST", "meetings", [Trouble::LostAnswer]);
    city.run("lost", "generate_meeting_link", &json!({"booking": booking("b-1", 1, 9)}));
    let desk = city.zoom.desk();
    assert!(desk.calls_of("GET", "/users/me/meetings") > MEETINGS, "{:?}", desk.log());
    assert_eq!(desk.most_within("v", Duration::from_secs(1)), 2, "as many as Zoom allows");
    assert_eq!(city.meetings("zoom").len(), MEETINGS + 1);
    worker.stop();
}
