//! The client against a server that others use, and against one that does everything differently.

mod radicale;
mod rounds;
mod servers;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use liaison_sandbox::CalDavServer;
use url::Url;

use super::{
    super::{Attendee, Calendar, CalendarWriter, Change, Draft, EventKey, Fault, Next, Page, Window},
    Account, CalDav, discover,
};
use crate::kit::{
    Secret,
    outbound::{Outbound, OutboundSettings},
};

pub(super) const WHO: &str = "ada";
pub(super) const PASSWORD: &str = "hunter2-for-apps";

pub(super) fn now() -> DateTime<Utc> {
    "2027-01-01T00:00:00Z".parse().unwrap()
}

pub(super) fn outbound() -> Outbound {
    Outbound::new(&OutboundSettings { allow: "127.0.0.0/8".parse().unwrap(), ..OutboundSettings::default() }).unwrap()
}

pub(super) fn account(server: &str, user: &str, password: &str) -> Account {
    Account { server: Url::parse(server).unwrap(), user: user.to_owned(), password: Secret::new(password) }
}

pub(super) fn window() -> Window {
    Window { from: "2027-01-01T00:00:00Z".parse().unwrap(), to: "2027-03-01T00:00:00Z".parse().unwrap() }
}

/// A server with one account, and its calendar.
pub(super) async fn town() -> (CalDavServer, CalDav) {
    let server = CalDavServer::start().await.unwrap();
    server.admit(WHO, PASSWORD);
    let calendar = client(&server);
    (server, calendar)
}

pub(super) fn client(server: &CalDavServer) -> CalDav {
    let account = account(&server.url(), WHO, PASSWORD);
    CalDav::new(&outbound(), account, Some(&server.calendar_url(WHO)), None, now())
}

/// An event in January, on this day.
pub(super) fn object(uid: &str, day: u32, more: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20270101T000000Z\r\n\
         DTSTART:202701{day:02}T090000Z\r\nDTEND:202701{day:02}T100000Z\r\nSUMMARY:{uid} & <co>\r\n{more}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

pub(super) fn draft(booking: &str) -> Draft {
    Draft {
        key: EventKey::of(&["booking", booking]),
        title: format!("Booking {booking}"),
        description: Some("Über alles; reden".to_owned()),
        location: None,
        start: "2027-01-11T09:00:00Z".parse().unwrap(),
        end: "2027-01-11T10:00:00Z".parse().unwrap(),
        zone: chrono_tz::Tz::Europe__Berlin,
        attendees: vec![Attendee {
            email: "guest@example.com".to_owned(),
            name: Some("Guest".to_owned()),
            optional: false,
        }],
        reminders: Some(vec![15]),
        link: Some("https://meet.example/1".to_owned()),
        with_meeting: false,
        tell_attendees: false,
    }
}

/// Pages until the round is whole, the changes, and the cursor of the next round.
pub(super) async fn round(calendar: &CalDav, at: Option<&str>) -> Result<(Vec<Page>, Option<String>), Fault> {
    let (mut pages, mut at) = (Vec::new(), at.map(str::to_owned));
    loop {
        let page = calendar.changes(at.as_deref(), window()).await?;
        let next = page.next.clone();
        pages.push(page);
        assert!(pages.len() < 1000, "a round without end");
        match next {
            Next::Page(next) => at = Some(next),
            Next::End(next) => return Ok((pages, next)),
        }
    }
}

/// What a mirror has after these pages: by resource, the titles of its events.
pub(super) fn mirror(mirror: &mut BTreeMap<String, Vec<String>>, pages: &[Page]) {
    for change in pages.iter().flat_map(|page| &page.changes) {
        match change {
            Change::Series { id, events } => {
                let titles = events.iter().map(|event| event.title.clone().unwrap_or_default()).collect();
                mirror.insert(id.clone(), titles);
            }
            Change::Gone(id) => drop(mirror.remove(id)),
            Change::Odd { id, why } => panic!("{id:?}: {why}"),
            Change::Is(event) => panic!("{event:?}"),
        }
    }
}

pub(super) fn changes(pages: &[Page]) -> usize {
    pages.iter().map(|page| page.changes.len()).sum()
}
