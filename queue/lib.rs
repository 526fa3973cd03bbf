//! HOW work waits, is claimed, is retried and is parked: the queue in Redis.
