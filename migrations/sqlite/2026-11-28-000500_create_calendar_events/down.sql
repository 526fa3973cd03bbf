DROP TABLE odd_events;
DROP TABLE calendar_syncs;
DROP TABLE calendar_events;
ALTER TABLE calendar_integrations DROP COLUMN sync_error;
ALTER TABLE calendar_integrations DROP COLUMN time_zone;
ALTER TABLE calendar_integrations DROP COLUMN server_url;
