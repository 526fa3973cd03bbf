-- Insert a group of runs, one array for each column, and say which were new. What is there already, and a second
-- done of one job, is left alone.
INSERT INTO job_runs
    (job_id, run, attempt, name, queue, worker, outcome, reason, result,
     enqueued_at, started_at, finished_at, duration_ms, retry_at, trace)
SELECT * FROM unnest(
    $1::text[], $2::int4[], $3::int4[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::int8[], $14::timestamptz[], $15::text[])
ON CONFLICT DO NOTHING
RETURNING job_id, run
