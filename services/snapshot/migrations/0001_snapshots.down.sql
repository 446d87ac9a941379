DROP TABLE snapshot_version;
DROP TABLE snapshot;
