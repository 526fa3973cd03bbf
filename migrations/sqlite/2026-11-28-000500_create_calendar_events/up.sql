-- What is known of the calendar of an account: what it was synchronised with, and how far.
-- Times are UTC, as sortable text.
ALTER TABLE calendar_integrations ADD COLUMN server_url TEXT;
-- By its IANA name: the days of the calendar are days there.
ALTER TABLE calendar_integrations ADD COLUMN time_zone TEXT;
ALTER TABLE calendar_integrations ADD COLUMN sync_error TEXT;
-- The part of the calendar that `sync_token` is for.
ALTER TABLE calendar_integrations ADD COLUMN sync_from TEXT;
ALTER TABLE calendar_integrations ADD COLUMN sync_until TEXT;
-- The number of its last full round.
ALTER TABLE calendar_integrations ADD COLUMN sync_round INTEGER NOT NULL DEFAULT 0;
-- How often its synchronisation was disabled: each time is told once.
ALTER TABLE calendar_integrations ADD COLUMN sync_disables INTEGER NOT NULL DEFAULT 0;
-- Counts the portions that changed its blocked times, and those that hosts were told of.
ALTER TABLE calendar_integrations ADD COLUMN blocks_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE calendar_integrations ADD COLUMN blocks_told INTEGER NOT NULL DEFAULT 0;

-- The mirror: what stands in the calendars of providers, in the words of the providers. One row for each instance.
CREATE TABLE calendar_events (
    integration_id TEXT    NOT NULL,
    event_id       TEXT    NOT NULL,
    series_id      TEXT,
    uid            TEXT,
    -- Either two instants, or two days of which the second is the first that is free again.
    starts_at      TEXT,
    ends_at        TEXT,
    first_day      TEXT,
    after_day      TEXT,
    -- None of what is private.
    title          TEXT,
    shown          TEXT    NOT NULL,
    declined       INTEGER NOT NULL,
    private        INTEGER NOT NULL,
    version        TEXT,
    -- The last full round that saw it.
    round          INTEGER NOT NULL,
    -- Its blocked time does not know yet. One that is gone has its row until then.
    changed        INTEGER NOT NULL,
    gone           INTEGER NOT NULL,
    PRIMARY KEY (integration_id, event_id)
) STRICT;

CREATE INDEX calendar_events_by_series ON calendar_events (integration_id, series_id) WHERE series_id IS NOT NULL;
CREATE INDEX calendar_events_by_change ON calendar_events (integration_id, event_id) WHERE changed;

-- The round that is under way of an account: a process that dies in the middle of it leaves the others where to go on.
CREATE TABLE calendar_sync_rounds (
    integration_id TEXT    NOT NULL PRIMARY KEY,
    -- `full` or `incremental`.
    kind           TEXT    NOT NULL,
    round          INTEGER NOT NULL,
    -- What the provider said at the end of the last page; none before the first one.
    position       TEXT,
    window_from    TEXT NOT NULL,
    window_until   TEXT NOT NULL,
    pages          INTEGER NOT NULL,
    changes        INTEGER NOT NULL,
    restarts       INTEGER NOT NULL,
    -- A page to compare the next ones with, and its number: a provider that goes round in circles comes by again.
    landmark       TEXT,
    landmark_page  INTEGER NOT NULL,
    -- The job that opened it.
    job_id         TEXT    NOT NULL,
    started_at     TEXT NOT NULL
) STRICT;

-- What stands in a calendar and cannot be understood. The rest of the calendar is synchronised all the same.
CREATE TABLE odd_events (
    integration_id TEXT NOT NULL,
    event_id       TEXT NOT NULL,
    reason         TEXT NOT NULL,
    first_seen_at  TEXT NOT NULL,
    last_seen_at   TEXT NOT NULL,
    PRIMARY KEY (integration_id, event_id)
) STRICT;
