DROP TABLE suppressed_addresses;
DROP TABLE notifications;
