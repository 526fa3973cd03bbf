//! Notices about integrations: once for each time, in plain words, to the right one, and not when it is over.

use liaison_sandbox::SmtpSettings;
use serde_json::{Value, json};

use super::{MailServer, ends, hurry_until, settings};
use crate::support::{House, on_both, until};

/// How the notifications that are remembered stand.
pub(super) fn statuses(house: &House) -> Vec<String> {
    house.ask_sql("SELECT status FROM notifications")
}

/// Both take it for UTC: one has no zones, and of the other it is said.
const TIME: &str = "2026-11-28 10:00:00.000000";

fn calendar(house: &House, id: &str, email: Option<&str>) {
    let email = email.map_or("NULL".to_owned(), |email| format!("'{email}'"));
    let statement = format!(
        "INSERT INTO calendar_integrations (id, organizer_id, provider, provider_email, created_at, updated_at, \
         disconnected_at, disconnected_reason, disconnects) VALUES ('{id}', 'org', 'google', {email}, '{TIME}', '{TIME}', \
         '{TIME}', 'invalid_grant: it was taken back', 1)"
    );
    house.sql(&statement);
}

fn endpoint(house: &House, id: &str) {
    let statement = format!(
        "INSERT INTO webhook_integrations (id, organizer_id, name, webhook_url, method, events, signature, \
         signature_header, signature_prefix, retry_failed, max_retries, timeout_seconds, ordered, is_active, disabled_at, \
         disabled_reason, failing_since, failures_in_a_row, created_at, updated_at) VALUES ('{id}', 'org', 'Orders', \
         'https://hooks.example.net/secret-path?key=hunter2', 'POST', '[]', 'standard', 'X', TRUE, TRUE, 3, 5, FALSE, FALSE, '{TIME}', \
         'five days of nothing but failures', '{TIME}', 17, '{TIME}', '{TIME}')"
    );
    house.sql(&statement);
}

fn notify(house: &House, job: &str, args: &Value) {
    house.json(&["enqueue", "notify_integration_disconnected", "--id", job, "--args", &args.to_string()]);
}

fn result(run: &Value) -> Value {
    serde_json::from_str(run["result"].as_str().unwrap_or("null")).expect("JSON")
}

fn connect(house: &House, id: &str) {
    house.sql(&format!("UPDATE calendar_integrations SET disconnected_at = NULL WHERE id = '{id}'"));
}

fn of(id: &str, stage: &str) -> Value {
    json!({"kind": "calendar", "id": id, "episode": 1, "stage": stage})
}

#[test]
fn a_disconnect_is_told_once_with_the_way_back_and_its_end_once() {
    on_both(|house| {
        let server = MailServer::start(SmtpSettings::default());
        let link = "https://app.example/connect/{provider}?integration={integration}";
        let house = settings(house, &server).set("LIAISON_MAIL__RECONNECT_URL", link);
        calendar(&house, "cal", Some("ann@example.org"));
        let worker = house.worker();
        for job in ["one", "two"] {
            notify(&house, job, &of("cal", "disconnected"));
            ends(&house, job, "done");
        }
        let mails = server.sink.mails();
        assert_eq!(mails.len(), 1, "the second finds that it was told");
        assert_eq!(mails[0].to, ["ann@example.org"]);
        let text = mails[0].text.replace("=\r\n", "");
        assert!(
            text.contains("https://app.example/connect/google?integration") && text.contains("invalid_grant"),
            "{text}"
        );

        connect(&house, "cal");
        for job in ["three", "four"] {
            notify(&house, job, &of("cal", "recovered"));
            ends(&house, job, "done");
        }
        let mails = server.sink.mails();
        assert_eq!(mails.len(), 2);
        assert!(mails[1].header("subject").is_some_and(|subject| subject.contains("connected again")));
        assert_ne!(mails[0].header("message-id"), mails[1].header("message-id"));
        let log = worker.stop();
        assert!(!log.contains("ann@"), "{log}");
    });
}

