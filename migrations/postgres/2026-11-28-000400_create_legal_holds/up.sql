-- What must be kept whatever its age: all rows of an organizer, a booking, an integration or a job.
CREATE TABLE legal_holds (
    scope     TEXT        NOT NULL,
    key       TEXT        NOT NULL,
    reason    TEXT        NOT NULL,
    placed_by TEXT        NOT NULL,
    placed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (scope, key)
);
