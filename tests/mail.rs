//! Mail: what a server says is heard rightly, nobody gets a letter twice that can be helped, nothing is said in clear.

mod notices;
mod post;
mod safety;
mod server;

use std::collections::BTreeSet;

use liaison_sandbox::{BadDay, SmtpSettings};
use serde_json::{Value, json};

use crate::support::{House, on_both, until};

pub(crate) use server::MailServer;

/// A house whose mail goes to this server.
pub(crate) fn house(server: &MailServer) -> House {
    settings(House::sqlite(), server)
}

pub(crate) fn settings(house: House, server: &MailServer) -> House {
    house
        .set("LIAISON_MAIL__TRANSPORT", "smtp")
        .set("LIAISON_MAIL__HOST", "127.0.0.1")
        .set("LIAISON_MAIL__PORT", &server.port().to_string())
        .set("LIAISON_MAIL__SECURITY", "none")
        .set("LIAISON_MAIL__FROM", "Liaison <liaison@example.org>")
        .set("LIAISON_MAIL__TIMEOUT", "5s")
}

pub(crate) fn send(house: &House, id: &str, args: &Value) {
    house.json(&["enqueue", "send_email", "--id", id, "--args", &args.to_string()]);
}

pub(crate) fn outcome(house: &House, id: &str) -> String {
    let runs = house.runs(id);
    runs.last().and_then(|run| run["outcome"].as_str()).unwrap_or("none").to_owned()
}

pub(crate) fn ends(house: &House, id: &str, wanted: &str) -> Value {
    until(&format!("{id} is {wanted}"), || outcome(house, id) == wanted);
    house.runs(id).last().expect("a run").clone()
}

/// Let a job that waits for its next attempt go at once, until it has ended so.
pub(crate) fn hurry_until(house: &House, id: &str, wanted: &str) -> Value {
    until(&format!("{id} is {wanted}"), || {
        if outcome(house, id) != wanted {
            let _ = house.cli(&["jobs", "run-now", id]);
        }
        outcome(house, id) == wanted
    });
    house.runs(id).last().expect("a run").clone()
}

fn letter(to: &Value) -> Value {
    json!({"to": to, "subject": "Grüße", "text": "one\n.\n..two", "html": "<p>one</p>"})
}

#[test]
fn a_letter_arrives_as_it_was_written() {
    let server = MailServer::start(SmtpSettings::default());
    let house = house(&server);
    let worker = house.worker();
    send(&house, "a", &letter(&json!(["Ann Smith <ann.smith@example.org>", "bob@example.org", "BOB@example.org"])));
    let run = ends(&house, "a", "done");
    let mails = server.sink.mails();
    assert_eq!(mails.len(), 1, "{mails:?}");
    let mail = &mails[0];
    assert_eq!((mail.from.as_str(), mail.to.len()), ("liaison@example.org", 2));
    assert_eq!(mail.header("subject").as_deref(), Some("=?utf-8?b?R3LDvMOfZQ==?="));
    assert_eq!(mail.header("auto-submitted").as_deref(), Some("auto-generated"));
    assert!(mail.header("content-type").is_some_and(|kind| kind.starts_with("multipart/alternative")));
    assert!(mail.text.contains("one\r\n.\r\n..two"), "{}", mail.text);
    let result: Value = serde_json::from_str(run["result"].as_str().expect("a result")).expect("JSON");
    assert_eq!(result["sent"], json!(["a***@example.org", "b***@example.org"]));
    assert_eq!(result["message_id"].as_str(), mail.header("message-id").as_deref());
    let log = worker.stop();
    let records = house.json(&["runs", "list"]).to_string();
    for text in [log, records] {
        assert!(!text.contains("ann.smith"), "an address is shown: {text}");
    }
}

#[test]
fn a_server_that_greylists_gets_the_same_letter_again() {
    let server = MailServer::start(SmtpSettings::default());
    server.sink.greylist();
    let house = house(&server);
    let _worker = house.worker();
    send(&house, "a", &letter(&json!("ann@example.org")));
    let run = ends(&house, "a", "retry");
    assert!(run["reason"].as_str().is_some_and(|why| why.contains("a***@example.org: 451 4.7.1 Greylisted")), "{run}");
    hurry_until(&house, "a", "done");
    assert_eq!(server.sink.mails().len(), 1);
}

