-- The video conference of each booking, and whoever was asked for it. The row says what is wanted before a provider is
-- asked, so that whoever comes after a crash knows where to look.
-- Times are UTC, as sortable text.
CREATE TABLE meetings (
    booking_id     TEXT    NOT NULL PRIMARY KEY,
    -- Of the booking, as its host counts.
    version        INTEGER NOT NULL,
    -- For which version the meeting was made; what came after changed it.
    made_for       INTEGER,
    organizer_id   TEXT    NOT NULL,
    provider       TEXT,
    integration_id TEXT,
    -- The provider's. None of a meeting that is intended: nobody knows yet whether there is one.
    external_id    TEXT,
    join_url       TEXT,
    -- Sealed: who has them is the host, or gets in.
    host_url       BLOB,
    passcode       BLOB,
    status         TEXT    NOT NULL,
    reason         TEXT,
    starts_at      TEXT,
    ends_at        TEXT,
    -- Who was given up for this version, why, and until when: a JSON array.
    fell_back      TEXT    NOT NULL DEFAULT '[]',
    -- Since when the provider that is asked cannot be had.
    trouble_since  TEXT,
    -- Counts the changes of the row: who read an older one writes nothing over it.
    turn           INTEGER NOT NULL DEFAULT 1,
    job_id         TEXT    NOT NULL,
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL
) STRICT;

CREATE INDEX meetings_by_organizer ON meetings (organizer_id, starts_at);
