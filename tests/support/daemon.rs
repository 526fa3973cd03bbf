//! The real binary: daemons that can be killed, frozen and stopped, and the command line beside them.

use std::{
    fs::Permissions,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    PATIENCE, Redis,
    disk::{leave_room, on_a_disk_that_fills},
    postgres::TestPostgres,
};

/// One installation: a Redis, a store, a key, and settings for all who work there.
pub(crate) struct House {
    pub(crate) redis: Redis,
    pub(crate) postgres: Option<Arc<TestPostgres>>,
    folder: TempDir,
    settings: Vec<(String, String)>,
}

impl House {
    /// With records in a file; the lease is short, so that deaths are noticed soon.
    pub(crate) fn sqlite() -> Self {
        Self::sqlite_and(Redis::start())
    }

    /// The same, with a Redis of one's own making.
    pub(crate) fn sqlite_and(redis: Redis) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = format!("sqlite:{}", folder.path().join("liaison.db").display());
        Self::new(redis, folder, database, None)
    }

    /// With records in a `PostgreSQL` that other tests use too.
    pub(crate) fn postgres() -> Self {
        Self::in_postgres(TestPostgres::shared())
    }

    /// With one of its own, to stop and to start.
    pub(crate) fn own_postgres() -> Self {
        Self::in_postgres(Arc::new(TestPostgres::start(&["fsync=off"])))
    }

    fn in_postgres(postgres: Arc<TestPostgres>) -> Self {
        let database = postgres.database();
        Self::new(Redis::start(), tempfile::tempdir().expect("a temporary folder"), database, Some(postgres))
    }

    fn new(redis: Redis, folder: TempDir, database: String, postgres: Option<Arc<TestPostgres>>) -> Self {
        let key = folder.path().join("key");
        std::fs::write(&key, "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").expect("write the key");
        std::fs::set_permissions(&key, Permissions::from_mode(0o600)).expect("keep the key to us");
        let settings = [
            ("LIAISON_REDIS_URL", redis.url()),
            ("LIAISON_DATABASE_URL", database),
            ("LIAISON_STORE__KEY_FILE", key.display().to_string()),
            ("LIAISON_WORKER__DIAGNOSTICS", "true".into()),
            ("LIAISON_WORKER__LEASE", "2s".into()),
            // Nobody asks there unless a test does; and two daemons of one house must not want the same port.
            ("LIAISON_HTTP__LISTEN", "off".into()),
            ("LIAISON_LOG__FORMAT", "human".into()),
            // Many daemons of many tests on one machine; who asks for answers sets a socket.
            ("LIAISON_HTTP__LISTEN", "off".into()),
        ];
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let house = Self { redis, postgres, folder, settings };
        let migrated = house.cli(&["migrate"]);
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        house
    }

    /// One more setting, or another value for one.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where its records are, if they are in a `PostgreSQL`.
    pub(crate) fn postgres_url(&self) -> String {
        let url = self.settings.iter().find(|(name, _)| name == "LIAISON_DATABASE_URL");
        url.map(|(_, url)| url.clone()).expect("a store")
    }

    /// A file of this house, by its name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Write a file; its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).expect("write a file");
        self.path(name).display().to_string()
    }

    /// Start a command that goes on by itself.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Daemon {
        Daemon::spawn(self.command(arguments))
    }

    /// A command in the surroundings of this house.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = on_a_disk_that_fills(env!("CARGO_BIN_EXE_liaison"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("PATH", path());
        command.envs(self.settings.iter().cloned()).stdin(Stdio::null());
        command
    }

    /// Run a command to its end.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("run liaison")
    }

    /// The JSON answer of a command that must succeed.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.cli(&[arguments, &["--json"]].concat());
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {out} {err}");
        serde_json::from_str(out.trim()).unwrap_or_else(|fault| panic!("{arguments:?}: {fault}: {out}"))
    }

    /// Start a daemon and wait until it serves.
    pub(crate) fn worker(&self) -> Daemon {
        self.worker_with(&[])
    }

    pub(crate) fn worker_with(&self, arguments: &[&str]) -> Daemon {
        let daemon = self.spawn(&[&["worker"], arguments].concat());
        daemon.says("ready:");
        daemon
    }

    /// Where the socket of the database is, and what the database is called.
    pub(crate) fn postgres_socket(&self) -> (PathBuf, String) {
        let url = self.settings.iter().find(|(name, _)| name == "LIAISON_DATABASE_URL").map(|(_, url)| url.as_str());
        let place = url.and_then(|url| url.strip_prefix("postgres://liaison@")).expect("a database of PostgreSQL");
        let (folder, name) = place.split_once('/').expect("a database's name");
        (folder.replace("%2F", "/").into(), name.to_owned())
    }

    /// How many runs of this outcome the records hold.
    pub(crate) fn count(&self, outcome: &str) -> usize {
        let answer = self.json(&["runs", "list", "--outcome", outcome, "--limit", "10000"]);
        answer.as_array().expect("a list").len()
    }

    /// Where Redis has a job.
    pub(crate) fn place(&self, id: &str) -> Value {
        self.json(&["jobs", "show", id])["whereabouts"].clone()
    }

    /// All runs of a job, oldest first.
    pub(crate) fn runs(&self, id: &str) -> Vec<Value> {
        // A job without runs is a failed question, with an empty list for an answer.
        let output = self.cli(&["runs", "show", id, "--json"]);
        serde_json::from_slice::<Vec<Value>>(&output.stdout).expect("a list")
    }
}

