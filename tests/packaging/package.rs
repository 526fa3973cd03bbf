//! The package for Debian: what it does to a machine, from its installation to its end.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, process::Command};

use super::{allow_diagnostics, ended, machine, make, push, traces};
use crate::support::{Machine, until};

const JOBS: usize = 3000;

/// The package of this build, under two versions. The second is the first but for its number: that costs no second
/// packing of the program.
fn packages(machine: &Machine) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (first, tree) = (folder.path().join("first.deb"), folder.path().join("tree"));
    make(&["package", &format!("DEB=--fast --quiet --deb-version=0.1.0-1 --output={}", first.display())]);
    let dpkg_deb = |words: &[&str]| {
        let done = Command::new("dpkg-deb").args(words).output().expect("run dpkg-deb");
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    dpkg_deb(&["--raw-extract", &first.display().to_string(), &tree.display().to_string()]);
    let control = tree.join("DEBIAN/control");
    let text = fs::read_to_string(&control).expect("the control file");
    fs::write(&control, text.replace("Version: 0.1.0-1", "Version: 0.1.0-2")).expect("write it");
    fs::copy(&first, machine.path("/srv/first.deb")).expect("copy a package");
    dpkg_deb(&[
        "-Znone",
        "--build",
        &tree.display().to_string(),
        &machine.path("/srv/second.deb").display().to_string(),
    ]);
}

fn key(machine: &Machine) -> (String, u32) {
    let path = machine.path("/etc/liaison/store-key");
    let mode = fs::metadata(&path).expect("the key").permissions().mode() & 0o777;
    (fs::read_to_string(path).expect("the key"), mode)
}

/// Also an instance, which has a Redis database and a store of its own.
fn add_instance(machine: &Machine) {
    let text = "[redis]\nurl = \"redis://127.0.0.1:6379/1\"\n[store]\nurl = \"sqlite:/var/lib/liaison-blue/liaison.db\"\n\
                [worker]\ndiagnostics = true\n[http]\nlisten = \"127.0.0.1:7434\"\n";
    machine.write("/etc/liaison/blue.toml", text);
    machine.ask(&["sh", "-c", "umask 077 && liaison keys generate >/etc/liaison/blue.store-key"]);
    machine.ask(&["systemctl", "start", "liaison@blue"]);
    machine.ask(&["liaison", "--config", "/etc/liaison/blue.toml", "enqueue", "echo", "--wait", "30s"]);
}

#[test]
#[expect(clippy::print_stdout, reason = "how much was under way is chance: who reads the test wants to know")]
fn the_package_installs_upgrades_without_losing_a_job_and_leaves_nothing() {
    let Some(machine) = machine() else { return };
    packages(&machine);
    let before = traces(&machine);

    machine.ask(&["dpkg", "-i", "/srv/first.deb"]);
    until("it is active", || machine.show("liaison", "ActiveState") == "active");
    assert_eq!(machine.ask(&["systemctl", "is-enabled", "liaison"]), "enabled");
    let first_key = key(&machine);
    assert_eq!((first_key.0.lines().count(), first_key.1), (1, 0o600));

    allow_diagnostics(&machine, "/etc/liaison/liaison.toml");
    machine.ask(&["systemctl", "restart", "liaison"]);
    add_instance(&machine);
    push(&machine, "upgrade-", JOBS, 200);
    until("some are done", || ended(&machine, "done").len() > JOBS / 10);
    let pids = || ["liaison", "liaison@blue"].map(|unit| machine.show(unit, "MainPID"));
    let old = pids();
    machine.ask(&["dpkg", "-i", "/srv/second.deb"]);
    let meanwhile = ended(&machine, "done").len();
    assert!(meanwhile < JOBS, "nothing was left to do when the new version came: {meanwhile}");
    until("all are done", || ended(&machine, "done").len() >= JOBS);
    assert!(pids().iter().zip(&old).all(|(new, old)| new != old && new != "0"), "{:?} {old:?}", pids());
    let done = ended(&machine, "done");
    assert_eq!((done.len(), done.iter().collect::<BTreeSet<_>>().len()), (JOBS, JOBS));
    let retried = ended(&machine, "retry").len() + ended(&machine, "dead").len();
    println!(
        "upgrade: {JOBS} jobs, {meanwhile} done before the new version ran, {} done, {retried} otherwise",
        done.len()
    );
    assert_eq!((retried, key(&machine)), (0, first_key.clone()));
    let config = machine.ask(&["cat", "/etc/liaison/liaison.toml"]);
    assert!(config.contains("\ndiagnostics = true"), "the configuration was overwritten");

    // Removed in the middle of work: what runs ends, what waits stays in Redis, for whoever comes next.
    push(&machine, "remove-", 300, 500);
    until("some run", || machine.ask(&["liaison", "jobs", "list", "--state", "running", "--json"]).contains("remove-"));
    machine.ask(&["dpkg", "-r", "liaison"]);
    assert!(
        ["liaison", "liaison@blue"]
            .iter()
            .all(|unit| machine.run(&["systemctl", "is-active", unit]).status.code() != Some(0))
    );
    assert!(machine.has("/var/lib/private/liaison/liaison.db") && key(&machine) == first_key);
    machine.ask(&["dpkg", "-i", "/srv/second.deb"]);
    until("all are done", || ended(&machine, "done").len() == JOBS + 300);

    machine.ask(&["rm", "-r", "/etc/liaison/blue.toml", "/etc/liaison/blue.store-key"]);
    machine.ask(&["dpkg", "-P", "liaison"]);
    machine.ask(&["rm", "-r", "/var/lib/private/liaison-blue", "/var/lib/liaison-blue"]);
    let left: Vec<String> = traces(&machine).into_iter().filter(|path| !before.contains(path)).collect();
    assert_eq!(left, Vec::<String>::new());
}
