//! Finding calendars, refusals, and writing, on a server that fails as it is told to.

use liaison_sandbox::Trouble;

use super::*;

#[tokio::test]
async fn calendars_are_found_from_what_a_user_types() {
    let (server, _) = town().await;
    for (typed, absolute) in [("", false), (".well-known/caldav", false), ("dav/", false), ("dav/ada/work/", true)] {
        if absolute {
            server.absolute();
        }
        let typed = format!("{}{typed}", server.url());
        let found = discover(&outbound(), account(&typed, WHO, PASSWORD), now()).await.unwrap();
        assert_eq!(found.addresses, ["ada@example.com"], "{typed}");
        let calendars: Vec<_> =
            found.calendars.iter().map(|calendar| (calendar.url.path(), calendar.writable)).collect();
        assert_eq!(calendars, [("/dav/ada/shared/", false), ("/dav/ada/work/", true)], "{typed}");
        assert_eq!(found.calendars[1].zone, Some(chrono_tz::Tz::Europe__Berlin));
    }
    server.stop().await;
}

#[tokio::test]
async fn without_a_calendar_that_of_the_address_or_the_first_that_can_be_written_is_meant() {
    let (server, _) = town().await;
    let calendar = CalDav::new(&outbound(), account(&server.url(), WHO, PASSWORD), None, None, now());
    let made = calendar.create(&draft("1")).await.unwrap();
    assert!(made.id.starts_with("/dav/ada/work/"), "{made:?}");
    assert_eq!((calendar.which(), client(&server).which()), (Some(server.calendar_url(WHO)), None));
    let text = server.get(WHO, made.id.rsplit('/').next().unwrap()).unwrap();
    assert!(text.contains("ORGANIZER:mailto:ada@example.com"), "{text}");
    let typed = server.url() + "dav/ada/shared";
    let calendar = CalDav::new(&outbound(), account(&typed, WHO, PASSWORD), None, None, now());
    assert_eq!(calendar.here().await.unwrap().url.path(), "/dav/ada/shared/");
    server.stop().await;
}

#[tokio::test]
async fn a_login_that_is_refused_is_not_tried_again() {
    let (server, _) = town().await;
    let wrong = account(&server.url(), WHO, "wrong");
    let fault = discover(&outbound(), wrong.clone(), now()).await.unwrap_err();
    assert!(matches!(&fault, Fault::Reconnect { why } if why.contains("127.0.0.1 refuses the login")), "{fault:?}");
    assert_eq!(server.desk().refused().0, 1);
    let calendar = CalDav::new(&outbound(), wrong, Some(&server.calendar_url(WHO)), None, now());
    assert!(matches!(calendar.changes(None, window()).await, Err(Fault::Reconnect { .. })));
    assert!(matches!(calendar.create(&draft("1")).await, Err(Fault::Reconnect { .. })));
    assert_eq!(server.desk().refused().0, 3);
    assert!(!format!("{calendar:?}").contains("wrong"));
    server.stop().await;
}

#[tokio::test]
async fn a_login_goes_to_no_other_site_and_in_no_circle() {
    let (server, _) = town().await;
    for (to, said) in [
        ("http://evil.example/dav/", "leads to evil.example, which is not told the login"),
        ("http://localhost:1/dav/", "leads to localhost"),
        ("/.well-known/caldav", "redirects more than 5 times"),
    ] {
        server.lead_to(to);
        let fault = discover(&outbound(), account(&server.url(), WHO, PASSWORD), now()).await.unwrap_err();
        assert!(fault.why().contains(said), "{to}: {fault:?}");
    }
    let fault = discover(&outbound(), account("http://dav.example/", WHO, PASSWORD), now()).await.unwrap_err();
    assert!(matches!(&fault, Fault::Misconfigured { why } if why.contains("use https")), "{fault:?}");
    server.stop().await;
}

#[tokio::test]
async fn addresses_that_users_may_not_call_are_not_called() {
    let (server, _) = town().await;
    let guarded = Outbound::new(&OutboundSettings::default()).unwrap();
    let fault = discover(&guarded, account(&server.url(), WHO, PASSWORD), now()).await.unwrap_err();
    assert!(matches!(&fault, Fault::Refused { why } if why.contains("not called")), "{fault:?}");
    assert_eq!(server.desk().calls(), 0);
    server.stop().await;
}

