DROP TABLE background_told;
DROP INDEX background_run_told;
DELETE FROM background_count c USING background_run b
 WHERE b.rule_group_id = c.rule_group_id AND b.organization = c.organization AND b.copy = c.copy
   AND b.district NOT IN ('', b.organization);
DELETE FROM background_run WHERE district NOT IN ('', organization);
ALTER TABLE background_run DROP COLUMN district, DROP COLUMN told_at;
