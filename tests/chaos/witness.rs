//! Who saw every run: jobs connect here when they begin, and say who they are. It knows nothing of our records.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

pub(super) struct Witness {
    address: SocketAddr,
    seen: Arc<Mutex<HashMap<String, Vec<Instant>>>>,
    over: Arc<AtomicBool>,
}

impl Witness {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let (seen, over) = (Arc::<Mutex<HashMap<_, Vec<_>>>>::default(), Arc::<AtomicBool>::default());
        let (shared, ended) = (Arc::clone(&seen), Arc::clone(&over));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::Acquire) {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || listen(stream, &shared));
            }
        });
        Self { address, seen, over }
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, Vec<Instant>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often a job began.
    pub(super) fn starts(&self, id: &str) -> usize {
        self.seen().get(id).map_or(0, Vec::len)
    }

    /// How many jobs began at all.
    pub(super) fn jobs(&self) -> usize {
        self.seen().len()
    }

    /// How often a job began that had begun before.
    pub(super) fn repeats(&self) -> usize {
        self.seen().values().map(|starts| starts.len() - 1).sum()
    }

    /// How long after this instant the first job began.
    pub(super) fn first_after(&self, at: Instant) -> Option<Duration> {
        self.seen().values().flatten().filter(|start| **start >= at).min().map(|start| *start - at)
    }

    /// How long after this instant that job began next.
    pub(super) fn next_start(&self, id: &str, at: Instant) -> Option<Duration> {
        self.seen().get(id)?.iter().filter(|start| **start >= at).min().map(|start| *start - at)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
    }
}

/// Note who it is, then wait until it goes or dies.
fn listen(stream: TcpStream, seen: &Mutex<HashMap<String, Vec<Instant>>>) {
    let at = Instant::now();
    let (mut reader, mut name) = (BufReader::new(stream), String::new());
    if reader.read_line(&mut name).is_ok() && name.ends_with('\n') {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.entry(name.trim().to_owned()).or_default().push(at);
    }
    let _ = reader.read_to_end(&mut Vec::new());
}
