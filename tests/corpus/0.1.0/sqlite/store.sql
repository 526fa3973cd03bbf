CREATE TABLE __diesel_schema_migrations (
       version VARCHAR(50) PRIMARY KEY NOT NULL,
       run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261120000000', '2026-11-28 18:51:06');
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261120000100', '2026-11-28 18:51:06');
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261120000200', '2026-11-28 18:51:06');
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261121000000', '2026-11-28 18:51:06');
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261128000000', '2026-11-28 18:51:06');
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261128000100', '2026-11-28 18:51:06');
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261128000200', '2026-11-28 18:51:06');
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261128000300', '2026-11-28 18:51:06');
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261128000400', '2026-11-28 18:51:06');
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
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('cancelled:before', 1, 0, 'noop', 'default', 'vm-25511-RXXZPATG', 'cancelled', 'by uid 0: wrong', NULL, '2026-11-28 18:51:06.973', NULL, '2026-11-28 18:51:07.016', NULL, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('cancelled:ghost', 1, 0, 'noop', 'default', 'vm-25928-W1S5HB0S', 'cancelled', 'by uid 0: in the middle', NULL, '2026-11-28 18:51:18.569', NULL, '2026-11-28 18:51:18.719', NULL, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('dead:letter', 1, 1, 'fail', 'default', 'vm-25511-RXXZPATG', 'dead', 'gave up after 1 attempts: failing as told, 1 of 9', NULL, '2026-11-28 18:51:06.901', '2026-11-28 18:51:06.910', '2026-11-28 18:51:06.910', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:batched-0', 1, 1, 'noop', 'default', 'vm-25511-RXXZPATG', 'done', NULL, NULL, '2026-11-28 18:51:07.158', '2026-11-28 18:51:07.163', '2026-11-28 18:51:07.163', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:batched-1', 1, 1, 'noop', 'default', 'vm-25511-RXXZPATG', 'done', NULL, NULL, '2026-11-28 18:51:07.217', '2026-11-28 18:51:07.220', '2026-11-28 18:51:07.220', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:failing', 1, 1, 'fail', 'third', 'vm-25928-W1S5HB0S', 'retry', 'failing as told, 1 of 5', NULL, '2026-11-28 18:51:18.902', '2026-11-28 18:51:18.905', '2026-11-28 18:51:18.905', 0, '2026-11-28 18:51:19.064', NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:replacing', 1, 1, 'noop', 'default', 'vm-25511-RXXZPATG', 'done', NULL, NULL, '2026-11-28 18:51:07.066', '2026-11-28 18:51:07.070', '2026-11-28 18:51:07.070', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:replied', 1, 1, 'echo', 'default', 'vm-25511-RXXZPATG', 'done', NULL, '{"a":1}', '2026-11-28 18:51:06.886', '2026-11-28 18:51:06.891', '2026-11-28 18:51:06.891', 0, NULL, '00-a-b-01');
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:retried', 1, 1, 'fail', 'default', 'vm-25511-RXXZPATG', 'retry', 'failing as told, 1 of 1', NULL, '2026-11-28 18:51:06.936', '2026-11-28 18:51:06.940', '2026-11-28 18:51:06.940', 0, '2026-11-28 18:51:06.982', NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:retried', 2, 2, 'fail', 'default', 'vm-25511-RXXZPATG', 'done', NULL, NULL, '2026-11-28 18:51:06.936', '2026-11-28 18:51:06.990', '2026-11-28 18:51:06.990', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:then-before', 1, 1, 'echo', 'default', 'vm-25511-RXXZPATG', 'done', NULL, '{"args":{},"batch":{"batch":"import:0","cancelled":0,"dead":0,"done":1,"expired":0,"replaced":0,"size":1}}', '2026-11-28 18:51:07.245', '2026-11-28 18:51:07.251', '2026-11-28 18:51:07.251', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:timed', 1, 1, 'noop', 'default', 'vm-25511-RXXZPATG', 'done', NULL, NULL, '2026-11-28 18:51:07.095', '2026-11-28 18:51:07.099', '2026-11-28 18:51:07.099', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('expired:before', 1, 0, 'noop', 'default', 'vm-25511-RXXZPATG', 'expired', 'expired at 1970-01-01T00:00:00.001+00:00', NULL, '2026-11-28 18:51:06.949', NULL, '2026-11-28 18:51:06.953', NULL, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('replaced:before', 1, 0, 'noop', 'default', 'vm-25511-RXXZPATG', 'replaced', 'by done:replacing', NULL, '2026-11-28 18:51:07.043', NULL, '2026-11-28 18:51:07.070', NULL, NULL, NULL);
CREATE TABLE dead_letters (
    job_id      TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    queue       TEXT    NOT NULL,
    envelope    BLOB    NOT NULL,
    reason      TEXT    NOT NULL,
    attempts    INTEGER NOT NULL,
    crashes     INTEGER NOT NULL,
    runs        INTEGER NOT NULL,
    enqueued_at TEXT    NOT NULL,
    buried_at   TEXT    NOT NULL
) STRICT;
INSERT INTO "dead_letters" ("job_id", "name", "queue", "envelope", "reason", "attempts", "crashes", "runs", "enqueued_at", "buried_at") VALUES ('dead:letter', 'fail', 'default', X'010474657374E325A8E8CB3F7B674D3807C642E4F896C6D5ED977D652201C0F149B4793E4DCD9A310C0ED547ADE0B6C19BD7B4ECCBCCE5B501FCED2A4A24A3660BB04C3C2782C2909C7F54F349B27250785ABAB4ABE8EFF4D27B129EC31C1DEE5182A364071104B5B8B08B19A275EC57ABD5C3A1', 'gave up after 1 attempts: failing as told, 1 of 9', 1, 0, 1, '2026-11-28 18:51:06.901', '2026-11-28 18:51:06.910');
CREATE TABLE store_identity (
    single     INTEGER NOT NULL PRIMARY KEY DEFAULT 1 CHECK (single = 1),
    id         TEXT    NOT NULL,
    created_at TEXT    NOT NULL
) STRICT;
INSERT INTO "store_identity" ("single", "id", "created_at") VALUES (1, 'a28f55d26300aed99f5031c3b8acc121', '2026-11-28 18:51:06');
CREATE TABLE schedule_ticks (
    entry      TEXT NOT NULL,
    tick_at    TEXT NOT NULL,
    -- The last of them, where one row stands for several.
    until_at   TEXT NOT NULL,
    ticks      INTEGER NOT NULL,
    status     TEXT NOT NULL,
    reason     TEXT,
    job_id     TEXT,
    queue      TEXT,
    decided_at TEXT NOT NULL,
    PRIMARY KEY (entry, tick_at)
) STRICT, WITHOUT ROWID;
INSERT INTO "schedule_ticks" ("entry", "tick_at", "until_at", "ticks", "status", "reason", "job_id", "queue", "decided_at") VALUES ('yearly', '2024-01-01 00:00:00', '2026-01-01 00:00:00', 3, 'paused', 'paused by ann at 2026-11-28T18:51:07.479Z: for the record', NULL, NULL, '2026-11-28 18:51:07.507');
CREATE TABLE calendar_integrations (
    id                  TEXT        NOT NULL PRIMARY KEY,
    organizer_id        TEXT        NOT NULL,
    provider            TEXT        NOT NULL,
    provider_user_id    TEXT,
    provider_email      TEXT,
    is_active           INTEGER     NOT NULL DEFAULT 1,
    -- The grant. Tokens are sealed; `version` counts their changes, so that who read an older pair stores none over it.
    access_token        BLOB,
    refresh_token       BLOB,
    token_expires_at    TEXT,
    scope               TEXT,
    version             INTEGER     NOT NULL DEFAULT 1,
    refreshed_at        TEXT,
    refresh_errors      INTEGER     NOT NULL DEFAULT 0,
    refresh_error       TEXT,
    -- Since when the provider takes its tokens no more, and how often that has happened: each time is told once.
    disconnected_at     TEXT,
    disconnected_reason TEXT,
    disconnects         INTEGER     NOT NULL DEFAULT 0,
    created_at          TEXT NOT NULL,
    updated_at          TEXT NOT NULL,
    calendar_id         TEXT,
    last_sync_at        TEXT,
    sync_token          TEXT,
    sync_errors         INTEGER     NOT NULL DEFAULT 0,
    sync_enabled        INTEGER     NOT NULL DEFAULT 1
) STRICT;
CREATE TABLE video_integrations (
    id                  TEXT        NOT NULL PRIMARY KEY,
    organizer_id        TEXT        NOT NULL,
    provider            TEXT        NOT NULL,
    provider_user_id    TEXT,
    provider_email      TEXT,
    is_active           INTEGER     NOT NULL DEFAULT 1,
    -- The grant. Tokens are sealed; `version` counts their changes, so that who read an older pair stores none over it.
    access_token        BLOB,
    refresh_token       BLOB,
    token_expires_at    TEXT,
    scope               TEXT,
    version             INTEGER     NOT NULL DEFAULT 1,
    refreshed_at        TEXT,
    refresh_errors      INTEGER     NOT NULL DEFAULT 0,
    refresh_error       TEXT,
    -- Since when the provider takes its tokens no more, and how often that has happened: each time is told once.
    disconnected_at     TEXT,
    disconnected_reason TEXT,
    disconnects         INTEGER     NOT NULL DEFAULT 0,
    created_at          TEXT NOT NULL,
    updated_at          TEXT NOT NULL,
    last_api_call       TEXT,
    api_calls_today     INTEGER     NOT NULL DEFAULT 0,
    rate_limit_reset_at TEXT,
    auto_generate_links INTEGER     NOT NULL DEFAULT 1
) STRICT;
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
) STRICT;
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
    success          INTEGER     NOT NULL,
    job_id           TEXT,
    created_at       TEXT NOT NULL
) STRICT;
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
    created_at     TEXT NOT NULL
) STRICT;
CREATE TABLE suppressed_addresses (
    address    TEXT        NOT NULL PRIMARY KEY,
    reason     TEXT        NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE legal_holds (
    scope     TEXT        NOT NULL,
    key       TEXT        NOT NULL,
    reason    TEXT        NOT NULL,
    placed_by TEXT        NOT NULL,
    placed_at TEXT NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT;
CREATE UNIQUE INDEX job_runs_done_once ON job_runs (job_id) WHERE outcome = 'done';
CREATE INDEX job_runs_by_time ON job_runs (finished_at);
CREATE INDEX job_runs_by_name ON job_runs (name, finished_at);
CREATE INDEX job_runs_by_trouble ON job_runs (outcome, finished_at) WHERE outcome <> 'done';
CREATE INDEX dead_letters_by_time ON dead_letters (buried_at, job_id);
CREATE INDEX calendar_integrations_by_organizer ON calendar_integrations (organizer_id, provider);
CREATE INDEX calendar_integrations_by_expiry ON calendar_integrations (token_expires_at)
    WHERE refresh_token IS NOT NULL AND disconnected_at IS NULL;
CREATE INDEX video_integrations_by_organizer ON video_integrations (organizer_id, provider);
CREATE INDEX video_integrations_by_expiry ON video_integrations (token_expires_at)
    WHERE refresh_token IS NOT NULL AND disconnected_at IS NULL;
CREATE INDEX webhook_integrations_by_organizer ON webhook_integrations (organizer_id);
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, created_at);
CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (created_at);
CREATE INDEX webhook_deliveries_by_trouble ON webhook_deliveries (status, created_at) WHERE status <> 'delivered';
CREATE INDEX webhook_deliveries_by_waiting_job ON webhook_deliveries (job_id) WHERE status = 'retrying';
CREATE INDEX integration_logs_by_time ON integration_logs (created_at);
CREATE INDEX integration_logs_by_organizer ON integration_logs (organizer_id, created_at);
CREATE INDEX integration_logs_by_integration ON integration_logs (integration_id, created_at);
CREATE INDEX integration_logs_by_booking ON integration_logs (booking_id, created_at) WHERE booking_id IS NOT NULL;
CREATE INDEX integration_logs_by_trouble ON integration_logs (success, created_at) WHERE NOT success;
CREATE INDEX integration_logs_by_job ON integration_logs (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX notifications_by_integration ON notifications (integration_id, created_at);
CREATE INDEX notifications_by_time ON notifications (created_at);
