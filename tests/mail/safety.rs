//! Nothing is said in clear that should not be, and who cannot log in says so loudly.

use liaison_sandbox::SmtpSettings;
use serde_json::json;

use super::{MailServer, ends, house, letter, send, server::certified};
use crate::support::House;

fn with_password(house: House, password: &str) -> House {
    let file = house.write("mail-password", &format!("{password}\n"));
    house.set("LIAISON_MAIL__USER", "me@example.org").set("LIAISON_MAIL__PASSWORD_FILE", &file)
}

fn login() -> (String, String) {
    ("me@example.org".to_owned(), "hunter2".to_owned())
}

#[test]
fn tls_is_spoken_from_the_first_byte_or_after_starttls_and_the_login_comes_after_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tls = Some(certified(folder.path()));
    let ca = folder.path().join("ca.crt").display().to_string();
    let other = folder.path().join("other.crt").display().to_string();
    for (security, at_once) in [("starttls", false), ("tls", true)] {
        let server = MailServer::start(SmtpSettings { tls: tls.clone(), at_once, login: Some(login()) });
        let house = with_password(house(&server), "hunter2").set("LIAISON_MAIL__SECURITY", security);
        let house = house.set("LIAISON_MAIL__CA_FILE", &other);
        let refused = house.cli(&["mail", "test", "ann@example.org"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("name its CA as [mail] ca_file"), "{said}");
        let house = house.set("LIAISON_MAIL__CA_FILE", &ca);
        let sent = house.json(&["mail", "test", "ann@example.org"]);
        assert_eq!(sent["by"], format!("127.0.0.1:{} ({security})", server.port()));
        let mails = server.sink.mails();
        assert_eq!(mails.len(), 1);
        assert_eq!((mails[0].secure, mails[0].login.as_deref()), (true, Some("me@example.org")));
        assert_eq!(mails[0].header("message-id").as_deref(), sent["message_id"].as_str());
        // The login went over the line before TLS nowhere: the sink hears it after the handshake only.
        let _worker = house.worker();
        send(&house, "a", &letter(&json!("ann@example.org")));
        ends(&house, "a", "done");
    }
}

#[test]
fn a_server_without_starttls_is_told_nothing() {
    let server = MailServer::start(SmtpSettings { login: Some(login()), ..SmtpSettings::default() });
    let house = with_password(house(&server), "hunter2").set("LIAISON_MAIL__SECURITY", "starttls");
    let worker = house.worker();
    send(&house, "a", &letter(&json!("ann@example.org")));
    let run = ends(&house, "a", "retry");
    let reason = run["reason"].as_str().expect("a reason");
    assert!(reason.contains("offers no STARTTLS, and nothing is sent in clear"), "{reason}");
    worker.says("no mail gets out:");
    assert!(server.sink.mails().is_empty());
    let heard = server.sink.heard();
    assert!(heard.iter().all(|line| line.starts_with("EHLO") || line.starts_with("QUIT")), "{heard:?}");
}

#[test]
fn who_may_not_log_in_is_loud_waits_long_and_gives_nothing_up() {
    let server = MailServer::start(SmtpSettings { login: Some(login()), ..SmtpSettings::default() });
    let house = with_password(house(&server), "wrong-secret");
    let worker = house.worker();
    for id in ["a", "b", "c"] {
        send(&house, id, &letter(&json!("ann@example.org")));
        let run = ends(&house, id, "retry");
        let reason = run["reason"].as_str().expect("a reason");
        assert!(reason.contains("535") && reason.contains("check [mail] user and password_file"), "{reason}");
        let time = |field: &str| -> chrono::DateTime<chrono::Utc> {
            run[field].as_str().expect("a time").parse().expect("RFC 3339")
        };
        assert!(time("retry_at") - time("finished_at") > chrono::Duration::minutes(55), "{run}");
    }
    assert_eq!(house.json(&["mail", "suppressed", "list"]), json!([]));
    assert_eq!(server.sink.connections(), 1, "one wrong password is enough for a while");
    let log = worker.stop();
    assert_eq!(log.matches("no mail gets out").count(), 1, "{log}");
    assert!(log.contains("ERROR") && !log.contains("wrong-secret") && !log.contains("ann@"), "{log}");
}
