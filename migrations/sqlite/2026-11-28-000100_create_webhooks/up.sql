-- Where events are sent: the endpoints of organizers. Secrets and the values of headers are sealed.
-- Times are UTC, as sortable text.
CREATE TABLE webhook_integrations (
    id                   TEXT        NOT NULL PRIMARY KEY,
    organizer_id         TEXT        NOT NULL,
    name                 TEXT        NOT NULL,
    webhook_url          TEXT        NOT NULL,
    method               TEXT        NOT NULL DEFAULT 'POST',
    -- A JSON list of names of events; `*` stands for any rest of a name.
    events               TEXT        NOT NULL,
    headers              BLOB,
    secret_key           BLOB,
    -- The secret before the last rotation, which signs as well until then.
    old_secret_key       BLOB,
    old_secret_until     TEXT,
    -- `standard`, `plain` or `both`; of the plain one the header's name and whether `sha256=` stands before the digits.
    signature            TEXT        NOT NULL DEFAULT 'both',
    signature_header     TEXT        NOT NULL DEFAULT 'X-Webhook-Signature',
    signature_prefix     INTEGER     NOT NULL DEFAULT 1,
    retry_failed         INTEGER     NOT NULL DEFAULT 1,
    max_retries          INTEGER     NOT NULL DEFAULT 3,
    timeout_seconds      INTEGER     NOT NULL DEFAULT 15,
    -- The most at once and in a second, over all daemons; none or 0: only what holds for every endpoint.
    max_concurrent       INTEGER,
    max_per_second       INTEGER,
    -- Deliveries of one subject arrive in the order in which they were asked for.
    ordered              INTEGER     NOT NULL DEFAULT 0,
    is_active            INTEGER     NOT NULL DEFAULT 1,
    disabled_at          TEXT,
    disabled_reason      TEXT,
    success_count        INTEGER      NOT NULL DEFAULT 0,
    failure_count        INTEGER      NOT NULL DEFAULT 0,
    last_triggered_at    TEXT,
    last_success_at      TEXT,
    -- How many attempts in a row have failed, since when, and how often the organizer was warned of it.
    failures_in_a_row    INTEGER     NOT NULL DEFAULT 0,
    failing_since        TEXT,
    warnings             INTEGER     NOT NULL DEFAULT 0,
    created_at           TEXT NOT NULL,
    updated_at           TEXT NOT NULL
) STRICT;

CREATE INDEX webhook_integrations_by_organizer ON webhook_integrations (organizer_id);

-- One row for each event and endpoint; its id is the `webhook-id` that the receiver sees on every attempt.
CREATE TABLE webhook_deliveries (
    id                   TEXT        NOT NULL PRIMARY KEY,
    endpoint_id          TEXT        NOT NULL,
    organizer_id         TEXT        NOT NULL,
    event_type           TEXT        NOT NULL,
    subject              TEXT,
    booking_id           TEXT,
    -- The body as it is sent, sealed: every attempt and every replay sends the same bytes.
    payload              BLOB       NOT NULL,
    payload_bytes        INTEGER     NOT NULL,
    -- `retrying`, `delivered`, `failed`, or `skipped` while its endpoint was disabled.
    status               TEXT        NOT NULL,
    attempt_number       INTEGER     NOT NULL,
    response_status      INTEGER,
    response_body        TEXT,
    error_message        TEXT,
    job_id               TEXT        NOT NULL,
    created_at           TEXT NOT NULL,
    last_attempt_at      TEXT NOT NULL,
    next_attempt_at      TEXT
) STRICT;

CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, created_at);
CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (created_at);
CREATE INDEX webhook_deliveries_by_trouble ON webhook_deliveries (status, created_at) WHERE status <> 'delivered';
-- Those that wait for their next attempt, for jobs that end without one.
CREATE INDEX webhook_deliveries_by_waiting_job ON webhook_deliveries (job_id) WHERE status = 'retrying';

-- Every attempt, under the run of the job that made it. No other index: the key may carry the row.
CREATE TABLE webhook_attempts (
    delivery_id          TEXT        NOT NULL,
    job_id               TEXT        NOT NULL,
    run                  INTEGER     NOT NULL,
    attempt              INTEGER     NOT NULL,
    attempted_at         TEXT NOT NULL,
    duration_ms          INTEGER      NOT NULL,
    response_status      INTEGER,
    -- A JSON object of those worth keeping.
    response_headers     TEXT,
    response_body        TEXT,
    error_message        TEXT,
    next_attempt_at      TEXT,
    PRIMARY KEY (delivery_id, job_id, run)
) STRICT, WITHOUT ROWID;
