-- When organizers are busy. The daemon writes rows of the source `synced`; hosts write theirs, of the source `manual`,
-- and give them another `updated_at` whenever they change them.
-- Times are UTC, as sortable text.
CREATE TABLE blocked_times (
    id                TEXT    NOT NULL PRIMARY KEY,
    organizer_id      TEXT    NOT NULL,
    integration_id    TEXT,
    external_event_id TEXT,
    -- What the event is called in all calendars: one that stands in two of them is no conflict.
    external_uid      TEXT,
    source            TEXT    NOT NULL DEFAULT 'manual' CHECK (source IN ('manual', 'synced')),
    starts_at         TEXT NOT NULL,
    ends_at           TEXT NOT NULL CHECK (ends_at > starts_at),
    all_day           INTEGER NOT NULL DEFAULT 0,
    tentative         INTEGER NOT NULL DEFAULT 0,
    title             TEXT,
    created_at        TEXT NOT NULL,
    updated_at        TEXT NOT NULL,
    -- The daemon's: the `updated_at` for which conflicts were looked for.
    checked_at        TEXT
) STRICT;

CREATE INDEX blocked_times_by_organizer ON blocked_times (organizer_id, ends_at);
-- Those of more than 36 hours, which are few: what overlaps is looked for among them, and among those that end soon.
CREATE INDEX blocked_times_long ON blocked_times (organizer_id, ends_at)
    WHERE julianday(ends_at) - julianday(starts_at) > 1.5;
CREATE INDEX blocked_times_by_integration ON blocked_times (integration_id) WHERE integration_id IS NOT NULL;
-- Manual ones that are new or were changed since they were looked at.
CREATE INDEX blocked_times_by_check ON blocked_times (organizer_id, id)
    WHERE source = 'manual' AND (checked_at IS NULL OR checked_at <> updated_at);

-- Two blocked times of one organizer at one time. Nobody but a person resolves them.
CREATE TABLE calendar_conflicts (
    id             TEXT    NOT NULL PRIMARY KEY,
    organizer_id   TEXT    NOT NULL,
    -- `manual_synced` or `between_calendars`.
    kind           TEXT    NOT NULL,
    -- The manual one, or the one with the lesser id; and the other one.
    block_id       TEXT    NOT NULL,
    other_block_id TEXT    NOT NULL,
    overlap_from   TEXT NOT NULL,
    overlap_until  TEXT NOT NULL,
    -- `manual`, `synced` or `both`: what to keep.
    suggestion     TEXT    NOT NULL,
    -- `open`, `resolved` by somebody, or `gone` because they do not overlap any more.
    status         TEXT    NOT NULL,
    resolution     TEXT,
    resolved_by    TEXT,
    detected_at    TEXT NOT NULL,
    resolved_at    TEXT,
    -- Hosts were told.
    told           INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX calendar_conflicts_by_organizer ON calendar_conflicts (organizer_id, detected_at);
CREATE INDEX calendar_conflicts_by_time ON calendar_conflicts (detected_at);
CREATE INDEX calendar_conflicts_open ON calendar_conflicts (organizer_id, id) WHERE status = 'open';
