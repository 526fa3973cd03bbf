-- Keep a dead job's letter; a job that died again after a revival replaces it, a late report of an older run does not.
-- Understood by both backends. $1 job_id, $2 name, $3 queue, $4 envelope (sealed), $5 reason, $6 attempts, $7 crashes,
-- $8 runs, $9 enqueued_at, $10 buried_at: each once and in this order, because SQLite numbers by appearance.
INSERT INTO dead_letters
    (job_id, name, queue, envelope, reason, attempts, crashes, runs, enqueued_at, buried_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (job_id) DO UPDATE SET
    name = excluded.name,
    queue = excluded.queue,
    envelope = excluded.envelope,
    reason = excluded.reason,
    attempts = excluded.attempts,
    crashes = excluded.crashes,
    runs = excluded.runs,
    enqueued_at = excluded.enqueued_at,
    buried_at = excluded.buried_at
WHERE dead_letters.runs <= excluded.runs
