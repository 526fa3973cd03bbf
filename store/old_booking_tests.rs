//! When what is known of bookings is old: stated once and held on both backends.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::recording_tests::at;
use crate::test_database::on_both;
use crate::{
    Class, EventStatus, ExternalEvent, Hold, HoldScope, Meeting, MeetingFilter, MeetingStatus, RemovedBooking, Store,
};

const PAST: i64 = 120;
const FUTURE: i64 = 5_000;

/// What is older may go.
fn before() -> DateTime<Utc> {
    at(1_000)
}

fn meeting(id: &str, status: MeetingStatus, ends: Option<i64>) -> Meeting {
    Meeting {
        status,
        ends_at: ends.map(at),
        host_url: (id == "past").then(|| "https://zoom.example/s/1".to_owned()),
        ..Meeting::new(id, 1, &format!("org-{id}"), at(0))
    }
}

fn event(booking: &str, integration: &str, status: EventStatus, ends: i64) -> ExternalEvent {
    ExternalEvent {
        booking_id: booking.to_owned(),
        integration_id: integration.to_owned(),
        organizer_id: format!("org-{booking}"),
        provider: "google".to_owned(),
        version: 1,
        external_id: None,
        etag: None,
        status,
        reason: None,
        asked_at: at(0),
        starts_at: at(60),
        ends_at: at(ends),
        turn: 0,
        job_id: "job".to_owned(),
        created_at: at(0),
        updated_at: at(0),
    }
}

async fn hold(store: &Store, scope: HoldScope, key: &str) {
    let (reason, placed_by) = ("case 7".to_owned(), "ada".to_owned());
    let hold = Hold { scope, key: key.to_owned(), reason, placed_by, placed_at: at(1) };
    assert!(store.hold(hold, format!("line-{key}")).await.expect("hold"));
}

/// Delete all that may go, in pages of one; how many rows.
async fn sweep(store: &Store, class: Class) -> u64 {
    let (mut after, mut gone) = (None, 0);
    loop {
        let page = store.expired(class, before(), after, 1, false).await.expect("a page");
        gone += store.prune(class, before(), &page.rows).await.expect("delete").rows;
        after = page.next;
        if after.is_none() {
            return gone;
        }
    }
}

async fn meetings(store: &Store) -> BTreeSet<String> {
    let filter = MeetingFilter { limit: 100, ..MeetingFilter::default() };
    store.meetings(filter).await.expect("list").into_iter().map(|one| one.meeting.booking_id).collect()
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_meeting_is_old_when_its_booking_has_ended_or_it_was_removed_and_never_before() {
    on_both(&async |database| {
        let store = database.store().await;
        for (row, changed) in [
            (meeting("past", MeetingStatus::Created, Some(PAST)), 1),
            (meeting("past-and-removing", MeetingStatus::Removing, Some(PAST)), 1),
            (meeting("future", MeetingStatus::Created, Some(FUTURE)), 1),
            (meeting("future-and-failed", MeetingStatus::Failed, Some(FUTURE)), 1),
            (meeting("future-and-removed", MeetingStatus::Removed, Some(FUTURE)), 1),
            (meeting("changed-lately", MeetingStatus::Created, Some(PAST)), 2_000),
            (meeting("never-asked-for", MeetingStatus::Waiting, None), 1),
            (meeting("held", MeetingStatus::Created, Some(PAST)), 1),
            (meeting("held-too", MeetingStatus::Removed, Some(PAST)), 1),
        ] {
            store.put_meeting(row, at(changed)).await.expect("put");
        }
        hold(&store, HoldScope::Booking, "held").await;
        hold(&store, HoldScope::Organizer, "org-held-too").await;
        let old = store.old(Class::Meetings, before()).await.expect("count");
        assert_eq!((old.rows, old.held), (8, 2));
        assert_eq!(sweep(&store, Class::Meetings).await, 4);
        let kept = ["future", "future-and-failed", "changed-lately", "held", "held-too"];
        assert_eq!(meetings(&store).await, set(&kept));
    });
}

#[test]
fn an_event_goes_like_a_meeting_and_the_word_that_it_was_taken_out_goes_after_it() {
    on_both(&async |database| {
        let store = database.store().await;
        for (row, changed) in [
            (event("past", "one", EventStatus::Created, PAST), 1),
            // Of the same instant, and in another calendar.
            (event("past", "two", EventStatus::Removed, PAST), 1),
            (event("future", "one", EventStatus::Created, FUTURE), 1),
            (event("future", "two", EventStatus::Removed, FUTURE), 1),
            (event("held", "one", EventStatus::Removed, PAST), 1),
        ] {
            store.put_external_event(row, at(changed)).await.expect("put");
        }
        for (booking, asked) in [("past", 1), ("future", 1), ("held", 1), ("never-written", 1), ("lately", 2_000)] {
            let (version, job_id) = (Some(1), "job".to_owned());
            let word = RemovedBooking { booking_id: booking.to_owned(), version, asked_at: at(asked), job_id };
            store.remember_removal(word).await.expect("remember");
        }
        hold(&store, HoldScope::Organizer, "org-held").await;
        assert_eq!(sweep(&store, Class::RemovedBookings).await, 1, "events are there of the others");
        assert_eq!(sweep(&store, Class::ExternalEvents).await, 3);
        assert_eq!(sweep(&store, Class::RemovedBookings).await, 1);
        for (booking, events, word) in [
            ("past", 0, false),
            ("future", 1, true),
            ("held", 1, true),
            ("never-written", 0, false),
            ("lately", 0, true),
        ] {
            assert_eq!(store.external_events(booking).await.expect("read").len(), events, "{booking}");
            assert_eq!(store.removed_booking(booking).await.expect("read").is_some(), word, "{booking}");
        }
    });
}

#[test]
fn what_is_exported_of_a_meeting_keeps_its_secrets_sealed() {
    on_both(&async |database| {
        let store = database.store().await;
        store.put_meeting(meeting("past", MeetingStatus::Created, Some(PAST)), at(1)).await.expect("put");
        let page = store.expired(Class::Meetings, before(), None, 10, true).await.expect("a page");
        let row: serde_json::Value = serde_json::from_str(page.rows[0].row.as_ref().expect("whole")).expect("JSON");
        let sealed = row["host_url"].as_str().expect("sealed, in hexadecimal");
        assert!(sealed.len() > 40 && sealed.bytes().all(|byte| byte.is_ascii_hexdigit()), "{row}");
        assert!(row["passcode"].is_null() && row["starts_at"].is_null(), "{row}");
        assert_eq!(
            (&row["booking_id"], &row["version"], &row["status"]),
            (&"past".into(), &1.into(), &"created".into())
        );
        for class in [Class::ExternalEvents, Class::RemovedBookings] {
            store.expired(class, before(), None, 10, true).await.expect("it can be read");
        }
    });
}
