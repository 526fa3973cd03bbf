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
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261120000000', '2026-11-21 02:15:44.660323');
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261120000100', '2026-11-21 02:15:44.663023');
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261120000200', '2026-11-21 02:15:44.664492');
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261121000000', '2026-11-21 02:15:44.665972');
INSERT INTO public.dead_letters (job_id, name, queue, envelope, reason, attempts, crashes, runs, enqueued_at, buried_at) VALUES ('dead:letter', 'fail', 'default', '\x01047465737447c64bfc91894a9b624e7ed253abddae459660a1f909782d7754f36c7a6b25ee84328f32f31a74f76ce680d99cd27ecbb498015d897a8d0dfc547ebb35e03ff4534f94cdfd5a8962a65562b44f396aa9ebd221bd37abd38c3964300a4b94fd368f4e8150e326ccb01efa84520594', 'gave up after 1 attempts: failing as told, 1 of 9', 1, 0, 1, '2026-11-21 02:15:55.946+00', '2026-11-21 02:15:55.956+00');
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:replied', 1, 1, 'echo', 'default', 'vm-7391-K11T5V58', 'done', NULL, '{"a":1}', '2026-11-21 02:15:55.944+00', '2026-11-21 02:15:55.949+00', '2026-11-21 02:15:55.949+00', 0, NULL, '00-a-b-01');
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('dead:letter', 1, 1, 'fail', 'default', 'vm-7391-K11T5V58', 'dead', 'gave up after 1 attempts: failing as told, 1 of 9', NULL, '2026-11-21 02:15:55.946+00', '2026-11-21 02:15:55.956+00', '2026-11-21 02:15:55.956+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:retried', 1, 1, 'fail', 'default', 'vm-7391-K11T5V58', 'retry', 'failing as told, 1 of 1', NULL, '2026-11-21 02:15:55.962+00', '2026-11-21 02:15:55.965+00', '2026-11-21 02:15:55.965+00', 0, '2026-11-21 02:15:56.152+00', NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('expired:before', 1, 0, 'noop', 'default', 'vm-7391-K11T5V58', 'expired', 'expired at 1970-01-01T00:00:00.001+00:00', NULL, '2026-11-21 02:15:55.967+00', NULL, '2026-11-21 02:15:55.967+00', NULL, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('cancelled:before', 1, 0, 'noop', 'default', 'vm-7391-K11T5V58', 'cancelled', 'by uid 0: wrong', NULL, '2026-11-21 02:15:55.974+00', NULL, '2026-11-21 02:15:55.986+00', NULL, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:replacing', 1, 1, 'noop', 'default', 'vm-7391-K11T5V58', 'done', NULL, NULL, '2026-11-21 02:15:56.003+00', '2026-11-21 02:15:56.005+00', '2026-11-21 02:15:56.005+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('replaced:before', 1, 0, 'noop', 'default', 'vm-7391-K11T5V58', 'replaced', 'by done:replacing', NULL, '2026-11-21 02:15:55.994+00', NULL, '2026-11-21 02:15:56.005+00', NULL, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:timed', 1, 1, 'noop', 'default', 'vm-7391-K11T5V58', 'done', NULL, NULL, '2026-11-21 02:15:56.014+00', '2026-11-21 02:15:56.015+00', '2026-11-21 02:15:56.015+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:batched-0', 1, 1, 'noop', 'default', 'vm-7391-K11T5V58', 'done', NULL, NULL, '2026-11-21 02:15:56.034+00', '2026-11-21 02:15:56.035+00', '2026-11-21 02:15:56.035+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:batched-1', 1, 1, 'noop', 'default', 'vm-7391-K11T5V58', 'done', NULL, NULL, '2026-11-21 02:15:56.053+00', '2026-11-21 02:15:56.055+00', '2026-11-21 02:15:56.055+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:then-before', 1, 1, 'echo', 'default', 'vm-7391-K11T5V58', 'done', NULL, '{"args":{},"batch":{"batch":"import:0","cancelled":0,"dead":0,"done":1,"expired":0,"replaced":0,"size":1}}', '2026-11-21 02:15:56.063+00', '2026-11-21 02:15:56.065+00', '2026-11-21 02:15:56.065+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:retried', 2, 2, 'fail', 'default', 'vm-7391-K11T5V58', 'done', NULL, NULL, '2026-11-21 02:15:55.962+00', '2026-11-21 02:15:56.157+00', '2026-11-21 02:15:56.162+00', 5, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('cancelled:ghost', 1, 0, 'noop', 'default', 'vm-7556-HGDYE5S7', 'cancelled', 'by uid 0: in the middle', NULL, '2026-11-21 02:16:06.598+00', NULL, '2026-11-21 02:16:06.623+00', NULL, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:failing', 1, 1, 'fail', 'third', 'vm-7556-HGDYE5S7', 'retry', 'failing as told, 1 of 5', NULL, '2026-11-21 02:16:06.688+00', '2026-11-21 02:16:06.689+00', '2026-11-21 02:16:06.689+00', 0, '2026-11-21 02:16:06.826+00', NULL);
INSERT INTO public.schedule_ticks (entry, tick_at, until_at, ticks, status, reason, job_id, queue, decided_at) VALUES ('yearly', '2024-01-01 00:00:00+00', '2026-01-01 00:00:00+00', 3, 'paused', 'paused by ann at 2026-11-21T02:15:56.260Z: for the record', NULL, NULL, '2026-11-21 02:15:56.271+00');
INSERT INTO public.store_identity (single, id, created_at) VALUES (1, '93416f18af734f42a2f6e9cbf581959a', '2026-11-21 02:15:44.664492+00');
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
