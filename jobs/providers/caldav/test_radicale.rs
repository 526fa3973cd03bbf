//! A private Radicale, a calendar server that others use: on a port of its own on the loopback, with a folder of its own;
//! it ends with the test, by its own pid.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// It is Python, and takes a second to start on a good day.
const PATIENCE: Duration = Duration::from_secs(60);

/// The account that is known.
pub(crate) const USER: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "abcd-efgh-ijkl-mnop";

pub(crate) struct Radicale {
    pub(crate) port: u16,
    _folder: TempDir,
    server: Child,
}

impl Radicale {
    pub(crate) fn start() -> Self {
        // A port that was free may be taken by the time that it is used.
        (0..3).find_map(|_| Self::try_start()).expect("radicale starts: make deps installs it")
    }

    fn try_start() -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("liaison-test-").tempdir().expect("a temporary folder");
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port").port();
        let users = folder.path().join("users");
        std::fs::write(&users, format!("{USER}:{PASSWORD}\n")).expect("write the users");
        // Whoever owns a calendar may change it, unless it is called so.
        let rights = folder.path().join("rights");
        std::fs::write(
            &rights,
            "[principal]\nuser: .+\ncollection: {user}\npermissions: RW\n\
             [reading]\nuser: .+\ncollection: {user}/readonly\npermissions: r\n\
             [calendars]\nuser: .+\ncollection: {user}/[^/]+\npermissions: rw\n\
             [root]\nuser: .*\ncollection:\npermissions: R\n",
        )
        .expect("write the rights");
        let mut command = Command::new("python3");
        command.args(["-m", "radicale", "--config", ""]).env("PYTHONPATH", libraries());
        command.arg("--server-hosts").arg(format!("127.0.0.1:{port}"));
        command.args(["--auth-type", "htpasswd", "--auth-htpasswd-encryption", "plain", "--auth-delay", "0"]);
        command.arg("--auth-htpasswd-filename").arg(&users);
        command.args(["--rights-type", "from_file"]).arg("--rights-file").arg(&rights);
        command.arg("--storage-filesystem-folder").arg(folder.path().join("calendars"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut radicale = Self { port, _folder: folder, server: command.spawn().expect("start python3") };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if Instant::now() > deadline || radicale.server.try_wait().is_ok_and(|end| end.is_some()) {
                return None;
            }
            thread::park_timeout(Duration::from_millis(20));
        }
        Some(radicale)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

impl Drop for Radicale {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Where `make deps` puts what only tests need, seen from any crate of the workspace.
fn libraries() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [here.join("target/python"), here.join("../target/python")];
    places.into_iter().find(|place| place.exists()).unwrap_or_else(|| here.join("target/python"))
}
