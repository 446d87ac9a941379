DROP VIEW waived;
DROP TABLE waived_finding, waiver;
