//! A Redis of one's own, for `liaison dev` and `liaison bench`: on a socket in a private folder, no port, no service.

use std::{
    fs::{self, File, TryLockError},
    io::{Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use liaison_queue::{Link, LinkOptions};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{net::UnixStream, process::Child};

/// Loading a large append-only file takes a while; a server that never answers must not take for ever.
const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(20);
/// A socket's path must fit into 108 bytes.
const MAX_SOCKET_PATH: usize = 100;
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A folder that belongs to one process at a time.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Take a folder, making it if it is not there, with nobody else allowed in.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        let shown = path.display();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("make the data folder {shown}"))?;
        let path = path.canonicalize().with_context(|| format!("find the data folder {shown}"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))
            .with_context(|| format!("keep others out of the data folder {shown}"))?;
        let mut lock = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .with_context(|| format!("open the lock of the data folder {shown}"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let _ = lock.read_to_string(&mut owner);
                bail!(
                    "the data folder {shown} is in use by process {}; stop that one, or choose another with --data",
                    owner.trim()
                );
            }
            Err(TryLockError::Error(fault)) => return Err(fault).context(format!("lock the data folder {shown}")),
        }
        lock.set_len(0)?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Self { path, _lock: lock })
    }
}

/// A running server; stopped by [`PrivateRedis::stop`], killed when dropped.
pub(crate) struct PrivateRedis {
    child: Child,
    socket: PathBuf,
}

impl PrivateRedis {
    /// Start the server in this folder and wait until it answers.
    pub(crate) async fn start(folder: &Folder) -> Result<Self> {
        let dir = &folder.path;
        let socket = dir.join("redis.sock");
        if socket.as_os_str().len() > MAX_SOCKET_PATH {
            bail!("the path {} is too long for a socket; choose a shorter folder with --data", socket.display());
        }
        end_orphan(dir).await?;
        let mut command = tokio::process::Command::new("redis-server");
        command.current_dir(dir).args(["--port", "0", "--unixsocketperm", "700", "--daemonize", "no", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"]);
        command.arg("--unixsocket").arg(&socket).arg("--dir").arg(dir).arg("--pidfile").arg(dir.join("redis.pid"));
        command.arg("--logfile").arg(dir.join("redis.log"));
        // A group of its own: a Ctrl-C on the terminal is for us, and we stop the server last.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).process_group(0);
        let child = command.spawn().context(
            "start redis-server; install it with `make deps` or your package manager (redis-server 6.2 or newer)",
        )?;
        let mut redis = Self { child, socket };
        let begin = Instant::now();
        while UnixStream::connect(&redis.socket).await.is_err() {
            if let Some(status) = redis.child.try_wait()? {
                bail!("redis-server ended at once ({status}); see {}", dir.join("redis.log").display());
            }
            if begin.elapsed() > START {
                bail!("redis-server does not answer after {START:?}; see {}", dir.join("redis.log").display());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        // It takes connections before it has read its file.
        let link = Link::new(&redis.url(), LinkOptions::default())?;
        while let Err(fault) = liaison_queue::now(&link).await {
            if begin.elapsed() > START {
                return Err(fault).context("wait for redis-server to read its data");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Let it write what it has, and end.
    pub(crate) async fn stop(mut self) -> Result<()> {
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            kill_process(pid, Signal::TERM).context("stop redis-server")?;
        }
        match tokio::time::timeout(STOP, self.child.wait()).await {
            Ok(status) => status.map(drop).context("wait for redis-server"),
            Err(_) => bail!("redis-server did not end within {STOP:?}; it is killed now"),
        }
    }
}

/// A server that outlived its daemon (which was killed) still holds the folder's data: end it by its own pid first.
async fn end_orphan(dir: &Path) -> Result<()> {
    if UnixStream::connect(dir.join("redis.sock")).await.is_err() {
        return Ok(());
    }
    let text = fs::read_to_string(dir.join("redis.pid")).unwrap_or_default();
    let Some(pid) = text.trim().parse().ok().and_then(Pid::from_raw) else {
        bail!("a redis-server answers in {}, but its pid is not known; stop it first", dir.display());
    };
    kill_process(pid, Signal::TERM)
        .with_context(|| format!("stop the redis-server {text} left in {}", dir.display()))?;
    let begin = Instant::now();
    while rustix::process::test_kill_process(pid).is_ok() {
        if begin.elapsed() > STOP {
            bail!("the redis-server {} left in {} does not end; stop it first", text.trim(), dir.display());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}
