DROP TABLE finished_work;
DROP TABLE message;
