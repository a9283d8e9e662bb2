ALTER TABLE executions DROP COLUMN dropped_lines;
ALTER TABLE executions DROP COLUMN last_lines;
ALTER TABLE executions DROP COLUMN ending;

ALTER TABLE instances DROP COLUMN give_ups;
ALTER TABLE instances DROP COLUMN warnings;
ALTER TABLE instances DROP COLUMN status_text;
ALTER TABLE instances DROP COLUMN health_detail;
ALTER TABLE instances DROP COLUMN health;
