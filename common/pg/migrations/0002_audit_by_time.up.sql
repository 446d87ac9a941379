-- The audit log is read newest first.
CREATE INDEX audit_time ON audit (at, id);
