-- Put a group of synchronised blocked times, one array for each column; those that are there already are replaced.
INSERT INTO blocked_times
    (organizer_id, integration_id, source, created_at, updated_at, id, external_event_id, external_uid, starts_at, ends_at,
     all_day, tentative, title)
SELECT $1, $2, 'synced', $3, $3, * FROM unnest(
    $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::bool[], $10::bool[], $11::text[])
ON CONFLICT (id) DO UPDATE SET
    organizer_id = excluded.organizer_id,
    external_uid = excluded.external_uid,
    starts_at = excluded.starts_at,
    ends_at = excluded.ends_at,
    all_day = excluded.all_day,
    tentative = excluded.tentative,
    title = excluded.title,
    updated_at = excluded.updated_at
