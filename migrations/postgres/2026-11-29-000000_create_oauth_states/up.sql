-- Consents of owners that are under way: each is good once, and for minutes. The state itself is not in here, and the
-- verifier is sealed, and gone once the state was used.
CREATE TABLE oauth_states (
    state_hash     TEXT        PRIMARY KEY,
    organizer_id   TEXT        NOT NULL,
    provider       TEXT        NOT NULL,
    kind           TEXT        NOT NULL,
    integration_id TEXT,
    redirect_url   TEXT        NOT NULL,
    scope          TEXT        NOT NULL,
    verifier       BYTEA,
    created_at     TIMESTAMPTZ NOT NULL,
    expires_at     TIMESTAMPTZ NOT NULL,
    used_at        TIMESTAMPTZ
);

CREATE INDEX oauth_states_by_end ON oauth_states (expires_at);
