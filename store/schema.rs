//! The tables as Diesel sees them, kept by hand to match `migrations/`.
//!
//! Times are `Timestamp` on both backends, always UTC: `PostgreSQL`'s columns are TIMESTAMPTZ, and every connection
//! runs in the UTC zone, so the two read the same.

diesel::table! {
    job_runs (job_id, run) {
        job_id -> Text,
        run -> Integer,
        attempt -> Integer,
        name -> Text,
        queue -> Text,
        worker -> Text,
        outcome -> Text,
        reason -> Nullable<Text>,
        result -> Nullable<Text>,
        enqueued_at -> Timestamp,
        started_at -> Nullable<Timestamp>,
        finished_at -> Timestamp,
        duration_ms -> Nullable<BigInt>,
        retry_at -> Nullable<Timestamp>,
        trace -> Nullable<Text>,
    }
}

diesel::table! {
    dead_letters (job_id) {
        job_id -> Text,
        name -> Text,
        queue -> Text,
        envelope -> Binary,
        reason -> Text,
        attempts -> Integer,
        crashes -> Integer,
        runs -> Integer,
        enqueued_at -> Timestamp,
        buried_at -> Timestamp,
    }
}

diesel::table! {
    store_identity (single) {
        single -> Integer,
        id -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    schedule_ticks (entry, tick_at) {
        entry -> Text,
        tick_at -> Timestamp,
        until_at -> Timestamp,
        ticks -> Integer,
        status -> Text,
        reason -> Nullable<Text>,
        job_id -> Nullable<Text>,
        queue -> Nullable<Text>,
        decided_at -> Timestamp,
    }
}
