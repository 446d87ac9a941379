-- What the state said of a code, which an upgrade of the product leaves alone.
ALTER TABLE code ADD COLUMN by_state boolean NOT NULL DEFAULT false;
