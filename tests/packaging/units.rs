//! What systemd itself says of the units.

use std::{fs, path::Path, process::Command};

use crate::{documents::file, support::until};

/// `systemd-analyze` calls 1.5 OK; less than what the daemon needs would keep it from working.
const MOST_EXPOSED: f64 = 1.5;

const UNITS: &[&str] = &["liaison.service", "liaison@.service", "liaison-run@.service", "liaison-run@.timer"];

/// The units in a folder, made ready to be looked at: as instances, and with the program where it is here.
fn laid_out(folder: &Path) -> Vec<String> {
    let path = |unit: &&str| {
        let text = file(&format!("systemd/{unit}")).replace("/usr/bin/liaison", env!("CARGO_BIN_EXE_liaison"));
        let path = folder.join(unit.replace('@', "@test"));
        fs::write(&path, text).expect("write a unit");
        path.display().to_string()
    };
    UNITS.iter().map(path).collect()
}

fn analyse(words: &[&str]) -> String {
    let output = Command::new("systemd-analyze").args(words).env("SYSTEMD_PAGER", "cat").output();
    let output = output.expect("run systemd-analyze: install systemd with `make deps`");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && err.trim().is_empty(), "{words:?}: {}: {out}{err}", output.status);
    out.into_owned()
}

#[test]
fn systemd_understands_every_unit() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let units = laid_out(folder.path());
    let units: Vec<&str> = units.iter().map(String::as_str).collect();
    analyse(&[&["verify", "--man=no"], units.as_slice()].concat());
}

#[test]
#[expect(clippy::print_stdout, reason = "the scores are for people")]
fn no_unit_is_exposed_more_than_it_must_be() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for unit in laid_out(folder.path()).iter().filter(|unit| unit.ends_with(".service")) {
        let table = analyse(&["security", "--offline=true", "--no-pager", unit]);
        let (_, score) = table.rsplit_once(": ").expect("an overall exposure");
        println!("{}: {}", unit.rsplit('/').next().unwrap_or(unit), score.trim());
        let score: f64 = score.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number");
        assert!(score <= MOST_EXPOSED, "{unit} is exposed by {score}, more than {MOST_EXPOSED}:\n{table}");
    }
}

/// Units cannot include each other, so what they share is written in each.
#[test]
fn all_services_are_fenced_in_alike() {
    let fence = |unit: &str| {
        let text = file(&format!("systemd/{unit}"));
        let (_, rest) = text.split_once("\nCapabilityBoundingSet=").expect("the fence");
        rest.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(fence("liaison@.service"), fence("liaison.service"));
    assert_eq!(fence("liaison-run@.service"), fence("liaison.service"));
}

/// Every key of the configuration that names the file of a secret has a credential and a line in the example.
#[test]
fn every_secret_can_be_a_credential() {
    let example = file("systemd/secrets.conf");
    let table = file("docs/configuration.md");
    let variables = table.split('`').filter(|word| word.starts_with("LIAISON_") && word.ends_with("_FILE"));
    // Certificates are shown to everybody; the key of the store is always there.
    let public = [
        "LIAISON_REDIS__CA_FILE",
        "LIAISON_REDIS__CERT_FILE",
        "LIAISON_STORE__KEY_FILE",
        "LIAISON_SCHEDULER__FILE",
        "LIAISON_TRACES__CA_FILE",
        "LIAISON_OUTBOUND__CA_FILE",
    ];
    let secrets: Vec<&str> = variables.filter(|name| !public.contains(name)).collect();
    assert!(secrets.len() >= 4, "docs/configuration.md is not read rightly: {secrets:?}");
    for variable in secrets {
        let line = example.lines().find(|line| line.contains(&format!("{variable}=%d/")));
        let name = line.and_then(|line| line.rsplit('/').next());
        let name = name.unwrap_or_else(|| panic!("systemd/secrets.conf has no line for {variable}: add it"));
        for unit in ["liaison.service", "liaison@.service", "liaison-run@.service"] {
            let has = file(&format!("systemd/{unit}")).contains(&format!("\nLoadCredential={name}:liaison"));
            assert!(has, "systemd/{unit} does not load {name}: add LoadCredential={name}:liaison.{name}");
        }
    }
}

/// A drain, and the steps after it, fit into `TimeoutStopSec`.
#[test]
fn the_times_of_the_unit_fit_the_defaults() {
    let after = |path: &str, start: &str| {
        let text = file(path);
        let line = text.lines().find_map(|line| line.strip_prefix(start));
        seconds(line.unwrap_or_else(|| panic!("{path} has no line `{start}…`")).trim_matches('"'))
    };
    let drain = after("liaison.toml", "grace = ") + 10;
    for unit in ["liaison.service", "liaison@.service"] {
        let stop = after(&format!("systemd/{unit}"), "TimeoutStopSec=");
        assert!(drain < stop, "{unit}: raise TimeoutStopSec: a drain may take {drain} s");
    }
}

fn seconds(text: &str) -> u64 {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..at].parse().expect("a number");
    match &text[at..] {
        "" | "s" => number,
        "min" | "m" => number * 60,
        other => panic!("unit of time {other}"),
    }
}

/// A newer systemd waits for the end of a reload; an older one would warn of a type that it does not know.
#[test]
fn the_drop_in_for_reloads_is_put_where_systemd_knows_it_only() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (tools, prefix) = (folder.path().join("tools"), folder.path().join("usr"));
    fs::create_dir_all(&tools).expect("a folder");
    fs::create_dir_all(folder.path().join("etc/liaison")).expect("a folder");
    fs::write(folder.path().join("etc/liaison/store-key"), "a key that is there already").expect("write a key");
    let dropin = prefix.join("lib/systemd/system/liaison@.service.d/notify-reload.conf");
    for (version, expected) in [("254 (254.5-1)", true), ("252 (252.38-1~deb12u1)", false), ("253", true), ("", false)]
    {
        let stand_in = format!("#!/bin/sh\necho 'systemd {version}'\n");
        fs::write(tools.join("systemctl"), stand_in).expect("write a stand-in");
        let made = Command::new("chmod").arg("755").arg(tools.join("systemctl")).status().expect("run chmod");
        assert!(made.success());
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/debian/postinst"));
        command.arg("prepare").env("PREFIX", &prefix).env("SYSCONFDIR", folder.path().join("etc"));
        command.env("PATH", format!("{}:/usr/bin:/bin", tools.display()));
        assert!(command.status().expect("run postinst").success());
        until("the drop-in is as it should be", || fs::symlink_metadata(&dropin).is_ok() == expected);
    }
    let key = fs::read_to_string(folder.path().join("etc/liaison/store-key")).expect("the key");
    assert_eq!(key, "a key that is there already");
}
