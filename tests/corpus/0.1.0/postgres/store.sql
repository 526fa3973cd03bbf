SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.__diesel_schema_migrations (
    version character varying(50) NOT NULL,
    run_on timestamp without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);
CREATE TABLE public.calendar_integrations (
    id text NOT NULL,
    organizer_id text NOT NULL,
    provider text NOT NULL,
    provider_user_id text,
    provider_email text,
    is_active boolean DEFAULT true NOT NULL,
    access_token bytea,
    refresh_token bytea,
    token_expires_at timestamp with time zone,
    scope text,
    version integer DEFAULT 1 NOT NULL,
    refreshed_at timestamp with time zone,
    refresh_errors integer DEFAULT 0 NOT NULL,
    refresh_error text,
    disconnected_at timestamp with time zone,
    disconnected_reason text,
    disconnects integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    calendar_id text,
    last_sync_at timestamp with time zone,
    sync_token text,
    sync_errors integer DEFAULT 0 NOT NULL,
    sync_enabled boolean DEFAULT true NOT NULL
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
CREATE TABLE public.integration_logs (
    id text NOT NULL,
    log_type text NOT NULL,
    integration_type text NOT NULL,
    integration_id text,
    organizer_id text,
    booking_id text,
    message text NOT NULL,
    details text,
    success boolean NOT NULL,
    job_id text,
    created_at timestamp with time zone NOT NULL
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
CREATE TABLE public.legal_holds (
    scope text NOT NULL,
    key text NOT NULL,
    reason text NOT NULL,
    placed_by text NOT NULL,
    placed_at timestamp with time zone NOT NULL
);
CREATE TABLE public.notifications (
    id text NOT NULL,
    kind text NOT NULL,
    recipient text NOT NULL,
    organizer_id text,
    integration_id text,
    message_id text NOT NULL,
    status text NOT NULL,
    error text,
    job_id text NOT NULL,
    created_at timestamp with time zone NOT NULL
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
CREATE TABLE public.suppressed_addresses (
    address text NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE TABLE public.video_integrations (
    id text NOT NULL,
    organizer_id text NOT NULL,
    provider text NOT NULL,
    provider_user_id text,
    provider_email text,
    is_active boolean DEFAULT true NOT NULL,
    access_token bytea,
    refresh_token bytea,
    token_expires_at timestamp with time zone,
    scope text,
    version integer DEFAULT 1 NOT NULL,
    refreshed_at timestamp with time zone,
    refresh_errors integer DEFAULT 0 NOT NULL,
    refresh_error text,
    disconnected_at timestamp with time zone,
    disconnected_reason text,
    disconnects integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    last_api_call timestamp with time zone,
    api_calls_today integer DEFAULT 0 NOT NULL,
    rate_limit_reset_at timestamp with time zone,
    auto_generate_links boolean DEFAULT true NOT NULL
);
CREATE TABLE public.webhook_attempts (
    delivery_id text NOT NULL,
    job_id text NOT NULL,
    run integer NOT NULL,
    attempt integer NOT NULL,
    attempted_at timestamp with time zone NOT NULL,
    duration_ms bigint NOT NULL,
    response_status integer,
    response_headers text,
    response_body text,
    error_message text,
    next_attempt_at timestamp with time zone
);
CREATE TABLE public.webhook_deliveries (
    id text NOT NULL,
    endpoint_id text NOT NULL,
    organizer_id text NOT NULL,
    event_type text NOT NULL,
    subject text,
    booking_id text,
    payload bytea NOT NULL,
    payload_bytes integer NOT NULL,
    status text NOT NULL,
    attempt_number integer NOT NULL,
    response_status integer,
    response_body text,
    error_message text,
    job_id text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_attempt_at timestamp with time zone NOT NULL,
    next_attempt_at timestamp with time zone
);
CREATE TABLE public.webhook_integrations (
    id text NOT NULL,
    organizer_id text NOT NULL,
    name text NOT NULL,
    webhook_url text NOT NULL,
    method text DEFAULT 'POST'::text NOT NULL,
    events text NOT NULL,
    headers bytea,
    secret_key bytea,
    old_secret_key bytea,
    old_secret_until timestamp with time zone,
    signature text DEFAULT 'both'::text NOT NULL,
    signature_header text DEFAULT 'X-Webhook-Signature'::text NOT NULL,
    signature_prefix boolean DEFAULT true NOT NULL,
    retry_failed boolean DEFAULT true NOT NULL,
    max_retries integer DEFAULT 3 NOT NULL,
    timeout_seconds integer DEFAULT 15 NOT NULL,
    max_concurrent integer,
    max_per_second integer,
    ordered boolean DEFAULT false NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    disabled_at timestamp with time zone,
    disabled_reason text,
    success_count bigint DEFAULT 0 NOT NULL,
    failure_count bigint DEFAULT 0 NOT NULL,
    last_triggered_at timestamp with time zone,
    last_success_at timestamp with time zone,
    failures_in_a_row integer DEFAULT 0 NOT NULL,
    failing_since timestamp with time zone,
    warnings integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261120000000', '2026-11-28 18:51:06.760722');
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261120000100', '2026-11-28 18:51:06.765179');
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261120000200', '2026-11-28 18:51:06.766923');
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261121000000', '2026-11-28 18:51:06.769177');
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261128000000', '2026-11-28 18:51:06.770806');
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261128000100', '2026-11-28 18:51:06.775772');
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261128000200', '2026-11-28 18:51:06.784082');
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261128000300', '2026-11-28 18:51:06.787997');
INSERT INTO public.__diesel_schema_migrations (version, run_on) VALUES ('20261128000400', '2026-11-28 18:51:06.792466');
INSERT INTO public.dead_letters (job_id, name, queue, envelope, reason, attempts, crashes, runs, enqueued_at, buried_at) VALUES ('dead:letter', 'fail', 'default', '\x010474657374ff02703dba51a8d272c77a80328ce949492fff057652fe16f3cb6f3611c27220d6a29b0d14ed1ce3a50485034277ceda898566d87149f4f3ea94a858718e3b1e5bf553058c4cd02541ee7e884c81b1175d3488b0d3d570fed753b8590c2e26bc10beacc5464459709a554a8b7cae', 'gave up after 1 attempts: failing as told, 1 of 9', 1, 0, 1, '2026-11-28 18:51:19.568+00', '2026-11-28 18:51:19.583+00');
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:replied', 1, 1, 'echo', 'default', 'vm-26019-AY6YPVJM', 'done', NULL, '{"a":1}', '2026-11-28 18:51:19.552+00', '2026-11-28 18:51:19.562+00', '2026-11-28 18:51:19.563+00', 1, NULL, '00-a-b-01');
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('dead:letter', 1, 1, 'fail', 'default', 'vm-26019-AY6YPVJM', 'dead', 'gave up after 1 attempts: failing as told, 1 of 9', NULL, '2026-11-28 18:51:19.568+00', '2026-11-28 18:51:19.583+00', '2026-11-28 18:51:19.583+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:retried', 1, 1, 'fail', 'default', 'vm-26019-AY6YPVJM', 'retry', 'failing as told, 1 of 1', NULL, '2026-11-28 18:51:19.596+00', '2026-11-28 18:51:19.602+00', '2026-11-28 18:51:19.602+00', 0, '2026-11-28 18:51:19.718+00', NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('expired:before', 1, 0, 'noop', 'default', 'vm-26019-AY6YPVJM', 'expired', 'expired at 1970-01-01T00:00:00.001+00:00', NULL, '2026-11-28 18:51:19.606+00', NULL, '2026-11-28 18:51:19.608+00', NULL, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('cancelled:before', 1, 0, 'noop', 'default', 'vm-26019-AY6YPVJM', 'cancelled', 'by uid 0: wrong', NULL, '2026-11-28 18:51:19.62+00', NULL, '2026-11-28 18:51:19.646+00', NULL, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:replacing', 1, 1, 'noop', 'default', 'vm-26019-AY6YPVJM', 'done', NULL, NULL, '2026-11-28 18:51:19.692+00', '2026-11-28 18:51:19.695+00', '2026-11-28 18:51:19.695+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('replaced:before', 1, 0, 'noop', 'default', 'vm-26019-AY6YPVJM', 'replaced', 'by done:replacing', NULL, '2026-11-28 18:51:19.67+00', NULL, '2026-11-28 18:51:19.695+00', NULL, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:retried', 2, 2, 'fail', 'default', 'vm-26019-AY6YPVJM', 'done', NULL, NULL, '2026-11-28 18:51:19.596+00', '2026-11-28 18:51:19.719+00', '2026-11-28 18:51:19.719+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:timed', 1, 1, 'noop', 'default', 'vm-26019-AY6YPVJM', 'done', NULL, NULL, '2026-11-28 18:51:19.717+00', '2026-11-28 18:51:19.719+00', '2026-11-28 18:51:19.719+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:batched-0', 1, 1, 'noop', 'default', 'vm-26019-AY6YPVJM', 'done', NULL, NULL, '2026-11-28 18:51:19.764+00', '2026-11-28 18:51:19.766+00', '2026-11-28 18:51:19.766+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:batched-1', 1, 1, 'noop', 'default', 'vm-26019-AY6YPVJM', 'done', NULL, NULL, '2026-11-28 18:51:19.815+00', '2026-11-28 18:51:19.821+00', '2026-11-28 18:51:19.821+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:then-before', 1, 1, 'echo', 'default', 'vm-26019-AY6YPVJM', 'done', NULL, '{"args":{},"batch":{"batch":"import:0","cancelled":0,"dead":0,"done":1,"expired":0,"replaced":0,"size":1}}', '2026-11-28 18:51:19.841+00', '2026-11-28 18:51:19.843+00', '2026-11-28 18:51:19.843+00', 0, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('cancelled:ghost', 1, 0, 'noop', 'default', 'vm-26170-5A310RN9', 'cancelled', 'by uid 0: in the middle', NULL, '2026-11-28 18:51:31.228+00', NULL, '2026-11-28 18:51:31.295+00', NULL, NULL, NULL);
INSERT INTO public.job_runs (job_id, run, attempt, name, queue, worker, outcome, reason, result, enqueued_at, started_at, finished_at, duration_ms, retry_at, trace) VALUES ('done:failing', 1, 1, 'fail', 'third', 'vm-26170-5A310RN9', 'retry', 'failing as told, 1 of 5', NULL, '2026-11-28 18:51:31.576+00', '2026-11-28 18:51:31.579+00', '2026-11-28 18:51:31.579+00', 0, '2026-11-28 18:51:31.981+00', NULL);
INSERT INTO public.schedule_ticks (entry, tick_at, until_at, ticks, status, reason, job_id, queue, decided_at) VALUES ('yearly', '2024-01-01 00:00:00+00', '2026-01-01 00:00:00+00', 3, 'paused', 'paused by ann at 2026-11-28T18:51:20.098Z: for the record', NULL, NULL, '2026-11-28 18:51:20.124+00');
INSERT INTO public.store_identity (single, id, created_at) VALUES (1, '80eddd4003684c858e4cb5c0cae2502e', '2026-11-28 18:51:06.766923+00');
ALTER TABLE ONLY public.__diesel_schema_migrations
    ADD CONSTRAINT __diesel_schema_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.calendar_integrations
    ADD CONSTRAINT calendar_integrations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (job_id);
ALTER TABLE ONLY public.integration_logs
    ADD CONSTRAINT integration_logs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.job_runs
    ADD CONSTRAINT job_runs_pkey PRIMARY KEY (job_id, run);
ALTER TABLE ONLY public.legal_holds
    ADD CONSTRAINT legal_holds_pkey PRIMARY KEY (scope, key);
ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.schedule_ticks
    ADD CONSTRAINT schedule_ticks_pkey PRIMARY KEY (entry, tick_at);
ALTER TABLE ONLY public.store_identity
    ADD CONSTRAINT store_identity_pkey PRIMARY KEY (single);
ALTER TABLE ONLY public.suppressed_addresses
    ADD CONSTRAINT suppressed_addresses_pkey PRIMARY KEY (address);
ALTER TABLE ONLY public.video_integrations
    ADD CONSTRAINT video_integrations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.webhook_attempts
    ADD CONSTRAINT webhook_attempts_pkey PRIMARY KEY (delivery_id, job_id, run);
ALTER TABLE ONLY public.webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.webhook_integrations
    ADD CONSTRAINT webhook_integrations_pkey PRIMARY KEY (id);
CREATE INDEX calendar_integrations_by_expiry ON public.calendar_integrations USING btree (token_expires_at) WHERE ((refresh_token IS NOT NULL) AND (disconnected_at IS NULL));
CREATE INDEX calendar_integrations_by_organizer ON public.calendar_integrations USING btree (organizer_id, provider);
CREATE INDEX dead_letters_by_time ON public.dead_letters USING btree (buried_at, job_id);
CREATE INDEX integration_logs_by_booking ON public.integration_logs USING btree (booking_id, created_at) WHERE (booking_id IS NOT NULL);
CREATE INDEX integration_logs_by_integration ON public.integration_logs USING btree (integration_id, created_at);
CREATE INDEX integration_logs_by_job ON public.integration_logs USING btree (job_id) WHERE (job_id IS NOT NULL);
CREATE INDEX integration_logs_by_organizer ON public.integration_logs USING btree (organizer_id, created_at);
CREATE INDEX integration_logs_by_time ON public.integration_logs USING btree (created_at);
CREATE INDEX integration_logs_by_trouble ON public.integration_logs USING btree (success, created_at) WHERE (NOT success);
CREATE INDEX job_runs_by_name ON public.job_runs USING btree (name, finished_at);
CREATE INDEX job_runs_by_time ON public.job_runs USING btree (finished_at);
CREATE INDEX job_runs_by_trouble ON public.job_runs USING btree (outcome, finished_at) WHERE (outcome <> 'done'::text);
CREATE UNIQUE INDEX job_runs_done_once ON public.job_runs USING btree (job_id) WHERE (outcome = 'done'::text);
CREATE INDEX notifications_by_integration ON public.notifications USING btree (integration_id, created_at);
CREATE INDEX notifications_by_time ON public.notifications USING btree (created_at);
CREATE INDEX video_integrations_by_expiry ON public.video_integrations USING btree (token_expires_at) WHERE ((refresh_token IS NOT NULL) AND (disconnected_at IS NULL));
CREATE INDEX video_integrations_by_organizer ON public.video_integrations USING btree (organizer_id, provider);
CREATE INDEX webhook_deliveries_by_endpoint ON public.webhook_deliveries USING btree (endpoint_id, created_at);
CREATE INDEX webhook_deliveries_by_time ON public.webhook_deliveries USING btree (created_at);
CREATE INDEX webhook_deliveries_by_trouble ON public.webhook_deliveries USING btree (status, created_at) WHERE (status <> 'delivered'::text);
CREATE INDEX webhook_deliveries_by_waiting_job ON public.webhook_deliveries USING btree (job_id) WHERE (status = 'retrying'::text);
CREATE INDEX webhook_integrations_by_organizer ON public.webhook_integrations USING btree (organizer_id);
