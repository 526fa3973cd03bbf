-- What became of the instants of the schedule: one row for each that was fired or skipped, one for a row of missed ones.
CREATE TABLE schedule_ticks (
    entry      TEXT NOT NULL,
    tick_at    TIMESTAMPTZ NOT NULL,
    -- The last of them, where one row stands for several.
    until_at   TIMESTAMPTZ NOT NULL,
    ticks      INTEGER NOT NULL,
    status     TEXT NOT NULL,
    reason     TEXT,
    job_id     TEXT,
    queue      TEXT,
    decided_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (entry, tick_at)
);
