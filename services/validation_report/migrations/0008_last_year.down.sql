ALTER TABLE report
  DROP CONSTRAINT report_previous_check, DROP COLUMN previous_snapshot,
  DROP COLUMN previous_district, DROP COLUMN previous_datasets, DROP COLUMN previous_versions,
  DROP COLUMN previous_rows;
ALTER TABLE rule_group_version DROP COLUMN last_year_datasets;
