ALTER TABLE calendar_syncs DROP COLUMN covered_at;
