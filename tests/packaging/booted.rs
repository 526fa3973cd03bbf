//! `make install`, and the unit that it installs, under a real systemd.

use std::os::unix::fs::PermissionsExt as _;

use super::{allow_diagnostics, ended, machine, make, push, traces};
use crate::support::{Machine, until};

fn mode(machine: &Machine, path: &str) -> u32 {
    std::fs::metadata(machine.path(path)).unwrap_or_else(|fault| panic!("{path}: {fault}")).permissions().mode() & 0o777
}

fn is_ready(machine: &Machine, times: usize) {
    until("the worker is ready", || machine.journal("liaison").matches("ready: serving").count() >= times);
}

fn install(machine: &Machine) {
    let root = machine.path("/").display().to_string();
    make(&["install", &format!("DESTDIR={root}")]);
    machine.ask(&["sh", "-c", "umask 077 && liaison keys generate >/etc/liaison/store-key"]);
    allow_diagnostics(machine, "/etc/liaison/liaison.toml");
    machine.ask(&["systemctl", "daemon-reload"]);
}

#[test]
fn the_unit_starts_drains_restarts_and_gives_no_job_away() {
    let Some(machine) = machine() else { return };
    install(&machine);
    assert_eq!(machine.show("liaison", "FragmentPath"), "/usr/local/lib/systemd/system/liaison.service");
    machine.ask(&["systemctl", "start", "liaison"]);
    // It came back because the daemon said READY, which it does when it serves.
    assert!(machine.journal("liaison").contains("ready: serving"), "{}", machine.journal("liaison"));
    assert_eq!(machine.show("liaison", "User"), "liaison");
    until("it says how it is", || !machine.show("liaison", "StatusText").is_empty());
    assert_eq!(mode(&machine, "/var/lib/private/liaison"), 0o700);
    assert_eq!(mode(&machine, "/var/lib/private/liaison/liaison.db"), 0o600);

    // A stop lets what runs finish.
    push(&machine, "drain-", 20, 4000);
    until("all of them run", || {
        machine.ask(&["liaison", "jobs", "list", "--state", "running", "--json"]).matches("drain-").count() == 20
    });
    machine.ask(&["systemctl", "stop", "liaison"]);
    assert_eq!(machine.show("liaison", "Result"), "success");
    assert_eq!(ended(&machine, "done").len(), 20, "{}", machine.journal("liaison"));

    // A restart in the middle keeps all.
    push(&machine, "restart-", 600, 100);
    machine.ask(&["systemctl", "start", "liaison"]);
    until("some are done", || ended(&machine, "done").len() > 60);
    machine.ask(&["systemctl", "restart", "liaison"]);
    until("all are done", || ended(&machine, "done").len() == 620);

    // What is killed is started again, and its jobs run.
    // So few that there is time for all, also if the process for suspects dies as well and they run one at a time.
    push(&machine, "kill-", 24, 1000);
    until("they run", || machine.ask(&["liaison", "jobs", "list", "--state", "running", "--json"]).contains("kill-"));
    let before = machine.show("liaison", "MainPID");
    machine.ask(&["systemctl", "kill", "-s", "KILL", "liaison"]);
    until("another process runs", || !["0", &before].contains(&machine.show("liaison", "MainPID").as_str()));
    until("those that were killed are done, too", || ended(&machine, "done").len() == 644);
    assert_eq!(machine.show("liaison", "NRestarts"), "1");

    // Suspects ran in a process that the daemon started, inside all of the fence.
    assert!(machine.journal("liaison").contains("in a process of their own"), "{}", machine.journal("liaison"));
}

#[test]
fn a_secret_in_the_credstore_reaches_the_worker_and_nobody_else() {
    let Some(machine) = machine() else { return };
    install(&machine);
    machine.ask(&["redis-cli", "CONFIG", "SET", "requirepass", "hunter2"]);
    machine.write("/etc/credstore/liaison.redis-url", "redis://:hunter2@127.0.0.1:6379\n");
    machine.ask(&["chmod", "-R", "go=", "/etc/credstore"]);
    let example = std::fs::read_to_string(machine.path("/usr/local/share/liaison/secrets.conf")).expect("the example");
    let chosen = example.replace("#Environment=LIAISON_REDIS__URL_FILE", "Environment=LIAISON_REDIS__URL_FILE");
    machine.write("/etc/systemd/system/liaison.service.d/secrets.conf", &chosen);
    machine.ask(&["systemctl", "daemon-reload"]);
    machine.ask(&["systemctl", "start", "liaison"]);
    is_ready(&machine, 1);
    assert_eq!(mode(&machine, "/run/credentials/liaison.service/redis-url"), 0o400);
    for said in [machine.journal("liaison"), machine.ask(&["systemctl", "show", "liaison"])] {
        assert!(!said.contains("hunter2"), "{said}");
    }
    // The command line of an operator finds it where it is kept.
    let file = "LIAISON_REDIS__URL_FILE=/etc/credstore/liaison.redis-url";
    until("its card is there", || machine.ask(&["env", file, "liaison", "workers", "list"]).contains("default"));
}

#[test]
fn a_wrong_configuration_stays_down_and_says_why() {
    let Some(machine) = machine() else { return };
    install(&machine);
    machine.write("/etc/liaison/liaison.toml", "[worker]\nlease = \"a while\"\n");
    machine.run(&["systemctl", "start", "liaison"]);
    until("it has failed", || machine.show("liaison", "ActiveState") == "failed");
    assert_eq!(machine.show("liaison", "NRestarts"), "0");
    assert!(machine.journal("liaison").contains("worker.lease"), "{}", machine.journal("liaison"));
}

