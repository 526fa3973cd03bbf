-- Insert a group of deliveries, one array for each column, or say how those stand that are there already. What was
-- delivered once stays delivered, whatever becomes of a replay.
INSERT INTO webhook_deliveries
    (id, endpoint_id, organizer_id, event_type, subject, booking_id, payload, payload_bytes, status, attempt_number,
     response_status, response_body, error_message, job_id, created_at, last_attempt_at, next_attempt_at)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::int4[], $9::text[],
    $10::int4[], $11::int4[], $12::text[], $13::text[], $14::text[], $15::timestamptz[], $16::timestamptz[],
    $17::timestamptz[])
ON CONFLICT (id) DO UPDATE SET
    status = CASE WHEN webhook_deliveries.status = 'delivered' THEN 'delivered' ELSE excluded.status END,
    attempt_number = excluded.attempt_number,
    response_status = excluded.response_status,
    response_body = excluded.response_body,
    error_message = excluded.error_message,
    job_id = excluded.job_id,
    last_attempt_at = excluded.last_attempt_at,
    next_attempt_at = excluded.next_attempt_at
