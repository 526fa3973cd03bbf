//! A machine of one's own inside this one: real systemd as its first process, in namespaces, with this one's programs.
//! It lives in memory, sees no network but a loopback, and is gone with the test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::until;

/// Makes the machine's files, and becomes its first process.
const BOOT: &str = include_str!("machine/boot.sh");

pub(crate) struct Machine {
    /// Stays outside; when it dies, so does everything inside.
    unshare: Child,
    /// The first process of the machine, as this one counts.
    first: u32,
    cgroup: PathBuf,
    _folder: TempDir,
}

impl Machine {
    /// Boot one; or nothing where that is not allowed, and then the test's output says so and why.
    pub(crate) fn boot() -> Option<Self> {
        static BOOTED: AtomicU32 = AtomicU32::new(0);
        let number = BOOTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("liaison-test-{}-{number}", std::process::id());
        if let Some(why) = forbidden(&name) {
            // Straight to the terminal: what tests print is kept back unless they fail.
            let text = format!("\nNOT TESTED: nothing was run under systemd, because {why}\n");
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
            return None;
        }
        let cgroup = cgroups().expect("asked before").join(name);
        fs::create_dir(&cgroup).expect("a cgroup");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let script = folder.path().join("boot.sh");
        fs::write(&script, BOOT).expect("write the script");
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ >\"$0/cgroup.procs\" && exec \"$@\""]).arg(&cgroup);
        command.args(["unshare", "-m", "-u", "-i", "-n", "-p", "-C", "-f", "--kill-child", "sh"]);
        command.arg(&script).arg(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let unshare = command.spawn().expect("start unshare");
        let mut machine = Self { unshare, first: 0, cgroup, _folder: folder };
        until("the machine has a first process", || machine.find_first());
        until("systemd is running", || machine.is_up());
        Some(machine)
    }

    fn find_first(&mut self) -> bool {
        assert!(self.unshare.try_wait().is_ok_and(|status| status.is_none()), "the machine did not boot");
        let children = format!("/proc/{0}/task/{0}/children", self.unshare.id());
        let children = fs::read_to_string(children).unwrap_or_default();
        children.split_whitespace().next().and_then(|pid| pid.parse().ok()).is_some_and(|pid| {
            self.first = pid;
            true
        })
    }

    fn is_up(&mut self) -> bool {
        assert!(self.unshare.try_wait().is_ok_and(|status| status.is_none()), "the machine did not boot");
        // While it boots, its first process is a script, and there is nobody to ask.
        let name = fs::read_to_string(format!("/proc/{}/comm", self.first)).unwrap_or_default();
        name.trim() == "systemd" && self.run(&["systemctl", "is-active", "machine.target"]).status.success()
    }

    /// A file of the machine's, as it is seen from outside.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        Path::new(&format!("/proc/{}/root", self.first)).join(inside.trim_start_matches('/'))
    }

    pub(crate) fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().expect("a folder")).expect("make a folder in the machine");
        fs::write(path, text).expect("write a file in the machine");
    }

    /// Run a command in the machine, as root, to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        command.args(["90", "nsenter", "-t", &self.first.to_string(), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]);
        command.args(["env", "-i", "PATH=/usr/local/bin:/usr/bin:/usr/sbin", "DEBIAN_FRONTEND=noninteractive"]);
        command.args(words).stdin(Stdio::null()).output().expect("run nsenter")
    }

    /// What a command says that must succeed.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{words:?}: {}: {out}{err}\n{}", output.status, self.journal("liaison*"));
        out.trim_end().to_owned()
    }

    /// One property of a unit.
    pub(crate) fn show(&self, unit: &str, property: &str) -> String {
        self.ask(&["systemctl", "show", "--value", "-p", property, unit])
    }

    /// What a unit has said.
    pub(crate) fn journal(&self, unit: &str) -> String {
        String::from_utf8_lossy(&self.run(&["journalctl", "--no-pager", "-o", "cat", "-u", unit]).stdout).into_owned()
    }

    /// Whether a file or a folder is there.
    pub(crate) fn has(&self, inside: &str) -> bool {
        fs::symlink_metadata(self.path(inside)).is_ok()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // All that runs in it ends with its first process.
        if let Some(first) = i32::try_from(self.first).ok().filter(|pid| *pid > 0).and_then(Pid::from_raw) {
            let _ = kill_process(first, Signal::KILL);
        }
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        // The kernel takes a moment to bury them all. A test that fails already must not fail here again.
        for _ in 0..500 {
            if remove(&self.cgroup) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

/// Folders of cgroups cannot be deleted with what the kernel shows in them, only one by one from below.
fn remove(cgroup: &Path) -> bool {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    fs::remove_dir(cgroup).is_ok() || !cgroup.exists()
}

/// Where this process may make cgroups of its own.
fn cgroups() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mount = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|words| words[2] == "cgroup2")?;
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new(mount[1]).join(own))
}

/// Why this machine cannot boot another one inside, if it cannot. Tests ask at the same time, so each tries a name of its
/// own.
fn forbidden(name: &str) -> Option<&'static str> {
    let works =
        |words: &[&str]| Command::new(words[0]).args(&words[1..]).output().is_ok_and(|done| done.status.success());
    if !rustix::process::geteuid().is_root() {
        return Some("only root may make a machine inside this one: run the tests as root, in a container, say");
    }
    if !Path::new("/usr/lib/systemd/systemd").exists() {
        return Some("systemd is not installed: run `make deps`");
    }
    if !works(&["unshare", "-m", "-u", "-i", "-n", "-p", "-C", "-f", "true"]) {
        return Some("this container may not make namespaces: start it with more rights (--privileged)");
    }
    if !fs::read_to_string("/proc/filesystems").is_ok_and(|all| all.contains("overlay")) {
        return Some("the kernel has no overlayfs: load its module");
    }
    let probe = cgroups().map(|folder| folder.join(name));
    if probe.as_ref().is_none_or(|probe| fs::create_dir(probe).is_err()) {
        return Some("no cgroup can be made here: mount a cgroup2 that can be written");
    }
    let _ = fs::remove_dir(probe.unwrap_or_default());
    None
}
