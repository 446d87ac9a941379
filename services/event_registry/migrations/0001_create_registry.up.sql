-- Organisations, people, categories with their members, and events.
--
-- Ids sort by bytes, so a page of a list is a range of the primary key. A date that is open to one
-- side is stored as -infinity or infinity, so "valid on a day" is one BETWEEN. Who changed a row is
-- in the audit log.

CREATE TABLE organization (
  organization_id text COLLATE "C" PRIMARY KEY,
  kind            text NOT NULL CHECK (kind IN ('SEA', 'SERVICE_AGENCY', 'DISTRICT', 'SCHOOL')),
  display_name    text NOT NULL,
  parent_id       text COLLATE "C" REFERENCES organization,
  nces_id         text NOT NULL,
  open_date       date,
  close_date      date,
  grades_offered  text[] NOT NULL,
  row_version     bigint NOT NULL DEFAULT 1,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((kind = 'SEA') = (parent_id IS NULL)),
  CHECK (close_date >= open_date)
);
CREATE INDEX organization_parent ON organization (parent_id, organization_id);
CREATE UNIQUE INDEX organization_one_sea ON organization (kind) WHERE kind = 'SEA';

CREATE TABLE app_user (
  user_id          text COLLATE "C" PRIMARY KEY,
  display_name     text NOT NULL,
  email            text NOT NULL,
  staff_id         text UNIQUE,
  active           boolean NOT NULL,
  is_administrator boolean NOT NULL DEFAULT false,  -- a state user without an assignment
  row_version      bigint NOT NULL DEFAULT 1,
  created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE assignment (
  user_id         text COLLATE "C" NOT NULL REFERENCES app_user,
  ordinal         bigint NOT NULL,
  organization_id text COLLATE "C" NOT NULL REFERENCES organization,
  all_schools     boolean NOT NULL,
  valid_from      date NOT NULL,
  valid_to        date NOT NULL,
  PRIMARY KEY (user_id, ordinal),
  CHECK (valid_from <= valid_to)
);
CREATE INDEX assignment_organization ON assignment (organization_id, user_id);

CREATE TABLE tool_grant (
  user_id text COLLATE "C" NOT NULL REFERENCES app_user,
  tool    int NOT NULL CHECK (tool > 0),             -- number of edcert.type.Tool
  rights  int NOT NULL CHECK (rights BETWEEN 1 AND 15),  -- sum of READ 1, WRITE 2, ADD 4, DELETE 8
  PRIMARY KEY (user_id, tool)
);

-- DRAFT before published_at; then PUBLISHED while active, INACTIVE after.
CREATE TABLE category (
  category_id  text COLLATE "C" PRIMARY KEY,
  title        text NOT NULL,
  description  text NOT NULL,
  level        text NOT NULL CHECK (level IN ('DISTRICT', 'SCHOOL')),
  active       boolean NOT NULL,
  restricted   boolean NOT NULL,
  row_version  bigint NOT NULL DEFAULT 1,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  published_at timestamptz
);

CREATE TABLE member (
  member_id       text COLLATE "C" PRIMARY KEY,
  category_id     text COLLATE "C" NOT NULL REFERENCES category,
  organization_id text COLLATE "C" NOT NULL REFERENCES organization,
  user_id         text COLLATE "C" NOT NULL REFERENCES app_user,
  role            text NOT NULL
                  CHECK (role IN ('APPROVER', 'STATE_REVIEWER', 'CERTIFIER', 'REVIEWER')),
  rank            text NOT NULL CHECK (rank IN ('NONE', 'PRIMARY', 'SECONDARY')),
  title           text NOT NULL,
  valid_from      date NOT NULL,
  valid_to        date NOT NULL,
  delegate_id     text COLLATE "C" REFERENCES app_user,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((role = 'CERTIFIER') = (rank <> 'NONE')),
  CHECK (valid_from <= valid_to),
  CHECK (delegate_id <> user_id)
);
CREATE INDEX member_category ON member (category_id, member_id);
CREATE INDEX member_organization ON member (organization_id, category_id);
CREATE INDEX member_user ON member (user_id, category_id);
CREATE INDEX member_delegate ON member (delegate_id, category_id) WHERE delegate_id IS NOT NULL;

-- One row: rises with every change of members, assignments or rights. Its lock also puts those
-- changes into an order, so that a check before one of them still holds when it commits.
CREATE TABLE membership_version (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  version  bigint NOT NULL
);
INSERT INTO membership_version (version) VALUES (1);

-- The live columns of an event. live_version and draft_version leave room for drafts.
CREATE TABLE event (
  event_id                text COLLATE "C" PRIMARY KEY,
  title                   text NOT NULL,
  description             text NOT NULL,
  reporting_year          int NOT NULL,
  datasets                text[] NOT NULL,
  category_id             text COLLATE "C" NOT NULL REFERENCES category,
  level                   text NOT NULL CHECK (level IN ('DISTRICT', 'SCHOOL')),
  rule_group              text NOT NULL,
  start_date              date NOT NULL,
  certification_opens     date NOT NULL,
  due_date                date NOT NULL,
  end_date                date NOT NULL,
  snapshot_available      date NOT NULL,
  attestation_text        text NOT NULL,
  attestation_version     int NOT NULL,
  allows_zero_attestation boolean NOT NULL,
  status                  text NOT NULL
    CHECK (status IN ('UNPUBLISHED', 'PUBLISHED', 'UNPUBLISHED_CHANGES', 'CLOSED')),
  live_version            int NOT NULL,
  draft_version           int NOT NULL,
  rule_group_version      int NOT NULL,
  participant_count       int NOT NULL,
  row_version             bigint NOT NULL DEFAULT 1,
  created_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
  published_at            timestamptz,
  closed_at               timestamptz,
  close_reason            text NOT NULL DEFAULT '',
  CHECK (start_date <= certification_opens AND certification_opens <= due_date
         AND due_date <= end_date AND snapshot_available BETWEEN start_date AND end_date),
  CHECK ((status = 'UNPUBLISHED') = (live_version = 0)),
  CHECK ((live_version = 0) = (rule_group_version = 0)),
  CHECK ((live_version = 0) = (published_at IS NULL)),
  CHECK ((status = 'CLOSED') = (closed_at IS NOT NULL))
);
CREATE INDEX event_due ON event (due_date, event_id);
CREATE INDEX event_category ON event (category_id);

CREATE TABLE event_participant (
  event_id        text COLLATE "C" NOT NULL REFERENCES event ON DELETE CASCADE,
  organization_id text COLLATE "C" NOT NULL REFERENCES organization,
  PRIMARY KEY (event_id, organization_id)
);
CREATE INDEX event_participant_organization ON event_participant (organization_id, event_id);

CREATE TABLE event_dependency (
  event_id      text COLLATE "C" NOT NULL REFERENCES event ON DELETE CASCADE,
  depends_on_id text COLLATE "C" NOT NULL REFERENCES event,
  PRIMARY KEY (event_id, depends_on_id),
  CHECK (event_id <> depends_on_id)
);
CREATE INDEX event_dependency_reverse ON event_dependency (depends_on_id);

-- A user with his assignments and rights, as lists of equal length.
CREATE VIEW user_detail AS
SELECT u.user_id, u.display_name, u.email, u.staff_id, u.active, u.row_version, u.created_at,
       u.updated_at, a.organizations, a.all_schools, a.valid_from, a.valid_to, g.tools, g.rights
  FROM app_user u
 CROSS JOIN LATERAL (
       SELECT array_agg(organization_id ORDER BY ordinal) AS organizations,
              array_agg(all_schools ORDER BY ordinal) AS all_schools,
              array_agg(valid_from ORDER BY ordinal) AS valid_from,
              array_agg(valid_to ORDER BY ordinal) AS valid_to
         FROM assignment WHERE user_id = u.user_id) a
 CROSS JOIN LATERAL (
       SELECT array_agg(tool ORDER BY tool) AS tools, array_agg(rights ORDER BY tool) AS rights
         FROM tool_grant WHERE user_id = u.user_id) g;

-- An event with those that it depends on.
CREATE VIEW event_detail AS
SELECT e.event_id, e.title, e.description, e.reporting_year, e.datasets, e.category_id, e.level,
       e.rule_group, e.start_date, e.certification_opens, e.due_date, e.end_date,
       e.snapshot_available, e.attestation_text, e.attestation_version, e.allows_zero_attestation,
       e.status, e.live_version, e.draft_version, e.rule_group_version, e.row_version,
       e.created_at, e.updated_at, e.published_at, e.closed_at, e.close_reason,
       e.participant_count,
       (SELECT array_agg(depends_on_id ORDER BY depends_on_id) FROM event_dependency d
         WHERE d.event_id = e.event_id) AS depends_on
  FROM event e;
