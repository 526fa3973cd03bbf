//! What systemd does with a unit that notifies: it listens at a socket, and remembers what it was told, and when.

use std::{
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{Daemon, House};

pub(crate) struct Systemd {
    name: String,
    told: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Systemd {
    /// Listen at a path.
    pub(crate) fn at(path: &Path) -> Self {
        let address = SocketAddr::from_pathname(path).expect("an address");
        Self::listen(path.display().to_string(), &address)
    }

    /// Listen at a name in no folder.
    pub(crate) fn nowhere(name: &str) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        Self::listen(format!("@{name}"), &address)
    }

    fn listen(name: String, address: &SocketAddr) -> Self {
        let socket = UnixDatagram::bind_addr(address).expect("listen");
        let told: Arc<Mutex<Vec<(Instant, String)>>> = Arc::default();
        let heard = Arc::clone(&told);
        // It ends with the test's process; nobody waits for it.
        std::thread::spawn(move || {
            let mut text = [0; 4096];
            while let Ok(length) = socket.recv(&mut text) {
                let text = String::from_utf8_lossy(&text[..length]).into_owned();
                heard.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), text));
            }
        });
        Self { name, told }
    }

    /// Start a worker as a unit of ours.
    pub(crate) fn start(&self, house: &House, watchdog: Option<Duration>) -> Daemon {
        let mut command = house.command(&["worker"]);
        command.env("NOTIFY_SOCKET", &self.name);
        if let Some(watchdog) = watchdog {
            // The shell that limits files becomes the daemon: whose id that is, is not known yet.
            command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        }
        Daemon::spawn(command)
    }

    /// Everything it was told that holds these words, and when.
    pub(crate) fn heard(&self, words: &str) -> Vec<(Instant, String)> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().filter(|(_, text)| text.contains(words)).cloned().collect()
    }

    /// Wait until it was told these words.
    pub(crate) fn hears(&self, words: &str) {
        super::until(words, || !self.heard(words).is_empty());
    }

    /// Wait until the last message with these words is as it should be.
    pub(crate) fn hears_last(&self, words: &str, is_right: impl Fn(&str) -> bool) {
        super::until(words, || self.heard(words).last().is_some_and(|(_, text)| is_right(text)));
    }

    /// Wait for so many more signs of life.
    pub(crate) fn hears_life(&self, more: usize) {
        let before = self.heard("WATCHDOG=1").len();
        super::until("signs of life", || self.heard("WATCHDOG=1").len() >= before + more);
    }

    /// The longest time without a sign of life.
    pub(crate) fn longest_silence(&self) -> Duration {
        let alive = self.heard("WATCHDOG=1");
        alive.windows(2).map(|two| two[1].0 - two[0].0).max().expect("signs of life")
    }
}
