-- Since when something that the job needs has been away; not counted as an error of the job.
ALTER TABLE job ADD COLUMN away_since timestamptz;
