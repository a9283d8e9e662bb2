-- What is alive is asked for with every row of the dashboard, every start and every stop. SQLite uses a partial index
-- only for a query whose text says the same, so `status IN ('pending', 'running')` stands there word by word.
DROP INDEX executions_live;
CREATE INDEX executions_live ON executions (instance_id, id) WHERE status IN ('pending', 'running');

-- Means are weighed by the time that they cover. Looks were five or ten seconds apart.
ALTER TABLE samples RENAME COLUMN looks TO seconds;
UPDATE samples SET seconds = MIN(seconds * 5, resolution);
