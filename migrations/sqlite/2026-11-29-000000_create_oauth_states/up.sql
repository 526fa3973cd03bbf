-- Consents of owners that are under way: each is good once, and for minutes. The state itself is not in here, and the
-- verifier is sealed, and gone once the state was used.
-- Times are UTC, as sortable text.
CREATE TABLE oauth_states (
    state_hash     TEXT NOT NULL PRIMARY KEY,
    organizer_id   TEXT NOT NULL,
    provider       TEXT NOT NULL,
    kind           TEXT NOT NULL,
    integration_id TEXT,
    redirect_url   TEXT NOT NULL,
    scope          TEXT NOT NULL,
    verifier       BLOB,
    created_at     TEXT NOT NULL,
    expires_at     TEXT NOT NULL,
    used_at        TEXT
) STRICT;

CREATE INDEX oauth_states_by_end ON oauth_states (expires_at);
