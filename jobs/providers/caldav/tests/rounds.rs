//! Rounds over a calendar: whole ones, changes, and what goes wrong in the middle.

use liaison_sandbox::Trouble;

use super::*;

type Mirror = BTreeMap<String, Vec<String>>;

/// So many events, one each day of January over and over.
fn fill(server: &CalDavServer, from: u32, to: u32) {
    for n in from..to {
        let uid = format!("e{n:04}");
        server.put(WHO, &format!("{uid}.ics"), &object(&uid, n % 28 + 1, ""));
    }
}

/// What the server has, as a mirror has it.
fn there(server: &CalDavServer) -> Mirror {
    let title = |name: &str| format!("{} & <co>", name.trim_end_matches(".ics"));
    server.names(WHO).iter().map(|name| (format!("/dav/ada/work/{name}"), vec![title(name)])).collect()
}

#[tokio::test]
async fn a_round_finds_all_and_the_next_what_changed() {
    let (server, calendar) = town().await;
    fill(&server, 0, 120);
    let mut known = Mirror::new();
    let (pages, next) = round(&calendar, None).await.unwrap();
    mirror(&mut known, &pages);
    assert_eq!((pages.len(), &known), (3, &there(&server)));
    assert_eq!(pages[0].zone.as_deref(), Some("Europe/Berlin"));
    // One look, three to find out whose it is, one list, three times objects: the list is kept between the pages.
    assert_eq!(server.desk().calls(), 8);

    let (pages, same) = round(&calendar, next.as_deref()).await.unwrap();
    assert_eq!((changes(&pages), &same, server.desk().calls()), (0, &next, 9));

    fill(&server, 200, 201);
    server.remove(WHO, "e0003.ics");
    server.put(WHO, "e0004.ics", &object("e0004", 5, "STATUS:CANCELLED\r\n"));
    let (pages, next) = round(&calendar, next.as_deref()).await.unwrap();
    assert_eq!((changes(&pages), server.desk().calls()), (3, 11));
    assert!(pages[0].changes.contains(&Change::Gone("/dav/ada/work/e0003.ics".to_owned())));
    mirror(&mut known, &pages);
    assert_eq!(known.remove("/dav/ada/work/e0004.ics"), Some(Vec::new()));
    server.remove(WHO, "e0004.ics");
    assert_eq!(known, there(&server));
    assert_ne!(next, same);
    server.stop().await;
}

