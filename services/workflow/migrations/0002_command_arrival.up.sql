-- When a command first arrived. A window is judged by it, so that an answer which we failed to give
-- costs nobody a deadline. One row a command and content; kept as long as the ledger of requests.
CREATE TABLE command_arrival (
  principal      text NOT NULL,
  method         text NOT NULL,
  request_id     uuid NOT NULL,
  request_sha256 bytea NOT NULL CHECK (octet_length(request_sha256) = 32),
  at             timestamptz NOT NULL,
  PRIMARY KEY (principal, method, request_id, request_sha256)
);
