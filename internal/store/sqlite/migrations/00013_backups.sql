-- +goose Up

-- Versions of metadata that were published, or may have been, before the store
-- was restored: the next one of a role is above its floor.
CREATE TABLE version_floors (
  role    TEXT    NOT NULL PRIMARY KEY,
  version INTEGER NOT NULL CHECK (version < 9223372036854775807)
) STRICT;

CREATE TABLE backups (
  created INTEGER NOT NULL PRIMARY KEY,
  file    TEXT    NOT NULL,
  length  INTEGER NOT NULL,
  digest  BLOB    NOT NULL CHECK (length(digest) = 32),
  problem TEXT    NOT NULL
) STRICT;

CREATE TABLE restores (
  restored    INTEGER NOT NULL PRIMARY KEY,
  created     INTEGER NOT NULL,
  entries     INTEGER NOT NULL,
  lost        INTEGER NOT NULL,
  known       INTEGER NOT NULL,
  directed    INTEGER NOT NULL,
  log_version INTEGER NOT NULL,
  settled     INTEGER NOT NULL
) STRICT;
