//! The tables as diesel sees them. The migrations are the source; a test compares the two.

diesel::table! {
    apps (id) {
        id -> Text,
        name -> Text,
        display_name -> Text,
        description -> Text,
        tags -> Text,
        app_type -> Text,
        created_at -> TimestamptzSqlite,
        updated_at -> TimestamptzSqlite,
        deleted_at -> Nullable<TimestamptzSqlite>,
        last_release -> Integer,
    }
}

diesel::table! {
    environments (id) {
        id -> Text,
        app_id -> Text,
        python_version -> Text,
        builder -> Text,
        lock -> Text,
        lock_digest -> Text,
        packages -> Text,
        operation_id -> Text,
        created_at -> TimestamptzSqlite,
        fingerprint -> Nullable<Text>,
    }
}

diesel::table! {
    releases (id) {
        id -> Text,
        app_id -> Text,
        number -> Integer,
        origin -> Text,
        found -> Text,
        scm_version -> Nullable<Text>,
        environment_id -> Nullable<Text>,
        created_at -> TimestamptzSqlite,
        created_by -> Text,
        lock -> Nullable<Text>,
        lock_digest -> Nullable<Text>,
        python_version -> Nullable<Text>,
        revision_id -> Nullable<Text>,
    }
}

diesel::table! {
    instances (id) {
        id -> Text,
        app_id -> Text,
        state -> Text,
        reason -> Nullable<Text>,
        ever_enabled -> Bool,
        restarts -> Integer,
        restarts_at -> Nullable<TimestamptzSqlite>,
        release_id -> Text,
        revision_id -> Text,
        health -> Text,
        health_detail -> Nullable<Text>,
        status_text -> Nullable<Text>,
        warnings -> Text,
        give_ups -> Integer,
    }
}

diesel::table! {
    config_revisions (id) {
        id -> Text,
        instance_id -> Text,
        number -> Integer,
        configuration -> Text,
        created_at -> TimestamptzSqlite,
        created_by -> Text,
    }
}

diesel::table! {
    port_leases (port) {
        port -> Integer,
        instance_id -> Text,
        purpose -> Text,
    }
}

diesel::table! {
    schedules (id) {
        id -> Text,
        instance_id -> Text,
        name -> Text,
        enabled -> Bool,
        spec -> Text,
        decided_to -> TimestamptzSqlite,
        created_at -> TimestamptzSqlite,
    }
}

diesel::table! {
    ticks (id) {
        id -> BigInt,
        schedule_id -> Text,
        first_due -> TimestamptzSqlite,
        last_due -> TimestamptzSqlite,
        count -> BigInt,
        reason -> Text,
    }
}

diesel::table! {
    executions (id) {
        id -> Text,
        app_id -> Text,
        app_name -> Text,
        instance_id -> Text,
        release -> Integer,
        revision -> Integer,
        trigger -> Text,
        schedule_id -> Nullable<Text>,
        due_at -> Nullable<TimestamptzSqlite>,
        status -> Text,
        pid -> Nullable<Integer>,
        exit -> Nullable<Text>,
        cause -> Nullable<Text>,
        started_at -> TimestamptzSqlite,
        finished_at -> Nullable<TimestamptzSqlite>,
        cpu_seconds -> Nullable<Double>,
        peak_memory -> Nullable<BigInt>,
        ending -> Nullable<Text>,
        last_lines -> Text,
        dropped_lines -> BigInt,
    }
}

diesel::table! {
    samples (instance_id, resolution, at) {
        instance_id -> Text,
        resolution -> Integer,
        at -> BigInt,
        cpu -> Integer,
        cpu_max -> Integer,
        memory -> BigInt,
        memory_max -> BigInt,
        seconds -> Integer,
    }
}

diesel::table! {
    operations (id) {
        id -> Text,
        app_id -> Nullable<Text>,
        app_name -> Nullable<Text>,
        kind -> Text,
        status -> Text,
        memory -> Text,
        cancellable -> Bool,
        problem -> Nullable<Text>,
        actor -> Text,
        started_at -> TimestamptzSqlite,
        finished_at -> Nullable<TimestamptzSqlite>,
    }
}

diesel::table! {
    operation_steps (operation_id, position) {
        operation_id -> Text,
        position -> Integer,
        name -> Text,
        title -> Text,
        status -> Text,
        detail -> Nullable<Text>,
        started_at -> Nullable<TimestamptzSqlite>,
        finished_at -> Nullable<TimestamptzSqlite>,
    }
}

diesel::table! {
    backups (id) {
        id -> Text,
        app_id -> Text,
        reason -> Text,
        release -> Integer,
        revision -> Integer,
        data -> Bool,
        bytes -> BigInt,
        folder -> Text,
        made_at -> TimestamptzSqlite,
        made_by -> Text,
    }
}

diesel::table! {
    secrets (name) {
        name -> Text,
        kind -> Text,
        host -> Nullable<Text>,
        sealed -> Binary,
        set_at -> TimestamptzSqlite,
        set_by -> Text,
    }
}

diesel::table! {
    trackings (app_id) {
        app_id -> Text,
        mode -> Text,
        cron -> Nullable<Text>,
        reference -> Nullable<Text>,
        scope -> Text,
        token_id -> Nullable<Text>,
        of_url -> Text,
        of_reference -> Nullable<Text>,
        set_at -> TimestamptzSqlite,
        set_by -> Text,
        hook_hash -> Nullable<Text>,
        hook_made_at -> Nullable<TimestamptzSqlite>,
        checked_at -> Nullable<TimestamptzSqlite>,
        found -> Nullable<Text>,
        problem -> Nullable<Text>,
        told -> Nullable<Text>,
        tried -> Nullable<Text>,
        waiting -> Bool,
    }
}

diesel::table! {
    events (sequence) {
        sequence -> BigInt,
        at -> TimestamptzSqlite,
        actor -> Text,
        subject_kind -> Text,
        subject_id -> Text,
        subject_name -> Text,
        kind -> Text,
        payload -> Text,
        previous_hash -> Text,
        hash -> Text,
    }
}

diesel::table! {
    principals (id) {
        id -> Text,
        kind -> Text,
        name -> Text,
        scope -> Text,
        secret_hash -> Text,
        created_at -> TimestamptzSqlite,
        expires_at -> Nullable<TimestamptzSqlite>,
    }
}

diesel::table! {
    replays (token_id, key) {
        token_id -> Text,
        key -> Text,
        path -> Text,
        body -> Nullable<Text>,
        begun_at -> TimestamptzSqlite,
        answer -> Nullable<Text>,
    }
}

diesel::table! {
    settings (key) {
        key -> Text,
        value -> Text,
    }
}

diesel::allow_tables_to_appear_in_same_query!(apps, instances, releases, config_revisions, schedules);
diesel::allow_tables_to_appear_in_same_query!(environments, releases);
diesel::allow_tables_to_appear_in_same_query!(environments, operations);
