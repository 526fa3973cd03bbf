-- Keep what became of a tick; whoever says it again changes nothing. Understood by both backends. $1 entry, $2 tick_at,
-- $3 until_at, $4 ticks, $5 status, $6 reason, $7 job_id, $8 queue, $9 decided_at: each once and in this order, because
-- SQLite numbers by appearance.
INSERT INTO schedule_ticks
    (entry, tick_at, until_at, ticks, status, reason, job_id, queue, decided_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (entry, tick_at) DO NOTHING
