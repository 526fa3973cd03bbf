-- What is known of the calendar of an account: what it was synchronised with, and how far.
-- Times are UTC, as sortable text.
ALTER TABLE calendar_integrations ADD COLUMN server_url TEXT;
-- By its IANA name: the days of the calendar are days there.
ALTER TABLE calendar_integrations ADD COLUMN time_zone TEXT;
ALTER TABLE calendar_integrations ADD COLUMN sync_error TEXT;
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

-- How far an account's calendar is synchronised. One row for each, from its first time on.
CREATE TABLE calendar_syncs (
    integration_id TEXT    NOT NULL PRIMARY KEY,
    -- Counts the steps: who goes on from an older one has been overtaken, and writes nothing.
    step           INTEGER NOT NULL DEFAULT 0,
    -- The number of the last full round.
    round          INTEGER NOT NULL DEFAULT 0,
    -- The part of the calendar that the `sync_token` of its account is for.
    covers_from    TEXT,
    covers_until   TEXT,
    -- How often it was disabled, which is told once each time.
    disables       INTEGER NOT NULL DEFAULT 0,
    -- Counts the portions that changed its blocked times, and those that hosts were told of.
    blocks_version INTEGER NOT NULL DEFAULT 0,
    blocks_told    INTEGER NOT NULL DEFAULT 0,
    -- The round that is under way: `full` or `incremental`; none: none is. A process that dies in the middle of it leaves
    -- the others where to go on.
    kind           TEXT,
    -- What the provider said at the end of the last page; none before the first one.
    position       TEXT,
    window_from    TEXT,
    window_until   TEXT,
    pages          INTEGER NOT NULL DEFAULT 0,
    changes        INTEGER NOT NULL DEFAULT 0,
    restarts       INTEGER NOT NULL DEFAULT 0,
    -- A page to compare the next ones with: a provider that goes round in circles comes by again.
    landmark       TEXT,
    -- The job that began it.
    job_id         TEXT,
    started_at     TEXT
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
