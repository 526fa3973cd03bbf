SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.__diesel_schema_migrations (
    version character varying(50) NOT NULL,
    run_on timestamp without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);
CREATE TABLE public.dead_letters (
    job_id text NOT NULL,
    name text NOT NULL,
    queue text NOT NULL,
    envelope bytea NOT NULL,
    reason text NOT NULL,
    attempts integer NOT NULL,
    crashes integer NOT NULL,
    runs integer NOT NULL,
    enqueued_at timestamp with time zone NOT NULL,
    buried_at timestamp with time zone NOT NULL
);
CREATE TABLE public.job_runs (
    job_id text NOT NULL,
    run integer NOT NULL,
    attempt integer NOT NULL,
    name text NOT NULL,
    queue text NOT NULL,
    worker text NOT NULL,
    outcome text NOT NULL,
    reason text,
    result text,
    enqueued_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone NOT NULL,
    duration_ms bigint,
    retry_at timestamp with time zone,
    trace text
);
CREATE TABLE public.schedule_ticks (
    entry text NOT NULL,
    tick_at timestamp with time zone NOT NULL,
    until_at timestamp with time zone NOT NULL,
    ticks integer NOT NULL,
    status text NOT NULL,
    reason text,
    job_id text,
    queue text,
    decided_at timestamp with time zone NOT NULL
);
CREATE TABLE public.store_identity (
    single integer DEFAULT 1 NOT NULL,
    id text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT store_identity_single_check CHECK ((single = 1))
);
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261120000000', '2026-11-21 02:43:45.880211');
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261120000100', '2026-11-21 02:43:45.885655');
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261120000200', '2026-11-21 02:43:45.887469');
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261121000000', '2026-11-21 02:43:45.889457');
INSERT INTO public.dead_letters (job_id, name, queue, envelope, reason, attempts, crashes, runs, enqueued_at, buried_at) VALUES ('dead:letter', 'fail', 'default', '\x010474657374dcc93d7c0c02ed92e6e678a508819d8e647251ec33d9f37445c329b35aa69bf6ac4c46edf10eb3e9b3f353ba048674280d305dbefd93c6ece854fe09566ff9868d9bb8f7733a395cb431bcff3fb79de6acbd17dc1553c52eae0ee3c9315a59285bedb1ac9a3fc375bd2d6a093e1b', 'gave up after 1 attempts: failing as told, 1 of 9', 1, 0, 1, '2026-11-21 02:43:58.077+00', '2026-11-21 02:43:58.119+00');
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:replied', 1, 1, 'echo', 'default', 'vm-20433-Q8NAQ4QM', 'done', NULL, '{"a":1}', '2026-11-21 02:43:58.073+00', '2026-11-21 02:43:58.091+00', '2026-11-21 02:43:58.091+00', 0, NULL, '00-a-b-01');
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('dead:letter', 1, 1, 'fail', 'default', 'vm-20433-Q8NAQ4QM', 'dead', 'gave up after 1 attempts: failing as told, 1 of 9', NULL, '2026-11-21 02:43:58.077+00', '2026-11-21 02:43:58.119+00', '2026-11-21 02:43:58.119+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('cancelled:before', 1, 0, 'noop', 'default', 'vm-20433-Q8NAQ4QM', 'cancelled', 'by uid 0: wrong', NULL, '2026-11-21 02:43:58.114+00', NULL, '2026-11-21 02:43:58.139+00', NULL, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:retried', 1, 1, 'fail', 'default', 'vm-20433-Q8NAQ4QM', 'retry', 'failing as told, 1 of 1', NULL, '2026-11-21 02:43:58.1+00', '2026-11-21 02:43:58.129+00', '2026-11-21 02:43:58.129+00', 0, '2026-11-21 02:43:58.201+00', NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('expired:before', 1, 0, 'noop', 'default', 'vm-20433-Q8NAQ4QM', 'expired', 'expired at 1970-01-01T00:00:00.001+00:00', NULL, '2026-11-21 02:43:58.136+00', NULL, '2026-11-21 02:43:58.139+00', NULL, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:replacing', 1, 1, 'noop', 'default', 'vm-20433-Q8NAQ4QM', 'done', NULL, NULL, '2026-11-21 02:43:58.151+00', '2026-11-21 02:43:58.154+00', '2026-11-21 02:43:58.154+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('replaced:before', 1, 0, 'noop', 'default', 'vm-20433-Q8NAQ4QM', 'replaced', 'by done:replacing', NULL, '2026-11-21 02:43:58.139+00', NULL, '2026-11-21 02:43:58.154+00', NULL, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:timed', 1, 1, 'noop', 'default', 'vm-20433-Q8NAQ4QM', 'done', NULL, NULL, '2026-11-21 02:43:58.162+00', '2026-11-21 02:43:58.171+00', '2026-11-21 02:43:58.171+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:batched-0', 1, 1, 'noop', 'default', 'vm-20433-Q8NAQ4QM', 'done', NULL, NULL, '2026-11-21 02:43:58.189+00', '2026-11-21 02:43:58.191+00', '2026-11-21 02:43:58.191+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:retried', 2, 2, 'fail', 'default', 'vm-20433-Q8NAQ4QM', 'done', NULL, NULL, '2026-11-21 02:43:58.1+00', '2026-11-21 02:43:58.208+00', '2026-11-21 02:43:58.208+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:batched-1', 1, 1, 'noop', 'default', 'vm-20433-Q8NAQ4QM', 'done', NULL, NULL, '2026-11-21 02:43:58.212+00', '2026-11-21 02:43:58.218+00', '2026-11-21 02:43:58.218+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:then-before', 1, 1, 'echo', 'default', 'vm-20433-Q8NAQ4QM', 'done', NULL, '{"args":{},"batch":{"batch":"import:0","cancelled":0,"dead":0,"done":1,"expired":0,"replaced":0,"size":1}}', '2026-11-21 02:43:58.229+00', '2026-11-21 02:43:58.232+00', '2026-11-21 02:43:58.232+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('cancelled:ghost', 1, 0, 'noop', 'default', 'vm-20595-KGQW8SF9', 'cancelled', 'by uid 0: in the middle', NULL, '2026-11-21 02:44:09.048+00', NULL, '2026-11-21 02:44:09.079+00', NULL, NULL, NULL);
INSERT INTO public.schedule_ticks (entry, tick_at, until_at, ticks, status, reason, job_id, queue, decided_at) VALUES ('yearly', '2024-01-01 00:00:00+00', '2026-01-01 00:00:00+00', 3, 'paused', 'paused by ann at 2026-11-21T02:43:58.448Z: for the record', NULL, NULL, '2026-11-21 02:43:58.476+00');
INSERT INTO public.store_identity (single, id, created_at) VALUES (1, '90cfd39b049445caaea0ebc4f5d49a40', '2026-11-21 02:43:45.887469+00');
ALTER TABLE ONLY public.__diesel_schema_migrations
    ADD CONSTRAINT __diesel_schema_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (job_id);
ALTER TABLE ONLY public.job_runs
    ADD CONSTRAINT job_runs_pkey PRIMARY KEY (job_id, run);
ALTER TABLE ONLY public.schedule_ticks
    ADD CONSTRAINT schedule_ticks_pkey PRIMARY KEY (entry, tick_at);
ALTER TABLE ONLY public.store_identity
    ADD CONSTRAINT store_identity_pkey PRIMARY KEY (single);
CREATE INDEX dead_letters_by_time ON public.dead_letters USING btree (buried_at, job_id);
CREATE INDEX job_runs_by_name ON public.job_runs USING btree (name, finished_at);
CREATE INDEX job_runs_by_time ON public.job_runs USING btree (finished_at);
CREATE INDEX job_runs_by_trouble ON public.job_runs USING btree (outcome, finished_at) WHERE (outcome <> 'done'::text);
CREATE UNIQUE INDEX job_runs_done_once ON public.job_runs USING btree (job_id) WHERE (outcome = 'done'::text);
