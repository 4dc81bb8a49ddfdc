-- +goose Up

-- People, what they prove themselves with, and the tokens that stand for them.
-- Who was removed keeps the row, for the log to name; the login is free again.
CREATE TABLE persons (
  id      TEXT    NOT NULL PRIMARY KEY,
  login   TEXT    NOT NULL,
  name    TEXT    NOT NULL,
  role    TEXT    NOT NULL,
  app     TEXT    NOT NULL,
  state   TEXT    NOT NULL,
  creator TEXT    NOT NULL,
  created INTEGER NOT NULL,
  issuer  TEXT    NOT NULL,
  subject TEXT    NOT NULL,
  mac     BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX persons_login ON persons (login) WHERE state <> 'removed';

CREATE TABLE credentials (
  id      TEXT    NOT NULL PRIMARY KEY,
  person  TEXT    NOT NULL REFERENCES persons (id),
  kind    TEXT    NOT NULL,
  label   TEXT    NOT NULL,
  counter INTEGER NOT NULL,
  created INTEGER NOT NULL,
  used    INTEGER NOT NULL,
  data    BLOB    NOT NULL,
  mac     BLOB    NOT NULL
) STRICT;
CREATE INDEX credentials_person ON credentials (person);

CREATE TABLE sessions (
  id      TEXT    NOT NULL PRIMARY KEY,
  person  TEXT    NOT NULL REFERENCES persons (id),
  kind    TEXT    NOT NULL,
  label   TEXT    NOT NULL,
  address TEXT    NOT NULL,
  amr     TEXT    NOT NULL,
  hash    BLOB    NOT NULL CHECK (length(hash) = 32),
  created INTEGER NOT NULL,
  seen    INTEGER NOT NULL,
  proven  INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  mac     BLOB    NOT NULL
) STRICT;
CREATE INDEX sessions_person ON sessions (person);
CREATE INDEX sessions_expires ON sessions (expires);

-- What a token may do of what its role may; empty for all of it.
ALTER TABLE tokens ADD COLUMN actions TEXT NOT NULL DEFAULT '';
