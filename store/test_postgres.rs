//! A private `PostgreSQL` server for tests: a socket in a temporary folder, no TCP, gone with its last user.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A server that was just started or stopped says so within this time, on a busy machine too.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct TestPostgres {
    folder: TempDir,
    server: Mutex<Option<Child>>,
    databases: Mutex<u32>,
}

impl TestPostgres {
    /// The server that the running tests share. It ends with the last of them, also when they panic.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<TestPostgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start(&["fsync=off"]));
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// A server of one's own, to stop and to start. `settings` go to its configuration file.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if let Some((user, group)) = unprivileged() {
            chown(folder.path(), Some(user), Some(group)).expect("give the folder to the server's user");
        }
        let server = Self { folder, server: Mutex::new(None), databases: Mutex::new(0) };
        let mut initdb = server.command("initdb");
        initdb.args(["--auth=trust", "--username=liaison", "--no-sync", "-D"]);
        let output = initdb.arg(server.data()).output().expect("run initdb");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let file = server.data().join("postgresql.conf");
        let written = fs::read_to_string(&file).expect("the configuration");
        fs::write(file, format!("{written}\n{}\n", settings.join("\n"))).expect("configure the server");
        server.resume();
        server
    }

    /// The URL of a new, empty database.
    pub(crate) fn database(&self) -> String {
        let mut databases = self.databases.lock().unwrap_or_else(PoisonError::into_inner);
        *databases += 1;
        let name = format!("test_{databases}");
        let made = self.command("createdb").args(["-U", "liaison", "-h"]).arg(self.folder.path()).arg(&name).output();
        let output = made.expect("run createdb");
        assert!(output.status.success(), "createdb: {}", String::from_utf8_lossy(&output.stderr));
        let socket = self.folder.path().to_str().expect("a plain path").replace('/', "%2F");
        format!("postgres://liaison@{socket}/{name}")
    }

    /// Stop the server as an operator would; its data stays.
    pub(crate) fn stop(&self) {
        let Some(mut child) = self.server.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // One that a failed test left frozen would never end.
        tell_all(&child, "-CONT");
        // SIGINT is the fast shutdown: it hangs up on its clients.
        let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            // It ended by itself, or there is no `kill`: the handle is left.
            let _gone = child.kill();
        }
        child.wait().expect("the server ends");
    }

    /// Send a signal, such as `-STOP` or `-CONT`, to the server and to all who serve its connections.
    pub(crate) fn signal(&self, signal: &str) {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        tell_all(server.as_ref().expect("a running server"), signal);
    }

    /// Start the server again.
    pub(crate) fn resume(&self) {
        let log = fs::File::create(self.folder.path().join("log")).expect("the server's log");
        let mut command = self.command("postgres");
        command.args(["-c", "listen_addresses=", "-c", "unix_socket_permissions=0777", "-k"]).arg(self.folder.path());
        let child = command.arg("-D").arg(self.data()).stdout(Stdio::null()).stderr(log).spawn();
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(child.expect("start postgres"));
        let deadline = Instant::now() + PATIENCE;
        while !self.is_ready() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "the test server did not come up: {log}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn is_ready(&self) -> bool {
        let asked = self.command("pg_isready").args(["-q", "-h"]).arg(self.folder.path()).status();
        asked.is_ok_and(|status| status.success())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One of the server's programs, run as the user that the data belongs to.
    fn command(&self, program: &str) -> Command {
        let owner = fs::metadata(self.folder.path()).expect("the folder");
        let mut command = Command::new(find(program));
        command.uid(owner.uid()).gid(owner.gid()).current_dir(self.folder.path());
        command
    }
}

impl Drop for TestPostgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Send a signal to a process and its children, the parent first: then no more are born.
fn tell_all(parent: &Child, signal: &str) {
    let pid = parent.id().to_string();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let sent =
        Command::new("kill").arg(signal).arg(&pid).args(children.split_whitespace()).stderr(Stdio::null()).status();
    sent.expect("run kill");
}

/// `PostgreSQL` refuses to run as root; its own user is there where it is installed, `nobody` everywhere.
fn unprivileged() -> Option<(u32, u32)> {
    let id = |option: &str, user: &[&str]| {
        let output =
            Command::new("id").arg(option).args(user).output().ok().filter(|output| output.status.success())?;
        String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().ok()
    };
    if id("-u", &[]) != Some(0) {
        return None;
    }
    let user = |name: &str| Some((id("-u", &[name])?, id("-g", &[name])?));
    Some(user("postgres").or_else(|| user("nobody")).expect("a user to run postgres as"))
}

/// The program on the PATH, or where Debian hides it.
fn find(program: &str) -> PathBuf {
    let on_path = Command::new(program).arg("--version").output().is_ok().then(|| PathBuf::from(program));
    let installed = || {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
        let mut files: Vec<_> = versions.flatten().map(|version| version.path().join("bin").join(program)).collect();
        files.sort();
        files.into_iter().rev().find(|file| file.is_file())
    };
    on_path.or_else(installed).unwrap_or_else(|| panic!("no {program}: install the PostgreSQL server to run the tests"))
}
