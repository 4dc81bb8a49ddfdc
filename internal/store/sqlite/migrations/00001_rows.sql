-- +goose Up

-- Times are microseconds since 1970, UTC. Truths are 0 or 1. Numbers stay below
-- 2^63-1, which so names no row. Large columns stand last, so that a scan need not read them.

-- A version is recorded in the transaction that makes it. So of two processes
-- that migrate at once, the second to do the same step is refused and undone.
CREATE UNIQUE INDEX goose_db_version_once ON goose_db_version (version_id);

CREATE TABLE vault_seal (
  id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  record BLOB    NOT NULL
) STRICT;

CREATE TABLE secrets (
  name    TEXT NOT NULL PRIMARY KEY,
  wrapped BLOB NOT NULL
) STRICT;

CREATE TABLE vault_keys (
  id          TEXT    NOT NULL,
  version     INTEGER NOT NULL CHECK (version < 9223372036854775807),
  purpose     TEXT    NOT NULL,
  algorithm   TEXT    NOT NULL,
  provider    TEXT    NOT NULL,
  owner       TEXT    NOT NULL,
  label       TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  created     INTEGER NOT NULL,
  not_before  INTEGER NOT NULL,
  not_after   INTEGER NOT NULL,
  changed     INTEGER NOT NULL,
  kek         TEXT    NOT NULL,
  mac         BLOB    NOT NULL,
  data_key    BLOB    NOT NULL,
  public_key  BLOB    NOT NULL,
  private_key BLOB    NOT NULL,
  certificate BLOB    NOT NULL,
  PRIMARY KEY (id, version)
) STRICT;

CREATE TABLE audit_entries (
  position INTEGER NOT NULL PRIMARY KEY,
  leaf     BLOB    NOT NULL
) STRICT;

