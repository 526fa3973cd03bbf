-- Accounts at providers, by the names that hosts know them under. An organizer may have several at one provider.
-- Times are UTC, as sortable text.
CREATE TABLE calendar_integrations (
    id                  TEXT        NOT NULL PRIMARY KEY,
    organizer_id        TEXT        NOT NULL,
    provider            TEXT        NOT NULL,
    provider_user_id    TEXT,
    provider_email      TEXT,
    is_active           INTEGER     NOT NULL DEFAULT 1,
    -- The grant. Tokens are sealed; `version` counts their changes, so that who read an older pair stores none over it.
    access_token        BLOB,
    refresh_token       BLOB,
    token_expires_at    TEXT,
    scope               TEXT,
    version             INTEGER     NOT NULL DEFAULT 1,
    refreshed_at        TEXT,
    refresh_errors      INTEGER     NOT NULL DEFAULT 0,
    refresh_error       TEXT,
    -- Since when the provider takes its tokens no more, and how often that has happened: each time is told once.
    disconnected_at     TEXT,
    disconnected_reason TEXT,
    disconnects         INTEGER     NOT NULL DEFAULT 0,
    created_at          TEXT NOT NULL,
    updated_at          TEXT NOT NULL,
    calendar_id         TEXT,
    last_sync_at        TEXT,
    sync_token          TEXT,
    sync_errors         INTEGER     NOT NULL DEFAULT 0,
    sync_enabled        INTEGER     NOT NULL DEFAULT 1
) STRICT;

CREATE INDEX calendar_integrations_by_organizer ON calendar_integrations (organizer_id, provider);
-- Those whose tokens run out next.
CREATE INDEX calendar_integrations_by_expiry ON calendar_integrations (token_expires_at)
    WHERE refresh_token IS NOT NULL AND disconnected_at IS NULL;

CREATE TABLE video_integrations (
    id                  TEXT        NOT NULL PRIMARY KEY,
    organizer_id        TEXT        NOT NULL,
    provider            TEXT        NOT NULL,
    provider_user_id    TEXT,
    provider_email      TEXT,
    is_active           INTEGER     NOT NULL DEFAULT 1,
    -- The grant. Tokens are sealed; `version` counts their changes, so that who read an older pair stores none over it.
    access_token        BLOB,
    refresh_token       BLOB,
    token_expires_at    TEXT,
    scope               TEXT,
    version             INTEGER     NOT NULL DEFAULT 1,
    refreshed_at        TEXT,
    refresh_errors      INTEGER     NOT NULL DEFAULT 0,
    refresh_error       TEXT,
    -- Since when the provider takes its tokens no more, and how often that has happened: each time is told once.
    disconnected_at     TEXT,
    disconnected_reason TEXT,
    disconnects         INTEGER     NOT NULL DEFAULT 0,
    created_at          TEXT NOT NULL,
    updated_at          TEXT NOT NULL,
    last_api_call       TEXT,
    api_calls_today     INTEGER     NOT NULL DEFAULT 0,
    rate_limit_reset_at TEXT,
    auto_generate_links INTEGER     NOT NULL DEFAULT 1
) STRICT;

CREATE INDEX video_integrations_by_organizer ON video_integrations (organizer_id, provider);
CREATE INDEX video_integrations_by_expiry ON video_integrations (token_expires_at)
    WHERE refresh_token IS NOT NULL AND disconnected_at IS NULL;
