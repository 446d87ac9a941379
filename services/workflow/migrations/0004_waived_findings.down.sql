ALTER TABLE signature DROP COLUMN waived_count;
