-- What overlaps one blocked time: $1 its id, $2 the time before which nobody cares. Two manual ones are the host's
-- business, one event that stands in two calendars is one event, and what we have written for a booking is the booking.
-- Who lasts no longer than 36 hours ends within 37 of the end of what it overlaps; those that last longer are few.
SELECT a.id AS one_id, b.id AS other_id, a.source AS one_source, b.source AS other_source,
    a.organizer_id AS organizer_id, a.tentative AS one_tentative, b.tentative AS other_tentative,
    a.starts_at AS one_starts, a.ends_at AS one_ends, b.starts_at AS other_starts, b.ends_at AS other_ends
FROM blocked_times a
JOIN blocked_times b ON b.id IN (
    SELECT s.id FROM blocked_times s
    WHERE s.organizer_id = a.organizer_id AND s.ends_at > a.starts_at AND s.starts_at < a.ends_at
        AND s.ends_at <= datetime(a.ends_at, '+37 hours')
    UNION ALL
    SELECT l.id FROM blocked_times l
    WHERE l.organizer_id = a.organizer_id AND l.ends_at > datetime(a.ends_at, '+37 hours') AND l.starts_at < a.ends_at
        AND julianday(l.ends_at) - julianday(l.starts_at) > 1.5)
WHERE a.id = $1 AND a.ends_at > $2
    AND b.ends_at > $2 AND b.id <> a.id
    AND (a.source <> b.source OR (a.source = 'synced' AND a.integration_id <> b.integration_id))
    AND (a.external_uid IS NULL OR b.external_uid IS NULL OR a.external_uid <> b.external_uid)
    AND NOT EXISTS (SELECT 1 FROM external_events x
        WHERE (x.integration_id = a.integration_id AND x.external_id = a.external_event_id)
            OR (x.integration_id = b.integration_id AND x.external_id = b.external_event_id))
ORDER BY b.starts_at, b.id
LIMIT 50
