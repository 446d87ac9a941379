CREATE OR REPLACE FUNCTION roster_of(of_category text, of_organization text, of_parent text, of_level integer)
RETURNS TABLE (member text, delegate text, title text)
LANGUAGE sql STABLE AS $body$
  WITH certifier AS (
    SELECT m.member, m.delegate, m.title, m.is_primary
      FROM ${schema}.member m
     WHERE m.category = of_category AND m.role = 'CERTIFIER'
       AND (m.organization = of_organization
            OR (of_level = 2 AND of_parent <> '' AND m.organization = of_parent)))
  SELECT DISTINCT ON (c.member) c.member, c.delegate, c.title
    FROM certifier c
   WHERE c.is_primary OR NOT EXISTS (SELECT FROM certifier p WHERE p.is_primary)
   ORDER BY c.member, c.delegate DESC
$body$;

DROP FUNCTION roster_of(text, text, text, integer, date);
DROP TABLE roster_day;
-- Without days a member has a role at an organisation once.
DELETE FROM member m
 WHERE NOT current_date BETWEEN m.valid_from AND m.valid_to OR NOT m.user_active;
DELETE FROM member m USING member other
 WHERE other.category = m.category AND other.organization = m.organization
   AND other.member = m.member AND other.role = m.role AND other.valid_from < m.valid_from;
ALTER TABLE member
  DROP CONSTRAINT member_pkey,
  DROP COLUMN valid_from,
  DROP COLUMN valid_to,
  DROP COLUMN user_active,
  DROP COLUMN in_scope,
  DROP COLUMN all_schools,
  DROP COLUMN delegate_in_scope,
  DROP COLUMN delegate_all_schools,
  ADD PRIMARY KEY (category, organization, member, role);
