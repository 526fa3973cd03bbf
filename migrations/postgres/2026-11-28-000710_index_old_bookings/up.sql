-- For whoever looks for what is old.
CREATE INDEX meetings_by_change ON meetings (updated_at, booking_id);
CREATE INDEX external_events_by_change ON external_events (updated_at);
CREATE INDEX removed_bookings_by_time ON removed_bookings (asked_at, booking_id);