#[tokio::test]
async fn what_a_server_says_becomes_what_a_job_does() {
    let (server, calendar) = town().await;
    for (status, kind) in [
        (400, "refused"),
        (403, "refused"),
        (404, "gone"),
        (405, "refused"),
        (408, "retry"),
        (409, "conflict"),
        (410, "gone"),
        (415, "refused"),
        (421, "gone"),
        (423, "retry"),
        (429, "limited"),
        (500, "retry"),
        (501, "refused"),
        (502, "retry"),
        (503, "retry"),
        (504, "retry"),
        (507, "refused"),
    ] {
        server.desk().script("PUT", "", [Trouble::Status(status)]);
        let fault = calendar.create(&draft("1")).await.unwrap_err();
        assert_eq!(fault.kind(), kind, "{status}");
        assert!(fault.why().contains(&format!("answers {status}")), "{fault}");
    }
    server.desk().script("PUT", "", [Trouble::TooMany(Some(7))]);
    let fault = calendar.create(&draft("1")).await.unwrap_err();
    let wait = std::time::Duration::from_secs(7);
    assert!(matches!(fault, Fault::Limited { after: Some(after), .. } if after == wait), "{fault:?}");
    for trouble in [Trouble::Page(200), Trouble::Page(207), Trouble::HalfAnswer, Trouble::LostAnswer] {
        server.desk().script("PROPFIND", "", [trouble.clone()]);
        let fault = calendar.changes(None, window()).await.unwrap_err();
        assert_eq!(fault.kind(), "retry", "{trouble:?}: {fault}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_event_is_made_once_and_kept_as_its_draft_is() {
    let (server, calendar) = town().await;
    // The answer is lost: nobody knows whether it is there.
    server.desk().script("PUT", "", [Trouble::LostAnswer]);
    assert_eq!(calendar.create(&draft("1")).await.unwrap_err().kind(), "retry");
    let made = calendar.create(&draft("1")).await.unwrap();
    assert!(!made.differs && server.names(WHO).len() == 1, "{made:?}");
    let later = Draft {
        start: "2027-01-12T09:00:00Z".parse().unwrap(),
        end: "2027-01-12T10:00:00Z".parse().unwrap(),
        ..draft("1")
    };
    assert!(calendar.create(&later).await.unwrap().differs);

    let changed = calendar.update(&made.id, made.version.as_deref(), &later).await.unwrap();
    assert_ne!(changed.version, made.version);
    // What is as it should be is not written again.
    let puts = server.desk().calls_of("PUT", "");
    assert_eq!(calendar.update(&made.id, None, &later).await.unwrap().version, changed.version);
    assert_eq!(server.desk().calls_of("PUT", ""), puts);
    // Somebody else was faster.
    assert_eq!(calendar.update(&made.id, made.version.as_deref(), &draft("1")).await.unwrap_err().kind(), "conflict");
    server.desk().script("PUT", "", [Trouble::Status(412)]);
    assert_eq!(calendar.update(&made.id, None, &draft("1")).await.unwrap_err().kind(), "conflict");

    let key = EventKey::of(&["booking", "1"]);
    assert_eq!(calendar.find(&key, window()).await.unwrap().unwrap().id, made.id);
    assert_eq!(calendar.look(&made.id).await.unwrap().version, changed.version);
    for _ in 0..2 {
        calendar.remove(&made.id, false).await.unwrap();
    }
    assert!(calendar.find(&key, window()).await.unwrap().is_none());
    assert_eq!(calendar.look(&made.id).await.unwrap_err().kind(), "gone");
    assert_eq!(calendar.update(&made.id, None, &later).await.unwrap_err().kind(), "gone");
    // One that was taken out is put in again.
    assert_eq!(calendar.create(&later).await.unwrap().id, made.id);
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_stores_something_else_is_asked_for_its_version() {
    let (server, calendar) = town().await;
    server.rewrite();
    let made = calendar.create(&draft("1")).await.unwrap();
    assert!(made.version.is_some());
    assert!(!calendar.create(&draft("1")).await.unwrap().differs);
    let renamed = Draft { title: "Other".to_owned(), ..draft("1") };
    let changed = calendar.update(&made.id, made.version.as_deref(), &renamed).await.unwrap();
    assert!(changed.version.is_some() && changed.version != made.version);
    let text = server.get(WHO, &server.names(WHO)[0]).unwrap();
    assert!(
        text.contains("SUMMARY:Other") && text.contains("X-STORED-BY:sandbox") && text.contains("SEQUENCE:1"),
        "{text}"
    );
    server.stop().await;
}
