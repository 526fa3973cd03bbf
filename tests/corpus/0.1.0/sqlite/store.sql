CREATE TABLE __diesel_schema_migrations (
       version VARCHAR(50) PRIMARY KEY NOT NULL,
       run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261120000000', '2026-11-21 02:43:44');
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261120000100', '2026-11-21 02:43:44');
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261120000200', '2026-11-21 02:43:44');
INSERT INTO "__diesel_schema_migrations" ("version", "run_on") VALUES ('20261121000000', '2026-11-21 02:43:44');
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
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('cancelled:before', 1, 0, 'noop', 'default', 'vm-20077-YH1FTYAV', 'cancelled', 'by uid 0: wrong', NULL, '2026-11-21 02:43:46.051', NULL, '2026-11-21 02:43:46.081', NULL, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('cancelled:ghost', 1, 0, 'noop', 'default', 'vm-20223-S7B45WC5', 'cancelled', 'by uid 0: in the middle', NULL, '2026-11-21 02:43:57.478', NULL, '2026-11-21 02:43:57.511', NULL, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('dead:letter', 1, 1, 'fail', 'default', 'vm-20077-YH1FTYAV', 'dead', 'gave up after 1 attempts: failing as told, 1 of 9', NULL, '2026-11-21 02:43:45.990', '2026-11-21 02:43:45.993', '2026-11-21 02:43:45.993', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:batched-0', 1, 1, 'noop', 'default', 'vm-20077-YH1FTYAV', 'done', NULL, NULL, '2026-11-21 02:43:46.172', '2026-11-21 02:43:46.177', '2026-11-21 02:43:46.177', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:batched-1', 1, 1, 'noop', 'default', 'vm-20077-YH1FTYAV', 'done', NULL, NULL, '2026-11-21 02:43:46.212', '2026-11-21 02:43:46.214', '2026-11-21 02:43:46.214', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:failing', 1, 1, 'fail', 'third', 'vm-20223-S7B45WC5', 'retry', 'failing as told, 1 of 5', NULL, '2026-11-21 02:43:57.651', '2026-11-21 02:43:57.652', '2026-11-21 02:43:57.652', 0, '2026-11-21 02:43:57.938', NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:replacing', 1, 1, 'noop', 'default', 'vm-20077-YH1FTYAV', 'done', NULL, NULL, '2026-11-21 02:43:46.108', '2026-11-21 02:43:46.110', '2026-11-21 02:43:46.110', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:replied', 1, 1, 'echo', 'default', 'vm-20077-YH1FTYAV', 'done', NULL, '{"a":1}', '2026-11-21 02:43:45.969', '2026-11-21 02:43:45.977', '2026-11-21 02:43:45.977', 0, NULL, '00-a-b-01');
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:retried', 1, 1, 'fail', 'default', 'vm-20077-YH1FTYAV', 'retry', 'failing as told, 1 of 1', NULL, '2026-11-21 02:43:46.021', '2026-11-21 02:43:46.025', '2026-11-21 02:43:46.025', 0, '2026-11-21 02:43:46.074', NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:retried', 2, 2, 'fail', 'default', 'vm-20077-YH1FTYAV', 'done', NULL, NULL, '2026-11-21 02:43:46.021', '2026-11-21 02:43:46.081', '2026-11-21 02:43:46.081', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:then-before', 1, 1, 'echo', 'default', 'vm-20077-YH1FTYAV', 'done', NULL, '{"args":{},"batch":{"batch":"import:0","cancelled":0,"dead":0,"done":1,"expired":0,"replaced":0,"size":1}}', '2026-11-21 02:43:46.230', '2026-11-21 02:43:46.231', '2026-11-21 02:43:46.231', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('done:timed', 1, 1, 'noop', 'default', 'vm-20077-YH1FTYAV', 'done', NULL, NULL, '2026-11-21 02:43:46.125', '2026-11-21 02:43:46.127', '2026-11-21 02:43:46.127', 0, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('expired:before', 1, 0, 'noop', 'default', 'vm-20077-YH1FTYAV', 'expired', 'expired at 1970-01-01T00:00:00.001+00:00', NULL, '2026-11-21 02:43:46.030', NULL, '2026-11-21 02:43:46.032', NULL, NULL, NULL);
INSERT INTO "job_runs" ("job_id", "run", "attempt", "name", "queue", "worker", "outcome", "reason", "result", "enqueued_at", "started_at", "finished_at", "duration_ms", "retry_at", "trace") VALUES ('replaced:before', 1, 0, 'noop', 'default', 'vm-20077-YH1FTYAV', 'replaced', 'by done:replacing', NULL, '2026-11-21 02:43:46.087', NULL, '2026-11-21 02:43:46.110', NULL, NULL, NULL);
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
INSERT INTO "dead_letters" ("job_id", "name", "queue", "envelope", "reason", "attempts", "crashes", "runs", "enqueued_at", "buried_at") VALUES ('dead:letter', 'fail', 'default', X'0104746573746C2984B04C93FEF51364118B01641DC30043A6616F99A846EDB33BC4A60B3780715C00A68630174784967F32278AD942C4608DAEAE0AD19C9E6588C51ACFA2C3611358EFD03F9AB9192B780D7374EDEFC5D607CCF8BD226D8B69979CA5797B59502073D82DF6262EF13F1BDF8CAC', 'gave up after 1 attempts: failing as told, 1 of 9', 1, 0, 1, '2026-11-21 02:43:45.990', '2026-11-21 02:43:45.993');
CREATE TABLE store_identity (
    single     INTEGER NOT NULL PRIMARY KEY DEFAULT 1 CHECK (single = 1),
    id         TEXT    NOT NULL,
    created_at TEXT    NOT NULL
) STRICT;
INSERT INTO "store_identity" ("single", "id", "created_at") VALUES (1, '6ffda37503f637e1342ab25849cc518f', '2026-11-21 02:43:44');
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
INSERT INTO "schedule_ticks" ("entry", "tick_at", "until_at", "ticks", "status", "reason", "job_id", "queue", "decided_at") VALUES ('yearly', '2024-01-01 00:00:00', '2026-01-01 00:00:00', 3, 'paused', 'paused by ann at 2026-11-21T02:43:46.351Z: for the record', NULL, NULL, '2026-11-21 02:43:46.361');
CREATE UNIQUE INDEX job_runs_done_once ON job_runs (job_id) WHERE outcome = 'done';
CREATE INDEX job_runs_by_time ON job_runs (finished_at);
CREATE INDEX job_runs_by_name ON job_runs (name, finished_at);
CREATE INDEX job_runs_by_trouble ON job_runs (outcome, finished_at) WHERE outcome <> 'done';
CREATE INDEX dead_letters_by_time ON dead_letters (buried_at, job_id);
