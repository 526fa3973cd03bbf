//! Runs whose number is taken: a repeat is told from another run, which gets the next free number.
//!
//! Redis may lose its last second in a power cut. A job that it then takes for new is claimed under numbers that were
//! used before, so a taken number alone is no proof of a repeat: dropping the run would drop a death and its letter.

use std::collections::{BTreeSet, HashMap};

use chrono::NaiveDateTime;
use diesel::result::{DatabaseErrorKind, Error as QueryError, QueryResult};
use diesel::{ExpressionMethods as _, QueryDsl as _, Queryable, RunQueryDsl as _, Selectable, SelectableHelper as _};
use tracing::warn;

use crate::connection::AnyConnection;
use crate::error::busy;
use crate::run_outcome::RunOutcome;
use crate::run_rows::insert;
use crate::runs::{IDS_IN_A_QUERY, Run};
use crate::schema::job_runs;

/// How often a number that was free may be taken by another daemon before we try. Each time that daemon has recorded
/// one more run of the same job, so more than once is already strange.
const TRIES: u32 = 4;

/// What tells a recorded run from another one.
#[derive(Queryable, Selectable)]
#[diesel(table_name = job_runs)]
struct Standing {
    job_id: String,
    run: i32,
    worker: String,
    outcome: String,
    finished_at: NaiveDateTime,
}

/// The recorded runs of each job.
type Standings = HashMap<String, Vec<Standing>>;

impl Standing {
    /// A higher number is the same run as well: it was renumbered, and the answer to that got lost.
    fn is(&self, run: &Run) -> bool {
        self.run >= run.run
            && self.worker == run.worker
            && self.outcome == run.outcome.as_str()
            && self.finished_at == run.finished_at.naive_utc()
    }
}

/// Write those of `runs` that have no number yet, unless they are repeats or their job is done, and note the number
/// that each was written under.
pub(crate) fn renumber(connection: &mut AnyConnection, runs: &[&Run], numbers: &mut [Option<i32>]) -> QueryResult<()> {
    let conflicts = runs.iter().zip(numbers).filter(|(_, number)| number.is_none());
    let conflicts: Vec<(&Run, &mut Option<i32>)> = conflicts.map(|(run, number)| (*run, number)).collect();
    // In one query, because after a lost answer the whole batch comes again.
    let ids: BTreeSet<&str> = conflicts.iter().map(|(run, _)| run.job_id.as_str()).collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let mut standings = load(connection, &ids)?;
    for (run, number) in conflicts {
        *number = write_under_a_free_number(connection, run, &mut standings)?;
    }
    Ok(())
}

fn write_under_a_free_number(
    connection: &mut AnyConnection,
    run: &Run,
    standings: &mut Standings,
) -> QueryResult<Option<i32>> {
    let id = &run.job_id;
    for _ in 0..TRIES {
        let of_this = standings.entry(id.clone()).or_default();
        if of_this.iter().any(|other| other.is(run) || other.outcome == RunOutcome::Done.as_str()) {
            return Ok(None);
        }
        let highest = of_this.iter().map(|other| other.run).max().unwrap_or(0);
        // Its own number is free again when the row that took it was pruned meanwhile.
        let free = highest.checked_add(1).ok_or_else(no_number_left)?.max(run.run);
        if insert(connection, &[&Run { run: free, ..run.clone() }])? == [true] {
            let (was, worker) = (run.run, &run.worker);
            warn!(job.id = %id, run = was, worker, "run {was} of {id} was used before; recorded as run {free}; did Redis lose writes?");
            of_this.push(Standing {
                job_id: id.clone(),
                run: free,
                worker: run.worker.clone(),
                outcome: run.outcome.as_str().to_owned(),
                finished_at: run.finished_at.naive_utc(),
            });
            return Ok(Some(free));
        }
        // Another daemon was faster, with this number or with the job's done.
        standings.extend(load(connection, &[id])?);
    }
    Err(busy(&format!("other daemons keep taking the next run number of job {id}")))
}

fn load(connection: &mut AnyConnection, ids: &[&str]) -> QueryResult<Standings> {
    let mut standings = Standings::new();
    for ids in ids.chunks(IDS_IN_A_QUERY) {
        let of_these = job_runs::table.filter(job_runs::job_id.eq_any(ids)).select(Standing::as_select());
        for standing in of_these.load(connection)? {
            standings.entry(standing.job_id.clone()).or_default().push(standing);
        }
    }
    Ok(standings)
}

/// The fault of the row, and not an outage: it would never pass.
fn no_number_left() -> QueryError {
    let text = "the job has used the highest run number there is".to_owned();
    QueryError::DatabaseError(DatabaseErrorKind::CheckViolation, Box::new(text))
}
