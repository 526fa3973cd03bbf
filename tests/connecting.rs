//! An account is connected by the consent of its owner, once for each time he was asked, and by nobody else.

mod office;

use liaison_queue::faults::Point;
use liaison_sandbox::Mood;
use serde_json::json;

use crate::support::{Daemon, House};
use office::{Office, browse, visit};

/// Where connecting an account can die.
pub(crate) const POINTS: [Point; 3] = [Point::StateUsed, Point::CodeRedeemed, Point::AccountConnected];

const EVENTS: &str = "https://www.googleapis.com/auth/calendar.events";
const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

#[test]
fn an_owner_who_consents_has_an_account_and_its_first_synchronisation() {
    for house in [House::sqlite(), House::postgres()] {
        let office = Office::new(house);
        let mut waiting = office.connect("google", &LISTEN);
        assert_eq!(waiting.told["status"], "waiting");
        let back = browse(waiting.url());
        assert!(back.starts_with("http://127.0.0.1:") && back.contains("/callback?code="), "{back}");
        assert!(visit(&back).contains("The account is connected"));
        let ended = waiting.end();
        assert_eq!((ended["status"].clone(), ended["kind"].clone()), (json!("added"), json!("calendar")));
        assert_eq!(ended["missing_scopes"], json!([]));
        let id = ended["id"].as_str().expect("an id").to_owned();
        let row = office.show(&id);
        assert_eq!((row["state"].clone(), row["provider_user_id"].clone()), (json!("connected"), json!("owner-1")));
        assert_eq!(
            (row["organizer_id"].clone(), row["provider_email"].clone()),
            (json!("org"), json!("owner@example.com"))
        );
        assert!(row["scope"].as_str().expect("scopes").contains(EVENTS), "{row}");
        assert!(row["log"][0]["message"].as_str().expect("a line").contains("by the consent of its owner"), "{row}");
        let sync = office.house.json(&["jobs", "show", ended["first_sync"].as_str().expect("a job")]);
        assert_eq!(sync["whereabouts"]["state"], "ready", "{sync}");
        assert!(sync.to_string().contains("high"), "{sync}");

        // The same owner there is the same account, also after he was disconnected.
        office.house.json(&["integrations", "disconnect", &id, "--yes"]);
        let mut again = office.connect("google", &LISTEN);
        visit(&browse(again.url()));
        let ended = again.end();
        assert_eq!((ended["status"].clone(), ended["id"].clone()), (json!("renewed"), json!(id)));
        assert_eq!(ended["recovered_from_episode"], 1);
        assert_eq!(office.show(&id)["state"], "connected");
        office.tells_no_secret(&[&waiting.said(), &again.said()]);
    }
}

#[test]
fn a_consent_for_video_asks_for_no_synchronisation_and_a_pasted_address_does() {
    let office = Office::new(House::sqlite());
    let mut waiting = office.connect("google_meet", &["--paste", "--id", "meet"]);
    assert_eq!(waiting.told["redirect_url"], "http://127.0.0.1:8719/callback");
    waiting.paste(&browse(waiting.url()));
    let ended = waiting.end();
    assert_eq!((ended["id"].clone(), ended["kind"].clone()), (json!("meet"), json!("video")));
    assert_eq!(ended["first_sync"], json!(null));
}

#[test]
fn a_state_is_good_once_in_its_time_for_its_provider_and_where_it_was_asked_for() {
    for house in [House::sqlite(), House::postgres()] {
        let office = Office::new(house);
        let mut first = office.connect("google", &["--paste", "--id", "first"]);
        let used = browse(first.url());
        first.paste(&used);
        first.end();
        let mut late = office.connect("google", &["--paste", "--wait", "1s"]);
        let expired = browse(late.url());
        assert!(late.fail().contains("nobody came back within 1 s"));
        let other = office.connect("google", &["--paste"]);
        let of_another = browse(other.url());
        let zoom = office.connect("zoom", &["--paste"]);
        let of_zoom = browse(zoom.url());
        let asked = office.server.count();
        for (pasted, said) in [
            (used.as_str(), "its state was used at"),
            (&expired, "its time was over at"),
            (&of_another, "is of another `integrations connect`"),
            (&of_zoom, "is of a consent at zoom, not at google"),
            ("http://127.0.0.1:8719/callback?code=c&state=nobody-knows-it", "nobody was sent away with its state"),
            ("http://127.0.0.1:8719/callback?code=hunter2", "there is no state in it"),
            ("", "there is no state in it"),
        ] {
            let mut waiting = office.connect("google", &["--paste"]);
            waiting.paste(pasted);
            let error = waiting.fail();
            assert!(error.contains(said) && !error.contains("hunter2"), "{pasted}: {error}");
        }
        assert_eq!(office.server.count(), asked, "no code was given for tokens");
        assert_eq!(office.house.json(&["integrations", "list"]).as_array().expect("a list").len(), 1);
    }
}

#[test]
fn whoever_else_knocks_does_not_end_the_wait() {
    let office = Office::new(House::sqlite());
    let mut waiting = office.connect("google", &LISTEN);
    let back = browse(waiting.url());
    let (door, _) = back.split_once('?').expect("a query");
    let icon = door.replace("/callback", "/favicon.ico");
    assert!(visit(&icon).starts_with("HTTP/1.1 404"));
    let strange = visit(&format!("{door}?code=c&state=%3Cscript%3E"));
    assert!(strange.starts_with("HTTP/1.1 400") && !strange.contains("script"), "{strange}");
    assert!(visit(&back).contains("is connected"));
    assert_eq!(waiting.end()["status"], "added");
    assert!(waiting.said().contains("somebody came back, and not from here"));
}

