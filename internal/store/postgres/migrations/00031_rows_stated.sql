-- +goose Up

-- Where the log's newest statement about rows stands: an index to it, which the
-- vault holds against the log.
CREATE TABLE rows_statement (
  id       BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
  position BIGINT NOT NULL CHECK (position >= 0)
);

-- What a key is found by that leaves the vault, what lets devices in, and what
-- became of a restore bear a MAC as well.
ALTER TABLE epochs ADD COLUMN mac BYTEA NOT NULL DEFAULT '';
ALTER TABLE enrolment_tokens ADD COLUMN mac BYTEA NOT NULL DEFAULT '';
ALTER TABLE restores ADD COLUMN mac BYTEA NOT NULL DEFAULT '';
