-- What people are told, one row for each occasion: whoever finds it here does not tell it again.
CREATE TABLE notifications (
    id             TEXT        NOT NULL PRIMARY KEY,
    kind           TEXT        NOT NULL,
    recipient      TEXT        NOT NULL,
    organizer_id   TEXT,
    integration_id TEXT,
    message_id     TEXT        NOT NULL,
    -- `sent`, `failed` or `suppressed`.
    status         TEXT        NOT NULL,
    error          TEXT,
    job_id         TEXT        NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL
);

CREATE INDEX notifications_by_integration ON notifications (integration_id, created_at);
CREATE INDEX notifications_by_time ON notifications (created_at);

-- Addresses whose server said that there is nobody: nothing is sent there until somebody takes them out.
CREATE TABLE suppressed_addresses (
    address    TEXT        NOT NULL PRIMARY KEY,
    reason     TEXT        NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
