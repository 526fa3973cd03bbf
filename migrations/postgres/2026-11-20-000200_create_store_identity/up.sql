-- Who this store is. The queue remembers the id, so that a daemon with another store cannot split the history.
-- Made here, once, and never changed.
CREATE TABLE store_identity (
    single     INTEGER NOT NULL PRIMARY KEY DEFAULT 1 CHECK (single = 1),
    id         TEXT    NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

INSERT INTO store_identity (id, created_at) VALUES (replace(gen_random_uuid()::text, '-', ''), CURRENT_TIMESTAMP);