#[tokio::test]
async fn a_round_goes_on_where_it_was_although_everything_is_forgotten() {
    for sync in [true, false] {
        let (server, calendar) = town().await;
        if !sync {
            server.no_sync(true);
        }
        fill(&server, 0, 120);
        let first = calendar.changes(None, window()).await.unwrap();
        let Next::Page(at) = first.next.clone() else { panic!("{first:?}") };
        let mut known = Mirror::new();
        mirror(&mut known, &[first]);
        // Meanwhile: one before the place and one behind it changes, one goes, one comes before it.
        server.put(WHO, "e0001.ics", &object("e0001", 9, "").replace("e0001 &", "new &"));
        server.put(WHO, "e0100.ics", &object("e0100", 9, ""));
        server.remove(WHO, "e0002.ics");
        server.put(WHO, "a.ics", &object("a", 9, ""));
        let (pages, next) = round(&client(&server), Some(&at)).await.unwrap();
        mirror(&mut known, &pages);
        assert_eq!(pages.len(), 2, "{sync}");
        // The next round knows what this one was too late for.
        let (pages, _) = round(&client(&server), next.as_deref()).await.unwrap();
        mirror(&mut known, &pages);
        assert_eq!(known["/dav/ada/work/e0001.ics"], ["new & <co>"], "{sync}");
        known.insert("/dav/ada/work/e0001.ics".to_owned(), vec!["e0001 & <co>".to_owned()]);
        if sync {
            assert_eq!(known, there(&server));
        } else {
            // What went before the list was lost is gone in the round after, or with the next full one.
            known.remove("/dav/ada/work/e0002.ics");
            assert_eq!(known, there(&server));
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_says_only_part_is_asked_on() {
    let (server, calendar) = town().await;
    fill(&server, 0, 130);
    server.truncate(60);
    let mut known = Mirror::new();
    let (pages, next) = round(&calendar, None).await.unwrap();
    mirror(&mut known, &pages);
    assert_eq!(known, there(&server));
    fill(&server, 130, 270);
    // Every page is asked for by a client that remembers nothing.
    let mut at = next;
    loop {
        let page = client(&server).changes(at.as_deref(), window()).await.unwrap();
        mirror(&mut known, std::slice::from_ref(&page));
        match page.next {
            Next::Page(next) => at = Some(next),
            Next::End(_) => break,
        }
    }
    assert_eq!(known, there(&server));
    server.stop().await;
}

#[tokio::test]
async fn a_token_that_is_taken_no_more_begins_a_full_round() {
    for status in [403, 409, 410, 412, 507] {
        let (server, calendar) = town().await;
        fill(&server, 0, 3);
        let (_, next) = round(&calendar, None).await.unwrap();
        server.forget_tokens(status);
        let fault = round(&calendar, next.as_deref()).await.unwrap_err();
        assert_eq!(fault.kind(), "expired", "{status}: {fault}");
        let (pages, _) = round(&calendar, None).await.unwrap();
        assert_eq!(changes(&pages), 3);
        server.stop().await;
    }
    let (server, calendar) = town().await;
    for at in ["", "{}", "nonsense", r#"{"zone":null,"by":"something"}"#] {
        let fault = calendar.changes(Some(at), window()).await.unwrap_err();
        assert_eq!(fault.kind(), "expired", "{at}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_cannot_tell_what_changed_is_compared_with_what_it_was() {
    for tag in [true, false] {
        let (server, calendar) = town().await;
        server.no_sync(tag);
        fill(&server, 0, 70);
        let mut known = Mirror::new();
        let (pages, next) = round(&calendar, None).await.unwrap();
        mirror(&mut known, &pages);
        assert_eq!((pages.len(), &known), (2, &there(&server)));
        let calls = server.desk().calls();
        let (pages, next) = round(&calendar, next.as_deref()).await.unwrap();
        // A look at the tag, or else at the list.
        assert_eq!((changes(&pages), server.desk().calls()), (0, calls + 1), "{tag}");
        fill(&server, 100, 160);
        server.put(WHO, "e0004.ics", &object("e0004", 5, ""));
        server.remove(WHO, "e0003.ics");
        let (pages, next) = round(&calendar, next.as_deref()).await.unwrap();
        assert_eq!(changes(&pages), 62, "{tag}");
        mirror(&mut known, &pages);
        assert_eq!(known, there(&server));
        let (pages, _) = round(&calendar, next.as_deref()).await.unwrap();
        assert_eq!(changes(&pages), 0);
        server.stop().await;
    }
}

#[tokio::test]
async fn a_list_that_is_too_long_to_carry_is_gone_through_anew() {
    let (server, calendar) = town().await;
    server.no_sync(true);
    for n in 0..2001 {
        server.put(WHO, &format!("{n}.ics"), "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n");
    }
    let (_, next) = round(&calendar, None).await.unwrap();
    let next = next.unwrap();
    assert!(next.len() < 200, "{next}");
    assert_eq!(changes(&round(&calendar, Some(&next)).await.unwrap().0), 0);
    server.put(WHO, "x.ics", &object("x", 1, ""));
    assert_eq!(round(&calendar, Some(&next)).await.unwrap_err().kind(), "expired");
    server.no_sync(false);
    assert_eq!(round(&calendar, None).await.unwrap().1, None);
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_aside_and_the_rest_is_taken() {
    let (server, calendar) = town().await;
    fill(&server, 0, 2);
    server.put(WHO, "broken.ics", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n");
    server.put(WHO, "often.ics", &object("often", 1, "RRULE:FREQ=SECONDLY\r\n"));
    server.put(WHO, "empty.ics", "");
    server.put(WHO, "list.ics", "BEGIN:VCALENDAR\r\nBEGIN:VTODO\r\nUID:t\r\nEND:VTODO\r\nEND:VCALENDAR\r\n");
    let (pages, _) = round(&calendar, None).await.unwrap();
    let odd: Vec<_> = pages[0]
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Odd { id, why } => Some(format!("{} {why}", id.as_deref().unwrap().rsplit('/').next().unwrap())),
            _ => None,
        })
        .collect();
    assert_eq!(
        odd,
        [
            "broken.ics line 2 of the calendar object: it ends in the middle",
            "empty.ics the server gives it without its data",
            "often.ics it repeats every second, which is not followed",
        ]
    );
    assert_eq!(changes(&pages), 6);
    server.stop().await;
}

#[tokio::test]
async fn objects_that_are_too_much_at_once_are_asked_for_in_parts() {
    let (server, calendar) = town().await;
    let large = object("large", 1, &format!("X-PICTURE:{}\r\n", "A".repeat(6 << 20)));
    for name in ["a.ics", "b.ics", "c.ics"] {
        server.put(WHO, name, &large);
    }
    server.put(WHO, "d.ics", &object("d", 1, &format!("X-PICTURE:{}\r\n", "A".repeat(17 << 20))));
    server.put(WHO, "e.ics", &object("e", 1, ""));
    let (pages, next) = round(&calendar, None).await.unwrap();
    let said: Vec<_> = pages[0]
        .changes
        .iter()
        .map(|change| match change {
            Change::Odd { id, why } => format!("{} {why}", id.as_deref().unwrap().rsplit('/').next().unwrap()),
            Change::Series { id, events } => format!("{} {}", id.rsplit('/').next().unwrap(), events.len()),
            Change::Is(_) | Change::Gone(_) => panic!("{change:?}"),
        })
        .collect();
    let too_large = |name: &str| format!("{name} line 1 of the calendar object: it is larger than 4 MiB");
    let whole = "d.ics it is larger than 16 MiB".to_owned();
    assert_eq!(said, [too_large("a.ics"), too_large("b.ics"), too_large("c.ics"), whole, "e.ics 1".to_owned()]);
    assert!(next.is_some());
    server.stop().await;
}

#[tokio::test]
async fn a_round_that_fails_in_the_middle_fails_whole_and_can_be_gone_on_with() {
    let (server, calendar) = town().await;
    fill(&server, 0, 120);
    let first = calendar.changes(None, window()).await.unwrap();
    let Next::Page(at) = first.next.clone() else { panic!("{first:?}") };
    for trouble in [Trouble::HalfAnswer, Trouble::Page(502), Trouble::LostAnswer] {
        server.desk().script("REPORT", "", [trouble]);
        assert_eq!(calendar.changes(Some(&at), window()).await.unwrap_err().kind(), "retry");
    }
    server.absolute();
    let (pages, _) = round(&calendar, Some(&at)).await.unwrap();
    let mut known = Mirror::new();
    mirror(&mut known, &[first]);
    mirror(&mut known, &pages);
    assert_eq!(known, there(&server));
    server.stop().await;
}

#[tokio::test]
async fn what_a_server_does_not_give_now_is_asked_for_again_before_it_is_odd() {
    let (server, calendar) = town().await;
    fill(&server, 0, 3);
    for status in [423, 429, 500, 503] {
        server.withhold("e0001.ics", [Some(status)]);
        assert_eq!(calendar.changes(None, window()).await.unwrap_err().kind(), "retry", "{status}");
    }
    // What is left out of an answer may come alone.
    server.withhold("e0001.ics", [None]);
    let (pages, _) = round(&calendar, None).await.unwrap();
    let mut known = Mirror::new();
    mirror(&mut known, &pages);
    assert_eq!(known, there(&server));
    for odd in [vec![None, None], vec![Some(403)]] {
        server.withhold("e0001.ics", odd);
        let (pages, _) = round(&calendar, None).await.unwrap();
        let is_odd = |change: &&Change| matches!(change, Change::Odd { id: Some(id), .. } if id.ends_with("e0001.ics"));
        assert_eq!((changes(&pages), pages[0].changes.iter().filter(is_odd).count()), (3, 1));
    }
    server.stop().await;
}
