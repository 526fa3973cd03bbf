//! What may stand in `scheduler.toml`, and what is said about what may not.

use super::*;

fn load(text: &str) -> Result<Vec<Entry>, ConfigError> {
    read_document(&Document::new(Path::new("scheduler.toml"), text), true, 1 << 10)
}

fn mistakes(text: &str) -> Vec<(String, String, String)> {
    let error = load(text).unwrap_err();
    error.mistakes.into_iter().map(|one| (format!("{} {}", one.origin, one.key), one.problem, one.remedy)).collect()
}

#[test]
fn an_entry_needs_a_name_a_job_and_a_line_and_the_rest_has_defaults() {
    let entries = load("[[schedule]]\nname = 'a'\njob = 'noop'\ncron = '@daily'\n").unwrap();
    let [entry] = entries.as_slice() else { panic!("one entry") };
    assert_eq!((entry.ticks.zone, entry.catch_up, entry.overlap), (chrono_tz::UTC, CatchUp::Last, Overlap::Skip));
    assert!(entry.enabled && entry.jitter.is_zero() && entry.spread.is_zero());
    assert_eq!(
        (entry.queue.as_str(), entry.priority, entry.args.to_string()),
        ("default", Priority::Normal, "{}".into())
    );
}

#[test]
fn an_entry_can_say_everything() {
    let entries = load(
        "[[schedule]]\nname = 'b'\njob = 'sleep'\ncron = '0 30 2 * * mon-fri'\ntimezone = 'America/New_York'\n\
         args = { ms = 5, nested = [1, 2.5, true, { a = 'b' }] }\nqueue = 'emails'\npriority = 'high'\n\
         catch_up = { all = 10, within = '2h' }\noverlap = 'queue'\njitter = '30s'\nspread = '5m'\nenabled = false\n\
         description = 'for the docs'\n",
    );
    let entry = entries.unwrap().remove(0);
    assert_eq!(entry.catch_up, CatchUp::All { most: 10, within: Duration::from_hours(2) });
    assert_eq!(entry.args.to_string(), r#"{"ms":5,"nested":[1,2.5,true,{"a":"b"}]}"#);
    assert_eq!((entry.overlap, entry.priority, entry.enabled), (Overlap::Queue, Priority::High, false));
}

#[test]
fn every_mistake_is_told_at_once_with_its_line_and_remedy() {
    let text = "\
[[schedule]]
name = 'a b'
job = 'nop'
cron = '61 * * * *'
timezone = 'Europe/Belin'
args = 5
queue = 'UPPER'
priority = 'hihg'
catch_up = { all = 0, within = '1h' }
overlap = 'skp'
jitter = '2d'
enabled = 'yes'
colour = 'red'
[[schedule]]
name = 'c'
cron = '0 0 30 2 *'
[[schedule]]
name = 'd'
job = 'sleep'
cron = '@daily'
args = { ms = 'long' }
timezone = 'berlin'
[[schedule]]
name = 'd'
job = 'noop'
cron = '* *'
catch_up = 'all'
[[shedule]]
";
    let told: Vec<_> = mistakes(text).into_iter().map(|(place, said, _)| format!("{place}: {said}")).collect();
    let known: Vec<_> = liaison_jobs::CATALOG.iter().map(|entry| entry.name).collect();
    let unknown =
        format!("no `nop` in this build, which knows {}; check the name, or upgrade the daemon", known.join(", "));
    let unknown = format!("scheduler.toml:3 schedule[0].job: {unknown}");
    assert_eq!(
        told,
        [
            "scheduler.toml:2 schedule[0].name: \"a b\": the character at position 2 is not allowed; use letters, digits and _ . -",
            unknown.as_str(),
            "scheduler.toml:4 schedule[0].cron: cron \"61 * * * *\": minute 61 is not in 0–59",
            "scheduler.toml:5 schedule[0].timezone: no time zone is called \"Europe/Belin\"",
            "scheduler.toml:6 schedule[0].args: is an integer",
            "scheduler.toml:7 schedule[0].queue: \"UPPER\": the character at position 1 is not allowed; use small letters, digits and, after the first, _ . -",
            "scheduler.toml:8 schedule[0].priority: \"hihg\" is none of them",
            "scheduler.toml:9 schedule[0].catch_up: all = 0 is out of range",
            "scheduler.toml:10 schedule[0].overlap: \"skp\" is none of them",
            "scheduler.toml:11 schedule[0].jitter: 2d is too much",
            "scheduler.toml:12 schedule[0].enabled: is a string where true or false without quotes is expected",
            "scheduler.toml:13 schedule[0].colour: is not a key",
            "scheduler.toml:14 schedule[1].job: is missing",
            "scheduler.toml:16 schedule[1].cron: cron \"0 0 30 2 *\": it can never fire: no month that it names has such a day",
            "scheduler.toml:21 schedule[2].args: args.ms: invalid type: string, expected u32; see what `sleep` takes",
            "scheduler.toml:22 schedule[2].timezone: no time zone is called \"berlin\"",
            "scheduler.toml:24 schedule[3].name: \"d\" is also the name of schedule[2]",
            "scheduler.toml:26 schedule[3].cron: cron \"* *\": it has 2 fields; write 5, minute hour day month weekday, or 6 with the second before them",
            "scheduler.toml:27 schedule[3].catch_up: \"all\" is none of them",
            "scheduler.toml:28 \"shedule\": is not known",
        ]
    );
    let remedies: Vec<_> = mistakes(text).into_iter().map(|(.., remedy)| remedy).collect();
    for remedy in [
        "did you mean noop? Or set enabled = false until a release knows it",
        "did you mean \"Europe/Berlin\"?",
        "did you mean \"high\"?",
        "did you mean \"skip\"?",
    ] {
        assert!(remedies.iter().any(|said| said == remedy), "{remedy}: {remedies:#?}");
    }
    assert_eq!(remedies.iter().filter(|said| *said == "did you mean \"Europe/Berlin\"?").count(), 2);
}

#[test]
fn two_entries_of_one_name_are_refused() {
    let one = "[[schedule]]\nname = 'a'\njob = 'noop'\ncron = '@daily'\n";
    let [(place, said, remedy)] = &mistakes(&format!("{one}{one}"))[..] else { panic!("one mistake") };
    assert_eq!(
        (place.as_str(), said.as_str()),
        ("scheduler.toml:6 schedule[1].name", "\"a\" is also the name of schedule[0]")
    );
    assert_eq!(remedy, "rename one; its past hangs on its name");
    // Also when the entries have other mistakes.
    let wrong = one.replace("@daily", "61 * * * *");
    let places: Vec<_> = mistakes(&format!("{wrong}{wrong}")).into_iter().map(|(place, ..)| place).collect();
    assert_eq!(places.iter().filter(|place| place.ends_with("schedule[1].name")).count(), 1, "{places:?}");
    assert_eq!(places.len(), 3, "{places:?}");
}

#[test]
fn arguments_that_no_queue_takes_are_refused_before_they_are_sent() {
    let long = "x".repeat(2000);
    let text = format!("[[schedule]]\nname = 'a'\njob = 'echo'\ncron = '@daily'\nargs = {{ text = '{long}' }}\n");
    let [(place, said, _)] = &mistakes(&text)[..] else { panic!("one mistake") };
    assert_eq!(
        (place.as_str(), said.as_str()),
        ("scheduler.toml:5 schedule[0].args", "is 2011 bytes of JSON, 987 too many")
    );
}

#[test]
fn a_job_that_no_build_knows_yet_may_stand_there_switched_off() {
    let entries =
        load("[[schedule]]\nname = 'a'\njob = 'of_a_later_release'\ncron = '@daily'\nenabled = false\n").unwrap();
    assert!(!entries[0].enabled);
}

/// The committed file: what is switched on can run, and what is switched off waits for its job to be built.
#[test]
fn the_committed_file_fits_the_catalogue() {
    let text = include_str!("../../../scheduler.toml");
    let entries = read_document(&Document::new(Path::new("scheduler.toml"), text), false, 1 << 10).unwrap();
    let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    for needed in ["refresh_expired_tokens", "cleanup_old_integration_logs", "sync_all_calendar_integrations"] {
        assert!(names.contains(&needed), "{needed} is not in scheduler.toml");
    }
    for entry in entries {
        let built = liaison_jobs::find(&entry.job, false).is_ok();
        assert_eq!(entry.enabled, built, "{}: switch it {}", entry.name, if built { "on" } else { "off" });
    }
    for key in KEYS {
        assert!(text.contains(&format!("#   {key} ")), "scheduler.toml does not explain `{key}`");
    }
}
