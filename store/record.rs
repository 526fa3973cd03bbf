//! Group commit: a batch of ended runs in one transaction, each row new, known or refused.
//!
//! A batch is written whole or not at all: an outage gives it back for another attempt, and a repeat of what did get
//! through is `Known`. A run whose number another run has taken is written under the next free one. When the database
//! refuses a row for the row's own fault, the batch begins again, and the row is found by bisection over savepoints, so
//! that it costs its group a few statements and never its history. Without one there is no savepoint: with it, `SQLite`
//! would copy every page that the batch changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound as _, Utc};
use diesel::connection::TransactionManager as _;
use diesel::result::{Error as QueryError, QueryResult};
use diesel::sql_types::{Binary, Integer, Text, Timestamp};
use diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _};

use crate::connection::AnyConnection;
use crate::dead_letters::row_identity;
use crate::deliveries;
use crate::error::{Outage, StoreError, busy};
use crate::facts::{self, Fact};
use crate::reused_runs::renumber;
use crate::run_outcome::RunOutcome;
use crate::run_rows::insert;
use crate::runs::{IDS_IN_A_QUERY, Run};
use crate::schema::{dead_letters, job_runs};
use crate::sealing::KeyRing;
use crate::store::Store;

/// Rows in one statement: keeps a statement far below its timeout however large the batch is.
const GROUP: usize = 5_000;
/// A single row whose refusal took this long had waited for somebody else. `PostgreSQL`'s deadlock check comes after one second,
/// and its texts, by which we would know better, may be in any language.
const WAITED: Duration = Duration::from_millis(900);

/// What the queue keeps of a dead job so that it can be revived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Burial {
    /// The envelope as it came, which need not be UTF-8.
    pub envelope: Vec<u8>,
    pub attempts: i32,
    pub crashes: i32,
}

/// A run that ended. The burial counts only with [`RunOutcome::Dead`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    pub run: Run,
    pub burial: Option<Burial>,
    /// What it leaves beside its row.
    pub facts: Vec<Fact>,
}

/// What became of one row of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It was written; under the next free number, if another run of the job had taken its own.
    New,
    /// This very run, or a `done` of its job, was there already; nothing was written.
    Known,
    /// The database refuses this row, whatever it is grouped with; the reason is the database's. What it leaves beside its
    /// row is not written either, and given back.
    Refused { reason: String, facts: Vec<Fact> },
}

impl Store {
    /// Write a batch in one transaction, dead letters included, and answer for each row in its order.
    ///
    /// # Errors
    /// Gives the batch back, for another attempt. Nothing of it was written, or all of it was and the answer got lost:
    /// then the next attempt says `Known`.
    pub async fn record(&self, exits: Vec<Exit>) -> Result<Vec<Recorded>, (StoreError, Vec<Exit>)> {
        self.record_while(exits, || true).await
    }

    /// The same, if it still may be when all is written but the commit: a process that stood still in between must not
    /// record what somebody else has done meanwhile.
    ///
    /// # Errors
    /// The same; and [`StoreError::Withdrawn`] when it may not be any more.
    pub async fn record_while(
        &self,
        mut exits: Vec<Exit>,
        may_be: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Vec<Recorded>, (StoreError, Vec<Exit>)> {
        exits.iter_mut().for_each(Exit::make_storable);
        let (exits, may_be) = (Arc::new(exits), Arc::new(may_be));
        let written = match self.record_by(record_group, &exits, &may_be).await {
            // One of them is at fault, whichever it is.
            Err(StoreError::Query { .. }) => self.record_by(halve, &exits, &may_be).await,
            written => written,
        };
        // The writer has let go of the batch by now, save when it hangs; only then is the batch cloned.
        written.map_err(|error| (error, Arc::unwrap_or_clone(exits)))
    }

    async fn record_by(
        &self,
        group: RecordGroup,
        exits: &Arc<Vec<Exit>>,
        may_be: &Arc<impl Fn() -> bool + Send + Sync + 'static>,
    ) -> Result<Vec<Recorded>, StoreError> {
        let (exits, may_be, keys) = (Arc::clone(exits), Arc::clone(may_be), Arc::clone(&self.keys));
        let work = move |connection: &mut AnyConnection| {
            let recorded = record_batch(connection, group, &exits, &keys)?;
            if may_be() { Ok(recorded) } else { Err(QueryError::RollbackTransaction) }
        };
        self.pool.write("record runs", work).await
    }
}

/// A way to write a group.
type RecordGroup = fn(&mut AnyConnection, &[&Exit], &KeyRing) -> QueryResult<Vec<Recorded>>;

impl Exit {
    /// `PostgreSQL`'s text cannot hold U+0000, and its times are in microseconds: what is read is what was written.
    fn make_storable(&mut self) {
        let Run { job_id, name, queue, worker, reason, result, trace, .. } = &mut self.run;
        let texts = [job_id, name, queue, worker].into_iter().chain([reason, result, trace].into_iter().flatten());
        for text in texts.filter(|text| text.contains('\0')) {
            *text = text.replace('\0', "\u{fffd}");
        }
        let Run { enqueued_at, started_at, finished_at, retry_at, .. } = &mut self.run;
        let times = [enqueued_at, finished_at].into_iter().chain([started_at, retry_at].into_iter().flatten());
        for time in times {
            *time = time.trunc_subsecs(6);
        }
        self.facts.iter_mut().for_each(Fact::make_storable);
    }

