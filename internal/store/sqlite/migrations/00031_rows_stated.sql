-- +goose Up

-- Where the log's newest statement about rows stands: an index to it, which the
-- vault holds against the log.
CREATE TABLE rows_statement (
  id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  position INTEGER NOT NULL CHECK (position >= 0)
) STRICT;

-- What a key is found by that leaves the vault, what lets devices in, and what
-- became of a restore bear a MAC as well.
ALTER TABLE epochs ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE enrolment_tokens ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
ALTER TABLE restores ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
