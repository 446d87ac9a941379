ALTER TABLE report DROP COLUMN severity_day;
DROP TABLE rule_group_activation, rule_activation;
ALTER TABLE rule_group_member DROP COLUMN settings;
ALTER TABLE rule_group_version DROP COLUMN severity_changes;
ALTER TABLE rule_group DROP COLUMN newest_version;
ALTER TABLE rule_version DROP COLUMN author;
ALTER TABLE rule
  DROP COLUMN asked_at, DROP COLUMN asked_by, DROP COLUMN asked_version, DROP COLUMN tags,
  DROP COLUMN newest_version;
