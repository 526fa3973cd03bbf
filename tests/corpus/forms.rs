//! What values look like: their digits, names and tokens replaced by what they are, so that two records can be compared.

use std::collections::BTreeSet;

use serde_json::Value;

/// The forms of everything in Redis, one a line: `KEY KIND FORM`.
pub(super) fn of(commands: &[Vec<String>]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for words in commands {
        let (command, key, values) = (words[0].as_str(), key(&words[1]), &words[2..]);
        let last = key.rsplit(':').next().unwrap_or_default().to_owned();
        let mut add = |kind: &str, form: String| found.insert(format!("{key} {kind} {form}"));
        match command {
            "SET" => drop(add("string", plain(&values[0]))),
            "PEXPIRE" => drop(add("expires", String::new())),
            "RPUSH" | "SADD" => {
                for value in values {
                    // What hosts write is theirs; what we answer them is ours.
                    let form = if last == "inbox" { "LINE".to_owned() } else { value_of(&last, value) };
                    add(if command == "SADD" { "set" } else { "list" }, form);
                }
            }
            "HSET" => {
                for pair in values.chunks(2) {
                    let field = if last == "workers" { "WORKER".to_owned() } else { opaque(&last, &pair[0]) };
                    add("hash", format!("{field} => {}", value_of(&last, &pair[1])));
                }
            }
            "ZADD" => {
                for pair in values.chunks(2) {
                    add(
                        "zset",
                        format!("{} at {}", opaque(&last, &pair[1]), if pair[0] == "0" { "0" } else { "TIME" }),
                    );
                }
            }
            other => panic!("{other} is no command of a record"),
        }
    }
    // Spaces at an end would be lost on the way.
    found.into_iter().map(|form| form.trim_end().to_owned()).collect()
}

/// `liaison:{QUEUE}:jobs`, as the protocol writes keys.
fn key(key: &str) -> String {
    let Some((before, rest)) = key.split_once('{') else { return key.to_owned() };
    let (name, after) = rest.split_once("}:").unwrap_or((rest, ""));
    let tag = match name.split_once(':') {
        Some(("limit", _)) => "limit:KEY",
        Some(("schedule", _)) => "schedule:ENTRY",
        Some(_) | None => "QUEUE",
    };
    let after = if after.starts_with("reply:") { "reply:ID" } else { after };
    format!("{before}{{{tag}}}:{after}")
}

fn value_of(key: &str, value: &str) -> String {
    match key {
        // Header, ties, and then what the host wrote, byte for byte.
        "jobs" => {
            let (ours, envelope) = value.split_at(value.find('{').unwrap_or(value.len()));
            let (header, ties) = ours.split_at(ours.len().min(15));
            let digits = header.bytes().take_while(u8::is_ascii_digit).count();
            let kind = &header[digits.min(header.len())..];
            format!("{digits} digits {kind}{}{}", plain(ties), if envelope.is_empty() { "LINE" } else { "{…}" })
        }
        // A number, whatever it says by now.
        "counters" | "pulse" => "N".to_owned(),
        // For people, after the outcome.
        "verdicts" => format!("{} …", value.split(' ').next().unwrap_or_default()),
        _ => match serde_json::from_str::<Value>(value) {
            Ok(Value::Object(fields)) => {
                let fields = fields.iter().map(|(name, value)| format!("{name}:{}", kind(value)));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(" "))
            }
            Ok(_) | Err(_) => opaque(key, value),
        },
    }
}

/// A claim's token begins with who claimed, on which machine, and ends with a number and what marks claims of suspects.
fn opaque(key: &str, text: &str) -> String {
    match (key, text.split_once('/')) {
        ("held" | "claims" | "leases" | "holders", Some((_, rest))) => format!("WORKER/{}", plain(rest)),
        (_, Some(_) | None) => plain(text),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Names, tokens and numbers by what they are; other words and marks stay.
fn plain(text: &str) -> String {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || "-:/.".contains(c);
    let mut shown = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| !is_inside(c)).unwrap_or(rest.len());
        if end == 0 {
            shown.push(if first == '\n' { '␤' } else { first });
            rest = &rest[first.len_utf8()..];
        } else {
            shown.push_str(&word(&rest[..end]));
            rest = &rest[end..];
        }
    }
    shown
}

/// How all names of the scene begin, apart from what we may have put before them.
const NAMES: &[&str] = &["done:", "dead:", "expired:", "cancelled:", "replaced:", "lane:", "key:", "import:", "limit:"];

fn word(word: &str) -> String {
    if let Some(at) = NAMES.iter().filter_map(|name| word.find(name)).min().filter(|at| *at <= 2) {
        return format!("{}NAME", &word[..at]);
    }
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return "N".to_owned();
    }
    let upper = word.bytes().filter(u8::is_ascii_uppercase).count();
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    match (word.len(), upper, digits) {
        (20.., _, 1..) | (8.., 4.., _) => "TOKEN".to_owned(),
        (2.., _, 1..) => word.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned() + "N",
        _ => word.to_owned(),
    }
}

/// The columns that are written, and every outcome: `TABLE COLUMN KIND`.
pub(super) fn of_rows(rows: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in rows.lines() {
        let (head, _) = line.split_once(" VALUES ").expect("a row");
        let (table, columns) = head.split_once(" (").expect("its columns");
        let table = table.rsplit([' ', '.']).next().unwrap_or(table).replace('"', "");
        for column in columns.trim_end_matches(')').split(", ") {
            found.insert(format!("{table} column {}", column.replace('"', "")));
        }
        if table == "job_runs" {
            let outcomes = ["done", "retry", "dead", "expired", "cancelled", "replaced"];
            // The outcome is the seventh value; before it stand no commas but those between the values.
            let values = line.split_once("VALUES (").expect("values").1;
            let outcome = values.split(", ").nth(6).unwrap_or_default().trim_matches('\'').to_owned();
            let known = outcomes.iter().find(|known| **known == outcome);
            found.insert(format!("{table} outcome {}", known.map_or(outcome.as_str(), |known| known)));
        }
    }
    found
}

/// Was it written before? An object may have more fields than it had: readers ignore what they do not know.
pub(super) fn is_known(form: &str, known: &str) -> bool {
    known.lines().any(|line| line == form) || known.lines().any(|line| has_all_fields(form, line))
}

fn has_all_fields(form: &str, of: &str) -> bool {
    let object = |line: &str| {
        let (head, fields) = line.rsplit_once('{')?;
        let fields = fields.strip_suffix('}')?;
        fields
            .contains(':')
            .then(|| (head.to_owned(), fields.split(' ').map(ToOwned::to_owned).collect::<BTreeSet<_>>()))
    };
    match (object(form), object(of)) {
        (Some((head, fields)), Some((known_head, known))) => head == known_head && fields.is_superset(&known),
        (Some(_) | None, Some(_) | None) => false,
    }
}
