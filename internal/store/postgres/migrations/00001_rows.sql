-- +goose Up

-- Times are microseconds since 1970, UTC. Truths are 0 or 1. Numbers stay below
-- 2^63-1, which so names no row. Large columns stand last, so that a scan need not read them.

-- Text compares byte by byte, whatever the collation of the database: every text
-- column says so. What SQLite's migrations have, these have, column for column.

CREATE TABLE vault_seal (
  id     BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
  record BYTEA NOT NULL
);

CREATE TABLE secrets (
  name    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  wrapped BYTEA NOT NULL
);

CREATE TABLE vault_keys (
  id          TEXT COLLATE "C" NOT NULL,
  version     BIGINT NOT NULL CHECK (version < 9223372036854775807),
  purpose     TEXT COLLATE "C" NOT NULL,
  algorithm   TEXT COLLATE "C" NOT NULL,
  provider    TEXT COLLATE "C" NOT NULL,
  owner       TEXT COLLATE "C" NOT NULL,
  label       TEXT COLLATE "C" NOT NULL,
  state       TEXT COLLATE "C" NOT NULL,
  created     BIGINT NOT NULL,
  not_before  BIGINT NOT NULL,
  not_after   BIGINT NOT NULL,
  changed     BIGINT NOT NULL,
  kek         TEXT COLLATE "C" NOT NULL,
  mac         BYTEA NOT NULL,
  data_key    BYTEA NOT NULL,
  public_key  BYTEA NOT NULL,
  private_key BYTEA NOT NULL,
  certificate BYTEA NOT NULL,
  PRIMARY KEY (id, version)
);

CREATE TABLE audit_entries (
  position BIGINT NOT NULL PRIMARY KEY,
  leaf     BYTEA NOT NULL
);

CREATE TABLE audit_hashes (
  position BIGINT NOT NULL PRIMARY KEY,
  hash     BYTEA NOT NULL CHECK (length(hash) = 32)
);

CREATE TABLE checkpoints (
  size BIGINT NOT NULL PRIMARY KEY,
  note BYTEA NOT NULL
);

CREATE TABLE apps (
  id             TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  device         BIGINT NOT NULL,
  open_enrolment BIGINT NOT NULL,
  created        BIGINT NOT NULL,
  last_counter   BIGINT NOT NULL CHECK (last_counter < 9223372036854775807)
);

CREATE TABLE channels (
  app     TEXT COLLATE "C" NOT NULL REFERENCES apps (id),
  name    TEXT COLLATE "C" NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (app, name)
);

CREATE TABLE epochs (
  app         TEXT COLLATE "C" NOT NULL,
  channel     TEXT COLLATE "C" NOT NULL,
  number      BIGINT NOT NULL CHECK (number < 9223372036854775807),
  key_id      TEXT COLLATE "C" NOT NULL,
  key_version BIGINT NOT NULL CHECK (key_version < 9223372036854775807),
  kem         BIGINT NOT NULL,
  kdf         BIGINT NOT NULL,
  aead        BIGINT NOT NULL,
  created     BIGINT NOT NULL,
  public_key  BYTEA NOT NULL,
  PRIMARY KEY (app, channel, number),
  FOREIGN KEY (app, channel) REFERENCES channels (app, name)
);

CREATE TABLE drafts (
  id        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  app       TEXT COLLATE "C" NOT NULL,
  channel   TEXT COLLATE "C" NOT NULL,
  platform  TEXT COLLATE "C" NOT NULL,
  runtime   TEXT COLLATE "C" NOT NULL,
  version   TEXT COLLATE "C" NOT NULL,
  counter   BIGINT NOT NULL CHECK (counter < 9223372036854775807),
  act       TEXT COLLATE "C" NOT NULL,
  state     TEXT COLLATE "C" NOT NULL,
  requester TEXT COLLATE "C" NOT NULL,
  created   BIGINT NOT NULL,
  expires   BIGINT NOT NULL,
  release   BYTEA NOT NULL CHECK (length(release) = 32),
  FOREIGN KEY (app, channel) REFERENCES channels (app, name)
);

