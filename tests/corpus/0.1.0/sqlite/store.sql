CREATE TABLE __diesel_schema_migrations (
       version VARCHAR(50) PRIMARY KEY NOT NULL,
       run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261120000000', '2026-11-21 02:15:43');
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261120000100', '2026-11-21 02:15:43');
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261120000200', '2026-11-21 02:15:43');
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261121000000', '2026-11-21 02:15:43');
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
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('cancelled:before', 1, 0, 'noop', 'default', 'vm-7102-WHZ7N12M', 'cancelled', 'by uid 0: wrong', NULL, '2026-11-21 02:15:44.726', NULL, '2026-11-21 02:15:44.738', NULL, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('cancelled:ghost', 1, 0, 'noop', 'default', 'vm-7294-529VQR6N', 'cancelled', 'by uid 0: in the middle', NULL, '2026-11-21 02:15:55.625', NULL, '2026-11-21 02:15:55.652', NULL, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('dead:letter', 1, 1, 'fail', 'default', 'vm-7102-WHZ7N12M', 'dead', 'gave up after 1 attempts: failing as told, 1 of 9', NULL, '2026-11-21 02:15:44.703', '2026-11-21 02:15:44.704', '2026-11-21 02:15:44.704', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:batched-0', 1, 1, 'noop', 'default', 'vm-7102-WHZ7N12M', 'done', NULL, NULL, '2026-11-21 02:15:44.784', '2026-11-21 02:15:44.786', '2026-11-21 02:15:44.786', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:batched-1', 1, 1, 'noop', 'default', 'vm-7102-WHZ7N12M', 'done', NULL, NULL, '2026-11-21 02:15:44.803', '2026-11-21 02:15:44.805', '2026-11-21 02:15:44.805', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:failing', 1, 1, 'fail', 'third', 'vm-7294-529VQR6N', 'retry', 'failing as told, 1 of 5', NULL, '2026-11-21 02:15:55.715', '2026-11-21 02:15:55.717', '2026-11-21 02:15:55.717', 0, '2026-11-21 02:15:56.007', NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:replacing', 1, 1, 'noop', 'default', 'vm-7102-WHZ7N12M', 'done', NULL, NULL, '2026-11-21 02:15:44.754', '2026-11-21 02:15:44.756', '2026-11-21 02:15:44.756', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:replied', 1, 1, 'echo', 'default', 'vm-7102-WHZ7N12M', 'done', NULL, '{"a":1}', '2026-11-21 02:15:44.693', '2026-11-21 02:15:44.697', '2026-11-21 02:15:44.697', 0, NULL, '00-a-b-01');
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:retried', 1, 1, 'fail', 'default', 'vm-7102-WHZ7N12M', 'retry', 'failing as told, 1 of 1', NULL, '2026-11-21 02:15:44.714', '2026-11-21 02:15:44.716', '2026-11-21 02:15:44.716', 0, '2026-11-21 02:15:45.213', NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:retried', 2, 2, 'fail', 'default', 'vm-7102-WHZ7N12M', 'done', NULL, NULL, '2026-11-21 02:15:44.714', '2026-11-21 02:15:45.216', '2026-11-21 02:15:45.216', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:then-before', 1, 1, 'echo', 'default', 'vm-7102-WHZ7N12M', 'done', NULL, '{"args":{},"batch":{"batch":"import:0","cancelled":0,"dead":0,"done":1,"expired":0,"replaced":0,"size":1}}', '2026-11-21 02:15:44.814', '2026-11-21 02:15:44.814', '2026-11-21 02:15:44.814', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:timed', 1, 1, 'noop', 'default', 'vm-7102-WHZ7N12M', 'done', NULL, NULL, '2026-11-21 02:15:44.764', '2026-11-21 02:15:44.765', '2026-11-21 02:15:44.765', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('expired:before', 1, 0, 'noop', 'default', 'vm-7102-WHZ7N12M', 'expired', 'expired at 1970-01-01T00:00:00.001+00:00', NULL, '2026-11-21 02:15:44.718', NULL, '2026-11-21 02:15:44.718', NULL, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('replaced:before', 1, 0, 'noop', 'default', 'vm-7102-WHZ7N12M', 'replaced', 'by done:replacing', NULL, '2026-11-21 02:15:44.745', NULL, '2026-11-21 02:15:44.756', NULL, NULL, NULL);
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
INSERT INTO "dead_letters" ("job_id", "name", "queue", "envelope", "reason", "attempts", "crashes", "runs", "enqueued_at", "buried_at") VALUES ('dead:letter', 'fail', 'default', X'010474657374200784BAE14806CE32BBEB82846F5DDB15003695ADE09ADFA5B5D08D7EB66535ECD48C1F9E7708678D27C19B7AECDDA88D5E2EFD3B69EEFDE1D889F6074C61E6CBA33039EFAC232F146B6965F5C68E48B0F924B6F6EFF97D44A86E566A7ECFA3598A25D895156DB4B922F267EEA7', 'gave up after 1 attempts: failing as told, 1 of 9', 1, 0, 1, '2026-11-21 02:15:44.703', '2026-11-21 02:15:44.704');
CREATE TABLE store_identity (
    single     INTEGER NOT NULL PRIMARY KEY DEFAULT 1 CHECK (single = 1),
    id         TEXT    NOT NULL,
    created_at TEXT    NOT NULL
) STRICT;
INSERT INTO "store_identity" ("single", "id", "created_at") VALUES (1, '69110bd850cec75204e9858bb03d63f8', '2026-11-21 02:15:43');
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
INSERT INTO "schedule_ticks" ("entry", "tick_at", "until_at", "ticks", "status", "reason", "job_id", "queue", "decided_at") VALUES ('yearly', '2024-01-01 00:00:00', '2026-01-01 00:00:00', 3, 'paused', 'paused by ann at 2026-11-21T02:15:45.285Z: for the record', NULL, NULL, '2026-11-21 02:15:45.296');
CREATE UNIQUE INDEX job_runs_done_once ON job_runs (job_id) WHERE outcome = 'done';
CREATE INDEX job_runs_by_time ON job_runs (finished_at);
CREATE INDEX job_runs_by_name ON job_runs (name, finished_at);
CREATE INDEX job_runs_by_trouble ON job_runs (outcome, finished_at) WHERE outcome <> 'done';
CREATE INDEX dead_letters_by_time ON dead_letters (buried_at, job_id);
