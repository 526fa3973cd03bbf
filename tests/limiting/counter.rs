//! The other side: who connected when, and how many were there at once, counted where they arrive.

use std::{
    io::Read as _,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub(super) struct Counter {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
pub(super) struct Seen {
    /// Since the counter began.
    pub(super) arrivals: Vec<Duration>,
    pub(super) names: Vec<String>,
    pub(super) there: usize,
    pub(super) most: usize,
}

impl Counter {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let seen = Arc::<Mutex<Seen>>::default();
        let (begin, shared) = (Instant::now(), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let at = begin.elapsed();
                {
                    let mut seen = lock(&shared);
                    seen.arrivals.push(at);
                    seen.there += 1;
                    seen.most = seen.most.max(seen.there);
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, seen }
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    pub(super) fn count(&self) -> usize {
        self.seen().arrivals.len()
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Until it goes, or dies. It is counted out before it can see that we hang up, so that nobody comes meanwhile.
fn serve(mut stream: TcpStream, seen: &Mutex<Seen>) {
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    let mut seen = lock(seen);
    seen.there -= 1;
    seen.names.push(String::from_utf8_lossy(&said).trim().to_owned());
}

impl Seen {
    /// The most arrivals in any span of this length.
    pub(super) fn densest(&self, span: Duration) -> usize {
        let within = |from: &Duration| self.arrivals.iter().filter(|at| *at >= from && **at < *from + span).count();
        self.arrivals.iter().map(within).max().unwrap_or(0)
    }
}
