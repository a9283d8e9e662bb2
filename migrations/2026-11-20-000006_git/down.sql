DROP TABLE trackings;
DROP TABLE secrets;
