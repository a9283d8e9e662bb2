-- What instances used over time: a row for each minute of the last day and each hour of the last month in which
-- something was alive. `at` is the end of it in seconds since 1970, as numbers are a third of the size of texts here;
-- processors are in thousandths, memory in KiB, both as a mean over the time that was looked at and as the most of any
-- look.
CREATE TABLE samples (
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    resolution  INTEGER NOT NULL CHECK (resolution IN (60, 3600)),
    at          BIGINT NOT NULL,
    cpu         INTEGER NOT NULL,
    cpu_max     INTEGER NOT NULL,
    memory      BIGINT NOT NULL,
    memory_max  BIGINT NOT NULL,
    looks       INTEGER NOT NULL,
    PRIMARY KEY (instance_id, resolution, at)
) WITHOUT ROWID;

-- When an app was alive is asked for spans of time.
CREATE INDEX executions_ended ON executions (app_id, finished_at);
