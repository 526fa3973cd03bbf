//! The client against the stand-in: rounds that are interrupted or never end, writes whose answers are lost, and bad days.

use std::{collections::BTreeSet, time::Duration};

use liaison_sandbox::{MicrosoftServer, Reset, Series, Trouble};
use serde_json::{Value, json};

use super::Microsoft;
use crate::providers::{
    Calendar, CalendarWriter, Change, Draft, EventKey, EventMeeting, Fault, Next,
    calendar_tests::{draft, known, round, session, window},
};

const ANN: &str = "ann@example.com";

async fn town() -> (MicrosoftServer, Microsoft) {
    let server = MicrosoftServer::start().await.unwrap();
    server.desk().admit("token-1", ANN);
    let client = client(&server, "token-1");
    (server, client)
}

fn client(server: &MicrosoftServer, token: &str) -> Microsoft {
    Microsoft::new(session("microsoft", &server.api_url(), token), None)
}

fn event(id: &str) -> Value {
    json!({
        "id": id,
        "subject": "Something",
        "start": {"dateTime": "2027-02-01T10:00:00", "timeZone": "W. Europe Standard Time"},
        "end": {"dateTime": "2027-02-01T11:00:00", "timeZone": "W. Europe Standard Time"},
    })
}

fn ids(number: u32) -> impl Iterator<Item = String> {
    // Ids of Graph look so.
    (0..number).map(|number| format!("AAMk{number:03}-_=="))
}

fn standing(server: &MicrosoftServer) -> BTreeSet<String> {
    server.events(ANN).iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_full_round_has_every_event_once_and_the_next_one_only_what_changed() {
    let (server, client) = town().await;
    ids(7).for_each(|id| server.put(ANN, event(&id)));
    server.page_size(3);
    let (changes, pages, cursor) = round(&client, None).await.unwrap();
    assert_eq!((changes.len(), pages), (7, 3));
    assert_eq!(known(&changes), ids(7).collect());

    let before = server.desk().calls();
    let (changes, pages, cursor) = round(&client, cursor.as_deref()).await.unwrap();
    assert_eq!((changes.len(), pages, server.desk().calls() - before), (0, 1, 1));

    let all: Vec<_> = ids(8).collect();
    server.remove(ANN, &all[1]);
    server.put(ANN, event(&all[7]));
    let (changes, _, _) = round(&client, cursor.as_deref()).await.unwrap();
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[0], Change::Gone(all[1].clone()));
    assert!(matches!(&changes[1], Change::Is(event) if event.id == all[7]));
    server.stop().await;
}

#[tokio::test]
async fn what_changes_while_a_round_is_read_is_in_the_next_one() {
    let (server, client) = town().await;
    ids(9).for_each(|id| server.put(ANN, event(&id)));
    server.page_size(3);
    let first = client.changes(None, window()).await.unwrap();
    let mut all = first.changes;
    let names: Vec<_> = ids(10).collect();
    server.remove(ANN, &names[1]);
    server.remove(ANN, &names[8]);
    server.put(ANN, event(&names[9]));
    let Next::Page(at) = first.next else { panic!("there are more pages") };
    let (rest, _, cursor) = round(&client, Some(&at)).await.unwrap();
    all.extend(rest);
    all.extend(round(&client, cursor.as_deref()).await.unwrap().0);
    assert_eq!(known(&all), standing(&server));
}

#[tokio::test]
async fn a_series_is_whole_and_what_was_deleted_of_it_without_a_trace_is_gone() {
    let (server, client) = town().await;
    let mut series = Series::weekly("AAMkweekly", "2027-03-22T09:00:00".parse().unwrap(), 4);
    server.put_series(ANN, &series);
    let (mut all, _, cursor) = round(&client, None).await.unwrap();
    let [Change::Series { id, events }] = &all[..] else { panic!("{all:?}") };
    assert_eq!((id.as_str(), events.len()), ("AAMkweekly", 4));
    assert!(events.iter().all(|event| event.title.as_deref() == Some("Every week")));
    series.cancelled = vec![1];
    series.moved = vec![(2, "2027-04-06T12:00:00Z".parse().unwrap())];
    server.put_series(ANN, &series);
    let (changes, _, cursor) = round(&client, cursor.as_deref()).await.unwrap();
    all.extend(changes);
    assert_eq!(known(&all), standing(&server));
    server.remove(ANN, "AAMkweekly");
    all.extend(round(&client, cursor.as_deref()).await.unwrap().0);
    assert_eq!(known(&all).len(), 0);
}