    /// It has ended, and not well.
    fn is_over(&self) -> bool {
        !matches!(self.run.outcome, RunOutcome::Done | RunOutcome::Retry)
    }

    fn why(&self) -> &str {
        self.run.reason.as_deref().unwrap_or(self.run.outcome.as_str())
    }

    fn letter(&self) -> Option<&Burial> {
        self.burial.as_ref().filter(|_| self.run.outcome == RunOutcome::Dead)
    }
}

fn record_batch(
    connection: &mut AnyConnection,
    record: RecordGroup,
    exits: &[Exit],
    keys: &KeyRing,
) -> QueryResult<Vec<Recorded>> {
    // In the order of their keys: neighbours share pages, and two daemons that record the same jobs wait for each
    // other instead of deadlocking.
    let mut places: Vec<usize> = (0..exits.len()).collect();
    places.sort_by_key(|&place| (&exits[place].run.job_id, exits[place].run.run));
    let sorted: Vec<&Exit> = places.iter().map(|&place| &exits[place]).collect();
    let mut answers = vec![Recorded::Known; exits.len()];
    for (group, places) in sorted.chunks(GROUP).zip(places.chunks(GROUP)) {
        for (answer, &place) in record(connection, group, keys)?.into_iter().zip(places) {
            answers[place] = answer;
        }
    }
    Ok(answers)
}

/// Write one group. What cannot be written ends the transaction.
fn record_group(connection: &mut AnyConnection, exits: &[&Exit], keys: &KeyRing) -> QueryResult<Vec<Recorded>> {
    let answer = |new| if new { Recorded::New } else { Recorded::Known };
    Ok(write(connection, exits, keys)?.into_iter().map(answer).collect())
}

/// Write one group behind a savepoint, and halve it until what cannot be written stands alone.
fn halve(connection: &mut AnyConnection, exits: &[&Exit], keys: &KeyRing) -> QueryResult<Vec<Recorded>> {
    let began = Instant::now();
    match in_savepoint(connection, |connection| record_group(connection, exits, keys))? {
        Ok(recorded) => Ok(recorded),
        Err(error) if Outage::of(&error).is_some() => Err(error),
        Err(error) => {
            if let [exit] = exits {
                if began.elapsed() >= WAITED {
                    return Err(busy(&error));
                }
                // The proof that it is the row: the same statements take a plain one.
                write_and_delete_plain_row(connection, exit.run.finished_at, keys)?;
                return Ok(vec![Recorded::Refused { reason: error.to_string(), facts: exit.facts.clone() }]);
            }
            let (left, right) = exits.split_at(exits.len() / 2);
            let mut answers = halve(connection, left, keys)?;
            answers.extend(halve(connection, right, keys)?);
            Ok(answers)
        }
    }
}

/// Insert runs, bury what died, and forget the letters of what is done after all. Answers which runs are new.
fn write(connection: &mut AnyConnection, exits: &[&Exit], keys: &KeyRing) -> QueryResult<Vec<bool>> {
    let runs: Vec<&Run> = exits.iter().map(|exit| &exit.run).collect();
    let new = insert(connection, &runs)?;
    // The number that each new run stands under.
    let mut numbers: Vec<Option<i32>> = runs.iter().zip(new).map(|(run, new)| new.then_some(run.run)).collect();
    if numbers.contains(&None) {
        renumber(connection, &runs, &mut numbers)?;
    }
    let mut done_late: Vec<&str> = Vec::new();
    for (exit, number) in exits.iter().zip(&numbers) {
        let Some(number) = *number else { continue };
        if let Some(burial) = exit.letter() {
            bury(connection, &exit.run, number, burial, keys)?;
        }
        // The first run of a job finds no letter: nearly every done is spared the look.
        if exit.run.outcome == RunOutcome::Done && number > 1 {
            done_late.push(&exit.run.job_id);
        }
    }
    let new = exits.iter().zip(&numbers).filter_map(|(exit, number)| Some((exit, (*number)?)));
    let left = new.clone().filter(|(exit, _)| !exit.facts.is_empty());
    facts::write(connection, left.map(|(exit, number)| (&exit.run, number, exit.facts.as_slice())))?;
    // A job that ran before and ends without a word of what it tried then, as one that is taken back while it waits.
    let silent = new.filter(|(exit, number)| *number > 1 && exit.facts.is_empty() && exit.is_over());
    let silent: Vec<_> = silent.map(|(exit, _)| (exit.run.job_id.as_str(), exit.why())).collect();
    deliveries::close(connection, &silent)?;
    // After the burials: a job may die and be done in one batch.
    for ids in done_late.chunks(IDS_IN_A_QUERY) {
        diesel::delete(dead_letters::table.filter(dead_letters::job_id.eq_any(ids))).execute(connection)?;
    }
    Ok(numbers.iter().map(Option::is_some).collect())
}

fn bury(connection: &mut AnyConnection, run: &Run, number: i32, burial: &Burial, keys: &KeyRing) -> QueryResult<usize> {
    diesel::sql_query(include_str!("bury.sql"))
        .bind::<Text, _>(&run.job_id)
        .bind::<Text, _>(&run.name)
        .bind::<Text, _>(&run.queue)
        .bind::<Binary, _>(keys.seal(&row_identity(&run.job_id), &burial.envelope))
        .bind::<Text, _>(run.reason.as_deref().unwrap_or_default())
        .bind::<Integer, _>(burial.attempts)
        .bind::<Integer, _>(burial.crashes)
        .bind::<Integer, _>(number)
        .bind::<Timestamp, _>(run.enqueued_at.naive_utc())
        .bind::<Timestamp, _>(run.finished_at.naive_utc())
        .execute(connection)
}

/// Write a run and a letter with no fault in them, and delete them again.
fn write_and_delete_plain_row(connection: &mut AnyConnection, at: DateTime<Utc>, keys: &KeyRing) -> QueryResult<()> {
    let run = Run {
        job_id: "liaison: a row to compare with".to_owned(),
        run: 0,
        attempt: 0,
        name: String::new(),
        queue: String::new(),
        worker: String::new(),
        outcome: RunOutcome::Dead,
        reason: None,
        result: None,
        enqueued_at: at,
        started_at: None,
        finished_at: at,
        duration_ms: None,
        retry_at: None,
        trace: None,
    };
    let plain = Exit { run, burial: Some(Burial { envelope: Vec::new(), attempts: 0, crashes: 0 }), facts: Vec::new() };
    write(connection, &[&plain], keys)?;
    diesel::delete(dead_letters::table.find(&plain.run.job_id)).execute(connection)?;
    diesel::delete(job_runs::table.find((&plain.run.job_id, 0))).execute(connection)?;
    Ok(())
}

/// Run `work` so that its failure undoes only itself. The outer error is one after which the transaction is not
/// usable any more: `SQLite`, for one, ends the whole transaction when its disk is full.
fn in_savepoint<T>(
    connection: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
) -> QueryResult<QueryResult<T>> {
    AnyConnection::begin_transaction(connection)?;
    match work(connection) {
        Ok(value) => AnyConnection::commit_transaction(connection).map(|()| Ok(value)),
        Err(error) => match AnyConnection::rollback_transaction(connection) {
            Ok(()) => Ok(Err(error)),
            // The first error is the cause.
            Err(_) => Err(error),
        },
    }
}
