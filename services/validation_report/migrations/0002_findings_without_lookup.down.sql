ALTER TABLE finding ADD FOREIGN KEY (report_id, rule_place) REFERENCES report_rule NOT VALID;
