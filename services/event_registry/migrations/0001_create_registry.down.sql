DROP VIEW event_detail, user_detail;
DROP TABLE event_dependency, event_participant, event, membership_version, member, category,
           tool_grant, assignment, app_user, organization;
