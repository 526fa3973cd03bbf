//! `liaison integrations`: what an operator sees and does.

use liaison_sandbox::Style;
use serde_json::{Value, json};

use super::town::Town;
use crate::support::House;

fn listed(town: &Town, arguments: &[&str]) -> Vec<String> {
    let rows = town.house.json(&[&["integrations", "list"], arguments].concat());
    let mut ids: Vec<_> =
        rows.as_array().expect("a list").iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect();
    ids.sort();
    ids
}

#[test]
fn an_account_is_added_seen_switched_and_forgotten_without_a_word_of_its_tokens() {
    for house in [House::sqlite(), House::postgres()] {
        let town = Town::new(house, Style::Kept);
        let grant = town.server.issue();
        town.add("a", &grant, 3600);
        let tokens = json!({"access_token": "x", "expires_in": "60"});
        let add =
            ["video", "--organizer", "org-2", "--provider", "zoom", "--user", "u1", "--email", "u@a.example", "--json"];
        let added: Value = serde_json::from_slice(&town.add_with(&add, &tokens).stdout).expect("JSON");
        assert_eq!((added["status"].clone(), added["kind"].clone()), (json!("added"), json!("video")));
        let video = added["id"].as_str().expect("an id").to_owned();
        // The same user there is the same account.
        let again: Value = serde_json::from_slice(&town.add_with(&add, &tokens).stdout).expect("JSON");
        assert_eq!((again["status"].clone(), again["id"].clone()), (json!("renewed"), json!(video)));

        assert_eq!(listed(&town, &["--kind", "calendar"]), ["a"]);
        assert_eq!(listed(&town, &["--organizer", "org-2"]), [video.as_str()]);
        assert_eq!(listed(&town, &["--provider", "acme"]), ["a"]);
        assert_eq!(listed(&town, &["--disconnected"]), [""; 0]);
        town.house.json(&["integrations", "disable", "a", "--reason", "a test"]);
        assert_eq!((listed(&town, &["--off"]), town.show("a")["state"].clone()), (vec!["a".to_owned()], json!("off")));
        town.house.json(&["integrations", "enable", "a"]);
        let row = town.show("a");
        assert_eq!((row["state"].clone(), row["version"].clone()), (json!("connected"), json!(1)));
        assert!(row["log"][1]["message"].as_str().expect("a line").contains("a test"), "{row}");

        let gone = town.house.json(&["integrations", "disconnect", "a", "--revoke", "--yes", "--by", "me"]);
        assert_eq!((gone["revoked"].clone(), gone["episode"].clone()), (json!(true), json!(1)));
        assert_eq!(town.server.revoked(), [grant.refresh_token]);
        let row = town.show("a");
        assert_eq!(
            (row["state"].clone(), row["disconnected_reason"].clone()),
            (json!("disconnected"), json!("disconnected by me"))
        );
        assert_eq!(listed(&town, &["--disconnected"]), ["a"]);
        let card = town.house.cli(&["integrations", "show", "a"]);
        let card = String::from_utf8_lossy(&card.stdout).into_owned();
        assert!(card.contains("disconnected by me") && card.contains("episodes"), "{card}");
        town.tells_no_secret(&card);
    }
}

#[test]
fn what_cannot_be_added_is_refused_with_the_remedy_and_without_the_tokens() {
    let town = Town::new(House::sqlite(), Style::Kept);
    town.add("a", &town.server.issue(), 3600);
    let tokens = json!({"access_token": "hunter2"});
    for (arguments, tokens, said) in [
        (
            &["calendar", "--organizer", "other", "--provider", "acme", "--id", "a"][..],
            tokens.clone(),
            "belongs to organizer org",
        ),
        (&["calendar", "--organizer", "o", "--provider", "acme", "--id", "a/b"][..], tokens.clone(), "letters, digits"),
        (
            &["calendar", "--organizer", "o", "--provider", "acme"][..],
            json!({"refresh_token": "hunter2"}),
            "access_token is missing",
        ),
        (&["calendar", "--organizer", "o", "--provider", "acme"][..], json!("hunter2"), "access_token is missing"),
    ] {
        let output = town.add_with(arguments, &tokens);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(said) && !error.contains("hunter2"), "{error}");
    }
    let missing = town.house.cli(&["integrations", "show", "nobody"]);
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no such integration"));
}
