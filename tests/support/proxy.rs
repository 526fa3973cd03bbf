//! A bad wire: what goes between a daemon and a server passes through here, and can be cut, delayed, throttled, held,
//! closed in one direction, or cut in the middle of an answer. Everything ends with the proxy.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Where the server is.
#[derive(Debug, Clone)]
pub(crate) enum Server {
    Socket(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the daemon to the server.
    Up,
    /// From the server to the daemon.
    Down,
}

/// What the wire does to what passes in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Wire {
    #[default]
    Good,
    /// Everything arrives so much later.
    Slow(Duration),
    /// So many bytes in a second.
    Thin(usize),
    /// Nothing arrives, and nobody is told.
    Lost,
}

#[derive(Default)]
struct State {
    up: Wire,
    down: Wire,
    /// The next so many bytes of answers still pass, then the connection breaks.
    fuse: Option<usize>,
    /// New connections are hung up on.
    refuses: bool,
    /// Once these words have come from the daemon, one after the other, nothing arrives any more.
    trap: Vec<&'static str>,
    over: bool,
    streams: Vec<(Stream, Stream)>,
    connections: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    pub(crate) fn before(server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::<Shared>::default();
        let accepted = Arc::clone(&shared);
        std::thread::spawn(move || {
            for daemon in listener.incoming().map_while(Result::ok) {
                if !accepted.connect(daemon, &server) {
                    return;
                }
            }
        });
        Self { address, shared }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// From now on, the wire is so in this direction; also for what was sent and has not arrived.
    pub(crate) fn set(&self, way: Way, wire: Wire) {
        let mut state = self.shared.lock();
        match way {
            Way::Up => state.up = wire,
            Way::Down => state.down = wire,
        }
        self.shared.changed.notify_all();
    }

    /// The same in both directions.
    pub(crate) fn set_both(&self, wire: Wire) {
        self.set(Way::Up, wire);
        self.set(Way::Down, wire);
    }

    /// Break every connection, as a reset does.
    pub(crate) fn cut(&self) {
        for (daemon, server) in self.shared.lock().streams.drain(..) {
            daemon.end(Shutdown::Both);
            server.end(Shutdown::Both);
        }
    }

    /// End every connection in this direction only: the other side sees an end, and may still talk.
    pub(crate) fn half_close(&self, way: Way) {
        for (daemon, server) in &self.shared.lock().streams {
            match way {
                Way::Up => server.end(Shutdown::Write),
                Way::Down => daemon.end(Shutdown::Write),
            }
        }
    }

    /// Break a connection in the middle of an answer, once so many more bytes of answers have passed.
    pub(crate) fn cut_after(&self, bytes: usize) {
        self.shared.lock().fuse = Some(bytes);
    }

    /// Hang up on whoever comes; or serve again.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.shared.lock().refuses = refuses;
    }

    /// Hold all from a daemon's message on that has the last of these words in it, after messages with the others.
    pub(crate) fn hold_from(&self, words: &[&'static str]) {
        self.shared.lock().trap = words.to_vec();
    }

    /// Whether such a message has come.
    pub(crate) fn is_holding(&self) -> bool {
        let state = self.shared.lock();
        state.trap.is_empty() && state.up == Wire::Lost
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().connections
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        self.cut();
        // The listener's thread looks up, and ends.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serve one who came. False when all is over.
    fn connect(self: &Arc<Self>, daemon: TcpStream, server: &Server) -> bool {
        let mut state = self.lock();
        if state.over {
            return false;
        }
        let _ = daemon.set_nodelay(true);
        let Some(server) = Stream::to(server).filter(|_| !state.refuses) else { return true };
        let daemon = Stream::Tcp(daemon);
        state.connections += 1;
        state.streams.push((daemon.twin(), server.twin()));
        for (way, from, to) in [(Way::Up, daemon.twin(), server.twin()), (Way::Down, server, daemon)] {
            let shared = Arc::clone(self);
            std::thread::spawn(move || shared.carry(way, from, to));
        }
        true
    }

    /// Carry bytes until one side ends.
    fn carry(&self, way: Way, mut from: Stream, mut to: Stream) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            self.spring(way, &buffer[..count]);
            let Some(passing) = self.pass(way, count) else { break };
            if to.write_all(&buffer[..passing]).is_err() {
                break;
            }
            if passing < count {
                from.end(Shutdown::Both);
                to.end(Shutdown::Both);
                break;
            }
        }
        // What one side ends, the other sees end; a reset becomes an end.
        to.end(Shutdown::Write);
    }

    /// The trap, if this is what it waits for.
    fn spring(&self, way: Way, bytes: &[u8]) {
        let mut state = self.lock();
        let there = |word: &&str| bytes.windows(word.len()).any(|part| part == word.as_bytes());
        if way == Way::Up && state.trap.first().is_some_and(there) {
            state.trap.remove(0);
            if state.trap.is_empty() {
                (state.up, state.down) = (Wire::Lost, Wire::Lost);
            }
        }
    }

    /// Wait as long as the wire makes bytes wait. How many of them arrive; None when all is over.
    fn pass(&self, way: Way, count: usize) -> Option<usize> {
        let begin = Instant::now();
        let mut state = self.lock();
        loop {
            if state.over {
                return None;
            }
            let wire = if way == Way::Up { state.up } else { state.down };
            let until = match wire {
                Wire::Good => Some(begin),
                Wire::Slow(delay) => Some(begin + delay),
                Wire::Thin(rate) => Some(
                    begin + Duration::from_secs(1) * u32::try_from(count).ok()? / u32::try_from(rate.max(1)).ok()?,
                ),
                Wire::Lost => None,
            };
            let now = Instant::now();
            state = match until {
                Some(until) if until <= now => return Some(burn(&mut state, way, count)),
                Some(until) => self.changed.wait_timeout(state, until - now).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// How many of these bytes pass before the fuse blows.
fn burn(state: &mut State, way: Way, count: usize) -> usize {
    let Some(left) = state.fuse.filter(|_| way == Way::Down) else { return count };
    state.fuse = left.checked_sub(count);
    count.min(left)
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn to(server: &Server) -> Option<Self> {
        match server {
            Server::Socket(path) => UnixStream::connect(path).ok().map(Self::Unix),
        }
    }

    fn twin(&self) -> Self {
        match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone().expect("another handle")),
            Self::Unix(stream) => Self::Unix(stream.try_clone().expect("another handle")),
        }
    }

    fn end(&self, how: Shutdown) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
        };
    }

    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
        }
    }
}
