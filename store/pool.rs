//! A few blocking threads, each with a connection of its own, behind async calls.
//!
//! `SQLite` has one writer at a time, so it gets one writing thread, whose waiting is a queue and not a lock timeout,
//! and two readers that see what is committed. `PostgreSQL`'s threads do anything.
//!
//! Every call is one transaction. A connection that fails is dropped, and the next call makes a new one; nothing is
//! tried again in here, with one exception: when a kept connection turns out to be dead at `BEGIN` (the server was
//! restarted while it was idle), the transaction begins again on a new one. That is safe because nothing of the call
//! has run yet.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use diesel::connection::TransactionManager as _;
use diesel::result::QueryResult;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, warn};

use crate::connection::{AnyConnection, Purpose};
use crate::error::StoreError;
use crate::store::StoreOptions;
use crate::url::DatabaseUrl;

/// One for lists, one for look-ups that a worker waits for.
const SQLITE_READERS: usize = 2;
/// How long the last handle waits for calls that still run. Longer means a hung server, which must not hang our exit.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(5);

type Call = Box<dyn FnOnce(&mut Slot) + Send>;
type Calls = mpsc::Sender<Call>;

pub(crate) struct Pool {
    // Invariant: dropped before the threads, which end when they have no more senders.
    lanes: Lanes,
    call_timeout: Duration,
    /// Where `SQLite` has its file.
    file: Option<DatabaseUrl>,
    _threads: Threads,
}

struct Lanes {
    writing: Calls,
    reading: Calls,
}

/// Waits for its threads when dropped.
struct Threads {
    handles: Vec<JoinHandle<()>>,
    /// Held by every thread while it lives.
    alive: Option<std_mpsc::Sender<()>>,
    /// Disconnected when all have ended.
    ended: Mutex<std_mpsc::Receiver<()>>,
}

impl Pool {
    pub(crate) fn start(url: &DatabaseUrl, options: &StoreOptions) -> io::Result<Self> {
        let mut threads = Threads::none();
        let mut lane = |purpose, count: usize| threads.serve(url, purpose, count, options.waiting_calls);
        let lanes = match url {
            DatabaseUrl::Sqlite(_) => {
                Lanes { writing: lane(Purpose::Write, 1)?, reading: lane(Purpose::Read, SQLITE_READERS)? }
            }
            DatabaseUrl::Postgres(_) => {
                let calls = lane(Purpose::Write, options.connections)?;
                Lanes { writing: calls.clone(), reading: calls }
            }
        };
        let file = matches!(url, DatabaseUrl::Sqlite(_)).then(|| url.clone());
        Ok(Self { lanes, call_timeout: options.call_timeout, file, _threads: threads })
    }

    /// Where `SQLite` has its file, if it is `SQLite`.
    pub(crate) fn file(&self) -> Option<&DatabaseUrl> {
        self.file.as_ref()
    }

    /// Run `work` in a transaction that may write. `doing` says what for, in errors.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut AnyConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.call(&self.lanes.writing, doing, work).await
    }

    /// Run `work` in a transaction that only reads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut AnyConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.call(&self.lanes.reading, doing, work).await
    }

    async fn call<T: Send + 'static>(
        &self,
        lane: &Calls,
        doing: &'static str,
        work: impl FnOnce(&mut AnyConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let call: Call = Box::new(move |slot| {
            // Who has given up in the queue is not served: after a hang, the queue is full of such calls.
            if !answer.is_closed() {
                // Nobody listens any more when the caller gave up meanwhile.
                let _unheard = answer.send(slot.run(doing, work));
            }
        });
        let answered = async {
            // Either fails only when the call panicked, and its half of the channel with it.
            lane.send(call).await.map_err(|_| StoreError::Panicked { doing })?;
            answered.await.map_err(|_| StoreError::Panicked { doing })?
        };
        let limit = self.call_timeout;
        tokio::time::timeout(limit, answered).await.unwrap_or(Err(StoreError::TimedOut { doing, limit }))
    }
}

impl Threads {
    fn none() -> Self {
        let (alive, ended) = std_mpsc::channel();
        Self { handles: Vec::new(), alive: Some(alive), ended: Mutex::new(ended) }
    }

    /// Start `count` threads that serve one queue of at most `waiting_calls`.
    fn serve(&mut self, url: &DatabaseUrl, purpose: Purpose, count: usize, waiting_calls: usize) -> io::Result<Calls> {
        let (calls, waiting) = mpsc::channel(waiting_calls.max(1));
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..count.max(1) {
            let slot = Slot { url: url.clone(), purpose, connection: None };
            let (waiting, alive) = (Arc::clone(&waiting), self.alive.clone());
            let thread = thread::Builder::new().name(format!("liaison-store-{}", self.handles.len()));
            self.handles.push(thread.spawn(move || {
                serve(slot, &waiting);
                drop(alive);
            })?);
        }
        Ok(calls)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.alive = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        match ended.recv_timeout(CLOSING_TIMEOUT) {
            Err(std_mpsc::RecvTimeoutError::Disconnected) => {
                for handle in self.handles.drain(..) {
                    // A panic was caught and reported by the call it belonged to.
                    let _caught = handle.join();
                }
            }
            Ok(()) | Err(std_mpsc::RecvTimeoutError::Timeout) => {
                warn!("left a database call behind that did not end in {CLOSING_TIMEOUT:?}");
            }
        }
    }
}

