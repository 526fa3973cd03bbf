-- What was done with integrations, in words: every job that touches one leaves a row, in the transaction of its run.
CREATE TABLE integration_logs (
    id               TEXT        NOT NULL PRIMARY KEY,
    log_type         TEXT        NOT NULL,
    integration_type TEXT        NOT NULL,
    integration_id   TEXT,
    organizer_id     TEXT,
    booking_id       TEXT,
    message          TEXT        NOT NULL,
    -- A JSON object.
    details          TEXT,
    success          BOOLEAN     NOT NULL,
    job_id           TEXT,
    created_at       TIMESTAMPTZ NOT NULL
);

CREATE INDEX integration_logs_by_time ON integration_logs (created_at);
CREATE INDEX integration_logs_by_organizer ON integration_logs (organizer_id, created_at);
CREATE INDEX integration_logs_by_integration ON integration_logs (integration_id, created_at);
CREATE INDEX integration_logs_by_booking ON integration_logs (booking_id, created_at) WHERE booking_id IS NOT NULL;
CREATE INDEX integration_logs_by_trouble ON integration_logs (success, created_at) WHERE NOT success;
-- What a job left: a hold on an organizer, a booking or an integration covers its runs too.
CREATE INDEX integration_logs_by_job ON integration_logs (job_id) WHERE job_id IS NOT NULL;
