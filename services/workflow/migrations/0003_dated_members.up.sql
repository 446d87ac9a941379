-- Who has to sign on a day: members with their days and with what the registry says of their scopes.
--
-- A binary that does not know the new columns writes rows in which everything counts always, as it
-- did before; the day's refresh makes them exact.

ALTER TABLE member
  ADD COLUMN valid_from date NOT NULL DEFAULT '-infinity',
  ADD COLUMN valid_to date NOT NULL DEFAULT 'infinity',
  ADD COLUMN user_active boolean NOT NULL DEFAULT true,
  ADD COLUMN in_scope boolean NOT NULL DEFAULT true,              -- the role counts there
  ADD COLUMN all_schools boolean NOT NULL DEFAULT true,           -- and at every school of it
  ADD COLUMN delegate_in_scope boolean NOT NULL DEFAULT true,     -- the delegate can act there
  ADD COLUMN delegate_all_schools boolean NOT NULL DEFAULT true,  -- and at every school of it
  DROP CONSTRAINT member_pkey,
  ADD PRIMARY KEY (category, organization, member, role, valid_from);

-- One row: the day for which members and rosters were last made exact.
CREATE TABLE roster_day (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  day      date NOT NULL
);
INSERT INTO roster_day (day) VALUES ('-infinity');

-- Who must sign for an organisation on a day, as the registry resolves it: its primary certifiers,
-- at a school also those of its district who have all schools. Beside an inactive primary the
-- secondaries of the same organisation must sign, and his delegate.
CREATE FUNCTION roster_of(of_category text, of_organization text, of_parent text, of_level integer,
                          on_day date)
RETURNS TABLE (member text, delegate text, title text)
LANGUAGE sql STABLE AS $body$
  WITH held AS (
    SELECT m.organization, m.member, m.delegate, m.title, m.is_primary, m.user_active, m.in_scope,
           m.delegate <> '' AND CASE WHEN m.organization = of_organization THEN m.delegate_in_scope
                                     ELSE m.delegate_all_schools END AS delegate_acts
      FROM ${schema}.member m
     WHERE m.category = of_category AND m.role = 'CERTIFIER'
       AND on_day BETWEEN m.valid_from AND m.valid_to
       AND (m.organization = of_organization
            OR (of_level = 2 AND of_parent <> '' AND m.organization = of_parent AND m.all_schools))),
  signer AS (
    SELECT h.member, CASE WHEN h.delegate_acts THEN h.delegate ELSE '' END AS delegate, h.title
      FROM held h
     WHERE h.user_active AND h.in_scope
       AND (h.is_primary
            OR EXISTS (SELECT FROM ${schema}.member p
                        WHERE p.category = of_category AND p.organization = h.organization
                          AND p.role = 'CERTIFIER' AND p.is_primary AND NOT p.user_active
                          AND on_day BETWEEN p.valid_from AND p.valid_to))
     UNION ALL
    SELECT h.delegate, '', h.title
      FROM held h
     WHERE h.is_primary AND NOT h.user_active AND h.delegate_acts)
  SELECT DISTINCT ON (s.member) s.member, s.delegate, s.title
    FROM signer s
   ORDER BY s.member, s.delegate DESC, s.title
$body$;

-- For a binary that knows no days.
CREATE OR REPLACE FUNCTION roster_of(of_category text, of_organization text, of_parent text,
                                     of_level integer)
RETURNS TABLE (member text, delegate text, title text)
LANGUAGE sql STABLE AS $body$
  SELECT r.member, r.delegate, r.title
    FROM ${schema}.roster_of(of_category, of_organization, of_parent, of_level, current_date) r
$body$;
