-- Jobs that were given up, with the sealed envelope that can revive them. One row for each job: a job that dies
-- again after a revival replaces its letter.
CREATE TABLE dead_letters (
    job_id      TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    queue       TEXT    NOT NULL,
    envelope    BYTEA   NOT NULL,
    reason      TEXT    NOT NULL,
    attempts    INTEGER NOT NULL,
    crashes     INTEGER NOT NULL,
    runs        INTEGER NOT NULL,
    enqueued_at TIMESTAMPTZ NOT NULL,
    buried_at   TIMESTAMPTZ NOT NULL
);

-- The newest first, page by page; the id settles ties.
CREATE INDEX dead_letters_by_time ON dead_letters (buried_at, job_id);
