-- What is pinned stays pinned.
DROP TRIGGER release_versions ON snapshot;
DROP TRIGGER hold_versions ON snapshot_version;
DROP FUNCTION release_versions();
DROP FUNCTION hold_versions();
