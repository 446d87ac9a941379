-- Certifications, what they need to be listed and decided, and their history.

-- What the registry's feed told about published events; one row an event.
CREATE TABLE event (
  name                text PRIMARY KEY,
  title               text NOT NULL,
  category            text NOT NULL,
  datasets            text[] NOT NULL,
  level               smallint NOT NULL,
  reporting_year      integer NOT NULL,
  status              smallint NOT NULL,
  attestation_version integer NOT NULL,
  starts_at           timestamptz NOT NULL,
  opens_at            timestamptz NOT NULL,
  due_at              timestamptz NOT NULL,
  ends_at             timestamptz NOT NULL
);

CREATE TABLE organization (
  name         text PRIMARY KEY,
  display_name text NOT NULL,
  parent       text NOT NULL
);

-- The members of the categories who are active: the roster of the next round, and who decides.
CREATE TABLE member (
  category     text NOT NULL,
  organization text NOT NULL,
  member       text NOT NULL,
  role         text NOT NULL CHECK (role IN ('APPROVER', 'STATE_REVIEWER', 'CERTIFIER', 'REVIEWER')),
  is_primary   boolean NOT NULL,
  delegate     text NOT NULL,
  title        text NOT NULL,
  PRIMARY KEY (category, organization, member, role)
);
CREATE INDEX member_member ON member (member, category) WHERE role = 'APPROVER';

-- The moves that the table of certification_table.h has; a test compares the two.
CREATE TABLE allowed_transition (
  from_state text NOT NULL,
  action     text NOT NULL,
  to_state   text NOT NULL,
  PRIMARY KEY (from_state, action, to_state)
);
INSERT INTO allowed_transition (from_state, action, to_state) VALUES
  ('NONE', 'OPEN', 'IN_PROGRESS'),
  ('IN_PROGRESS', 'SUBMIT', 'IN_PROGRESS'),
  ('IN_PROGRESS', 'SUBMIT', 'SENT'),
  ('IN_PROGRESS', 'ROSTER_CHANGE', 'SENT'),
  ('SENT', 'APPROVE', 'APPROVED'),
  ('IN_PROGRESS', 'APPROVE', 'APPROVED'),
  ('RECERT_IN_PROGRESS', 'APPROVE', 'APPROVED'),
  ('RECERT_REQUESTED', 'APPROVE', 'APPROVED'),
  ('SENT', 'RETURN', 'RECERT_IN_PROGRESS'),
  ('APPROVED', 'RETURN', 'RECERT_IN_PROGRESS'),
  ('SENT', 'REQUEST_RECERTIFICATION', 'RECERT_REQUESTED'),
  ('APPROVED', 'REQUEST_RECERTIFICATION', 'RECERT_REQUESTED'),
  ('RECERT_REQUESTED', 'RETURN', 'RECERT_IN_PROGRESS'),
  ('RECERT_REQUESTED', 'DENY_REQUEST', 'SENT'),
  ('RECERT_REQUESTED', 'DENY_REQUEST', 'APPROVED'),
  ('RECERT_REQUESTED', 'WITHDRAW_REQUEST', 'SENT'),
  ('RECERT_REQUESTED', 'WITHDRAW_REQUEST', 'APPROVED'),
  ('RECERT_REQUESTED', 'EXPIRE_REQUEST', 'SENT'),
  ('RECERT_REQUESTED', 'EXPIRE_REQUEST', 'APPROVED'),
  ('RECERT_IN_PROGRESS', 'SUBMIT', 'RECERT_IN_PROGRESS'),
  ('RECERT_IN_PROGRESS', 'SUBMIT', 'SENT'),
  ('RECERT_IN_PROGRESS', 'CANCEL_RECERTIFICATION', 'SENT'),
  ('RECERT_IN_PROGRESS', 'CANCEL_RECERTIFICATION', 'APPROVED'),
  ('IN_PROGRESS', 'EXEMPT', 'EXEMPT'),
  ('SENT', 'EXEMPT', 'EXEMPT'),
  ('APPROVED', 'EXEMPT', 'EXEMPT'),
  ('RECERT_REQUESTED', 'EXEMPT', 'EXEMPT'),
  ('RECERT_IN_PROGRESS', 'EXEMPT', 'EXEMPT'),
  ('IN_PROGRESS', 'WITHDRAW', 'WITHDRAWN'),
  ('SENT', 'WITHDRAW', 'WITHDRAWN'),
  ('APPROVED', 'WITHDRAW', 'WITHDRAWN'),
  ('RECERT_REQUESTED', 'WITHDRAW', 'WITHDRAWN'),
  ('RECERT_IN_PROGRESS', 'WITHDRAW', 'WITHDRAWN');

