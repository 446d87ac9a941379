DROP TABLE finding_group, fixed_finding;
ALTER TABLE finding DROP COLUMN change, DROP COLUMN group_place;
ALTER TABLE report_rule DROP COLUMN stored, DROP COLUMN changes;
ALTER TABLE report DROP COLUMN chain_id, DROP COLUMN previous_report_id, DROP COLUMN changes;
DROP TABLE known_finding, chain_rule, finding_chain;
