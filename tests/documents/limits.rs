//! Every limit that a document names is the one in the code.

use std::time::Duration;

use liaison_queue::{
    BatchId, JobId, JobName, LaneName, QueueName, UniqueKey,
    batches::ENDED_MEMORY,
    bonds::MAX_UNIQUE_FOR,
    envelope::{Limits, MAX_ATTEMPTS, MAX_DEPTH, MAX_SURROUNDINGS, MAX_TIMEOUT, MAX_TRACE},
};

use super::{WIRE_PROTOCOL, file, rows, section};

/// A number of bytes, of milliseconds, or of things: as it is written for people.
fn written(text: &str) -> u64 {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: u64 = number.replace(',', "").parse().unwrap_or_else(|fault| panic!("`{text}`: {fault}"));
    number * unit_of(unit).unwrap_or_else(|| panic!("`{text}`: no unit that is known here"))
}

fn unit_of(unit: &str) -> Option<u64> {
    Some(match unit {
        "" | "bytes" | "ms" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    })
}

/// The value of a constant, from the text of its file: a product, or a duration of one.
fn constant(path: &str, name: &str) -> u64 {
    let source = file(path);
    let (_, rest) = source.split_once(&format!("const {name}: ")).unwrap_or_else(|| panic!("{path} has no {name}"));
    let (_, value) = rest.split_once(" = ").expect("a value");
    let value = value.split(';').next().expect("an end").trim();
    let units = [("from_millis(", 1), ("from_secs(", 1_000), ("from_mins(", 60_000), ("from_hours(", 3_600_000)];
    let duration = units.iter().find_map(|(call, unit)| {
        let inner = value.strip_prefix("Duration::")?.strip_prefix(call)?.strip_suffix(')')?;
        Some(product(inner) * unit)
    });
    duration.unwrap_or_else(|| product(value))
}

fn product(text: &str) -> u64 {
    let factor = |part: &str| -> u64 { part.trim().replace('_', "").parse().expect("a number") };
    text.split('*').map(factor).product()
}

#[test]
fn the_table_of_limits_is_what_the_code_says() {
    let operations = file("docs/operations.md");
    let table = rows(section(&operations, "## Limits"));
    assert!(table.len() > 15, "the table is not read rightly");
    for row in table {
        let (limit, place) = (written(&row[1]), row[2].as_str());
        let actual = match place.split_once(' ') {
            Some(("[queues]", "max_args")) => Limits::default().max_args as u64,
            Some(("[queues]", "max_lane_depth")) => Limits::default().max_lane_depth.into(),
            Some((path, name)) => constant(path, name),
            None => panic!("`{place}` names no constant"),
        };
        assert_eq!(limit, actual, "{}, {place}", row[0]);
    }
}

#[test]
fn the_fields_of_the_envelope_have_the_limits_of_the_judge() {
    let table = rows(section(WIRE_PROTOCOL, "## The envelope"));
    let of = |field: &str| {
        let row = table.iter().find(|row| row[0] == field).unwrap_or_else(|| panic!("no field {field}"));
        row[2].clone()
    };
    assert!(of("job").starts_with(&format!("1 to {} bytes", JobName::MAX_LEN)));
    assert!(of("id").starts_with(&format!("1 to {} bytes", JobId::MAX_LEN)));
    assert!(of("queue").starts_with(&format!("1 to {} bytes", QueueName::MAX_LEN)));
    assert!(of("args").starts_with(&format!("{} KiB", Limits::default().max_args >> 10)));
    assert!(of("lane").starts_with(&format!("1 to {} bytes", LaneName::MAX_LEN)));
    assert_eq!([UniqueKey::MAX_LEN, BatchId::MAX_LEN], [LaneName::MAX_LEN; 2]);
    assert_eq!(of("max_attempts"), format!("1 to {MAX_ATTEMPTS}"));
    assert_eq!(of("timeout_ms"), format!("1 to {}", MAX_TIMEOUT.as_millis()));
    assert!(of("trace").starts_with(&format!("{MAX_TRACE} bytes")));
    let text = section(WIRE_PROTOCOL, "## The envelope");
    assert!(text.contains(&format!("may be {MAX_SURROUNDINGS} bytes longer")));
    assert!(text.contains(&format!("nest {MAX_DEPTH} deep")));
    let lanes = section(WIRE_PROTOCOL, "### Lanes");
    assert!(lanes.contains("At most 10,000 jobs") && Limits::default().max_lane_depth == 10_000);
    let unique = rows(section(WIRE_PROTOCOL, "### Unique keys"));
    let long = unique.iter().find(|row| row[0] == "for_ms").expect("how long a key is taken");
    assert_eq!(long[1], format!("integer, 1 to {}", MAX_UNIQUE_FOR.as_millis()));
    let days = ENDED_MEMORY.as_secs() / 86_400;
    assert!(section(WIRE_PROTOCOL, "### Batches").contains(&format!("stays over for {days} days")));
    let door = section(WIRE_PROTOCOL, "## The scripted door");
    assert!(door.contains(&format!("`{}`", Limits::default().max_args)));
    assert!(door.contains(&format!("`{}`", Limits::default().max_lane_depth)));
    assert!(door.contains(&format!("at most {} envelopes", constant("queue/scripts.rs", "MAX_ITEMS"))));
    assert!(door.contains(&format!("about {} MiB", constant("queue/scripts.rs", "MAX_BYTES") >> 20)));
}

#[test]
fn what_is_remembered_and_kept_is_what_the_code_says() {
    let minutes = Duration::from_millis(constant("src/app.rs", "REPLY_MEMORY")).as_secs() / 60;
    let reply = section(WIRE_PROTOCOL, "## Reply");
    assert!(reply.contains(&format!("expires {minutes} minutes after")));
    assert!(reply.contains(&format!("more than {} KiB", constant("src/recorder/rows.rs", "MAX_RESULT") >> 10)));
    assert!(reply.contains(&format!("At most {} KiB", constant("src/recorder/rows.rs", "MAX_REASON") >> 10)));
    let memory = constant("src/config/queues.rs", "DEFAULT_ID_MEMORY") / 60_000;
    let same_id = section(WIRE_PROTOCOL, "## Same id, one job");
    assert!(same_id.contains(&format!("remembered for {memory} minutes")));
    let share = constant("src/config/queues.rs", "DEFAULT_LOW_PRIORITY_SHARE");
    assert!(WIRE_PROTOCOL.contains(&format!("every {share}th claim")));
    let right = constant("queue/admitter.rs", "RIGHT") / 1000;
    assert!(right == 2 && file("ARCHITECTURE.md").contains("for two seconds"));
}
