//! The client against the stand-in: rounds that are interrupted, writes whose answers are lost, and bad days.

use std::{collections::BTreeSet, time::Duration};

use liaison_sandbox::{GoogleServer, Series, Trouble};
use serde_json::{Value, json};

use super::Google;
use crate::providers::{
    Calendar, CalendarWriter, Change, Draft, EventKey, EventMeeting, Fault, Next,
    calendar_tests::{self, known, session, window},
};

const ANN: &str = "ann@example.com";

async fn town() -> (GoogleServer, Google) {
    let server = GoogleServer::start().await.unwrap();
    server.desk().admit("token-1", ANN);
    let client = client(&server, "token-1");
    (server, client)
}

fn client(server: &GoogleServer, token: &str) -> Google {
    Google::new(session("google", &server.api_url(), token), None)
}

fn event(id: &str) -> Value {
    json!({
        "id": id,
        "summary": "Something",
        "start": {"dateTime": "2027-02-01T10:00:00+01:00"},
        "end": {"dateTime": "2027-02-01T11:00:00+01:00"},
    })
}

fn ids(number: u32) -> impl Iterator<Item = String> {
    (0..number).map(|number| format!("event{number:03}"))
}

/// A whole round, which ends with a cursor here.
async fn round(client: &Google, at: Option<&str>) -> Result<(Vec<Change>, usize, String), Fault> {
    let (changes, pages, end) = calendar_tests::round(client, at).await?;
    Ok((changes, pages, end.expect("google gives a token")))
}

