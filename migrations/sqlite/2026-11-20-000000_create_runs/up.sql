-- One row for each claim that ended, written before the queue forgets the job. Times are UTC, as sortable text.
-- Not WITHOUT ROWID: every index would carry the whole key, for no gain in speed.
CREATE TABLE job_runs (
    job_id      TEXT    NOT NULL,
    run         INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    queue       TEXT    NOT NULL,
    worker      TEXT    NOT NULL,
    outcome     TEXT    NOT NULL,
    reason      TEXT,
    result      TEXT,
    enqueued_at TEXT    NOT NULL,
    started_at  TEXT,
    finished_at TEXT    NOT NULL,
    duration_ms INTEGER,
    retry_at    TEXT,
    trace       TEXT,
    PRIMARY KEY (job_id, run)
) STRICT;

-- A job is done once, whatever is delivered twice.
CREATE UNIQUE INDEX job_runs_done_once ON job_runs (job_id) WHERE outcome = 'done';
-- The newest runs, of all jobs and of one kind of job.
CREATE INDEX job_runs_by_time ON job_runs (finished_at);
CREATE INDEX job_runs_by_name ON job_runs (name, finished_at);
-- What did not go well. Nearly every row is 'done' and stays out, so this index is free on the busy path;
-- the list of done runs is the list by time.
CREATE INDEX job_runs_by_trouble ON job_runs (outcome, finished_at) WHERE outcome <> 'done';