CREATE TABLE certification (
  id                  uuid PRIMARY KEY,
  event               text NOT NULL REFERENCES event,
  organization        text NOT NULL,
  state               text NOT NULL CHECK (state IN ('IN_PROGRESS', 'SENT', 'APPROVED',
                        'RECERT_REQUESTED', 'RECERT_IN_PROGRESS', 'EXEMPT', 'WITHDRAWN')),
  round               integer NOT NULL CHECK (round >= 0),
  version             bigint NOT NULL CHECK (version > 0),
  transitions         bigint NOT NULL CHECK (transitions > 0),
  came_from           text NOT NULL CHECK (came_from IN ('NONE', 'SENT', 'APPROVED')),
  candidate_snapshot  text NOT NULL DEFAULT '',
  certified_snapshot  text NOT NULL DEFAULT '',
  recert_due          date,
  recert_due_at       timestamptz,
  prior_recert_due    date,
  prior_recert_due_at timestamptz,
  administrative      boolean NOT NULL DEFAULT false,
  return_reason       text NOT NULL DEFAULT '',
  round_started_at    timestamptz,
  start_time          timestamptz,
  sent_at             timestamptz,
  approved_at         timestamptz,
  approved_by         text NOT NULL DEFAULT '',
  create_time         timestamptz NOT NULL,
  update_time         timestamptz NOT NULL,
  UNIQUE (event, organization),
  -- What was sent or approved has a snapshot; a round that was sent back has a due date.
  CHECK (state NOT IN ('SENT', 'APPROVED', 'RECERT_REQUESTED') OR certified_snapshot <> ''),
  CHECK (state <> 'RECERT_IN_PROGRESS' OR recert_due_at IS NOT NULL)
);
CREATE INDEX certification_organization ON certification (organization);

-- Who must sign in a round; those of former rounds stay for the record.
CREATE TABLE required_certifier (
  certification_id uuid NOT NULL REFERENCES certification,
  round            integer NOT NULL,
  member           text NOT NULL,
  delegate         text NOT NULL,
  title            text NOT NULL,
  PRIMARY KEY (certification_id, round, member)
);
CREATE INDEX required_certifier_member ON required_certifier (member);

CREATE TABLE signature (
  id                    uuid PRIMARY KEY,
  certification_id      uuid NOT NULL REFERENCES certification,
  round                 integer NOT NULL,
  signer                text NOT NULL,
  role_title            text NOT NULL,
  snapshot              text NOT NULL CHECK (snapshot <> ''),
  root                  text NOT NULL,
  signed_at             timestamptz NOT NULL,
  attestation_version   integer NOT NULL,
  warnings_acknowledged boolean NOT NULL,
  zero_attestation      boolean NOT NULL,
  warning_count         bigint NOT NULL,
  membership_version    bigint NOT NULL,
  voided_at             timestamptz,
  void_reason           text NOT NULL DEFAULT '',
  voided_in_round       integer NOT NULL DEFAULT 0
);
-- At most one signature of a user counts; all that count are on one snapshot (by the table's
-- guards, and the test of the store).
CREATE UNIQUE INDEX signature_counts ON signature (certification_id, signer)
 WHERE voided_at IS NULL;
CREATE INDEX signature_certification ON signature (certification_id, signed_at DESC);

