//! What is kept, and for how long: cleanups, holds, the integration log, and the keys that seal it all.

mod cleaning;
mod keys;
mod logs;

use chrono::{DateTime, TimeDelta, Utc};
use liaison_queue::clock::Clock;
use liaison_store::{Class, Exit, KeyRing, LogEntry, Meeting, MeetingStatus, Run, RunOutcome, Store, StoreOptions};
use tokio::runtime::Runtime;

use crate::support::House;

pub(crate) fn now() -> DateTime<Utc> {
    Clock::wall().date()
}

/// The store of a house, for what only a long time would put into it.
pub(crate) struct Past {
    runtime: Runtime,
    store: Store,
}

impl Past {
    pub(crate) fn of(house: &House) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let url = house.postgres_url().parse().expect("a URL");
        let keys = KeyRing::parse(&KeyRing::generate_line("past")).expect("a key");
        let store = runtime.block_on(Store::open(&url, keys, StoreOptions::default())).expect("open the store");
        Self { runtime, store }
    }

    /// So many lines of an organizer, from so many days ago; their ids.
    pub(crate) fn logs(&self, organizer: &str, days: i64, count: usize) -> Vec<String> {
        let at = now() - TimeDelta::days(days);
        let line = |n: usize| LogEntry {
            id: format!("{organizer}-{days}d-{n:06}"),
            log_type: "webhook_sent".to_owned(),
            integration_type: "webhook".to_owned(),
            integration_id: Some(format!("endpoint-of-{organizer}")),
            organizer_id: Some(organizer.to_owned()),
            message: "delivered, \"well\"".to_owned(),
            success: true,
            created_at: at + TimeDelta::milliseconds(i64::try_from(n).expect("few")),
            ..LogEntry::default()
        };
        let lines: Vec<LogEntry> = (0..count).map(line).collect();
        let ids = lines.iter().map(|line| line.id.clone()).collect();
        for lines in lines.chunks(2_000) {
            self.write(lines.to_vec());
        }
        ids
    }

    pub(crate) fn write(&self, lines: Vec<LogEntry>) {
        self.runtime.block_on(self.store.log(lines)).expect("write lines");
    }

    /// A job that was done so many days ago.
    pub(crate) fn done(&self, id: &str, days: i64) {
        let at = now() - TimeDelta::days(days);
        let run = Run {
            job_id: id.to_owned(),
            run: 1,
            attempt: 1,
            name: "noop".to_owned(),
            queue: "default".to_owned(),
            worker: "host".to_owned(),
            outcome: RunOutcome::Done,
            reason: None,
            result: None,
            enqueued_at: at,
            started_at: Some(at),
            finished_at: at,
            duration_ms: Some(1),
            retry_at: None,
            trace: None,
        };
        let recorded = self.runtime.block_on(self.store.record(vec![Exit { run, burial: None, facts: Vec::new() }]));
        recorded.map_err(|(fault, _)| fault).expect("record");
    }

    /// The meeting of a booking that ended so many days ago, or ends in so many; written down when that was.
    pub(crate) fn meeting(&self, booking: &str, ended: i64, written: i64) {
        let day = |ago: i64| now() - TimeDelta::days(ago);
        let new = Meeting::new(booking, 1, "ada", day(written));
        let row = Meeting { status: MeetingStatus::Created, ends_at: Some(day(ended)), ..new };
        self.runtime.block_on(self.store.put_meeting(row, day(written))).expect("put a meeting");
    }

    /// Let the file of the database become as small as it can.
    pub(crate) fn write_back(&self) {
        self.runtime.block_on(self.store.write_back()).expect("write the log back");
    }

    /// How many rows there are from before the last hour.
    pub(crate) fn old(&self, class: Class) -> u64 {
        let old = self.store.old(class, now() - TimeDelta::hours(1));
        self.runtime.block_on(old).expect("count").rows
    }
}
