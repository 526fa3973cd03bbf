//! A private `redis-server` on a socket, with an append-only file, that can be killed and started again.

use std::{
    ffi::OsString,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Stdio},
};

use redis::{Connection, FromRedisValue, RedisResult};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::disk::{leave_room, on_a_disk_that_fills};

/// The server under test: the first in the `PATH`, or what `LIAISON_TEST_REDIS_SERVER` names, such as a
/// `valkey-server` or an older Redis.
#[expect(clippy::disallowed_methods, reason = "which server is tested is no setting of the product")]
pub(crate) fn program() -> OsString {
    std::env::var_os("LIAISON_TEST_REDIS_SERVER").unwrap_or_else(|| "redis-server".into())
}

pub(crate) struct Redis {
    folder: TempDir,
    server: Option<Child>,
    settings: Vec<String>,
}

impl Redis {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more of the server's own options, such as `--maxmemory-policy`.
    pub(crate) fn start_with(settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("liaison-test-").tempdir().expect("a temporary folder");
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut redis = Self { folder, server: None, settings };
        redis.resume();
        redis
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Start the server on what it has on disk.
    pub(crate) fn resume(&mut self) {
        let _ = std::fs::remove_file(self.socket());
        let mut command = on_a_disk_that_fills(program());
        command.args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "always"]);
        command.arg("--unixsocket").arg(self.socket()).arg("--dir").arg(self.folder.path());
        command.args(&self.settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.server = Some(command.spawn().expect("start redis-server: install it with `make deps`"));
        super::until("redis-server answers", || UnixStream::connect(self.socket()).is_ok());
        super::until("redis-server has loaded its data", || self.try_connect().is_some());
    }

    /// As a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Let it answer nobody for a while, as a stalled machine would; or go on.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.server.as_ref().and_then(|server| Pid::from_raw(i32::try_from(server.id()).ok()?));
        kill_process(pid.expect("a running redis"), signal).expect("signal redis");
    }

    /// No room is left on its disk: what is in its append-only file stays, and nothing more gets in. Or there is room.
    pub(crate) fn fill_disk(&self, full: bool) {
        let folder = std::fs::read_dir(self.folder.path().join("appendonlydir")).expect("its append-only files");
        let sizes = folder.map(|file| file.and_then(|file| file.metadata()).map_or(0, |data| data.len()));
        leave_room(self.server.as_ref().expect("a running redis"), full.then(|| sizes.max().unwrap_or(0)));
    }

    /// Whether the server has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.server.as_mut().is_none_or(|server| server.try_wait().is_ok_and(|status| status.is_some()))
    }

    fn try_connect(&self) -> Option<Connection> {
        let mut connection = redis::Client::open(self.url()).ok()?.get_connection().ok()?;
        // A look: PING is refused by one whose disk is full, though it can be read.
        redis::cmd("EXISTS").arg("a").query::<i64>(&mut connection).ok().map(|_| connection)
    }

    pub(crate) fn connect(&self) -> Connection {
        self.try_connect().expect("connect to the test's redis")
    }

    /// One command, as words, that may be refused.
    pub(crate) fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query(&mut self.connect())
    }

    /// One command, as words.
    pub(crate) fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words).unwrap_or_else(|fault| panic!("{words:?}: {fault}"))
    }

    /// Push lines through the plain door of a queue.
    pub(crate) fn push(&self, queue: &str, lines: &[String]) {
        let mut connection = self.connect();
        for chunk in lines.chunks(500) {
            let mut command = redis::cmd("RPUSH");
            command.arg(format!("liaison:{{{queue}}}:inbox")).arg(chunk);
            command.query::<i64>(&mut connection).expect("push lines");
        }
    }

    /// What is left of a queue beside what may stay: counters, the clock of the reaper, remembered ids, workers' cards.
    pub(crate) fn leftovers(&self, queue: &str) -> Vec<String> {
        let mine = format!("liaison:{{{queue}}}:");
        let stays = ["counters", "pulse", "recent", "workers", "idle", "paused"];
        let keys: Vec<String> = self.ask(&["KEYS", "liaison:*"]);
        let left = keys.into_iter().filter(|key| {
            key.strip_prefix(&mine).is_some_and(|name| !stays.contains(&name) && !name.starts_with("reply:"))
        });
        // A nudge that nobody needed any more is no work.
        left.filter(|key| {
            !(key.ends_with(":inbox")
                && self.ask::<Vec<String>>(&["LRANGE", key, "0", "-1"]).iter().all(String::is_empty))
        })
        .collect()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