#[expect(clippy::disallowed_methods, reason = "the one thing of our own surroundings that a daemon in a test gets")]
fn path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// A daemon and everything it said.
pub(crate) struct Daemon {
    child: Child,
    said: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Daemon {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("start liaison");
        let said: Arc<(Mutex<Vec<String>>, Condvar)> = Arc::default();
        let (log, heard) = (child.stderr.take().expect("its log"), Arc::clone(&said));
        std::thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                heard.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                heard.1.notify_all();
            }
            heard.0.lock().unwrap_or_else(PoisonError::into_inner).push("(ended)".into());
            heard.1.notify_all();
        });
        Self { child, said }
    }

    /// Wait until its log holds these words.
    pub(crate) fn says(&self, words: &str) {
        self.says_times(words, 1);
    }

    /// Wait until that many lines of its log hold these words.
    pub(crate) fn says_times(&self, words: &str, times: usize) {
        let lines = self.said.0.lock().unwrap_or_else(PoisonError::into_inner);
        let there = |lines: &[String]| lines.iter().filter(|line| line.contains(words)).count() >= times;
        let ended = |lines: &[String]| lines.iter().any(|line| line == "(ended)");
        let (lines, wait) = self
            .said
            .1
            .wait_timeout_while(lines, PATIENCE, |lines| !there(lines) && !ended(lines))
            .unwrap_or_else(PoisonError::into_inner);
        assert!(there(&lines) && !wait.timed_out(), "waited for {words:?} in:\n{}", lines.join("\n"));
    }

    /// No file of its own may grow beyond so many bytes; or all may.
    pub(crate) fn leave_room(&self, bytes: Option<u64>) {
        leave_room(&self.child, bytes);
    }

    pub(crate) fn log(&self) -> String {
        self.said.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("signal the daemon");
    }

    /// Whether it has said what it does with this signal.
    pub(crate) fn hears(&self, signal: Signal) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        caught >> (signal.as_raw() - 1) & 1 == 1
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it stands still, by a signal.
    pub(crate) fn is_stopped(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        status.lines().any(|line| line.starts_with("State:") && line.contains('T'))
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("look at the daemon").is_some()
    }

    /// Wait for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        super::until("the daemon ends", || self.has_ended());
        self.child.wait().expect("the daemon's status")
    }

    /// SIGTERM, and wait for its end.
    pub(crate) fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        let status = self.end();
        assert!(status.success(), "{status}: {}", self.log());
        self.log()
    }
}

/// A `liaison dev` that is killed, as when its test fails, leaves its Redis to the next one in its folder.
impl Drop for House {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.path("d/redis.pid")).ok().and_then(|text| text.trim().parse().ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
