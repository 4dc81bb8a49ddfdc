-- +goose Up

-- What deny.json refuses, and what it refused once. Rows are never removed.
CREATE TABLE denials (
  id      TEXT    NOT NULL PRIMARY KEY,
  kind    TEXT    NOT NULL,
  app     TEXT    NOT NULL,
  counter INTEGER NOT NULL CHECK (counter < 9223372036854775807),
  version TEXT    NOT NULL,
  issuer  BLOB    NOT NULL CHECK (length(issuer) = 32),
  serial  TEXT    NOT NULL,
  reason  TEXT    NOT NULL,
  creator TEXT    NOT NULL,
  created INTEGER NOT NULL,
  state   TEXT    NOT NULL,
  changed INTEGER NOT NULL,
  mac     BLOB    NOT NULL
) STRICT;