#[tokio::test]
async fn instances_that_come_without_their_series_are_joined_with_it_all_the_same() {
    let (server, client) = town().await;
    server.put_series(ANN, &Series::weekly("AAMkweekly", "2027-03-22T09:00:00".parse().unwrap(), 3));
    server.split_series();
    let (changes, _, _) = round(&client, None).await.unwrap();
    let joined = |change: &&Change| matches!(change, Change::Is(event) if event.title.as_deref() == Some("Every week"));
    assert_eq!(changes.iter().filter(joined).count(), 3);
    assert_eq!(server.desk().calls_of("GET", "/events/AAMkweekly"), 1);
    // One that is gone by then takes its instances along.
    server.desk().script("GET", "/events/", [Trouble::Status(404)]);
    assert!(matches!(round(&client, None).await, Ok((changes, _, _)) if changes.is_empty()));
}

#[tokio::test]
async fn a_cursor_that_dies_between_two_pages_asks_for_a_full_round() {
    let (server, client) = town().await;
    ids(7).for_each(|id| server.put(ANN, event(&id)));
    server.page_size(3);
    for reset in [Reset::Gone, Reset::NotFound] {
        let Next::Page(second) = client.changes(None, window()).await.unwrap().next else { panic!("more pages") };
        let (_, _, cursor) = round(&client, None).await.unwrap();
        server.expire_cursors(ANN, reset);
        for at in [second, cursor.unwrap()] {
            let fault = client.changes(Some(&at), window()).await.unwrap_err();
            assert!(matches!(fault, Fault::Expired { .. }), "{reset:?}: {fault:?}");
        }
    }
    assert_eq!(known(&round(&client, None).await.unwrap().0), standing(&server));
}

#[tokio::test]
async fn a_cursor_of_another_address_asks_for_a_full_round_and_is_not_followed() {
    let (old, client) = town().await;
    let (_, _, cursor) = round(&client, None).await.unwrap();
    let (moved, client) = town().await;
    let before = old.desk().calls();
    let fault = client.changes(cursor.as_deref(), window()).await.unwrap_err();
    assert!(matches!(&fault, Fault::Expired { why } if why.contains("another address")), "{fault:?}");
    assert_eq!((old.desk().calls(), moved.desk().calls()), (before, 0));
}

