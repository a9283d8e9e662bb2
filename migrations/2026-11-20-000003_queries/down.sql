UPDATE samples SET seconds = MAX(seconds / 5, 1);
ALTER TABLE samples RENAME COLUMN seconds TO looks;

DROP INDEX executions_live;
CREATE INDEX executions_live ON executions (instance_id) WHERE status IN ('pending', 'running');