CREATE INDEX drafts_open ON drafts (app, channel, platform, runtime, version, state, counter);

CREATE TABLE blobs (
  app     TEXT COLLATE "C" NOT NULL REFERENCES apps (id),
  digest  BYTEA NOT NULL CHECK (length(digest) = 32),
  length  BIGINT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (app, digest)
);

CREATE TABLE releases (
  app          TEXT COLLATE "C" NOT NULL,
  channel      TEXT COLLATE "C" NOT NULL,
  platform     TEXT COLLATE "C" NOT NULL,
  runtime      TEXT COLLATE "C" NOT NULL,
  version      TEXT COLLATE "C" NOT NULL,
  counter      BIGINT NOT NULL CHECK (counter < 9223372036854775807),
  act          TEXT COLLATE "C" NOT NULL,
  digest       BYTEA NOT NULL CHECK (length(digest) = 32),
  payload      BYTEA NOT NULL CHECK (length(payload) = 32),
  signed_at    BIGINT NOT NULL,
  created      BIGINT NOT NULL,
  archive      BYTEA NOT NULL CHECK (length(archive) = 32),
  archive_size BIGINT NOT NULL,
  blob         BYTEA NOT NULL CHECK (length(blob) = 32),
  blob_size    BIGINT NOT NULL,
  log_index    BIGINT NOT NULL,
  issuer       BYTEA NOT NULL CHECK (length(issuer) = 32),
  serial       TEXT COLLATE "C" NOT NULL,
  withdrawn    BIGINT NOT NULL,
  proof        BYTEA NOT NULL,
  file         BYTEA NOT NULL,
  PRIMARY KEY (app, digest),
  FOREIGN KEY (app, channel) REFERENCES channels (app, name)
);

CREATE UNIQUE INDEX releases_counter ON releases (app, counter);

-- Rollbacks, promotions and reissues repeat the coordinates of a release.
CREATE UNIQUE INDEX releases_coordinates ON releases (app, channel, platform, runtime, version) WHERE act = 'release';

CREATE TABLE metadata (
  role    TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  content BYTEA NOT NULL,
  PRIMARY KEY (role, version)
);

CREATE TABLE documents (
  path    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  content BYTEA NOT NULL
);

-- A number is never used twice, so that trimming what was written cannot remove
-- what came after.
CREATE TABLE outbox (
  seq     BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  place   TEXT COLLATE "C" NOT NULL,
  content BYTEA NOT NULL
);

CREATE TABLE tokens (
  id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  kind    TEXT COLLATE "C" NOT NULL,
  role    TEXT COLLATE "C" NOT NULL,
  hash    BYTEA NOT NULL CHECK (length(hash) = 32),
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  revoked BIGINT NOT NULL
);

CREATE TABLE enrolment_tokens (
  id       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  app      TEXT COLLATE "C" NOT NULL REFERENCES apps (id),
  label    TEXT COLLATE "C" NOT NULL,
  created  BIGINT NOT NULL,
  expires  BIGINT NOT NULL,
  max_uses BIGINT NOT NULL,
  uses     BIGINT NOT NULL
);

CREATE TABLE devices (
  app        TEXT COLLATE "C" NOT NULL REFERENCES apps (id),
  id         TEXT COLLATE "C" NOT NULL,
  identity   BYTEA NOT NULL,
  kem        BIGINT NOT NULL,
  kdf        BIGINT NOT NULL,
  aead       BIGINT NOT NULL,
  platform   TEXT COLLATE "C" NOT NULL,
  runtime    TEXT COLLATE "C" NOT NULL,
  token      TEXT COLLATE "C" NOT NULL,
  state      TEXT COLLATE "C" NOT NULL,
  enrolled   BIGINT NOT NULL,
  public_key BYTEA NOT NULL,
  PRIMARY KEY (app, id)
);

CREATE INDEX devices_state ON devices (app, state);

CREATE TABLE nonces (
  device  TEXT COLLATE "C" NOT NULL,
  nonce   TEXT COLLATE "C" NOT NULL,
  expires BIGINT NOT NULL,
  PRIMARY KEY (device, nonce)
);

CREATE INDEX nonces_expires ON nonces (expires);