#[tokio::test]
async fn a_delta_that_never_ends_is_given_up_and_the_view_is_read_as_it_is() {
    let (server, client) = town().await;
    ids(7).for_each(|id| server.put(ANN, event(&id)));
    server.put_series(ANN, &Series::weekly("AAMkweekly", "2027-03-22T09:00:00".parse().unwrap(), 4));
    let (_, _, cursor) = round(&client, None).await.unwrap();
    server.put(ANN, event("AAMk-new"));
    server.page_size(3);
    server.endless(true);
    // What only tells changes cannot go on without a delta.
    let fault = round(&client, cursor.as_deref()).await.unwrap_err();
    assert!(matches!(&fault, Fault::Expired { why } if why.contains("does not end")), "{fault:?}");
    let before = server.desk().calls();
    let (changes, _, cursor) = round(&client, None).await.unwrap();
    assert_eq!((known(&changes), cursor), (standing(&server), None));
    assert!(server.desk().calls() - before < 12, "{}", server.desk().calls() - before);
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_takes_no_token_along() {
    let (server, client) = town().await;
    ids(7).for_each(|id| server.put(ANN, event(&id)));
    server.page_size(3);
    server.lead_away("http://127.0.0.2:9/v1.0");
    let fault = client.changes(None, window()).await.unwrap_err();
    assert!(matches!(&fault, Fault::Retry { why, .. } if why.contains("not followed")), "{fault:?}");
}

#[tokio::test]
async fn a_token_that_was_replaced_is_refused_and_the_new_one_is_taken() {
    let (server, old) = town().await;
    server.desk().rotate(ANN, "token-2");
    assert!(matches!(old.changes(None, window()).await, Err(Fault::Unauthorized { .. })));
    assert!(client(&server, "token-2").changes(None, window()).await.is_ok());
}

#[tokio::test]
async fn limits_are_waited_for_and_everything_broken_is_tried_again() {
    let (server, client) = town().await;
    server.put(ANN, event("AAMk1"));
    let desk = server.desk();
    desk.script("GET", "/delta", [Trouble::TooMany(Some(11))]);
    let fault = client.changes(None, window()).await.unwrap_err();
    assert!(matches!(fault, Fault::Limited { after: Some(after), .. } if after.as_secs() == 11), "{fault:?}");
    let broken = [
        Trouble::Status(500),
        Trouble::Status(503),
        Trouble::Page(200),
        Trouble::Page(404),
        Trouble::HalfAnswer,
        Trouble::LostAnswer,
    ];
    let count = broken.len();
    desk.script("GET", "/delta", broken);
    for number in 0..count {
        let fault = client.changes(None, window()).await.map(drop).unwrap_err();
        assert!(matches!(fault, Fault::Retry { .. }), "{number}: {fault:?}");
    }
    let hasty = Microsoft { session: client.session.clone().within(Duration::from_millis(50)), ..client };
    desk.script("GET", "/delta", [Trouble::Hang]);
    assert!(matches!(hasty.changes(None, window()).await, Err(Fault::Retry { .. })));
}

#[tokio::test]
async fn a_mailbox_that_is_crowded_says_so_and_is_not_crowded_further() {
    let (server, client) = town().await;
    let desk = server.desk();
    desk.at_once(Some(1));
    desk.script("GET", "/delta", [Trouble::Slow(Duration::from_millis(300))]);
    let second = async {
        desk.asked(1).await;
        client.changes(None, window()).await
    };
    let (first, second) = tokio::join!(client.changes(None, window()), second);
    assert!(first.is_ok());
    assert!(matches!(second, Err(Fault::Limited { after: Some(_), .. })));
    assert_eq!((desk.most_at_once(ANN), desk.refused().1), (2, 1));
}

#[tokio::test]
async fn an_event_whose_answer_was_lost_is_found_and_there_is_one() {
    let (server, client) = town().await;
    server.desk().script("POST", "/events", [Trouble::LostAnswer]);
    let draft = Draft { with_meeting: true, ..draft() };
    assert!(matches!(client.create(&draft).await, Err(Fault::Retry { .. })));
    let found = client.find(&draft.key, window()).await.unwrap().unwrap();
    let made = client.create(&draft).await.unwrap();
    assert_eq!((&made.id, made.differs), (&found.id, false));
    assert!(matches!(&made.meeting, EventMeeting::Ready(join) if join.url.starts_with("https://teams.microsoft.com/")));
    assert_eq!((server.events(ANN).len(), server.mails().len()), (1, 1));
    assert!(client.find(&EventKey::of(&["another"]), window()).await.unwrap().is_none());
    assert_eq!(server.events(ANN)[0]["start"]["timeZone"], "W. Europe Standard Time");
}

#[tokio::test]
async fn an_older_draft_is_told_from_a_newer_one_and_nothing_is_written_twice() {
    let (server, client) = town().await;
    let first = client.create(&draft()).await.unwrap();
    let later = Draft { start: "2027-07-12T09:30:00Z".parse().unwrap(), ..draft() };
    let there = client.create(&later).await.unwrap();
    assert!(there.differs && there.version == first.version && there.id == first.id);
    let fault = client.update(&there.id, Some("W/\"of yesterday\""), &later).await.unwrap_err();
    assert!(matches!(fault, Fault::Conflict { .. }), "{fault:?}");
    let changed = client.update(&there.id, there.version.as_deref(), &later).await.unwrap();
    let again = client.update(&there.id, None, &later).await.unwrap();
    assert_eq!((again.version, server.desk().calls_of("PATCH", "/events/")), (changed.version, 1));
    // One mail for the invitation, one for the change.
    assert_eq!(server.mails().len(), 2);
}

#[tokio::test]
async fn taking_out_is_done_when_it_is_not_there_and_may_be_taken_back() {
    let (server, client) = town().await;
    let made = client.create(&draft()).await.unwrap();
    for _ in 0..2 {
        client.remove(&made.id, true).await.unwrap();
    }
    assert!(matches!(client.look(&made.id).await, Err(Fault::Gone { .. })));
    assert!(client.find(&draft().key, window()).await.unwrap().is_none());
    assert!(client.create(&draft()).await.is_ok());
    assert_eq!(server.events(ANN).len(), 1);
}

#[tokio::test]
async fn a_meeting_that_takes_a_moment_is_waited_for_and_is_not_written_over() {
    let (server, client) = town().await;
    server.meeting_takes(1);
    let draft = Draft { with_meeting: true, ..draft() };
    let made = client.create(&draft).await.unwrap();
    assert!(matches!(made.meeting, EventMeeting::Pending));
    assert!(matches!(client.look(&made.id).await.unwrap().meeting, EventMeeting::Ready(_)));
    let other = Draft { title: "Other".to_owned(), description: Some("Other words".to_owned()), ..draft.clone() };
    let changed = client.update(&made.id, None, &other).await.unwrap();
    assert!(matches!(changed.meeting, EventMeeting::Ready(_)), "{changed:?}");
    server.no_meetings();
    let without = Draft { key: EventKey::of(&["event", "2"]), ..draft };
    assert!(matches!(client.create(&without).await.unwrap().meeting, EventMeeting::Failed));
}

#[tokio::test]
async fn a_meeting_of_teams_is_made_once_changed_and_taken_back() {
    let (server, client) = town().await;
    let key = EventKey::of(&["meeting", "booking-1"]);
    let times = ("2027-07-12T09:00:00Z".parse().unwrap(), "2027-07-12T10:00:00Z".parse().unwrap());
    server.desk().script("POST", "/onlineMeetings", [Trouble::LostAnswer]);
    assert!(matches!(client.create_or_get_meeting(&key, "Consultation", times).await, Err(Fault::Retry { .. })));
    let made = client.create_or_get_meeting(&key, "Consultation", times).await.unwrap();
    assert!(made.was_there && made.passcode.is_some());
    let later = ("2027-07-13T09:00:00Z".parse().unwrap(), "2027-07-13T10:00:00Z".parse().unwrap());
    let changed = client.update_meeting(&made.id, "Consultation", later).await.unwrap();
    assert_eq!((changed.start, changed.end), (Some(later.0), Some(later.1)));
    assert_eq!(client.look_at_meeting(&made.id).await.unwrap().join_url, made.join_url);
    assert_eq!(server.meetings(ANN).len(), 1);
    for _ in 0..2 {
        client.remove_meeting(&made.id).await.unwrap();
    }
    assert!(matches!(client.look_at_meeting(&made.id).await, Err(Fault::Gone { .. })));
    assert!(server.meetings(ANN).is_empty());
}

#[tokio::test]
async fn the_zone_of_the_mailbox_is_asked_for_with_a_full_round_and_by_either_name() {
    let (server, client) = town().await;
    server.page_size(1);
    ids(2).for_each(|id| server.put(ANN, event(&id)));
    let zone = async || client.changes(None, window()).await.unwrap().zone;
    assert_eq!(zone().await, None, "nobody consented");
    for (name, found) in [
        ("W. Europe Standard Time", Some("Europe/Berlin")),
        ("America/New_York", Some("America/New_York")),
        ("Customized Time Zone", None),
    ] {
        server.zone(ANN, name);
        assert_eq!(zone().await.as_deref(), found, "{name}");
    }
    let asked = || server.desk().calls_of("GET", "mailboxSettings");
    let before = asked();
    let (_, pages, cursor) = round(&client, None).await.unwrap();
    round(&client, cursor.as_deref()).await.unwrap();
    assert_eq!((pages, asked() - before), (2, 1), "once in a full round");
    server.desk().script("GET", "mailboxSettings", [Trouble::Status(503)]);
    assert_eq!(client.changes(None, window()).await.unwrap_err().kind(), "retry", "it is asked again");
    server.stop().await;
}
