-- One row for each claim that ended, written before the queue forgets the job.
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
    enqueued_at TIMESTAMPTZ NOT NULL,
    started_at  TIMESTAMPTZ,
    finished_at TIMESTAMPTZ NOT NULL,
    duration_ms BIGINT,
    retry_at    TIMESTAMPTZ,
    trace       TEXT,
    PRIMARY KEY (job_id, run)
);

-- A job is done once, whatever is delivered twice.
CREATE UNIQUE INDEX job_runs_done_once ON job_runs (job_id) WHERE outcome = 'done';
-- The newest runs, of all jobs and of one kind of job.
CREATE INDEX job_runs_by_time ON job_runs (finished_at);
CREATE INDEX job_runs_by_name ON job_runs (name, finished_at);
-- What did not go well. Nearly every row is 'done' and stays out, so this index is free on the busy path;
-- the list of done runs is the list by time.
CREATE INDEX job_runs_by_trouble ON job_runs (outcome, finished_at) WHERE outcome <> 'done';
