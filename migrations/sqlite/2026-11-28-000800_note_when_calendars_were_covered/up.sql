-- When the last full round began: a window that somebody had reach far ahead moves on all the same. Without it, as in rows of
-- the release before, the next round is a full one.
ALTER TABLE calendar_syncs ADD COLUMN covered_at TEXT;
