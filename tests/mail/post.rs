//! The stand-ins, the operator's own texts, and what `liaison check` says of all of it.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::{Value, json};

use super::{ends, send};
use crate::support::House;

#[test]
fn the_console_prints_what_the_mock_service_printed() {
    let house = House::sqlite();
    let mut command = house.command(&["worker"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("start liaison");
    let data = json!({"title": "Fix login bug", "assignee": "John"});
    send(&house, "a", &json!({"to": "john@example.com", "template": "task_assigned", "data": data}));
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let line = lines.next().expect("a line").expect("text");
    assert_eq!(line, "📧 [MOCK EMAIL] Task 'Fix login bug' assigned to john@example.com");
    ends(&house, "a", "done");
    child.kill().expect("end it");
    child.wait().expect("its end");
}

#[test]
fn the_file_transport_writes_whole_letters_in_the_words_of_the_operator() {
    let house = House::sqlite();
    let templates = house.path("texts");
    std::fs::create_dir(&templates).expect("a folder");
    std::fs::write(templates.join("task_completed.subject.txt"), "Fertig: {{title}}\n").expect("write");
    std::fs::write(templates.join("task_completed.html"), "<h1>{{title}}</h1>").expect("write");
    let mail = house.path("mail");
    let house = house
        .set("LIAISON_MAIL__TRANSPORT", "file")
        .set("LIAISON_MAIL__FOLDER", &mail.display().to_string())
        .set("LIAISON_MAIL__TEMPLATES", &templates.display().to_string());
    assert!(house.cli(&["check", "--quiet"]).status.success());
    let _worker = house.worker();
    let data = json!({"title": "a<b"});
    send(&house, "a", &json!({"to": "ann@example.org", "template": "task_completed", "data": data}));
    ends(&house, "a", "done");
    let names: Vec<_> =
        std::fs::read_dir(&mail).expect("the folder").map(|entry| entry.expect("a file").path()).collect();
    assert!(names.len() == 1 && names[0].extension().is_some_and(|ending| ending == "eml"), "{names:?}");
    let text = std::fs::read_to_string(&names[0]).expect("a letter");
    assert!(text.contains("Subject: Fertig: a<b\r\n") && text.contains("<h1>a&lt;b</h1>"), "{text}");
}

#[test]
fn check_tells_every_broken_text_and_the_daemon_does_not_start_with_one() {
    let house = House::sqlite();
    let templates = house.path("texts");
    std::fs::create_dir(&templates).expect("a folder");
    std::fs::write(templates.join("task_completed.txt"), "{{titel}}").expect("write");
    std::fs::write(templates.join("mine.txt"), "{{").expect("write");
    let house = house.set("LIAISON_MAIL__TEMPLATES", &templates.display().to_string());
    let output = house.cli(&["check", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("an answer");
    let mistakes = answer["mistakes"].as_array().expect("a list");
    assert!(mistakes.len() >= 2 && mistakes.iter().all(|mistake| mistake["key"] == "mail.templates"), "{answer}");
    assert!(answer.to_string().contains("there is: title"), "{answer}");
    let worker = house.cli(&["worker"]);
    assert!(!worker.status.success() && String::from_utf8_lossy(&worker.stderr).contains("task_completed.txt"));
}