fn standing(server: &GoogleServer) -> BTreeSet<String> {
    server.events(ANN).iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_full_round_has_every_event_once_and_the_next_one_only_what_changed() {
    let (server, client) = town().await;
    ids(7).for_each(|id| server.put(ANN, event(&id)));
    server.put(ANN, json!({"id": "outside", "start": {"date": "2030-01-01"}, "end": {"date": "2030-01-02"}}));
    server.page_size(3);
    let (changes, pages, cursor) = round(&client, None).await.unwrap();
    assert_eq!((changes.len(), pages), (7, 3));
    assert_eq!(known(&changes), ids(7).collect());

    let before = server.desk().calls();
    let (changes, pages, cursor) = round(&client, Some(&cursor)).await.unwrap();
    assert_eq!((changes.len(), pages, server.desk().calls() - before), (0, 1, 1));

    server.remove(ANN, "event001");
    server.put(ANN, event("event007"));
    let mut moved = event("event002");
    moved["start"]["dateTime"] = json!("2029-02-01T10:00:00+01:00");
    moved["end"]["dateTime"] = json!("2029-02-01T11:00:00+01:00");
    server.put(ANN, moved);
    let (changes, _, _) = round(&client, Some(&cursor)).await.unwrap();
    let gone = ["event001", "event002"].map(|id| Change::Gone(id.to_owned()));
    assert!(gone.iter().all(|gone| changes.contains(gone)), "{changes:?}");
    assert!(matches!(&changes[2], Change::Is(event) if event.id == "event007"));
    assert_eq!(changes.len(), 3);
    server.stop().await;
}

#[tokio::test]
async fn the_zone_of_the_calendar_is_told_with_every_page() {
    let (server, client) = town().await;
    server.zone(ANN, "America/New_York");
    let page = client.changes(None, window()).await.unwrap();
    assert_eq!(page.zone.as_deref(), Some("America/New_York"));
}

#[tokio::test]
async fn what_changes_while_a_round_is_read_is_in_the_next_one() {
    let (server, client) = town().await;
    ids(9).for_each(|id| server.put(ANN, event(&id)));
    server.page_size(3);
    let first = client.changes(None, window()).await.unwrap();
    let mut all = first.changes;
    // One that was told, one that was not, and one that is new.
    server.remove(ANN, "event001");
    server.remove(ANN, "event008");
    server.put(ANN, event("event009"));
    let Next::Page(at) = first.next else { panic!("there are more pages") };
    let (rest, _, cursor) = round(&client, Some(&at)).await.unwrap();
    all.extend(rest);
    let (changes, _, _) = round(&client, Some(&cursor)).await.unwrap();
    all.extend(changes);
    assert_eq!(known(&all), standing(&server));
}

#[tokio::test]
async fn a_cursor_that_dies_between_two_pages_asks_for_a_full_round() {
    let (server, client) = town().await;
    ids(7).for_each(|id| server.put(ANN, event(&id)));
    let (_, _, cursor) = round(&client, None).await.unwrap();
    ids(7).for_each(|id| server.put(ANN, event(&id)));
    server.page_size(3);
    let Next::Page(second) = client.changes(Some(&cursor), window()).await.unwrap().next else { panic!("more pages") };
    server.expire_cursors(ANN);
    // Of what changed, and of a full round as well.
    for at in [&cursor, &second] {
        let fault = client.changes(Some(at), window()).await.unwrap_err();
        assert!(matches!(&fault, Fault::Expired { why } if why.contains("fullSyncRequired")), "{fault:?}");
    }
    let Next::Page(second) = client.changes(None, window()).await.unwrap().next else { panic!("more pages") };
    server.expire_cursors(ANN);
    assert!(matches!(client.changes(Some(&second), window()).await, Err(Fault::Expired { .. })));
    assert!(matches!(client.changes(Some("of another release"), window()).await, Err(Fault::Expired { .. })));
    assert_eq!(known(&round(&client, None).await.unwrap().0), standing(&server));
}

#[tokio::test]
async fn a_series_is_its_instances_and_what_became_of_them() {
    let (server, client) = town().await;
    let mut series = Series::weekly("weekly", "2027-03-22T09:00:00".parse().unwrap(), 4);
    server.put_series(ANN, &series);
    let (changes, _, cursor) = round(&client, None).await.unwrap();
    assert_eq!(known(&changes).len(), 4);
    let of = |change: &Change| matches!(change, Change::Is(event) if event.series.as_deref() == Some("weekly"));
    assert!(changes.iter().all(of));
    series.cancelled = vec![1];
    series.moved = vec![(2, "2027-04-06T12:00:00Z".parse().unwrap())];
    server.put_series(ANN, &series);
    let (changes, _, cursor) = round(&client, Some(&cursor)).await.unwrap();
    assert!(changes.contains(&Change::Gone("weekly_20270329T070000Z".to_owned())), "{changes:?}");
    assert_eq!(changes.len(), 2);
    server.remove(ANN, "weekly");
    let (changes, _, _) = round(&client, Some(&cursor)).await.unwrap();
    assert_eq!(changes.iter().filter(|change| matches!(change, Change::Gone(_))).count(), 3);
}

#[tokio::test]
async fn one_odd_event_is_set_aside_and_the_others_are_taken() {
    let (server, client) = town().await;
    ids(2).for_each(|id| server.put(ANN, event(&id)));
    server.put(ANN, json!({"id": "strange", "start": {"dateTime": "half past nine"}, "end": {}}));
    server.put(ANN, json!({"id": "stranger", "start": "2027-01-12", "end": {}}));
    let (changes, _, _) = round(&client, None).await.unwrap();
    let odd = |change: &&Change| matches!(change, Change::Odd { id: Some(_), .. });
    assert_eq!((changes.len(), changes.iter().filter(odd).count()), (4, 2));
}

#[tokio::test]
async fn a_token_that_was_replaced_is_refused_and_the_new_one_is_taken() {
    let (server, old) = town().await;
    server.desk().rotate(ANN, "token-2");
    let fault = old.changes(None, window()).await.unwrap_err();
    assert!(matches!(&fault, Fault::Unauthorized { why } if !why.contains("token-1")), "{fault:?}");
    assert!(client(&server, "token-2").changes(None, window()).await.is_ok());
    assert_eq!(server.desk().refused().0, 1);
}

#[tokio::test]
async fn limits_are_waited_for_and_everything_broken_is_tried_again() {
    let (server, client) = town().await;
    server.put(ANN, event("event000"));
    let desk = server.desk();
    desk.script("GET", "/events", [Trouble::TooMany(Some(7)), Trouble::TooMany(None)]);
    let fault = client.changes(None, window()).await.unwrap_err();
    assert!(matches!(fault, Fault::Limited { after: Some(after), .. } if after.as_secs() == 7), "{fault:?}");
    assert!(matches!(client.changes(None, window()).await, Err(Fault::Limited { after: None, .. })));
    desk.quota(Some(1));
    assert!(client.changes(None, window()).await.is_ok());
    assert!(matches!(client.changes(None, window()).await, Err(Fault::Limited { .. })));
    desk.quota(None);
    let broken =
        [Trouble::Status(500), Trouble::Status(503), Trouble::Page(200), Trouble::Page(404), Trouble::HalfAnswer];
    let count = broken.len() + 1;
    desk.script("GET", "/events", broken);
    desk.script("GET", "/events", [Trouble::LostAnswer]);
    for number in 0..count {
        let fault = client.changes(None, window()).await.map(drop).unwrap_err();
        assert!(matches!(fault, Fault::Retry { .. }), "{number}: {fault:?}");
    }
    assert!(client.changes(None, window()).await.is_ok());
}

#[tokio::test]
async fn a_provider_that_hangs_is_left_after_a_while() {
    let (server, client) = town().await;
    let client = Google { session: client.session.clone().within(Duration::from_millis(50)), ..client };
    server.desk().script("GET", "/events", [Trouble::Hang]);
    let fault = client.changes(None, window()).await.unwrap_err();
    assert!(matches!(&fault, Fault::Retry { why, .. } if why.contains("no answer within")), "{fault:?}");
    server.stop().await;
}

/// Without a place: others may write one.
fn draft() -> Draft {
    Draft { location: None, ..calendar_tests::draft() }
}

#[tokio::test]
async fn an_event_whose_answer_was_lost_is_found_and_there_is_one() {
    let (server, client) = town().await;
    server.desk().script("POST", "/events", [Trouble::LostAnswer]);
    let draft = Draft { with_meeting: true, ..draft() };
    assert!(matches!(client.create(&draft).await, Err(Fault::Retry { .. })));
    let made = client.create(&draft).await.unwrap();
    assert_eq!((made.id.as_str(), made.differs), (draft.key.as_str(), false));
    assert!(matches!(&made.meeting, EventMeeting::Ready(join) if join.url.starts_with("https://meet.google.com/")));
    let found = client.find(&draft.key, window()).await.unwrap().unwrap();
    assert_eq!((found.id, found.version), (made.id, made.version));
    assert_eq!((server.events(ANN).len(), server.conferences(), server.mails().len()), (1, 1, 0));
}

#[tokio::test]
async fn a_booking_and_its_meeting_are_one_event_whichever_is_written_first() {
    let meeting = Draft { with_meeting: true, tell_attendees: false, ..draft() };
    for order in [[&meeting, &draft()], [&draft(), &meeting]] {
        let (server, client) = town().await;
        for draft in order.into_iter().chain(order) {
            let made = client.create(draft).await.unwrap();
            if made.differs {
                client.update(&made.id, None, draft).await.unwrap();
            }
        }
        let events = server.events(ANN);
        assert_eq!((events.len(), server.conferences(), server.mails().len()), (1, 1, 1), "{events:?}");
        assert!(events[0]["hangoutLink"].is_string(), "the link stays: {events:?}");
        assert_eq!(events[0]["attendees"][0]["email"], "guest@example.com");
    }
}

#[tokio::test]
async fn a_meeting_goes_with_its_event_unless_guests_were_invited_to_that() {
    let meeting = Draft { with_meeting: true, tell_attendees: false, ..draft() };
    let (server, client) = town().await;
    let made = client.create(&meeting).await.unwrap();
    for _ in 0..2 {
        client.remove_meeting(&made.id).await.unwrap();
    }
    assert!(server.events(ANN).is_empty() && server.mails().is_empty());

    let made = client.create(&meeting).await.unwrap();
    client.update(&made.id, None, &draft()).await.unwrap();
    let told = server.mails().len();
    for _ in 0..2 {
        client.remove_meeting(&made.id).await.unwrap();
    }
    let events = server.events(ANN);
    assert!(events.len() == 1 && events[0]["hangoutLink"].is_null(), "{events:?}");
    assert!(events[0]["attendees"][0]["email"] == "guest@example.com" && server.mails().len() == told);
}

#[tokio::test]
async fn a_meeting_to_whose_event_somebody_invites_right_now_is_looked_at_again() {
    let (server, client) = town().await;
    let made = client.create(&Draft { with_meeting: true, tell_attendees: false, ..draft() }).await.unwrap();
    server.desk().script("DELETE", "/events/", [Trouble::Slow(Duration::from_millis(200))]);
    let before = server.desk().calls();
    let meanwhile = async {
        server.desk().asked(before + 2).await;
        let mut event = server.events(ANN).remove(0);
        event["attendees"] = json!([{"email": "guest@example.com"}]);
        server.put(ANN, event);
    };
    let (removed, ()) = tokio::join!(client.remove_meeting(&made.id), meanwhile);
    assert!(matches!(removed, Err(Fault::Conflict { .. })), "{removed:?}");
    client.remove_meeting(&made.id).await.unwrap();
    assert_eq!(server.events(ANN).len(), 1, "it is somebody's by now");
}

#[tokio::test]
async fn an_older_draft_is_told_from_a_newer_one_and_nothing_is_written_twice() {
    let (server, client) = town().await;
    let first = client.create(&draft()).await.unwrap();
    let later = Draft { start: "2027-07-12T09:30:00Z".parse().unwrap(), ..draft() };
    let there = client.create(&later).await.unwrap();
    assert!(there.differs && there.version == first.version);
    let fault = client.update(&there.id, Some("\"of yesterday\""), &later).await.unwrap_err();
    assert!(matches!(fault, Fault::Conflict { .. }), "{fault:?}");
    let changed = client.update(&there.id, there.version.as_deref(), &later).await.unwrap();
    assert_ne!(changed.version, there.version);
    let again = client.update(&there.id, None, &later).await.unwrap();
    assert_eq!((again.version, server.desk().calls_of("PATCH", "/events/")), (changed.version, 1));
    assert_eq!(server.events(ANN)[0]["start"]["dateTime"], "2027-07-12T11:30:00+02:00");
}

#[tokio::test]
async fn an_event_changed_by_somebody_meanwhile_is_a_conflict_and_not_lost() {
    let (server, client) = town().await;
    let made = client.create(&draft()).await.unwrap();
    server.desk().script("PATCH", "/events/", [Trouble::Slow(Duration::from_millis(200))]);
    let later = Draft { title: "Another title".to_owned(), ..draft() };
    let change = client.update(&made.id, None, &later);
    let meanwhile = async {
        server.desk().asked(3).await;
        let mut event = server.events(ANN).remove(0);
        event["location"] = json!("Somewhere");
        server.put(ANN, event);
    };
    let (changed, ()) = tokio::join!(change, meanwhile);
    assert!(matches!(changed, Err(Fault::Conflict { .. })), "{changed:?}");
    assert_eq!(server.events(ANN)[0]["location"], "Somewhere");
}

#[tokio::test]
async fn taking_out_is_done_when_it_is_not_there_and_may_be_taken_back() {
    let (server, client) = town().await;
    let made = client.create(&draft()).await.unwrap();
    for _ in 0..2 {
        client.remove(&made.id, true).await.unwrap();
    }
    client.remove("neverwasthere", true).await.unwrap();
    assert!(matches!(client.look(&made.id).await, Err(Fault::Gone { .. })));
    assert!(client.find(&draft().key, window()).await.unwrap().is_none());
    assert!(server.events(ANN).is_empty());
    let again = client.create(&draft()).await.unwrap();
    assert!(again.id == made.id && !again.differs);
    assert_eq!(server.events(ANN).len(), 1);
}

#[tokio::test]
async fn a_meeting_that_takes_a_moment_is_waited_for() {
    let (server, client) = town().await;
    server.meeting_takes(2);
    let made = client.create(&Draft { with_meeting: true, ..draft() }).await.unwrap();
    assert!(matches!(made.meeting, EventMeeting::Pending));
    assert!(matches!(client.look(&made.id).await.unwrap().meeting, EventMeeting::Pending));
    assert!(matches!(client.look(&made.id).await.unwrap().meeting, EventMeeting::Ready(_)));
    server.no_meetings();
    let other = Draft { key: EventKey::of(&["event", "2"]), with_meeting: true, ..draft() };
    assert!(matches!(client.create(&other).await.unwrap().meeting, EventMeeting::Failed));
}
