DROP INDEX removed_bookings_by_time;
DROP INDEX external_events_by_change;
DROP INDEX meetings_by_change;