#[test]
fn an_owner_who_refuses_and_a_code_that_is_not_taken_connect_nothing() {
    for house in [House::sqlite(), House::postgres()] {
        let office = Office::new(house);
        office.server.mood(Mood::Refuses);
        let mut waiting = office.connect("google", &LISTEN);
        let back = browse(waiting.url());
        assert!(visit(&back).contains("not connected"));
        let error = waiting.fail();
        assert!(error.contains("the owner did not consent (access_denied: The owner said no)"), "{error}");
        assert_eq!(office.server.count(), 0);

        office.server.mood(Mood::Agrees);
        let mut waiting = office.connect("google", &["--paste"]);
        let back = browse(waiting.url()).replace("code=", "code=not-");
        waiting.paste(&back);
        let error = waiting.fail();
        assert!(error.contains("the code is not taken") && error.contains("invalid_grant"), "{error}");
        assert!(error.contains("begin again") && !error.contains("sandbox-code"), "{error}");
        // It is used up all the same.
        let mut waiting = office.connect("google", &["--paste"]);
        waiting.paste(&back);
        assert!(waiting.fail().contains("was used at"));
        assert!(office.house.json(&["integrations", "list"]).as_array().expect("a list").is_empty());
        let log = office.house.json(&["logs", "--organizer", "org", "--failed"]);
        let told: Vec<&str> =
            log.as_array().expect("a list").iter().filter_map(|line| line["message"].as_str()).collect();
        assert!(told.len() == 2 && told.iter().all(|line| line.starts_with("not connected to google")), "{told:?}");
    }
}

#[test]
fn what_the_owner_left_out_is_named_and_refused_unless_it_is_allowed() {
    let office = Office::new(House::sqlite());
    office.server.mood(Mood::AgreesTo("openid email".to_owned()));
    let mut waiting = office.connect("google", &LISTEN);
    visit(&browse(waiting.url()));
    let error = waiting.fail();
    assert!(
        error.contains(&format!("did not consent to {EVENTS}")) && error.contains("--allow-missing-scopes"),
        "{error}"
    );
    assert!(office.house.json(&["integrations", "list"]).as_array().expect("a list").is_empty());
    let mut waiting = office.connect("google", &["--paste", "--allow-missing-scopes"]);
    waiting.paste(&browse(waiting.url()));
    assert_eq!(waiting.end()["missing_scopes"], json!([EVENTS]));
    // Who asks for less needs less.
    let mut waiting = office.connect("google", &["--paste", "--scope", "email", "--id", "less"]);
    waiting.paste(&browse(waiting.url()));
    assert_eq!(waiting.end()["missing_scopes"], json!([]));
}

#[test]
fn whoever_dies_while_an_owner_comes_back_connects_nothing_twice() {
    for point in POINTS {
        let office = Office::new(House::sqlite());
        let mut dying = office.connect_with("google", &["--paste", "--id", "a"], Some(point));
        let back = browse(dying.url());
        dying.paste(&back);
        assert!(!dying.fail().contains("liaison:"), "it died at {point}");
        let stands = office.house.json(&["integrations", "list"]).as_array().expect("a list").len();
        assert_eq!(stands, usize::from(point == Point::AccountConnected), "{point}");
        let mut waiting = office.connect("google", &["--paste", "--id", "a"]);
        waiting.paste(&back);
        assert!(waiting.fail().contains("was used at"), "{point}");
        let mut waiting = office.connect("google", &["--paste", "--id", "a"]);
        waiting.paste(&browse(waiting.url()));
        let ended = waiting.end();
        assert_eq!(ended["status"], if stands == 1 { "renewed" } else { "added" }, "{point}");
        assert!(ended["first_sync"].is_string(), "{ended}");
    }
}

/// A daemon that has the same settings still starts: what connecting needs is nothing that a worker trips over.
#[test]
fn what_cannot_be_connected_is_refused_before_anybody_is_asked() {
    let office = Office::new(House::sqlite());
    for (provider, arguments, said) in [
        ("webex", &[][..], "no [[provider]] in the configuration for webex"),
        ("apple", &[], "takes a user and a password"),
        ("acme", &[], "add --kind"),
        ("zoom", &["--kind", "calendar"], "no accounts for calendar"),
        ("google", &["--wait", "11m"], "up to 10m"),
        ("google", &["--listen", "0.0.0.0:1"], "of this machine alone"),
        ("google", &["--id", "a/b"], "letters, digits"),
        ("google_meet", &["--calendar", "c"], "only for a calendar"),
    ] {
        let output =
            office.house.cli(&[&["integrations", "connect", provider, "--organizer", "org"], arguments].concat());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && error.contains(said), "{provider} {arguments:?}: {error}");
    }
    let house = office.house.set("LIAISON_PROVIDER__0__REDIRECT_URL", "https://app.example.org/back");
    let output = house.cli(&["integrations", "connect", "google", "--organizer", "org"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("which is not on this machine: add --paste"));
    let worker: Daemon = house.worker();
    worker.stop();
}
