//! Secrets are where they must be, and nowhere else.

use std::{io::Write as _, process::Stdio};

use super::{Answer, Receiver, add, event, house, send, until_they_are};

#[test]
fn secrets_are_in_no_log_no_answer_and_no_file() {
    let house = house().set("LIAISON_LOG__LEVEL", "trace");
    let receiver = Receiver::start();
    let headers = house.write("headers", "Authorization: Bearer hunter2hunter2\n");
    let secret = add(&house, "crm", &receiver.url("/"), &["--headers-file", &headers, "--max-retries", "1"]);
    std::fs::remove_file(house.path("headers")).expect("forget the headers");
    assert!(secret.starts_with("whsec_") && secret.len() > 40);
    receiver.script([Answer::status(500)]);
    let worker = house.worker();
    send(&house, "a", &event("crm", 1));
    send(&house, "b", &event("crm", 2));
    until_they_are(&house, "crm", "delivered", 2);
    let mut shown = worker.log();
    for words in [
        &["webhooks", "list"][..],
        &["webhooks", "show", "crm"],
        &["webhooks", "deliveries"],
        &["webhooks", "show", "crm", "--json"],
        &["webhooks", "edit", "crm", "--name", "new"],
        &["runs", "list", "--json"],
        &["runs", "show", "a", "--json"],
    ] {
        let output = house.cli(words);
        shown += &String::from_utf8_lossy(&output.stdout);
        shown += &String::from_utf8_lossy(&output.stderr);
    }
    worker.stop();
    let key = secret.trim_start_matches("whsec_");
    for text in [key, "hunter2hunter2"] {
        assert!(!shown.contains(text), "it was shown");
        for name in ["liaison.db", "liaison.db-wal"] {
            let bytes = std::fs::read(house.path(name)).unwrap_or_default();
            assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()), "it is in {name}");
        }
    }
}

#[test]
fn a_secret_comes_from_standard_input_or_a_file_and_never_back() {
    let house = house();
    let receiver = Receiver::start();
    let args = ["webhooks", "add", "--organizer", "o", "--id", "a", "--url", &receiver.url("/"), "--secret-stdin"];
    let mut child = house.command(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("run liaison");
    child.stdin.take().expect("its input").write_all(b"topsecret\n").expect("write");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a\n", "whoever gave it knows it");
    let path = house.write("secret", "whsec_not base64 at all!");
    let args = ["webhooks", "add", "--organizer", "o", "--url", &receiver.url("/"), "--secret-file", &path];
    let refused = house.cli(&args);
    assert_eq!(refused.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&refused.stderr).contains("not base64 at all"), "{refused:?}");
}
