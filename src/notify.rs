//! What systemd is told, in its notify protocol: a datagram of `NAME=VALUE` lines. Without systemd nobody is told.
//!
//! Written here and not taken from a crate: those read the environment by themselves, and wait without end for a
//! service manager that does not listen.

use std::{
    ffi::{OsStr, OsString},
    fmt::Write as _,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use tracing::warn;

use crate::config::environment::Supervisor;

/// The service manager reads at once, unless it is being replaced or the machine hangs; we have other things to do.
const PATIENCE: Duration = Duration::from_millis(200);
/// systemd shows the status on one line.
const MAX_STATUS: usize = 400;

/// The way to the service manager, if there is one. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notifier(Option<Arc<Way>>);

#[derive(Debug)]
struct Way {
    socket: UnixDatagram,
    address: SocketAddr,
    shown: OsString,
    watchdog: Option<Duration>,
    failed: AtomicBool,
}

impl Notifier {
    /// From what systemd has put into the environment. One that cannot be used is as good as none, and a warning.
    pub(crate) fn new(told: &Supervisor) -> Self {
        let Some(shown) = told.socket.clone() else { return Self::default() };
        let ours = told.watchdog_pid.is_none_or(|pid| pid == std::process::id());
        let watchdog = told.watchdog_usec.filter(|usec| ours && *usec > 0).map(Duration::from_micros);
        match open(&shown) {
            Ok((socket, address)) => {
                Self(Some(Arc::new(Way { socket, address, shown, watchdog, failed: AtomicBool::new(false) })))
            }
            Err(fault) => {
                let shown = shown.display();
                warn!(error = %fault, "systemd cannot be told anything: NOTIFY_SOCKET {shown} cannot be used");
                Self::default()
            }
        }
    }

    /// How often systemd wants a sign of life, if it does.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.0.as_ref()?.watchdog
    }

    pub(crate) fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// Everything is up; or a reload is over.
    pub(crate) fn ready(&self) {
        self.send("READY=1");
    }

    /// A reload begins. systemd wants to know when, to tell it from one that it asked for before.
    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec / 1_000);
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
    }

    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// We progress.
    pub(crate) fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// To start or to stop takes longer, but we will be heard of within so long.
    pub(crate) fn extend(&self, by: Duration) {
        self.send(&format!("EXTEND_TIMEOUT_USEC={}", by.as_micros()));
    }

    /// What `systemctl status` shows.
    pub(crate) fn status(&self, text: &str) {
        let mut line = String::from("STATUS=");
        let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        if text.chars().count() <= MAX_STATUS {
            line.extend(shown);
        } else {
            line.extend(shown.take(MAX_STATUS - 1));
            let _ = line.write_char('…');
        }
        self.send(&line);
    }

    fn send(&self, message: &str) {
        let Some(way) = &self.0 else { return };
        match way.socket.send_to_addr(message.as_bytes(), &way.address) {
            Ok(_) => way.failed.store(false, Ordering::Relaxed),
            Err(fault) if !way.failed.swap(true, Ordering::Relaxed) => {
                let shown = way.shown.display();
                warn!(error = %fault, "systemd does not hear us at NOTIFY_SOCKET {shown}; going on, and telling it again");
            }
            Err(_) => {}
        }
    }
}

fn open(shown: &OsStr) -> std::io::Result<(UnixDatagram, SocketAddr)> {
    let address = match shown.as_bytes() {
        // So systemd writes the zero byte with which names begin that are in no folder.
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut text = [0; 4096];
        let length = socket.recv(&mut text).expect("a datagram");
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    #[test]
    fn both_kinds_of_sockets_hear_every_word() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let name = format!("liaison-notify-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).expect("a name");
        for (socket, shown) in [
            (UnixDatagram::bind(&path).expect("bind"), path.clone().into_os_string()),
            (UnixDatagram::bind_addr(&abstract_name).expect("bind"), format!("@{name}").into()),
        ] {
            let notifier = Notifier::new(&Supervisor { socket: Some(shown), ..Supervisor::default() });
            notifier.ready();
            assert_eq!(heard(&socket), "READY=1");
            notifier.reloading();
            let text = heard(&socket);
            let usec = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("both lines");
            assert!(usec.parse::<u64>().is_ok_and(|usec| usec > 0), "{text}");
            notifier.extend(Duration::from_millis(1500));
            assert_eq!(heard(&socket), "EXTEND_TIMEOUT_USEC=1500000");
            notifier.status("two\nlines");
            assert_eq!(heard(&socket), "STATUS=two lines");
            notifier.status(&"ä".repeat(1000));
            assert_eq!(heard(&socket).chars().count(), "STATUS=".len() + MAX_STATUS);
        }
    }

    #[test]
    fn a_watchdog_of_another_process_is_not_ours() {
        let told = |pid| Supervisor {
            socket: Some("/run/nobody".into()),
            watchdog_usec: Some(2_000_000),
            watchdog_pid: Some(pid),
        };
        assert_eq!(Notifier::new(&told(std::process::id())).watchdog(), Some(Duration::from_secs(2)));
        assert_eq!(Notifier::new(&told(1)).watchdog(), None);
    }

    #[test]
    fn a_socket_that_is_gone_or_full_holds_nobody_up() {
        let gone = Notifier::new(&Supervisor { socket: Some("/nowhere/at/all".into()), ..Supervisor::default() });
        gone.ready();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let _never_read = UnixDatagram::bind(&path).expect("bind");
        let full = Notifier::new(&Supervisor { socket: Some(path.into_os_string()), ..Supervisor::default() });
        while !full.0.as_ref().is_some_and(|way| way.failed.load(Ordering::Relaxed)) {
            full.alive();
        }
    }
}