/// One thread's life: a call at a time, until the last sender is gone and the queue is empty.
fn serve(mut slot: Slot, waiting: &Mutex<mpsc::Receiver<Call>>) {
    loop {
        // The lock is held while waiting: the others wait for it instead, which is the same.
        let call = waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(call) = call else { return };
        // The panic hook has logged it, the caller hears of it, and the connection went with it.
        let _caught = catch_unwind(AssertUnwindSafe(|| call(&mut slot)));
    }
}

/// A thread's place for a connection.
struct Slot {
    url: DatabaseUrl,
    purpose: Purpose,
    connection: Option<AnyConnection>,
}

impl Slot {
    fn run<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        // Out of its place while in use: a panic or an early return drops it.
        let mut connection = self.begin(doing)?;
        match work(&mut connection) {
            Ok(value) => {
                AnyConnection::commit_transaction(&mut connection).map_err(|error| StoreError::query(doing, error))?;
                self.connection = Some(connection);
                Ok(value)
            }
            Err(error) => {
                let error = StoreError::query(doing, error);
                if AnyConnection::rollback_transaction(&mut connection).is_ok() && !error.is_outage() {
                    self.connection = Some(connection);
                }
                Err(error)
            }
        }
    }

    fn begin(&mut self, doing: &'static str) -> Result<AnyConnection, StoreError> {
        if let Some(mut kept) = self.connection.take() {
            match kept.begin(self.purpose).map_err(|error| StoreError::query(doing, error)) {
                Ok(()) => return Ok(kept),
                Err(error) if error.is_lost() => debug!("the database hung up on an idle connection; connecting again"),
                Err(error) => return Err(error),
            }
        }
        let mut fresh = AnyConnection::open(&self.url, self.purpose)?;
        fresh.begin(self.purpose).map_err(|error| StoreError::query(doing, error))?;
        Ok(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_database::TestDatabase;

    async fn pool(database: &TestDatabase, call_timeout: Duration) -> Pool {
        crate::migrate(&database.url).await.expect("migrate");
        let options = StoreOptions { call_timeout, waiting_calls: 1, ..StoreOptions::default() };
        Pool::start(&database.url, &options).expect("threads")
    }

    #[tokio::test]
    async fn a_panic_ends_its_call_and_not_the_thread() {
        let database = TestDatabase::sqlite();
        let pool = pool(&database, Duration::from_secs(30)).await;
        let failed = pool.write::<()>("test", |_| panic!("a panic on purpose")).await;
        assert!(matches!(failed, Err(StoreError::Panicked { doing: "test" })), "{failed:?}");
        assert_eq!(pool.write("test", |_| Ok(7)).await.expect("the thread lives"), 7);
    }

    #[tokio::test]
    async fn a_call_waits_for_a_hung_one_no_longer_than_its_timeout() {
        let database = TestDatabase::sqlite();
        let pool = pool(&database, Duration::from_millis(200)).await;
        let (release, hung) = std_mpsc::channel::<()>();
        let held = pool.write("hang", move |_| Ok(hung.recv().is_err()));
        // The first is held by the thread, the second by the queue, and the third finds no place.
        let (first, second, third) = tokio::join!(held, pool.write("wait", |_| Ok(())), pool.write("wait", |_| Ok(())));
        assert!(matches!(first, Err(StoreError::TimedOut { doing: "hang", .. })), "{first:?}");
        for waited in [second, third] {
            assert!(waited.is_err_and(|error| error.is_outage()));
        }
        drop(release);
        assert_eq!(pool.write("test", |_| Ok(7)).await.expect("the hang is over"), 7);
    }

    #[tokio::test]
    async fn the_last_handle_waits_for_what_still_runs() {
        let database = TestDatabase::sqlite();
        let pool = pool(&database, Duration::from_millis(50)).await;
        let finished = Arc::new(());
        let held = Arc::clone(&finished);
        let (release, hung) = std_mpsc::channel::<()>();
        let late = pool.write("finish late", move |_| {
            let _released = hung.recv();
            drop(held);
            Ok(())
        });
        assert!(late.await.is_err_and(|error| error.is_outage()));
        drop(release);
        drop(pool);
        assert_eq!(Arc::strong_count(&finished), 1, "the thread has ended");
    }
}
