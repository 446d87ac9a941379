-- A report's rules and findings are written by one transaction of one fenced attempt; looking each
-- finding's rule up again is most of the time of writing them.
ALTER TABLE finding DROP CONSTRAINT finding_report_id_rule_place_fkey;
