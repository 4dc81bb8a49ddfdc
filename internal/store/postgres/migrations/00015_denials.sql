-- +goose Up

-- What deny.json refuses, and what it refused once. Rows are never removed.
CREATE TABLE denials (
  id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  kind    TEXT COLLATE "C" NOT NULL,
  app     TEXT COLLATE "C" NOT NULL,
  counter BIGINT NOT NULL CHECK (counter < 9223372036854775807),
  version TEXT COLLATE "C" NOT NULL,
  issuer  BYTEA NOT NULL CHECK (length(issuer) = 32),
  serial  TEXT COLLATE "C" NOT NULL,
  reason  TEXT COLLATE "C" NOT NULL,
  creator TEXT COLLATE "C" NOT NULL,
  created BIGINT NOT NULL,
  state   TEXT COLLATE "C" NOT NULL,
  changed BIGINT NOT NULL,
  mac     BYTEA NOT NULL
);
