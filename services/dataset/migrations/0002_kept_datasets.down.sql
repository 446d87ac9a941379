-- With the views of dataset_read that show them; --migrate makes those again.
ALTER TABLE definition_column DROP COLUMN date_column CASCADE;
ALTER TABLE definition DROP COLUMN keeper CASCADE;
