-- Insert a group of attempts, one array for each column. What is there already is left alone.
INSERT INTO webhook_attempts
    (delivery_id, job_id, run, attempt, attempted_at, duration_ms, response_status, response_headers, response_body,
     error_message, next_attempt_at)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::int4[], $4::int4[], $5::timestamptz[], $6::int8[], $7::int4[], $8::text[], $9::text[],
    $10::text[], $11::timestamptz[])
ON CONFLICT DO NOTHING
