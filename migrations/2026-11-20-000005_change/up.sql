-- A release keeps what its environment was made of, so that it can be made again exactly when it was removed.
ALTER TABLE releases ADD COLUMN lock TEXT;
ALTER TABLE releases ADD COLUMN lock_digest TEXT;
ALTER TABLE releases ADD COLUMN python_version TEXT;
-- The configuration that it was last active with.
ALTER TABLE releases ADD COLUMN revision_id TEXT;

UPDATE releases SET
    lock = (SELECT environments.lock FROM environments WHERE environments.id = releases.environment_id),
    lock_digest = (SELECT environments.lock_digest FROM environments WHERE environments.id = releases.environment_id),
    python_version = (SELECT environments.python_version FROM environments WHERE environments.id = releases.environment_id)
WHERE environment_id IS NOT NULL;

-- The number of an app's last release: none is given twice, because executions and logs go on speaking of it.
ALTER TABLE apps ADD COLUMN last_release INTEGER NOT NULL DEFAULT 1;

UPDATE apps SET last_release =
    COALESCE((SELECT MAX(releases.number) FROM releases WHERE releases.app_id = apps.id), 1);

-- What an environment was asked to be: another release that asks for the same takes it as it is.
ALTER TABLE environments ADD COLUMN fingerprint TEXT;
CREATE INDEX releases_environment ON releases (environment_id);

-- SQLite cannot let a column be empty later, so both tables are made anew.
CREATE TABLE operations_anew (
    id          TEXT PRIMARY KEY NOT NULL,
    app_id      TEXT,
    app_name    TEXT,
    kind        TEXT NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('running', 'succeeded', 'failed', 'cancelled')),
    memory      TEXT NOT NULL,
    cancellable BOOLEAN NOT NULL,
    problem     TEXT,
    actor       TEXT NOT NULL,
    started_at  TIMESTAMP NOT NULL,
    finished_at TIMESTAMP
);
CREATE TABLE operation_steps_anew (
    operation_id TEXT NOT NULL REFERENCES operations_anew (id) ON DELETE CASCADE,
    position     INTEGER NOT NULL,
    name         TEXT NOT NULL,
    title        TEXT NOT NULL,
    status       TEXT NOT NULL CHECK (status IN ('pending', 'running', 'done', 'failed', 'undone')),
    detail       TEXT,
    started_at   TIMESTAMP,
    finished_at  TIMESTAMP,
    PRIMARY KEY (operation_id, position)
);
INSERT INTO operations_anew
    SELECT id, app_id, app_name, kind, status, request, FALSE, problem, actor, started_at, finished_at FROM operations;
INSERT INTO operation_steps_anew
    SELECT operation_id, position, 'step_' || position, title, status, detail, started_at, finished_at
    FROM operation_steps;
DROP TABLE operation_steps;
DROP TABLE operations;
ALTER TABLE operations_anew RENAME TO operations;
ALTER TABLE operation_steps_anew RENAME TO operation_steps;

CREATE UNIQUE INDEX operations_under_way ON operations (app_id) WHERE status = 'running';
CREATE INDEX operations_app ON operations (app_id, id);
-- What ended long ago is removed, the oldest first.
CREATE INDEX operations_ended ON operations (finished_at);

-- Work on all of Mantyx has no app.
CREATE UNIQUE INDEX operations_alone ON operations (kind) WHERE status = 'running' AND app_id IS NULL;

-- What a change replaced, or what a person asked to be kept. The folder is named after the app and the moment.
CREATE TABLE backups (
    id       TEXT PRIMARY KEY NOT NULL,
    app_id   TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    reason   TEXT NOT NULL,
    release  INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    data     BOOLEAN NOT NULL,
    bytes    BIGINT NOT NULL,
    folder   TEXT NOT NULL,
    made_at  TIMESTAMP NOT NULL,
    made_by  TEXT NOT NULL
);
CREATE INDEX backups_app ON backups (app_id, id);