CREATE TABLE recertification_request (
  id               uuid PRIMARY KEY,
  certification_id uuid NOT NULL REFERENCES certification,
  round            integer NOT NULL,
  requester        text NOT NULL,
  reason           text NOT NULL,
  requested_at     timestamptz NOT NULL,
  state            text NOT NULL DEFAULT 'PENDING'
                     CHECK (state IN ('PENDING', 'ACCEPTED', 'DENIED', 'WITHDRAWN', 'EXPIRED')),
  decided_by       text NOT NULL DEFAULT '',
  decided_at       timestamptz,
  decision_reason  text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX recertification_request_pending ON recertification_request (certification_id)
 WHERE state = 'PENDING';

-- The history: one row a move, never changed.
-- evidence: transition_log
CREATE TABLE transition_log (
  certification_id uuid NOT NULL REFERENCES certification,
  seq              bigint NOT NULL CHECK (seq > 0),
  from_state       text NOT NULL,
  action           text NOT NULL,
  to_state         text NOT NULL,
  actor            text NOT NULL,
  reason           text NOT NULL,
  round            integer NOT NULL,
  snapshot         text NOT NULL,
  request_id       uuid,
  at               timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (certification_id, seq),
  FOREIGN KEY (from_state, action, to_state) REFERENCES allowed_transition
);

-- What UserStatusOf computes, for filters; a test compares the two. Numbers as on the wire.
CREATE FUNCTION user_status(must_sign boolean, state text, asked boolean, has_signed boolean,
                            overdue boolean) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $body$
  SELECT CASE WHEN NOT must_sign OR state IN ('EXEMPT', 'WITHDRAWN') THEN 1
              WHEN state = 'APPROVED' THEN 6
              WHEN state = 'RECERT_REQUESTED' AND asked THEN 5
              WHEN has_signed THEN 4
              WHEN overdue THEN 3
              ELSE 2 END
$body$;

-- What PhaseOf computes; a test compares the two. Numbers as on the wire.
CREATE FUNCTION phase(status integer, starts_at timestamptz, opens_at timestamptz,
                      due_at timestamptz, ends_at timestamptz, at timestamptz) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $body$
  SELECT CASE WHEN status = 3 THEN 6
              WHEN at < starts_at THEN 1
              WHEN at < opens_at THEN 2
              WHEN at <= due_at THEN 3
              WHEN at <= ends_at THEN 4
              ELSE 5 END
$body$;

-- Who must sign for an organisation: its primary certifiers, at a school also those of its district;
-- secondaries when no primary is active.
CREATE FUNCTION roster_of(of_category text, of_organization text, of_parent text, of_level integer)
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

-- A certification with its event, names, roster and pending request.
CREATE VIEW certification_seen AS
SELECT c.id, c.event, c.organization, c.state, c.round, c.version, c.transitions, c.came_from,
       c.candidate_snapshot, c.certified_snapshot, c.recert_due, c.recert_due_at,
       c.prior_recert_due, c.prior_recert_due_at, c.administrative, c.return_reason,
       c.round_started_at, c.start_time, c.sent_at, c.approved_at, c.approved_by, c.create_time,
       c.update_time,
       e.title, e.category, e.datasets, e.level, e.reporting_year, e.status AS event_status,
       e.attestation_version, e.starts_at, e.opens_at, e.due_at, e.ends_at,
       coalesce(c.recert_due_at, e.due_at) AS effective_due,
       greatest(c.recert_due_at, e.ends_at) AS effective_end,
       coalesce(o.display_name, '') AS organization_display_name,
       coalesce(o.parent, '') AS organization_parent,
       ARRAY(SELECT r.member FROM required_certifier r
              WHERE r.certification_id = c.id AND r.round = c.round ORDER BY r.member) AS roster,
       ARRAY(SELECT r.delegate FROM required_certifier r
              WHERE r.certification_id = c.id AND r.round = c.round ORDER BY r.member) AS delegates,
       ARRAY(SELECT r.title FROM required_certifier r
              WHERE r.certification_id = c.id AND r.round = c.round ORDER BY r.member) AS titles,
       q.id AS request_id, q.requester, q.reason AS request_reason, q.requested_at
  FROM certification c
  JOIN event e ON e.name = c.event
  LEFT JOIN organization o ON o.name = c.organization
  LEFT JOIN recertification_request q ON q.certification_id = c.id AND q.state = 'PENDING';
