-- The same as find_clashes.sql, for an array of blocked times at once.
SELECT a.id AS one_id, b.id AS other_id, a.source AS one_source, b.source AS other_source,
    a.organizer_id AS organizer_id, a.tentative AS one_tentative, b.tentative AS other_tentative,
    a.starts_at AS one_starts, a.ends_at AS one_ends, b.starts_at AS other_starts, b.ends_at AS other_ends
FROM blocked_times a
CROSS JOIN LATERAL (
    SELECT * FROM blocked_times c
    WHERE c.organizer_id = a.organizer_id AND c.ends_at > a.starts_at AND c.starts_at < a.ends_at
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
