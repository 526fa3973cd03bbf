//! How it is installed and run in production: the units, `make install`, the package, under a real systemd.

mod booted;
mod package;
mod units;

use std::process::Command;

use serde_json::Value;

use crate::support::{Machine, until};

/// `make` at the top of the checkout, with the binary under test.
fn make(words: &[&str]) {
    let mut command = Command::new("make");
    command.args(["--silent", "--no-print-directory"]).args(words);
    command.arg(concat!("BINARY=", env!("CARGO_BIN_EXE_liaison"))).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().expect("run make");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "make {words:?}: {out}{err}");
}

/// A machine with a Redis on it, where units may start as they will.
fn machine() -> Option<Machine> {
    let machine = Machine::boot()?;
    machine.ask(&["systemctl", "start", "redis-server"]);
    until("Redis answers", || machine.run(&["redis-cli", "ping"]).status.success());
    Some(machine)
}

/// Let the diagnostic jobs run, as an operator would: in the configuration file.
fn allow_diagnostics(machine: &Machine, file: &str) {
    let path = machine.path(file);
    let text = std::fs::read_to_string(&path).expect("the configuration");
    std::fs::write(path, text.replace("\ndiagnostics = false", "\ndiagnostics = true")).expect("change it");
}

/// Lines for jobs that take this long, through the plain door.
fn push(machine: &Machine, prefix: &str, jobs: usize, ms: u32) {
    let line = |number| format!(r#"{{"id":"{prefix}{number}","job":"sleep","args":{{"ms":{ms}}}}}"#);
    for chunk in (0..jobs).collect::<Vec<_>>().chunks(500) {
        let lines: Vec<String> = chunk.iter().map(line).collect();
        let lines = lines.iter().map(String::as_str);
        machine.ask(&["redis-cli", "RPUSH", "liaison:{default}:inbox"].into_iter().chain(lines).collect::<Vec<_>>());
    }
}

/// The runs of this outcome, each by its id.
fn ended(machine: &Machine, outcome: &str) -> Vec<String> {
    let answer = machine.ask(&["liaison", "runs", "list", "--outcome", outcome, "--limit", "10000", "--json"]);
    let rows: Vec<Value> = serde_json::from_str(&answer).expect("a list");
    rows.iter().filter_map(|row| row["job_id"].as_str().map(ToOwned::to_owned)).collect()
}

/// Every file and folder with our name, where programs, settings and data are.
fn traces(machine: &Machine) -> Vec<String> {
    let places = ["/etc", "/run", "/usr/bin", "/usr/lib/systemd", "/usr/local", "/usr/share", "/var"];
    let found = machine.ask(&[&["find"], places.as_slice(), &["-name", "*liaison*"]].concat());
    found.lines().map(ToOwned::to_owned).collect()
}
