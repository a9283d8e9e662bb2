-- How an instance is beside its state, and how often it was given up since it last ran well.
ALTER TABLE instances ADD COLUMN health TEXT NOT NULL DEFAULT 'unknown'
    CHECK (health IN ('unknown', 'starting', 'healthy', 'unhealthy'));
ALTER TABLE instances ADD COLUMN health_detail TEXT;
ALTER TABLE instances ADD COLUMN status_text TEXT;
ALTER TABLE instances ADD COLUMN warnings TEXT NOT NULL DEFAULT '[]';
ALTER TABLE instances ADD COLUMN give_ups INTEGER NOT NULL DEFAULT 0;

-- Why an execution ended, and its last words.
ALTER TABLE executions ADD COLUMN ending TEXT;
ALTER TABLE executions ADD COLUMN last_lines TEXT NOT NULL DEFAULT '[]';
ALTER TABLE executions ADD COLUMN dropped_lines BIGINT NOT NULL DEFAULT 0;
