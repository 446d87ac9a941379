ALTER TABLE job DROP COLUMN away_since;
