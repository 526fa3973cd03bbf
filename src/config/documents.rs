//! `liaison.toml` and `docs/configuration.md` say what the code does.

use std::fs;

use super::{Known, Origin, Place, Sources, known, load, raw::LISTS};

const FILE: &str = include_str!("../../liaison.toml");
const PAGE: &str = include_str!("../../docs/configuration.md");

#[test]
fn the_committed_file_is_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("liaison.toml");
    fs::write(&path, FILE).unwrap();
    let written = load(&Sources { search: vec![path.clone()], ..Sources::default() }).unwrap();
    let default = load(&Sources::default()).unwrap();
    assert_eq!((written.file, written.warnings), (Some(path), Vec::new()));
    let (written, default) = (written.config, default.config);
    // That it was written is the one difference there may be.
    assert_eq!((&written.http.listen, written.http.timeout), (&default.http.listen, default.http.timeout));
    assert_eq!((&written.tokens, &written.provider), (&default.tokens, &default.provider));
    assert_eq!(
        (&written.outbound, &written.mail, &written.webhooks),
        (&default.outbound, &default.mail, &default.webhooks)
    );
    assert_eq!((&written.traces, &written.retention), (&default.traces, &default.retention));
    assert_eq!(written.calendars, default.calendars);
    assert_eq!(
        (&written.redis, &written.store, &written.worker, &written.queues, &written.queue, &written.log),
        (&default.redis, &default.store, &default.worker, &default.queues, &default.queue, &default.log)
    );
    let inherited = written.entries.iter().filter(|entry| entry.shown.is_ok() && entry.origin == Origin::Default);
    assert_eq!(inherited.map(|entry| entry.place.to_string()).collect::<Vec<_>>(), [""; 0], "missing in liaison.toml");
}

#[test]
fn the_committed_file_names_every_key_in_its_section() {
    let sections: Vec<(String, String)> = FILE
        // Those that nobody has by default stand in comments.
        .replace("\n# [[", "\n[[")
        .split("\n[")
        .skip(1)
        .filter_map(|part| part.split_once("]\n").or(part.split_once("]]\n")))
        .map(|(heading, body)| (heading.trim_matches(['[', ']']).to_owned(), body.to_owned()))
        .collect();
    for Known { section, name, .. } in known() {
        let body = sections.iter().find(|(heading, _)| heading == section).map(|(_, body)| body);
        let names_it = |line: &str| line.trim_start_matches("# ").starts_with(&format!("{name} = "));
        assert!(body.is_some_and(|body| body.lines().any(names_it)), "liaison.toml lacks {section}.{name}");
    }
}

#[test]
fn the_page_describes_every_key_and_no_other() {
    let mut expected = Vec::new();
    let mut section = "";
    for key in known() {
        if key.section != section {
            section = key.section;
            expected.push(heading(section));
        }
        expected.push(row(&key));
    }
    let is_ours = |line: &&str| line.starts_with("## `[") || line.starts_with("| `");
    let found: Vec<_> = PAGE.lines().filter(is_ours).collect();
    assert!(found == expected, "docs/configuration.md should hold these rows:\n{}", expected.join("\n"));
}

fn heading(section: &str) -> String {
    if LISTS.contains(&section) { format!("## `[[{section}]]`") } else { format!("## `[{section}]`") }
}

fn row(key: &Known) -> String {
    let Known { section, name, default, allowed, meaning } = key;
    let variable = Place::at(section, LISTS.contains(section).then_some(0), name).environment();
    let default = match default {
        Ok(literal) => format!("`{literal}`"),
        Err(otherwise) => (*otherwise).to_owned(),
    };
    format!("| `{name}` | {default} | {allowed} | `{variable}` | {meaning} |")
}
