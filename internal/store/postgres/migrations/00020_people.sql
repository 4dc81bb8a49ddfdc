-- +goose Up

-- People, what they prove themselves with, and the tokens that stand for them.
-- Who was removed keeps the row, for the log to name; the login is free again.
CREATE TABLE persons (
  id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  login   TEXT COLLATE "C" NOT NULL,
  name    TEXT COLLATE "C" NOT NULL,
  role    TEXT COLLATE "C" NOT NULL,
  app     TEXT COLLATE "C" NOT NULL,
  state   TEXT COLLATE "C" NOT NULL,
  creator TEXT COLLATE "C" NOT NULL,
  created BIGINT NOT NULL,
  issuer  TEXT COLLATE "C" NOT NULL,
  subject TEXT COLLATE "C" NOT NULL,
  mac     BYTEA NOT NULL
);
CREATE UNIQUE INDEX persons_login ON persons (login) WHERE state <> 'removed';

CREATE TABLE credentials (
  id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  person  TEXT COLLATE "C" NOT NULL REFERENCES persons (id),
  kind    TEXT COLLATE "C" NOT NULL,
  label   TEXT COLLATE "C" NOT NULL,
  counter BIGINT NOT NULL,
  created BIGINT NOT NULL,
  used    BIGINT NOT NULL,
  data    BYTEA NOT NULL,
  mac     BYTEA NOT NULL
);
CREATE INDEX credentials_person ON credentials (person);

CREATE TABLE sessions (
  id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  person  TEXT COLLATE "C" NOT NULL REFERENCES persons (id),
  kind    TEXT COLLATE "C" NOT NULL,
  label   TEXT COLLATE "C" NOT NULL,
  address TEXT COLLATE "C" NOT NULL,
  amr     TEXT COLLATE "C" NOT NULL,
  hash    BYTEA NOT NULL CHECK (length(hash) = 32),
  created BIGINT NOT NULL,
  seen    BIGINT NOT NULL,
  proven  BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  mac     BYTEA NOT NULL
);
CREATE INDEX sessions_person ON sessions (person);
CREATE INDEX sessions_expires ON sessions (expires);

-- What a token may do of what its role may; empty for all of it.
ALTER TABLE tokens ADD COLUMN actions TEXT COLLATE "C" NOT NULL DEFAULT '';
