-- +goose Up

-- Versions of metadata that were published, or may have been, before the store
-- was restored: the next one of a role is above its floor.
CREATE TABLE version_floors (
  role    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  version BIGINT NOT NULL CHECK (version < 9223372036854775807)
);

CREATE TABLE backups (
  created BIGINT NOT NULL PRIMARY KEY,
  file    TEXT COLLATE "C" NOT NULL,
  length  BIGINT NOT NULL,
  digest  BYTEA   NOT NULL CHECK (length(digest) = 32),
  problem TEXT COLLATE "C" NOT NULL
);

CREATE TABLE restores (
  restored    BIGINT NOT NULL PRIMARY KEY,
  created     BIGINT NOT NULL,
  entries     BIGINT NOT NULL,
  lost        BIGINT NOT NULL,
  known       BIGINT NOT NULL,
  directed    BIGINT NOT NULL,
  log_version BIGINT NOT NULL,
  settled     BIGINT NOT NULL
);
