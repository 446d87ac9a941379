-- What was certified a year ago comes with a report. Empty where nothing is compared with it, as in
-- all that was written before.
ALTER TABLE rule_group_version
  ADD COLUMN last_year_datasets text[] NOT NULL DEFAULT '{}';
ALTER TABLE report
  ADD COLUMN previous_snapshot text NOT NULL DEFAULT '',
  ADD COLUMN previous_district text NOT NULL DEFAULT '',
  -- One element for each dataset that the rules read of last year and the snapshot holds.
  ADD COLUMN previous_datasets text[] NOT NULL DEFAULT '{}',
  ADD COLUMN previous_versions bigint[] NOT NULL DEFAULT '{}',
  ADD COLUMN previous_rows     bigint[] NOT NULL DEFAULT '{}',
  ADD CONSTRAINT report_previous_check
    CHECK (cardinality(previous_datasets) = cardinality(previous_versions)
           AND cardinality(previous_datasets) = cardinality(previous_rows));
