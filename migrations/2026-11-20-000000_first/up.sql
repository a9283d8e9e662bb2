-- Ids are UUIDs of version 7 as text, times are UTC, words are those of the API, documents are JSON.

-- What a person manages. The trash is part of it: a name is only unique among apps that are not there.
CREATE TABLE apps (
    id           TEXT PRIMARY KEY NOT NULL,
    name         TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description  TEXT NOT NULL,
    tags         TEXT NOT NULL,
    app_type     TEXT NOT NULL CHECK (app_type IN ('scheduled', 'perpetual')),
    created_at   TIMESTAMP NOT NULL,
    updated_at   TIMESTAMP NOT NULL,
    deleted_at   TIMESTAMP
);
CREATE UNIQUE INDEX apps_live_name ON apps (name) WHERE deleted_at IS NULL;

-- One built Python environment. Releases with the same lock share one.
CREATE TABLE environments (
    id             TEXT PRIMARY KEY NOT NULL,
    app_id         TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    python_version TEXT NOT NULL,
    builder        TEXT NOT NULL,
    lock           TEXT NOT NULL,
    lock_digest    TEXT NOT NULL,
    packages       TEXT NOT NULL,
    operation_id   TEXT NOT NULL,
    created_at     TIMESTAMP NOT NULL
);
CREATE INDEX environments_app ON environments (app_id);

-- Immutable source, and the environment that it runs in once that is built.
CREATE TABLE releases (
    id             TEXT PRIMARY KEY NOT NULL,
    app_id         TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    number         INTEGER NOT NULL,
    origin         TEXT NOT NULL,
    found          TEXT NOT NULL,
    scm_version    TEXT,
    environment_id TEXT REFERENCES environments (id) ON DELETE SET NULL,
    created_at     TIMESTAMP NOT NULL,
    created_by     TEXT NOT NULL,
    UNIQUE (app_id, number)
);

-- What runs. Every app has exactly one for now. The pair (release, revision) is what is active.
CREATE TABLE instances (
    id           TEXT PRIMARY KEY NOT NULL,
    app_id       TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    state        TEXT NOT NULL CHECK (state IN
        ('uploaded', 'installed', 'enabled', 'disabled', 'running', 'stopped', 'failed', 'deleted')),
    reason       TEXT,
    ever_enabled BOOLEAN NOT NULL,
    restarts     INTEGER NOT NULL,
    restarts_at  TIMESTAMP,
    release_id   TEXT NOT NULL,
    revision_id  TEXT NOT NULL
);
CREATE UNIQUE INDEX instances_app ON instances (app_id);

-- Everything that a person sets, as it was at one time.
CREATE TABLE config_revisions (
    id            TEXT PRIMARY KEY NOT NULL,
    instance_id   TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    number        INTEGER NOT NULL,
    configuration TEXT NOT NULL,
    created_at    TIMESTAMP NOT NULL,
    created_by    TEXT NOT NULL,
    UNIQUE (instance_id, number)
);

-- A port belongs to one instance, for one purpose.
CREATE TABLE port_leases (
    port        INTEGER PRIMARY KEY NOT NULL CHECK (port BETWEEN 1 AND 65535),
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    purpose     TEXT NOT NULL,
    UNIQUE (instance_id, purpose)
);

CREATE TABLE schedules (
    id          TEXT PRIMARY KEY NOT NULL,
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    enabled     BOOLEAN NOT NULL,
    spec        TEXT NOT NULL,
    -- Every instant up to this one has been decided about.
    decided_to  TIMESTAMP NOT NULL,
    created_at  TIMESTAMP NOT NULL,
    UNIQUE (instance_id, name)
);

-- Instants that led to no execution; neighbours with the same reason are one row.
CREATE TABLE ticks (
    id          INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    schedule_id TEXT NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
    first_due   TIMESTAMP NOT NULL,
    last_due    TIMESTAMP NOT NULL,
    count       INTEGER NOT NULL,
    reason      TEXT NOT NULL
);
CREATE INDEX ticks_schedule ON ticks (schedule_id, id);

-- One process from start to exit. History outlives its app, so nothing here refers to what can be purged.
CREATE TABLE executions (
    id          TEXT PRIMARY KEY NOT NULL,
    app_id      TEXT NOT NULL,
    app_name    TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    release     INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    trigger     TEXT NOT NULL,
    schedule_id TEXT,
    due_at      TIMESTAMP,
    status      TEXT NOT NULL CHECK (status IN
        ('pending', 'running', 'success', 'failed', 'timeout', 'cancelled', 'lost')),
    pid         INTEGER,
    exit        TEXT,
    cause       TEXT,
    started_at  TIMESTAMP NOT NULL,
    finished_at TIMESTAMP,
    cpu_seconds DOUBLE,
    peak_memory BIGINT
);
CREATE INDEX executions_app ON executions (app_id, id);
CREATE INDEX executions_live ON executions (instance_id) WHERE status IN ('pending', 'running');
-- A due instant is claimed once, even by two workers.
CREATE UNIQUE INDEX executions_claim ON executions (schedule_id, due_at) WHERE due_at IS NOT NULL;

-- Long work. An app has at most one that is under way.
CREATE TABLE operations (
    id          TEXT PRIMARY KEY NOT NULL,
    app_id      TEXT NOT NULL,
    app_name    TEXT NOT NULL,
    kind        TEXT NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('running', 'succeeded', 'failed', 'cancelled')),
    request     TEXT NOT NULL,
    problem     TEXT,
    actor       TEXT NOT NULL,
    started_at  TIMESTAMP NOT NULL,
    finished_at TIMESTAMP
);
CREATE UNIQUE INDEX operations_under_way ON operations (app_id) WHERE status = 'running';
CREATE INDEX operations_app ON operations (app_id, id);

CREATE TABLE operation_steps (
    operation_id TEXT NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
    position     INTEGER NOT NULL,
    title        TEXT NOT NULL,
    status       TEXT NOT NULL CHECK (status IN ('pending', 'running', 'done', 'failed', 'undone')),
    detail       TEXT,
    started_at   TIMESTAMP,
    finished_at  TIMESTAMP,
    PRIMARY KEY (operation_id, position)
);

-- Everything that changed, each record sealed by the hash over the one before it.
CREATE TABLE events (
    sequence      INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    at            TIMESTAMP NOT NULL,
    actor         TEXT NOT NULL,
    subject_kind  TEXT NOT NULL,
    subject_id    TEXT NOT NULL,
    subject_name  TEXT NOT NULL,
    kind          TEXT NOT NULL,
    payload       TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash          TEXT NOT NULL
);
CREATE INDEX events_subject ON events (subject_kind, subject_id, sequence);

-- Who may ask: the owner, named tokens, and the sessions of browsers. Only hashes of their secrets are kept.
CREATE TABLE principals (
    id          TEXT PRIMARY KEY NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('owner', 'token', 'session')),
    name        TEXT NOT NULL,
    scope       TEXT NOT NULL CHECK (scope IN ('read', 'operate', 'admin')),
    secret_hash TEXT NOT NULL UNIQUE,
    created_at  TIMESTAMP NOT NULL,
    expires_at  TIMESTAMP
);

CREATE TABLE settings (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
);