#[test]
fn what_is_over_or_was_never_told_is_told_to_nobody() {
    on_both(|house| {
        let server = MailServer::start(SmtpSettings::default());
        let house = settings(house, &server);
        calendar(&house, "back", Some("ann@example.org"));
        calendar(&house, "mute", None);
        connect(&house, "back");
        let _worker = house.worker();
        for (job, args, why) in [
            ("over", of("back", "disconnected"), "connected again meanwhile"),
            ("untold", of("back", "recovered"), "nobody was told of the trouble"),
            ("gone", of("nowhere", "disconnected"), "not there any more"),
            ("mute", of("mute", "disconnected"), "nobody to tell"),
        ] {
            notify(&house, job, &args);
            let run = ends(&house, job, "done");
            assert!(result(&run)["skipped"].as_str().is_some_and(|said| said.contains(why)), "{job}: {run}");
        }
        assert_eq!(server.sink.connections(), 0);
        let mut named = of("mute", "disconnected");
        named["to"] = "Bob <bob@example.org>".into();
        notify(&house, "named", &named);
        ends(&house, "named", "done");
        assert_eq!(server.sink.mails()[0].to, ["bob@example.org"]);
    });
}

#[test]
fn a_notice_that_comes_before_its_reason_is_written_down_waits_for_it() {
    on_both(|house| {
        let server = MailServer::start(SmtpSettings::default());
        let house = settings(house, &server);
        calendar(&house, "cal", Some("ann@example.org"));
        connect(&house, "cal");
        house.sql("UPDATE calendar_integrations SET disconnects = 0");
        let _worker = house.worker();
        notify(&house, "early", &of("cal", "disconnected"));
        until("it waits", || house.place("early")["state"] == "scheduled");
        house.sql(&format!("UPDATE calendar_integrations SET disconnects = 1, disconnected_at = '{TIME}'"));
        ends(&house, "early", "done");
        assert_eq!((server.sink.mails().len(), house.runs("early").len()), (1, 1));
    });
}

#[test]
fn the_operator_is_told_of_an_endpoint_and_not_its_secret_address() {
    on_both(|house| {
        let server = MailServer::start(SmtpSettings::default());
        let house = settings(house, &server).set("LIAISON_MAIL__OPERATOR", "ops@example.org");
        endpoint(&house, "hook");
        let _worker = house.worker();
        for stage in ["warning", "disabled"] {
            notify(&house, stage, &json!({"kind": "webhook", "id": "hook", "episode": 1, "stage": stage}));
            ends(&house, stage, "done");
        }
        let mails = server.sink.mails();
        assert_eq!(mails.len(), 2);
        for mail in &mails {
            assert_eq!(mail.to, ["ops@example.org"]);
            let text = mail.text.replace("=\r\n", "");
            assert!(text.contains("hooks.example.net"), "{text}");
            assert!(!text.contains("secret-path") && !text.contains("hunter2"), "{text}");
        }
    });
}

/// Two daemons; the first dies after the server took the letter, at one of the two worst moments.
#[test]
fn a_daemon_that_dies_over_a_notice_tells_it_again_as_the_same_letter_and_no_third_time() {
    for point in ["after_handler", "before_commit"] {
        let server = MailServer::start(SmtpSettings::default());
        let house = settings(House::sqlite(), &server).set("LIAISON_WORKER__LEASE", "1s");
        calendar(&house, "cal", Some("ann@example.org"));
        let mut command = house.command(&["worker"]);
        command.env("LIAISON_FAULTS", format!("{point}:kill"));
        let mut dying = crate::support::Daemon::spawn(command);
        dying.says("ready:");
        notify(&house, "one", &of("cal", "disconnected"));
        assert!(!dying.end().success(), "{}", dying.log());
        assert_eq!(server.sink.mails().len(), 1, "{point}: the server has it");
        let (_second, _third) = (house.worker(), house.worker());
        hurry_until(&house, "one", "done");
        notify(&house, "two", &of("cal", "disconnected"));
        ends(&house, "two", "done");
        let mails = server.sink.mails();
        assert_eq!(mails.len(), 2, "{point}: at least once, and as seldom as can be");
        assert_eq!(mails[0].text, mails[1].text, "{point}");
    }
}
