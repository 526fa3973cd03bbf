//! The registry is what its page says, and names, limits and token givers agree.

use std::fmt::Write as _;

use super::*;
use crate::kit::{outbound::OutboundSettings, tokens::KNOWN_PROVIDERS};

const PAGE: &str = include_str!("../../../docs/providers.md");

fn row(entry: &Entry) -> String {
    let names = std::iter::once(&entry.name).chain(entry.aliases);
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    let yes = |is: bool| if is { "yes" } else { "–" };
    let meetings = match entry.meetings {
        MadeBy::Nobody => "–",
        MadeBy::Event => "with an event",
        MadeBy::Provider => "yes",
    };
    let url = entry.api_url.map_or_else(|| "each account's own".to_owned(), |url| format!("`{url}`"));
    let scopes: Vec<_> = entry.scopes.iter().map(|scope| format!("`{scope}`")).collect();
    let scopes = if scopes.is_empty() { "a password".to_owned() } else { scopes.join(", ") };
    let mut text = format!("| {} | {} ", names.join(", "), yes(entry.reads.is_some()));
    write!(text, "| {} | {meetings} | {url} | {scopes} |", yes(entry.writes.is_some())).unwrap();
    text
}

#[test]
fn the_page_shows_what_each_provider_can_do() {
    let table = PAGE.split("\n## ").next().unwrap_or_default();
    let shown: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let rows: Vec<_> = ENTRIES.iter().map(row).collect();
    assert_eq!(shown, rows, "docs/providers.md and jobs/providers/registry.rs differ");
}

#[test]
fn every_name_is_that_of_one_provider_and_every_limit_can_be_kept() {
    let mut names: Vec<_> = ENTRIES.iter().flat_map(|entry| entry.aliases.iter().chain([&entry.name])).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    for entry in ENTRIES {
        for bound in entry.limits {
            bound.limit.check().unwrap_or_else(|why| panic!("{}: {why}", entry.name));
        }
        assert!(entry.limits.iter().any(|bound| bound.what == What::Calls), "{}: of calls", entry.name);
    }
}

#[test]
fn who_gives_tokens_is_called_the_same_here() {
    for known in KNOWN_PROVIDERS {
        let here = entry(known.name).unwrap_or_else(|| panic!("{} has no entry", known.name));
        for name in known.serves {
            assert_eq!(entry(name).map(|found| found.name), Some(here.name), "{name}");
        }
    }
}

#[test]
fn what_an_owner_has_to_consent_to_follows_from_what_the_account_is_for() {
    use IntegrationKind::{Calendar, Video};
    let of = |name, kind| account_at(name, kind).unwrap_or_else(|why| panic!("{name}: {why}"));
    for (name, kind, scopes) in [
        ("outlook", Calendar, &["offline_access", "Calendars.ReadWrite", "MailboxSettings.Read"][..]),
        (
            "microsoft_teams",
            Video,
            &["offline_access", "Calendars.ReadWrite", "MailboxSettings.Read", "OnlineMeetings.ReadWrite"],
        ),
        ("google", Calendar, &["https://www.googleapis.com/auth/calendar.events"]),
        ("google_meet", Video, &["https://www.googleapis.com/auth/calendar.events"]),
        ("zoom", Video, &["meeting:read", "meeting:write", "user:read"]),
    ] {
        let found = of(name, None);
        assert_eq!((found.kind, found.syncs), (kind, kind == Calendar), "{name}");
        assert_eq!(found.scopes, scopes, "{name}");
    }
    assert_eq!(of("google", Some(Video)).kind, Video);
    assert_eq!(of("acme", Some(Calendar)), AccountAt { kind: Calendar, scopes: Vec::new(), syncs: false });
    for (name, kind, said) in [
        ("acme", None, "add --kind"),
        ("apple", None, "a user and a password"),
        ("zoom", Some(Calendar), "no accounts for calendar"),
    ] {
        let why = account_at(name, kind).unwrap_err();
        assert!(why.contains(said), "{name}: {why}");
    }
}

#[test]
fn what_a_provider_cannot_do_is_said_and_never_passed_over() {
    let registry = Registry::new(Outbound::new(&OutboundSettings::default()).unwrap(), []);
    let opening = |login| Opening {
        login,
        calendar: None,
        server: None,
        zone: None,
        now: "2027-01-12T12:00:00Z".parse().unwrap(),
        gate: Gate::default(),
    };
    let token = opening(Login::Token(Secret::new("t")));
    assert!(registry.calendar("outlook", &token).is_ok() && registry.writer("google", &token).is_ok());
    for (name, said) in [("zoom", "no calendars that can be read"), ("acme", "no client for the provider `acme`")] {
        let fault = registry.calendar(name, &token).map(drop).unwrap_err();
        assert!(matches!(&fault, Fault::Misconfigured { why } if why.contains(said)), "{fault}");
    }
    for entry in ENTRIES {
        let makes = registry.meetings(entry.name, &token).is_ok();
        assert_eq!(makes, entry.meetings != MadeBy::Nobody, "{}", entry.name);
    }
    let password = opening(Login::Password { user: "u".to_owned(), password: Secret::new("hunter2") });
    assert!(registry.calendar("apple", &password).is_ok() && registry.writer("apple", &password).is_ok());
    let fault = registry.calendar("caldav", &password).map(drop).unwrap_err();
    assert!(fault.why().contains("no server that is a URL"), "{fault}");
    let fault = registry.calendar("apple", &token).map(drop).unwrap_err();
    assert!(fault.why().contains("a user and a password"), "{fault}");
    let fault = registry.writer("google", &password).map(drop).unwrap_err();
    assert!(matches!(&fault, Fault::Misconfigured { why } if why.contains("takes a token")), "{fault}");
    assert!(!format!("{password:?}").contains("hunter2"));
}