#[test]
fn what_make_installs_it_takes_out_again_but_what_is_the_operators() {
    let Some(machine) = machine() else { return };
    let before = traces(&machine);
    install(&machine);
    let root = machine.path("/").display().to_string();
    machine.write("/etc/liaison/scheduler.toml", "# mine\n");
    make(&["install", &format!("DESTDIR={root}")]);
    assert_eq!(machine.ask(&["cat", "/etc/liaison/scheduler.toml"]), "# mine");
    assert_eq!(mode(&machine, "/etc/liaison/store-key"), 0o600);
    for path in ["bin/liaison", "share/man/man1/liaison-worker.1", "share/bash-completion/completions/liaison"] {
        assert!(machine.has(&format!("/usr/local/{path}")), "{path} is not installed");
    }
    make(&["uninstall", &format!("DESTDIR={root}")]);
    let left: Vec<String> = traces(&machine).into_iter().filter(|path| !before.contains(path)).collect();
    assert_eq!(left, ["/etc/liaison", "/etc/liaison/liaison.toml"]);
}

#[test]
fn a_reload_is_taken_or_fails_and_the_worker_goes_on() {
    let Some(machine) = machine() else { return };
    install(&machine);
    let file = "/etc/liaison/liaison.toml";
    let good = std::fs::read_to_string(machine.path(file)).expect("the configuration");
    machine.ask(&["systemctl", "start", "liaison"]);
    let (pid, status) = (machine.show("liaison", "MainPID"), || machine.show("liaison", "StatusText"));

    machine.write(file, &format!("{good}\n[[queue]]\nname = \"mail\"\n"));
    machine.ask(&["systemctl", "reload", "liaison"]);
    until("it serves the new queue", || machine.journal("liaison").contains("serving mail too"));
    until("its status tells of both", || status().contains("mail: 0 waiting"));

    machine.write(file, &good.replace("lease = \"", "lease = \"a while or "));
    let refused = machine.run(&["systemctl", "reload", "liaison"]);
    assert!(!refused.status.success(), "the file is wrong");
    until("its status tells", || status().contains("the last reload failed") && status().contains("worker.lease"));
    assert!(machine.journal("liaison").contains("worker.lease"), "{}", machine.journal("liaison"));
    assert_eq!(
        (machine.show("liaison", "ActiveState"), machine.show("liaison", "MainPID")),
        ("active".into(), pid.clone())
    );
    push(&machine, "after-", 1, 1);
    // The command line would refuse the file, too.
    machine.write(file, &good);
    until("it works on", || ended(&machine, "done") == ["after-0"]);
    assert!(status().contains("the last reload failed"), "nobody has asked again: {}", status());

    // Not even Redis is needed.
    machine.ask(&["systemctl", "stop", "redis-server"]);
    machine.ask(&["systemctl", "reload", "liaison"]);
    until("it is over", || !status().contains("the last reload failed"));
    assert_eq!(machine.show("liaison", "MainPID"), pid);
}

#[test]
fn what_a_timer_starts_is_over_when_its_job_is_and_fails_with_it() {
    let Some(machine) = machine() else { return };
    install(&machine);
    let entry = |name: &str, job: &str, args: &str, queue: &str| {
        format!(
            "[[schedule]]\nname = \"{name}\"\njob = \"{job}\"\ncron = \"@daily\"\nargs = {args}\nqueue = \"{queue}\"\nenabled = false\n"
        )
    };
    let entries = [
        entry("well", "sleep", "{ ms = 1500 }", "default"),
        entry("ill", "panic", "{}", "default"),
        entry("nobody", "noop", "{}", "elsewhere"),
    ];
    machine.write("/etc/liaison/scheduler.toml", &entries.concat());
    let hasty = "[Service]\nExecStart=\nExecStart=/usr/local/bin/liaison schedule run %i --wait 2s --config /etc/liaison/liaison.toml\n";
    machine.write("/etc/systemd/system/liaison-run@nobody.service.d/hasty.conf", hasty);
    machine.ask(&["systemctl", "daemon-reload"]);
    machine.ask(&["systemctl", "start", "liaison"]);

    machine.ask(&["systemctl", "start", "liaison-run@well"]);
    assert_eq!(ended(&machine, "done").len(), 1, "{}", machine.journal("liaison-run@well"));
    for (name, why) in [("ill", "dead"), ("nobody", "which no worker serves")] {
        let unit = format!("liaison-run@{name}");
        assert!(!machine.run(&["systemctl", "start", &unit]).status.success(), "{name}");
        assert_eq!(machine.show(&unit, "ActiveState"), "failed");
        assert!(machine.journal(&unit).contains(why), "{}", machine.journal(&unit));
    }
    // The timer comes by the same way.
    machine.write(
        "/etc/systemd/system/liaison-run@well.timer.d/now.conf",
        "[Timer]\nOnCalendar=\nOnActiveSec=1ms\nRandomizedDelaySec=0\n",
    );
    machine.ask(&["systemctl", "daemon-reload"]);
    machine.ask(&["systemctl", "start", "liaison-run@well.timer"]);
    until("the timer's job is done", || ended(&machine, "done").len() == 2);
}