#[test]
fn who_has_the_letter_gets_it_once_while_the_others_wait() {
    on_both(|house| {
        let server = MailServer::start(SmtpSettings::default());
        let house = settings(house, &server);
        let _worker = house.worker();
        server.sink.bury("nobody@example.org");
        server.sink.script([BadDay::Recipient("450 4.2.0 busy")]);
        send(&house, "a", &letter(&json!(["ann@example.org", "bob@example.org", "nobody@example.org"])));
        let run = ends(&house, "a", "retry");
        assert!(run["reason"].as_str().is_some_and(|why| why.contains("a***@example.org: 450")), "{run}");
        let run = hurry_until(&house, "a", "done");
        let mails = server.sink.mails();
        let to: Vec<_> = mails.iter().map(|mail| mail.to.clone()).collect();
        assert_eq!(to, [["bob@example.org"], ["ann@example.org"]]);
        assert_eq!(mails[0].text, mails[1].text, "the same bytes");
        let result: Value = serde_json::from_str(run["result"].as_str().expect("a result")).expect("JSON");
        assert_eq!(result["already_sent"], json!(["b***@example.org"]), "{result}");
        assert_eq!(result["refused"][0]["address"], "n***@example.org", "{result}");
        assert_eq!(house.json(&["mail", "suppressed", "list"])[0]["address"], "nobody@example.org");
    });
}

#[test]
fn a_server_that_dies_over_the_text_or_loses_its_answer_gets_it_again_with_the_same_message_id() {
    let server = MailServer::start(SmtpSettings::default());
    let house = house(&server);
    let _worker = house.worker();
    server.sink.script([BadDay::DiesInText, BadDay::LosesTheAnswer]);
    send(&house, "a", &letter(&json!("ann@example.org")));
    let run = ends(&house, "a", "retry");
    assert!(run["reason"].as_str().is_some_and(|why| why.contains("may have it or not")), "{run}");
    hurry_until(&house, "a", "done");
    assert_eq!(house.runs("a").len(), 3, "{:#?}", house.runs("a"));
    let mails = server.sink.mails();
    assert_eq!(mails.len(), 2, "it was kept before the answer got lost");
    assert_eq!(mails[0].text, mails[1].text);
}

#[test]
fn a_letter_that_is_given_up_is_written_down_as_failed_and_may_be_sent_later() {
    on_both(|house| {
        let server = MailServer::start(SmtpSettings::default());
        let house = settings(house, &server);
        let _worker = house.worker();
        for (job, day) in
            [("deferred", BadDay::Recipient("450 4.2.0 busy")), ("refused", BadDay::Sender("451 4.3.0 later"))]
        {
            let with_id = json!({"to": "ann@example.org", "subject": "s", "text": "t", "id": job});
            let args = with_id.to_string();
            server.sink.script([day]);
            house.json(&["enqueue", "send_email", "--id", job, "--max-attempts", "1", "--args", &args]);
            ends(&house, job, "dead");
            assert_eq!(notices::statuses(&house), ["failed"], "{job}");
            send(&house, &format!("{job}-again"), &with_id);
            ends(&house, &format!("{job}-again"), "done");
            assert_eq!(notices::statuses(&house), ["sent"], "{job}");
            house.sql("DELETE FROM notifications");
        }
    });
}

#[test]
fn an_address_without_anybody_is_written_to_once() {
    on_both(|house| {
        let server = MailServer::start(SmtpSettings::default());
        server.sink.bury("Nobody@example.org");
        let house = settings(house, &server);
        let worker = house.worker();
        send(&house, "first", &letter(&json!("Nobody@example.org")));
        let run = ends(&house, "first", "dead");
        assert!(run["reason"].as_str().is_some_and(|why| why.contains("550 5.1.1 <N***@example.org>")), "{run}");
        let listed = house.json(&["mail", "suppressed", "list"]);
        assert_eq!(listed[0]["address"], "nobody@example.org");
        assert!(!listed[0]["reason"].to_string().contains("obody"), "{listed}");

        let before = server.sink.connections();
        send(&house, "second", &letter(&json!("nobody@EXAMPLE.org")));
        let run = ends(&house, "second", "dead");
        assert!(run["reason"].as_str().is_some_and(|why| why.contains("liaison mail suppressed remove")), "{run}");
        assert_eq!(server.sink.connections(), before, "the server was not asked");

        house.json(&["mail", "suppressed", "remove", "nobody@example.org"]);
        assert_eq!(house.cli(&["mail", "suppressed", "remove", "nobody@example.org"]).status.code(), Some(1));
        send(&house, "third", &letter(&json!("ann@example.org")));
        ends(&house, "third", "done");
        let log = worker.stop();
        assert!(!log.to_lowercase().contains("nobody@"), "{log}");
    });
}

