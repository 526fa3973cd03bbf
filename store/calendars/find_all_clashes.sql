-- What overlaps several blocked times: $1 an array of their ids, $2 the time before which nobody cares. The same as
-- find_clashes.sql, which says why.
SELECT a.id AS one_id, b.id AS other_id, a.source AS one_source, b.source AS other_source,
    a.organizer_id AS organizer_id, a.tentative AS one_tentative, b.tentative AS other_tentative,
    a.starts_at AS one_starts, a.ends_at AS one_ends, b.starts_at AS other_starts, b.ends_at AS other_ends
FROM blocked_times a
CROSS JOIN LATERAL (
    SELECT c.* FROM blocked_times c
    WHERE c.id IN (
        SELECT s.id FROM blocked_times s
        WHERE s.organizer_id = a.organizer_id AND s.ends_at > a.starts_at AND s.starts_at < a.ends_at
            AND s.ends_at <= a.ends_at + interval '37 hours'
        UNION ALL
        SELECT l.id FROM blocked_times l
        WHERE l.organizer_id = a.organizer_id AND l.ends_at > a.ends_at + interval '37 hours' AND l.starts_at < a.ends_at
            AND extract(epoch FROM l.ends_at - l.starts_at) > 129600)
        AND c.ends_at > $2 AND c.id <> a.id
        AND (a.source <> c.source OR (a.source = 'synced' AND a.integration_id <> c.integration_id))
        AND (a.external_uid IS NULL OR c.external_uid IS NULL OR a.external_uid <> c.external_uid)
        AND NOT EXISTS (SELECT 1 FROM external_events x
            WHERE (x.integration_id = a.integration_id AND x.external_id = a.external_event_id)
                OR (x.integration_id = c.integration_id AND x.external_id = c.external_event_id))
    ORDER BY c.starts_at, c.id
    LIMIT 50
) b
WHERE a.id = ANY($1) AND a.ends_at > $2
