DROP TABLE report_view, finding, report_rule, report_artifact, report, rule_group_member,
  rule_group_version, rule_group, rule_version, rule;
