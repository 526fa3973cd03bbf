//! A private server for the model: no files, ended with the test.

use std::{
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::link::{Link, LinkOptions};

const PATIENCE: Duration = Duration::from_mins(1);

pub(super) struct Server {
    folder: TempDir,
    process: Child,
}

impl Server {
    pub(super) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("liaison-model-").tempdir().expect("a temporary folder");
        let socket = folder.path().join("s");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]);
        command.arg("--unixsocket").arg(&socket).arg("--dir").arg(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server =
            Self { folder, process: command.spawn().expect("start redis-server: install it with `make deps`") };
        let begin = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            assert!(begin.elapsed() < PATIENCE, "redis-server does not answer");
            std::thread::yield_now();
        }
        server
    }

    pub(super) fn link(&self) -> Link {
        let url = format!("unix://{}", self.folder.path().join("s").display());
        Link::new(&url, LinkOptions::default()).expect("a link")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
