//! A disk that fills up under one process only: the kernel refuses to let its files grow beyond a size. To the process
//! this looks like a disk without room, and it needs no rights.

use std::{
    ffi::OsStr,
    process::{Child, Command},
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// This program, ready to meet the limit as an error instead of a signal that ends it.
pub(crate) fn on_a_disk_that_fills(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(program);
    command
}

/// Let no file of this process grow beyond so many bytes; or let them grow again.
pub(crate) fn leave_room(child: &Child, bytes: Option<u64>) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).expect("limit the size of files");
}
