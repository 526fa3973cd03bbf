-- Conflicts of an organizer that are no more: their blocked times overlap no longer, or are over. $1 now, $2 the organizer.
UPDATE calendar_conflicts SET status = 'gone', resolved_at = $1
WHERE organizer_id = $2 AND status = 'open' AND (
    overlap_until <= $1
    OR NOT EXISTS (
        SELECT 1 FROM blocked_times a JOIN blocked_times b ON b.starts_at < a.ends_at AND b.ends_at > a.starts_at
        WHERE a.id = calendar_conflicts.block_id AND b.id = calendar_conflicts.other_block_id))
