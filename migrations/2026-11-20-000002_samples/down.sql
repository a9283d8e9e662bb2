DROP INDEX executions_ended;
DROP TABLE samples;
