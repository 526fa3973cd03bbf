CREATE TABLE __diesel_schema_migrations (
       version VARCHAR(50) PRIMARY KEY NOT NULL,
       run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261120000000', '2026-11-21 01:43:47');
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261120000100', '2026-11-21 01:43:47');
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261120000200', '2026-11-21 01:43:47');
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
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('cancelled:before', 1, 0, 'noop', 'default', 'vm-16873-9264R5Y0', 'cancelled', 'by uid 0: wrong', NULL, '2026-11-21 01:43:48.306', NULL, '2026-11-21 01:43:48.319', NULL, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('cancelled:ghost', 1, 0, 'noop', 'default', 'vm-18207-Y69NQ621', 'cancelled', 'by uid 0: in the middle', NULL, '2026-11-21 01:43:59.326', NULL, '2026-11-21 01:43:59.423', NULL, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('dead:letter', 1, 1, 'fail', 'default', 'vm-16873-9264R5Y0', 'dead', 'gave up after 1 attempts: failing as told, 1 of 9', NULL, '2026-11-21 01:43:48.272', '2026-11-21 01:43:48.274', '2026-11-21 01:43:48.274', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:batched-0', 1, 1, 'noop', 'default', 'vm-16873-9264R5Y0', 'done', NULL, NULL, '2026-11-21 01:43:48.382', '2026-11-21 01:43:48.384', '2026-11-21 01:43:48.384', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:batched-1', 1, 1, 'noop', 'default', 'vm-16873-9264R5Y0', 'done', NULL, NULL, '2026-11-21 01:43:48.409', '2026-11-21 01:43:48.410', '2026-11-21 01:43:48.410', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:failing', 1, 1, 'fail', 'third', 'vm-18207-Y69NQ621', 'retry', 'failing as told, 1 of 5', NULL, '2026-11-21 01:43:59.686', '2026-11-21 01:43:59.688', '2026-11-21 01:43:59.688', 0, '2026-11-21 01:44:00.021', NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:replacing', 1, 1, 'noop', 'default', 'vm-16873-9264R5Y0', 'done', NULL, NULL, '2026-11-21 01:43:48.342', '2026-11-21 01:43:48.344', '2026-11-21 01:43:48.344', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:replied', 1, 1, 'echo', 'default', 'vm-16873-9264R5Y0', 'done', NULL, '{"a":1}', '2026-11-21 01:43:48.260', '2026-11-21 01:43:48.264', '2026-11-21 01:43:48.264', 0, NULL, '00-a-b-01');
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:retried', 1, 1, 'fail', 'default', 'vm-16873-9264R5Y0', 'retry', 'failing as told, 1 of 1', NULL, '2026-11-21 01:43:48.287', '2026-11-21 01:43:48.287', '2026-11-21 01:43:48.287', 0, '2026-11-21 01:43:48.565', NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:retried', 2, 2, 'fail', 'default', 'vm-16873-9264R5Y0', 'done', NULL, NULL, '2026-11-21 01:43:48.287', '2026-11-21 01:43:48.569', '2026-11-21 01:43:48.569', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:then-before', 1, 1, 'echo', 'default', 'vm-16873-9264R5Y0', 'done', NULL, '{"args":{},"batch":{"batch":"import:0","cancelled":0,"dead":0,"done":1,"expired":0,"replaced":0,"size":1}}', '2026-11-21 01:43:48.423', '2026-11-21 01:43:48.423', '2026-11-21 01:43:48.423', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:timed', 1, 1, 'noop', 'default', 'vm-16873-9264R5Y0', 'done', NULL, NULL, '2026-11-21 01:43:48.356', '2026-11-21 01:43:48.359', '2026-11-21 01:43:48.359', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('expired:before', 1, 0, 'noop', 'default', 'vm-16873-9264R5Y0', 'expired', 'expired at 1970-01-01T00:00:00.001+00:00', NULL, '2026-11-21 01:43:48.293', NULL, '2026-11-21 01:43:48.296', NULL, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('replaced:before', 1, 0, 'noop', 'default', 'vm-16873-9264R5Y0', 'replaced', 'by done:replacing', NULL, '2026-11-21 01:43:48.331', NULL, '2026-11-21 01:43:48.344', NULL, NULL, NULL);
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
INSERT INTO "dead_letters" ("job_id", "name", "queue", "envelope", "reason", "attempts", "crashes", "runs", "enqueued_at", "buried_at") VALUES ('dead:letter', 'fail', 'default', X'010474657374E848D1CDDA0BE576E063C259C61B2A9F276BD83EF21EF47D80D8132913038364135DEE7AB58A61EBAEA2F90BB64C1F29FD33EAC50C0F1534D2C97D255A8553C5E621723D02329067F4965DE2857B6BD23871092EA892F532B434AEE8B8512EFCFD43F9785094D8A8C11DB089E232', 'gave up after 1 attempts: failing as told, 1 of 9', 1, 0, 1, '2026-11-21 01:43:48.272', '2026-11-21 01:43:48.274');
CREATE TABLE store_identity (
    single     INTEGER NOT NULL PRIMARY KEY DEFAULT 1 CHECK (single = 1),
    id         TEXT    NOT NULL,
    created_at TEXT    NOT NULL
) STRICT;
INSERT INTO "store_identity" ("single", "id", "created_at") VALUES (1, '9dab48b50b3d5dc7274f161cc63ca0ed', '2026-11-21 01:43:47');
CREATE UNIQUE INDEX job_runs_done_once ON job_runs (job_id) WHERE outcome = 'done';
CREATE INDEX job_runs_by_time ON job_runs (finished_at);
CREATE INDEX job_runs_by_name ON job_runs (name, finished_at);
CREATE INDEX job_runs_by_trouble ON job_runs (outcome, finished_at) WHERE outcome <> 'done';
CREATE INDEX dead_letters_by_time ON dead_letters (buried_at, job_id);
