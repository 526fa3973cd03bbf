//! The tables as Diesel sees them, kept by hand to match `migrations/`.
//!
//! Times are `Timestamp` on both backends, always UTC: `PostgreSQL`'s columns are TIMESTAMPTZ, and every connection
//! runs in the UTC zone, so the two read the same.
//!
//! Long because every table stands in it.

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

diesel::table! {
    calendar_integrations (id) {
        id -> Text,
        organizer_id -> Text,
        provider -> Text,
        provider_user_id -> Nullable<Text>,
        provider_email -> Nullable<Text>,
        is_active -> Bool,
        access_token -> Nullable<Binary>,
        refresh_token -> Nullable<Binary>,
        token_expires_at -> Nullable<Timestamp>,
        scope -> Nullable<Text>,
        version -> Integer,
        refreshed_at -> Nullable<Timestamp>,
        refresh_errors -> Integer,
        refresh_error -> Nullable<Text>,
        disconnected_at -> Nullable<Timestamp>,
        disconnected_reason -> Nullable<Text>,
        disconnects -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        calendar_id -> Nullable<Text>,
        last_sync_at -> Nullable<Timestamp>,
        sync_token -> Nullable<Text>,
        sync_errors -> Integer,
        sync_enabled -> Bool,
        server_url -> Nullable<Text>,
        time_zone -> Nullable<Text>,
        sync_error -> Nullable<Text>,
    }
}

diesel::table! {
    video_integrations (id) {
        id -> Text,
        organizer_id -> Text,
        provider -> Text,
        provider_user_id -> Nullable<Text>,
        provider_email -> Nullable<Text>,
        is_active -> Bool,
        access_token -> Nullable<Binary>,
        refresh_token -> Nullable<Binary>,
        token_expires_at -> Nullable<Timestamp>,
        scope -> Nullable<Text>,
        version -> Integer,
        refreshed_at -> Nullable<Timestamp>,
        refresh_errors -> Integer,
        refresh_error -> Nullable<Text>,
        disconnected_at -> Nullable<Timestamp>,
        disconnected_reason -> Nullable<Text>,
        disconnects -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        last_api_call -> Nullable<Timestamp>,
        api_calls_today -> Integer,
        rate_limit_reset_at -> Nullable<Timestamp>,
        auto_generate_links -> Bool,
    }
}

