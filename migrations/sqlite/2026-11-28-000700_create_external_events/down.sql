DROP TABLE removed_bookings;
DROP TABLE external_events;
