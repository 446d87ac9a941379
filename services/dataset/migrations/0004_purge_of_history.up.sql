-- What the purge of history goes by (docs/adr/0015). Nothing is purged before the state says how long
-- history is kept, and nothing before the service of the snapshots pins what they hold.

-- What was current when: one row for each look that found another version than the look before. All
-- versions below it had been superseded by then.
CREATE TABLE version_mark (
  copy        text NOT NULL CHECK (copy IN ('DISTRICT', 'STATE')),
  dataset     text NOT NULL,
  district_id text NOT NULL,
  seen_at     timestamptz NOT NULL,
  version     bigint NOT NULL CHECK (version >= 0),
  PRIMARY KEY (district_id, copy, dataset, seen_at)
);

-- How far each counter is purged. A row apart from data_version: whoever pins waits for no push.
CREATE TABLE version_horizon (
  copy        text NOT NULL CHECK (copy IN ('DISTRICT', 'STATE')),
  dataset     text NOT NULL,
  district_id text NOT NULL,
  -- Versions from here on have all of their records; below, those alone that are pinned.
  kept_from   bigint NOT NULL DEFAULT 0,
  -- Closed rows that end at or before this version were looked at, and those that no pin needs
  -- deleted.
  purged_to   bigint NOT NULL DEFAULT 0 CHECK (purged_to BETWEEN 0 AND kept_from),
  PRIMARY KEY (district_id, copy, dataset)
);
CREATE INDEX version_horizon_behind ON version_horizon (district_id, copy, dataset)
  WHERE purged_to < kept_from;

-- Versions that somebody will read again, whatever the policy: written by dataset_read.pin_version.
CREATE TABLE version_pin (
  copy        text NOT NULL CHECK (copy IN ('DISTRICT', 'STATE')),
  dataset     text NOT NULL,
  district_id text NOT NULL,
  version     bigint NOT NULL CHECK (version > 0),
  holder      text NOT NULL,
  holder_id   text NOT NULL,
  pinned_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (district_id, copy, dataset, version, holder, holder_id)
);
CREATE INDEX version_pin_holder ON version_pin (holder, holder_id);

-- The services that pin. One is here from its first pin on, and all that it named before was pinned
-- in the same transaction or earlier.
CREATE TABLE pin_holder (
  holder text PRIMARY KEY,
  since  timestamptz NOT NULL DEFAULT clock_timestamp()
);