#[test]
fn a_refusal_that_says_nothing_of_the_address_suppresses_nobody() {
    let server = MailServer::start(SmtpSettings::default());
    let house = house(&server);
    let _worker = house.worker();
    for (id, day) in [
        ("relay", BadDay::Recipient("550 5.7.1 relaying denied")),
        ("full", BadDay::Recipient("552 5.2.2 mailbox full")),
        ("spam", BadDay::Text("554 5.7.1 looks like spam")),
    ] {
        server.sink.script([day]);
        send(&house, id, &letter(&json!("ann@example.org")));
        ends(&house, id, "dead");
    }
    assert_eq!(house.json(&["mail", "suppressed", "list"]), json!([]));
    // What goes away in between is asked again.
    server.sink.script([BadDay::Recipient("421 4.3.2 closing")]);
    send(&house, "closing", &letter(&json!("ann@example.org")));
    ends(&house, "closing", "retry");
    hurry_until(&house, "closing", "done");
}

#[test]
fn a_mail_with_an_id_is_sent_once_whatever_asks_for_it() {
    on_both(|house| {
        let server = MailServer::start(SmtpSettings::default());
        let house = settings(house, &server);
        let _worker = house.worker();
        let with_id = |to: &str| json!({"to": to, "subject": "s", "text": "t", "id": "order:7"});
        for (job, to) in [("a", "ann@example.org"), ("b", "Ann <ANN@example.org>"), ("c", "bob@example.org")] {
            send(&house, job, &with_id(to));
            ends(&house, job, "done");
        }
        let to: Vec<_> = server.sink.mails().iter().flat_map(|mail| mail.to.clone()).collect();
        assert_eq!(to, ["ann@example.org", "bob@example.org"]);
    });
}

#[test]
fn what_could_forge_a_header_is_refused_before_anybody_is_called() {
    let server = MailServer::start(SmtpSettings::default());
    let house = house(&server);
    let _worker = house.worker();
    let bad = [
        json!({"to": "ann@example.org", "subject": "a\r\nBcc: eve@evil.example", "text": "t"}),
        json!({"to": "ann@example.org\r\nBcc: eve@evil.example", "subject": "a", "text": "t"}),
        json!({"to": "ann@example.org", "reply_to": "b@c.example\nX: y", "subject": "a", "text": "t"}),
        json!({"to": "ann@example.org", "subject": "a", "text": "t\0"}),
        json!({"to": "ann@example.org", "template": "task_completed", "data": {"title": "a\nBcc: eve@evil.example"}}),
        json!({"to": [], "subject": "a", "text": "t"}),
        json!({"to": "ann@example.org", "subject": "a"}),
        json!({"to": "ann@example.org", "template": "task_completed", "data": {}}),
    ];
    let lines: Vec<String> = (0..)
        .zip(&bad)
        .map(|(n, args)| json!({"job": "send_email", "id": format!("bad:{n}"), "args": args}).to_string())
        .collect();
    house.redis.push("default", &lines);
    let mut reasons = BTreeSet::new();
    for n in 0..bad.len() {
        let run = ends(&house, &format!("bad:{n}"), "dead");
        let reason = run["reason"].as_str().expect("a reason").to_owned();
        assert!(reason.contains("args") && !reason.contains("evil"), "{reason}");
        reasons.insert(reason);
    }
    assert!(reasons.iter().any(|why| why.contains("line break")), "{reasons:?}");
    assert_eq!(server.sink.connections(), 0);
}
