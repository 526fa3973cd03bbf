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
CREATE TABLE public.store_identity (
    single integer DEFAULT 1 NOT NULL,
    id text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT store_identity_single_check CHECK ((single = 1))
);
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261120000000', '2026-11-21 01:43:48.20731');
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261120000100', '2026-11-21 01:43:48.21025');
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261120000200', '2026-11-21 01:43:48.211333');
INSERT INTO public.dead_letters (job_id, name, queue, envelope, reason, attempts, crashes, runs, enqueued_at, buried_at) VALUES ('dead:letter', 'fail', 'default', '\x010474657374d5438b7d6e396190f0bf9c94d757fac7195c325e8a0161f63c5d4fd02c2ed5c6c6a9cea1cfeca3f908dcccfada87c2261d57e9905734229afea554db9a856280a3fd7a60b59f83c284101364f85f6818c5b6c4e1c3ffc94b161be2577a329725e6375bb120b9a445a92d4ce11d55', 'gave up after 1 attempts: failing as told, 1 of 9', 1, 0, 1, '2026-11-21 01:44:00.323+00', '2026-11-21 01:44:00.505+00');
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:replied', 1, 1, 'echo', 'default', 'vm-19343-TGEC2PS6', 'done', NULL, '{"a":1}', '2026-11-21 01:44:00.316+00', '2026-11-21 01:44:00.448+00', '2026-11-21 01:44:00.448+00', 0, NULL, '00-a-b-01');
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('dead:letter', 1, 1, 'fail', 'default', 'vm-19343-TGEC2PS6', 'dead', 'gave up after 1 attempts: failing as told, 1 of 9', NULL, '2026-11-21 01:44:00.323+00', '2026-11-21 01:44:00.504+00', '2026-11-21 01:44:00.505+00', 1, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:retried', 1, 1, 'fail', 'default', 'vm-19343-TGEC2PS6', 'retry', 'failing as told, 1 of 1', NULL, '2026-11-21 01:44:00.572+00', '2026-11-21 01:44:00.578+00', '2026-11-21 01:44:00.578+00', 0, '2026-11-21 01:44:00.732+00', NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('expired:before', 1, 0, 'noop', 'default', 'vm-19343-TGEC2PS6', 'expired', 'expired at 1970-01-01T00:00:00.001+00:00', NULL, '2026-11-21 01:44:00.585+00', NULL, '2026-11-21 01:44:00.597+00', NULL, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('cancelled:before', 1, 0, 'noop', 'default', 'vm-19343-TGEC2PS6', 'cancelled', 'by uid 0: wrong', NULL, '2026-11-21 01:44:00.62+00', NULL, '2026-11-21 01:44:00.641+00', NULL, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:replacing', 1, 1, 'noop', 'default', 'vm-19343-TGEC2PS6', 'done', NULL, NULL, '2026-11-21 01:44:00.667+00', '2026-11-21 01:44:00.67+00', '2026-11-21 01:44:00.67+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('replaced:before', 1, 0, 'noop', 'default', 'vm-19343-TGEC2PS6', 'replaced', 'by done:replacing', NULL, '2026-11-21 01:44:00.654+00', NULL, '2026-11-21 01:44:00.67+00', NULL, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:timed', 1, 1, 'noop', 'default', 'vm-19343-TGEC2PS6', 'done', NULL, NULL, '2026-11-21 01:44:00.704+00', '2026-11-21 01:44:00.707+00', '2026-11-21 01:44:00.707+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:retried', 2, 2, 'fail', 'default', 'vm-19343-TGEC2PS6', 'done', NULL, NULL, '2026-11-21 01:44:00.572+00', '2026-11-21 01:44:00.742+00', '2026-11-21 01:44:00.742+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:batched-0', 1, 1, 'noop', 'default', 'vm-19343-TGEC2PS6', 'done', NULL, NULL, '2026-11-21 01:44:00.753+00', '2026-11-21 01:44:00.76+00', '2026-11-21 01:44:00.76+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:batched-1', 1, 1, 'noop', 'default', 'vm-19343-TGEC2PS6', 'done', NULL, NULL, '2026-11-21 01:44:00.827+00', '2026-11-21 01:44:00.828+00', '2026-11-21 01:44:00.829+00', 1, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:then-before', 1, 1, 'echo', 'default', 'vm-19343-TGEC2PS6', 'done', NULL, '{"args":{},"batch":{"batch":"import:0","cancelled":0,"dead":0,"done":1,"expired":0,"replaced":0,"size":1}}', '2026-11-21 01:44:00.887+00', '2026-11-21 01:44:00.89+00', '2026-11-21 01:44:00.89+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('cancelled:ghost', 1, 0, 'noop', 'default', 'vm-20466-SFQHCFDR', 'cancelled', 'by uid 0: in the middle', NULL, '2026-11-21 01:44:12.393+00', NULL, '2026-11-21 01:44:12.526+00', NULL, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:failing', 1, 1, 'fail', 'third', 'vm-20466-SFQHCFDR', 'retry', 'failing as told, 1 of 5', NULL, '2026-11-21 01:44:12.773+00', '2026-11-21 01:44:12.778+00', '2026-11-21 01:44:12.778+00', 0, '2026-11-21 01:44:13.045+00', NULL);
INSERT INTO public.store_identity (single, id, created_at) VALUES (1, '8bb0633bfc664c3b8546d601e604fa44', '2026-11-21 01:43:48.211333+00');
ALTER TABLE ONLY public.__diesel_schema_migrations
    ADD CONSTRAINT __diesel_schema_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (job_id);
ALTER TABLE ONLY public.job_runs
    ADD CONSTRAINT job_runs_pkey PRIMARY KEY (job_id, run);
ALTER TABLE ONLY public.store_identity
    ADD CONSTRAINT store_identity_pkey PRIMARY KEY (single);
CREATE INDEX dead_letters_by_time ON public.dead_letters USING btree (buried_at, job_id);
CREATE INDEX job_runs_by_name ON public.job_runs USING btree (name, finished_at);
CREATE INDEX job_runs_by_time ON public.job_runs USING btree (finished_at);
CREATE INDEX job_runs_by_trouble ON public.job_runs USING btree (outcome, finished_at) WHERE (outcome <> 'done'::text);
CREATE UNIQUE INDEX job_runs_done_once ON public.job_runs USING btree (job_id) WHERE (outcome = 'done'::text);