CREATE TABLE audit_hashes (
  position INTEGER NOT NULL PRIMARY KEY,
  hash     BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TABLE checkpoints (
  size INTEGER NOT NULL PRIMARY KEY,
  note BLOB    NOT NULL
) STRICT;

CREATE TABLE apps (
  id             TEXT    NOT NULL PRIMARY KEY,
  device         INTEGER NOT NULL,
  open_enrolment INTEGER NOT NULL,
  created        INTEGER NOT NULL,
  last_counter   INTEGER NOT NULL CHECK (last_counter < 9223372036854775807)
) STRICT;

CREATE TABLE channels (
  app     TEXT    NOT NULL REFERENCES apps (id),
  name    TEXT    NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (app, name)
) STRICT;

CREATE TABLE epochs (
  app         TEXT    NOT NULL,
  channel     TEXT    NOT NULL,
  number      INTEGER NOT NULL CHECK (number < 9223372036854775807),
  key_id      TEXT    NOT NULL,
  key_version INTEGER NOT NULL CHECK (key_version < 9223372036854775807),
  kem         INTEGER NOT NULL,
  kdf         INTEGER NOT NULL,
  aead        INTEGER NOT NULL,
  created     INTEGER NOT NULL,
  public_key  BLOB    NOT NULL,
  PRIMARY KEY (app, channel, number),
  FOREIGN KEY (app, channel) REFERENCES channels (app, name)
) STRICT;

CREATE TABLE drafts (
  id        TEXT    NOT NULL PRIMARY KEY,
  app       TEXT    NOT NULL,
  channel   TEXT    NOT NULL,
  platform  TEXT    NOT NULL,
  runtime   TEXT    NOT NULL,
  version   TEXT    NOT NULL,
  counter   INTEGER NOT NULL CHECK (counter < 9223372036854775807),
  act       TEXT    NOT NULL,
  state     TEXT    NOT NULL,
  requester TEXT    NOT NULL,
  created   INTEGER NOT NULL,
  expires   INTEGER NOT NULL,
  release   BLOB    NOT NULL CHECK (length(release) = 32),
  FOREIGN KEY (app, channel) REFERENCES channels (app, name)
) STRICT;

CREATE INDEX drafts_open ON drafts (app, channel, platform, runtime, version, state, counter);

CREATE TABLE blobs (
  app     TEXT    NOT NULL REFERENCES apps (id),
  digest  BLOB    NOT NULL CHECK (length(digest) = 32),
  length  INTEGER NOT NULL,
  created INTEGER NOT NULL,
  PRIMARY KEY (app, digest)
) STRICT;

CREATE TABLE releases (
  app          TEXT    NOT NULL,
  channel      TEXT    NOT NULL,
  platform     TEXT    NOT NULL,
  runtime      TEXT    NOT NULL,
  version      TEXT    NOT NULL,
  counter      INTEGER NOT NULL CHECK (counter < 9223372036854775807),
  act          TEXT    NOT NULL,
  digest       BLOB    NOT NULL CHECK (length(digest) = 32),
  payload      BLOB    NOT NULL CHECK (length(payload) = 32),
  signed_at    INTEGER NOT NULL,
  created      INTEGER NOT NULL,
  archive      BLOB    NOT NULL CHECK (length(archive) = 32),
  archive_size INTEGER NOT NULL,
  blob         BLOB    NOT NULL CHECK (length(blob) = 32),
  blob_size    INTEGER NOT NULL,
  log_index    INTEGER NOT NULL,
  issuer       BLOB    NOT NULL CHECK (length(issuer) = 32),
  serial       TEXT    NOT NULL,
  withdrawn    INTEGER NOT NULL,
  proof        BLOB    NOT NULL,
  file         BLOB    NOT NULL,
  PRIMARY KEY (app, digest),
  FOREIGN KEY (app, channel) REFERENCES channels (app, name)
) STRICT;

CREATE UNIQUE INDEX releases_counter ON releases (app, counter);

-- Rollbacks, promotions and reissues repeat the coordinates of a release.
CREATE UNIQUE INDEX releases_coordinates ON releases (app, channel, platform, runtime, version) WHERE act = 'release';

CREATE TABLE metadata (
  role    TEXT    NOT NULL,
  version INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  content BLOB    NOT NULL,
  PRIMARY KEY (role, version)
) STRICT;

CREATE TABLE documents (
  path    TEXT NOT NULL PRIMARY KEY,
  content BLOB NOT NULL
) STRICT;

-- A number is never used twice, so that trimming what was written cannot remove
-- what came after.
CREATE TABLE outbox (
  seq     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  place   TEXT    NOT NULL,
  content BLOB    NOT NULL
) STRICT;

CREATE TABLE tokens (
  id      TEXT    NOT NULL PRIMARY KEY,
  kind    TEXT    NOT NULL,
  role    TEXT    NOT NULL,
  hash    BLOB    NOT NULL CHECK (length(hash) = 32),
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  revoked INTEGER NOT NULL
) STRICT;

CREATE TABLE enrolment_tokens (
  id       TEXT    NOT NULL PRIMARY KEY,
  app      TEXT    NOT NULL REFERENCES apps (id),
  label    TEXT    NOT NULL,
  created  INTEGER NOT NULL,
  expires  INTEGER NOT NULL,
  max_uses INTEGER NOT NULL,
  uses     INTEGER NOT NULL
) STRICT;

CREATE TABLE devices (
  app        TEXT    NOT NULL REFERENCES apps (id),
  id         TEXT    NOT NULL,
  identity   BLOB    NOT NULL,
  kem        INTEGER NOT NULL,
  kdf        INTEGER NOT NULL,
  aead       INTEGER NOT NULL,
  platform   TEXT    NOT NULL,
  runtime    TEXT    NOT NULL,
  token      TEXT    NOT NULL,
  state      TEXT    NOT NULL,
  enrolled   INTEGER NOT NULL,
  public_key BLOB    NOT NULL,
  PRIMARY KEY (app, id)
) STRICT;

CREATE INDEX devices_state ON devices (app, state);

CREATE TABLE nonces (
  device  TEXT    NOT NULL,
  nonce   TEXT    NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY (device, nonce)
) STRICT, WITHOUT ROWID;

CREATE INDEX nonces_expires ON nonces (expires);