diesel::table! {
    webhook_integrations (id) {
        id -> Text,
        organizer_id -> Text,
        name -> Text,
        webhook_url -> Text,
        method -> Text,
        events -> Text,
        headers -> Nullable<Binary>,
        secret_key -> Nullable<Binary>,
        old_secret_key -> Nullable<Binary>,
        old_secret_until -> Nullable<Timestamp>,
        signature -> Text,
        signature_header -> Text,
        signature_prefix -> Bool,
        retry_failed -> Bool,
        max_retries -> Integer,
        timeout_seconds -> Integer,
        max_concurrent -> Nullable<Integer>,
        max_per_second -> Nullable<Integer>,
        ordered -> Bool,
        is_active -> Bool,
        disabled_at -> Nullable<Timestamp>,
        disabled_reason -> Nullable<Text>,
        success_count -> BigInt,
        failure_count -> BigInt,
        last_triggered_at -> Nullable<Timestamp>,
        last_success_at -> Nullable<Timestamp>,
        failures_in_a_row -> Integer,
        failing_since -> Nullable<Timestamp>,
        warnings -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    webhook_deliveries (id) {
        id -> Text,
        endpoint_id -> Text,
        organizer_id -> Text,
        event_type -> Text,
        subject -> Nullable<Text>,
        booking_id -> Nullable<Text>,
        payload -> Binary,
        payload_bytes -> Integer,
        status -> Text,
        attempt_number -> Integer,
        response_status -> Nullable<Integer>,
        response_body -> Nullable<Text>,
        error_message -> Nullable<Text>,
        job_id -> Text,
        created_at -> Timestamp,
        last_attempt_at -> Timestamp,
        next_attempt_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    webhook_attempts (delivery_id, job_id, run) {
        delivery_id -> Text,
        job_id -> Text,
        run -> Integer,
        attempt -> Integer,
        attempted_at -> Timestamp,
        duration_ms -> BigInt,
        response_status -> Nullable<Integer>,
        response_headers -> Nullable<Text>,
        response_body -> Nullable<Text>,
        error_message -> Nullable<Text>,
        next_attempt_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    integration_logs (id) {
        id -> Text,
        log_type -> Text,
        integration_type -> Text,
        integration_id -> Nullable<Text>,
        organizer_id -> Nullable<Text>,
        booking_id -> Nullable<Text>,
        message -> Text,
        details -> Nullable<Text>,
        success -> Bool,
        job_id -> Nullable<Text>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    notifications (id) {
        id -> Text,
        kind -> Text,
        recipient -> Text,
        organizer_id -> Nullable<Text>,
        integration_id -> Nullable<Text>,
        message_id -> Text,
        status -> Text,
        error -> Nullable<Text>,
        job_id -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    suppressed_addresses (address) {
        address -> Text,
        reason -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    legal_holds (scope, key) {
        scope -> Text,
        key -> Text,
        reason -> Text,
        placed_by -> Text,
        placed_at -> Timestamp,
    }
}

diesel::table! {
    calendar_events (integration_id, event_id) {
        integration_id -> Text,
        event_id -> Text,
        series_id -> Nullable<Text>,
        uid -> Nullable<Text>,
        starts_at -> Nullable<Timestamp>,
        ends_at -> Nullable<Timestamp>,
        first_day -> Nullable<Date>,
        after_day -> Nullable<Date>,
        title -> Nullable<Text>,
        shown -> Text,
        declined -> Bool,
        private -> Bool,
        version -> Nullable<Text>,
        round -> Integer,
        changed -> Bool,
        gone -> Bool,
    }
}

diesel::table! {
    calendar_syncs (integration_id) {
        integration_id -> Text,
        step -> Integer,
        round -> Integer,
        covers_from -> Nullable<Timestamp>,
        covers_until -> Nullable<Timestamp>,
        disables -> Integer,
        blocks_version -> Integer,
        blocks_told -> Integer,
        kind -> Nullable<Text>,
        position -> Nullable<Text>,
        window_from -> Nullable<Timestamp>,
        window_until -> Nullable<Timestamp>,
        pages -> Integer,
        changes -> Integer,
        restarts -> Integer,
        landmark -> Nullable<Text>,
        job_id -> Nullable<Text>,
        started_at -> Nullable<Timestamp>,
        covered_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    odd_events (integration_id, event_id) {
        integration_id -> Text,
        event_id -> Text,
        reason -> Text,
        first_seen_at -> Timestamp,
        last_seen_at -> Timestamp,
    }
}

diesel::table! {
    blocked_times (id) {
        id -> Text,
        organizer_id -> Text,
        integration_id -> Nullable<Text>,
        external_event_id -> Nullable<Text>,
        external_uid -> Nullable<Text>,
        source -> Text,
        starts_at -> Timestamp,
        ends_at -> Timestamp,
        all_day -> Bool,
        tentative -> Bool,
        title -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        checked_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    calendar_conflicts (id) {
        id -> Text,
        organizer_id -> Text,
        kind -> Text,
        block_id -> Text,
        other_block_id -> Text,
        overlap_from -> Timestamp,
        overlap_until -> Timestamp,
        suggestion -> Text,
        status -> Text,
        resolution -> Nullable<Text>,
        resolved_by -> Nullable<Text>,
        detected_at -> Timestamp,
        resolved_at -> Nullable<Timestamp>,
        told -> Bool,
    }
}

diesel::table! {
    meetings (booking_id) {
        booking_id -> Text,
        version -> BigInt,
        made_for -> Nullable<BigInt>,
        organizer_id -> Text,
        provider -> Nullable<Text>,
        integration_id -> Nullable<Text>,
        external_id -> Nullable<Text>,
        join_url -> Nullable<Text>,
        host_url -> Nullable<Binary>,
        passcode -> Nullable<Binary>,
        status -> Text,
        reason -> Nullable<Text>,
        starts_at -> Nullable<Timestamp>,
        ends_at -> Nullable<Timestamp>,
        fell_back -> Text,
        trouble_since -> Nullable<Timestamp>,
        turn -> Integer,
        job_id -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    external_events (booking_id, integration_id) {
        booking_id -> Text,
        integration_id -> Text,
        organizer_id -> Text,
        provider -> Text,
        version -> BigInt,
        external_id -> Nullable<Text>,
        etag -> Nullable<Text>,
        status -> Text,
        reason -> Nullable<Text>,
        asked_at -> Timestamp,
        starts_at -> Timestamp,
        ends_at -> Timestamp,
        turn -> Integer,
        job_id -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    removed_bookings (booking_id) {
        booking_id -> Text,
        version -> Nullable<BigInt>,
        asked_at -> Timestamp,
        job_id -> Text,
    }
}

diesel::table! {
    oauth_states (state_hash) {
        state_hash -> Text,
        organizer_id -> Text,
        provider -> Text,
        kind -> Text,
        integration_id -> Nullable<Text>,
        redirect_url -> Text,
        scope -> Text,
        verifier -> Nullable<Binary>,
        created_at -> Timestamp,
        expires_at -> Timestamp,
        used_at -> Nullable<Timestamp>,
    }
}
