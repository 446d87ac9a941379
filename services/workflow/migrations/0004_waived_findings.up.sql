-- How many fatal findings did not block, because the state had waived them, when it was signed.
ALTER TABLE signature ADD COLUMN waived_count bigint NOT NULL DEFAULT 0;
