-- Events that were written into calendars for bookings: one row for each booking and account.
-- Times are UTC, as sortable text.
CREATE TABLE external_events (
    booking_id     TEXT    NOT NULL,
    integration_id TEXT    NOT NULL,
    organizer_id   TEXT    NOT NULL,
    provider       TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    -- The provider's, and its version there. None of an event that is intended: nobody knows yet whether it is there.
    external_id    TEXT,
    etag           TEXT,
    status         TEXT    NOT NULL,
    reason         TEXT,
    -- When its host asked for this version.
    asked_at       TEXT NOT NULL,
    starts_at      TEXT NOT NULL,
    ends_at        TEXT NOT NULL,
    turn           INTEGER NOT NULL DEFAULT 1,
    job_id         TEXT    NOT NULL,
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    PRIMARY KEY (booking_id, integration_id)
) STRICT;

CREATE INDEX external_events_by_integration ON external_events (integration_id, starts_at);

-- Bookings whose events were taken out: what was asked for before that is not written any more.
CREATE TABLE removed_bookings (
    booking_id TEXT NOT NULL PRIMARY KEY,
    -- Up to which version; none: whatever was asked for before.
    version    INTEGER,
    asked_at   TEXT NOT NULL,
    job_id     TEXT NOT NULL
) STRICT;
