-- Messages to people, and what is known of work that is done.

CREATE TABLE message (
  message_id   uuid PRIMARY KEY,
  -- Given under one lock for all messages, so it grows in the order in which they become visible.
  sequence     bigint NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,
  recipient    text NOT NULL,
  cause_id     uuid NOT NULL,
  cause        smallint NOT NULL,
  subject      text NOT NULL,
  event        text NOT NULL,
  organization text NOT NULL,
  -- The organisations whose work it still asks for; the message is closed when the last one is done.
  pending      text[] NOT NULL,
  process      text NOT NULL,
  title        text NOT NULL CHECK (octet_length(title) <= 200),
  body         text NOT NULL CHECK (octet_length(body) <= 4000),
  occurred_at  timestamptz NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  read_at      timestamptz,
  dismissed_at timestamptz,
  closed_at    timestamptz,
  UNIQUE (recipient, cause_id),
  CHECK (dismissed_at IS NULL OR read_at IS NOT NULL)
);
CREATE INDEX message_of_recipient ON message (recipient, sequence DESC);
CREATE INDEX message_open_event ON message (event) WHERE closed_at IS NULL;
CREATE INDEX message_open_work ON message USING gin (pending) WHERE closed_at IS NULL;

-- When messages of a cause were last closed for an event and an organisation (empty: for all): the
-- feeds are read side by side, so the end of some work may be known before its beginning.
CREATE TABLE finished_work (
  event        text NOT NULL,
  organization text NOT NULL,
  cause        smallint NOT NULL,
  finished_at  timestamptz NOT NULL,
  PRIMARY KEY (event, organization, cause)
);
