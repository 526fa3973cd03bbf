//! The documents say what the code does.

mod commands;
mod limits;
mod schema;

use std::{collections::BTreeSet, fs, path::Path};

use liaison_queue::state::{State, TRANSITIONS};

pub(crate) const WIRE_PROTOCOL: &str = include_str!("../docs/wire-protocol.md");
const LIFECYCLE: &str = include_str!("../docs/lifecycle.md");

/// A file of the checkout, by its path from the top.
pub(crate) fn file(path: &str) -> String {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(full).unwrap_or_else(|fault| panic!("{path}: {fault}"))
}

/// The part under a heading, up to the next one of any level.
pub(crate) fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let start = format!("\n{heading}\n");
    let (_, rest) = document.split_once(&start).unwrap_or_else(|| panic!("no heading `{heading}`"));
    rest.split("\n#").next().unwrap_or(rest)
}

/// The cells of every row of the tables in a text, without their headings and without backticks.
pub(crate) fn rows(text: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = text.lines().collect();
    let is_rule = |line: &str| line.starts_with("|-");
    let is_row = |at: usize| {
        lines[at].starts_with("| ") && !is_rule(lines[at]) && !lines.get(at + 1).is_some_and(|next| is_rule(next))
    };
    let cells = |line: &str| {
        let inner = line.trim().trim_matches('|');
        inner.split(" | ").map(|cell| cell.trim().replace('`', "")).collect()
    };
    (0..lines.len()).filter(|at| is_row(*at)).map(|at| cells(lines[at])).collect()
}

/// The blocks of code in this language.
pub(crate) fn blocks<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    document.split(&fence).skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block).collect()
}

fn moves() -> BTreeSet<(String, String, String)> {
    let of = |(from, by, to): &(State, _, State)| (from.to_string(), format!("{by}"), to.to_string());
    TRANSITIONS.iter().map(of).collect()
}

#[test]
fn the_table_of_the_lifecycle_is_the_table_of_the_code() {
    let written = rows(section(LIFECYCLE, "## Every move there is"));
    let written: BTreeSet<_> = written.iter().map(|row| (row[0].clone(), row[1].clone(), row[2].clone())).collect();
    assert_eq!(written, moves());
}

#[test]
fn the_drawing_of_the_lifecycle_is_the_table_of_the_code() {
    let drawing = blocks(LIFECYCLE, "mermaid").concat();
    let drawn: BTreeSet<_> = drawing
        .lines()
        .filter(|line| !line.contains("[*]"))
        .filter_map(|line| line.trim().split_once(" --> "))
        .filter_map(|(from, rest)| rest.split_once(": ").map(|(to, event)| (from.into(), event.into(), to.into())))
        .collect();
    assert_eq!(drawn, moves());
}

#[test]
fn the_lifecycle_describes_every_state() {
    let head = LIFECYCLE.split("\n## ").next().expect("a beginning");
    let written: Vec<_> = rows(head).into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(written, State::ALL.iter().map(ToString::to_string).collect::<Vec<_>>());
}

/// The names that `queue/keys.rs` makes, as the protocol writes them.
fn keys() -> BTreeSet<String> {
    let source = file("queue/keys.rs");
    let quoted = |part: &str, before: &str| -> Vec<String> {
        part.split(before).skip(1).filter_map(|rest| rest.split('"').next()).map(ToOwned::to_owned).collect()
    };
    let whole = quoted(&source, ": &str = \"");
    let (_, of_queue) = source.split_once("\nkeys! {").expect("the list of keys");
    let of_queue = quoted(of_queue.split("\n}").next().unwrap_or_default(), " = \"");
    let of_queue = of_queue.into_iter().map(|name| format!("liaison:{{QUEUE}}:{name}"));
    let replies = quoted(&source, "format!(\"{}").into_iter().map(|name| name.replace("{id}", "ID"));
    let (limits, entries) = source.split_once("struct EntryKeys").expect("the keys of an entry");
    let of_limit = quoted(limits, "part(\"").into_iter().map(|name| format!("liaison:{{limit:KEY}}:{name}"));
    let of_entry = quoted(entries, "part(\"").into_iter().map(|name| format!("liaison:{{schedule:ENTRY}}:{name}"));
    // How the keys of a limit begin is no key.
    let whole = whole.into_iter().filter(|key| !key.ends_with(':'));
    let whole = whole.chain(of_queue).chain(of_limit).chain(of_entry);
    whole.chain(replies.map(|name| format!("liaison:{{QUEUE}}:{name}"))).collect()
}

#[test]
fn the_protocol_lists_every_key_and_no_other() {
    let written: BTreeSet<_> = rows(section(WIRE_PROTOCOL, "## Keys")).iter().map(|row| row[0].clone()).collect();
    let made = keys();
    assert!(made.len() > 20, "keys.rs is not read rightly: {made:?}");
    assert_eq!(written, made);
}

#[test]
fn the_keys_of_the_scripted_door_stand_in_the_order_in_which_it_takes_them() {
    let table = rows(section(WIRE_PROTOCOL, "## The scripted door"));
    let written = table.iter().filter(|row| row[0].starts_with("KEYS[")).map(|row| row[1].clone());
    let taken = liaison_queue::door().1.iter().map(|name| format!("liaison:{{QUEUE}}:{name}"));
    assert_eq!(written.collect::<Vec<_>>(), taken.collect::<Vec<_>>());
}

#[test]
fn the_protocol_lists_every_word_that_ties_a_job() {
    let table = rows(section(WIRE_PROTOCOL, "### Ties in Redis"));
    let written: BTreeSet<_> = table.iter().filter_map(|row| row[0].chars().next()).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("queue/lua");
    let scripts = [folder.clone(), folder.join("parts")].into_iter().flat_map(|folder| {
        let entries = fs::read_dir(folder).expect("the scripts").map(|entry| entry.expect("a script").path());
        entries.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).expect("a script"))
    });
    let read = scripts.collect::<String>();
    let read = read.split("bonds.").skip(1).filter_map(|rest| rest.chars().next()).filter(char::is_ascii_uppercase);
    // The counts of a batch are for the handler of its follow-up; no script reads them.
    assert_eq!(written, read.chain(['C']).collect());
}
