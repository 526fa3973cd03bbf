//! Against Radicale: what other clients do there is done by hand.

#[path = "../test_radicale.rs"]
mod server;

use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};

use self::server::{PASSWORD, Radicale, USER};
use super::*;
use crate::kit::outbound::Call;

/// One request as another client would make it; its status.
async fn by_hand(server: &Radicale, method: &str, path: &str, kind: &'static str, body: &str) -> u16 {
    use base64::Engine as _;
    let login = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let url = format!("{}{}", server.url(), path.trim_start_matches('/'));
    let mut call = Call::new(Method::from_bytes(method.as_bytes()).unwrap(), url)
        .header(AUTHORIZATION, HeaderValue::from_str(&format!("Basic {login}")).unwrap())
        .header(CONTENT_TYPE, HeaderValue::from_static(kind));
    call.body = body.as_bytes().to_vec();
    outbound().send(call).await.unwrap().status.as_u16()
}

async fn put(server: &Radicale, name: &str, object: &str) {
    let status = by_hand(server, "PUT", &format!("{USER}/work/{name}"), "text/calendar", object).await;
    assert!((200..300).contains(&status), "{name}: {status}");
}

async fn delete(server: &Radicale, name: &str) {
    let status = by_hand(server, "DELETE", &format!("{USER}/work/{name}"), "text/calendar", "").await;
    assert!((200..300).contains(&status), "{name}: {status}");
}

/// A server with a calendar for events, one for tasks, and one that cannot be written.
async fn start() -> (Radicale, CalDav) {
    let server = Radicale::start();
    for (name, component) in [("work", "VEVENT"), ("tasks", "VTODO")] {
        let body = format!(
            r#"<C:mkcalendar xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><set><prop><displayname>{name}</displayname><C:supported-calendar-component-set><C:comp name="{component}"/></C:supported-calendar-component-set></prop></set></C:mkcalendar>"#
        );
        let status = by_hand(&server, "MKCALENDAR", &format!("{USER}/{name}/"), "application/xml", &body).await;
        assert_eq!(status, 201, "{name}");
    }
    let calendar = CalDav::new(&outbound(), account(&server.url(), USER, PASSWORD), None, None, now());
    (server, calendar)
}

fn path(name: &str) -> String {
    format!("/{USER}/work/{name}")
}

#[tokio::test]
async fn radicale_s_calendars_are_found() {
    let (server, _) = start().await;
    let found = discover(&outbound(), account(&server.url(), USER, PASSWORD), now()).await.unwrap();
    let calendars: Vec<_> = found
        .calendars
        .iter()
        .map(|calendar| (calendar.url.path().to_owned(), calendar.name.clone(), calendar.writable))
        .collect();
    assert_eq!(calendars, [(path(""), Some("work".to_owned()), true)]);
    assert!(found.addresses.contains(&USER.to_owned()), "{found:?}");
    let fault = discover(&outbound(), account(&server.url(), USER, "wrong"), now()).await.unwrap_err();
    assert_eq!(fault.kind(), "reconnect", "{fault}");
}

#[tokio::test]
async fn radicale_s_changes_are_followed() {
    let (server, calendar) = start().await;
    for n in 0..60 {
        put(&server, &format!("e{n:02}.ics"), &object(&format!("e{n:02}"), n % 28 + 1, "")).await;
    }
    let weekly = "RRULE:FREQ=WEEKLY;COUNT=3\r\nEXDATE:20270110T090000Z\r\n";
    put(&server, "a%20b@c.ics", &object("weekly", 3, weekly)).await;
    let (pages, next) = round(&calendar, None).await.unwrap();
    let mut known = BTreeMap::new();
    mirror(&mut known, &pages);
    assert_eq!((pages.len(), known.len()), (2, 61));
    assert_eq!(known[&path("a%20b@c.ics")], ["weekly & <co>", "weekly & <co>"]);
    assert_eq!(known[&path("e07.ics")], ["e07 & <co>"]);

    let (pages, next) = round(&calendar, next.as_deref()).await.unwrap();
    assert_eq!(changes(&pages), 0);

    put(&server, "e07.ics", &object("e07", 8, "TRANSP:TRANSPARENT\r\n")).await;
    put(&server, "new.ics", &object("new", 8, "")).await;
    delete(&server, "e09.ics").await;
    let (pages, next) = round(&calendar, next.as_deref()).await.unwrap();
    let ids: Vec<_> = pages[0]
        .changes
        .iter()
        .map(|change| match change {
            Change::Series { id, events } => format!("{id} {:?}", events[0].shown),
            Change::Gone(id) => format!("{id} gone"),
            Change::Is(_) | Change::Odd { .. } => panic!("{change:?}"),
        })
        .collect();
    let (changed, new, gone) = (path("e07.ics") + " Free", path("new.ics") + " Busy", path("e09.ics") + " gone");
    assert_eq!(ids, [gone, changed, new]);
    assert!(next.is_some());

    let old = next.unwrap().replace("/sync/", "/sync/0000");
    let fault = round(&calendar, Some(&old)).await.unwrap_err();
    assert_eq!(fault.kind(), "expired", "{fault}");
}

#[tokio::test]
async fn radicale_takes_what_we_write() {
    let (server, calendar) = start().await;
    let made = calendar.create(&draft("1")).await.unwrap();
    assert!(made.version.is_some() && !made.differs);
    assert!(!calendar.create(&draft("1")).await.unwrap().differs);
    let (pages, next) = round(&calendar, None).await.unwrap();
    let [Change::Series { id, events }] = &pages[0].changes[..] else { panic!("{pages:?}") };
    assert_eq!((id, events[0].title.as_deref(), &events[0].version), (&made.id, Some("Booking 1"), &made.version));
    assert_eq!(events[0].uid.as_deref(), Some(EventKey::of(&["booking", "1"]).as_str()));

    let moved = Draft {
        start: "2027-01-12T09:00:00Z".parse().unwrap(),
        end: "2027-01-12T10:00:00Z".parse().unwrap(),
        ..draft("1")
    };
    assert!(calendar.create(&moved).await.unwrap().differs);
    let changed = calendar.update(&made.id, made.version.as_deref(), &moved).await.unwrap();
    assert_eq!(calendar.update(&made.id, made.version.as_deref(), &draft("1")).await.unwrap_err().kind(), "conflict");
    assert_eq!(calendar.look(&made.id).await.unwrap().version, changed.version);
    let (pages, _) = round(&calendar, next.as_deref()).await.unwrap();
    assert_eq!(changes(&pages), 1);
    for _ in 0..2 {
        calendar.remove(&made.id, false).await.unwrap();
    }
    assert!(calendar.find(&draft("1").key, window()).await.unwrap().is_none());
    drop(server);
}
