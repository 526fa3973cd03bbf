-- Put a group of events into the mirror, one array for each column; those that are there already are replaced.
INSERT INTO calendar_events
    (integration_id, event_id, series_id, uid, starts_at, ends_at, first_day, after_day, title, shown, declined, private,
     version, changed, round, gone)
SELECT $1, *, $2, FALSE FROM unnest(
    $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::date[], $9::date[], $10::text[],
    $11::text[], $12::bool[], $13::bool[], $14::text[], $15::bool[])
ON CONFLICT (integration_id, event_id) DO UPDATE SET
    series_id = excluded.series_id,
    uid = excluded.uid,
    starts_at = excluded.starts_at,
    ends_at = excluded.ends_at,
    first_day = excluded.first_day,
    after_day = excluded.after_day,
    title = excluded.title,
    shown = excluded.shown,
    declined = excluded.declined,
    private = excluded.private,
    version = excluded.version,
    changed = excluded.changed,
    round = excluded.round,
    gone = FALSE
