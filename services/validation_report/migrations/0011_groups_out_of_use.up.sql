-- Groups that nobody begins to use any more.

ALTER TABLE rule_group
  -- Events that were published before go on with it.
  ADD COLUMN deactivated_at timestamptz,
  ADD CHECK ((state = 'INACTIVE') = (deactivated_at IS NOT NULL));
