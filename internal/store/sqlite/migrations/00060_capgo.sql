-- +goose Up

-- What devices that run Capgo's plugin are told of a release: JSON, of which nothing
-- is secret. A release without a row is not for them.
CREATE TABLE capgo_bundles (
  app      TEXT NOT NULL,
  release  BLOB NOT NULL,
  document BLOB NOT NULL,
  created  INTEGER NOT NULL,
  mac      BLOB NOT NULL,
  PRIMARY KEY (app, release),
  FOREIGN KEY (app, release) REFERENCES releases (app, digest)
) STRICT;

-- What a draft that waits for people is to become for them. The key with which it
-- is encrypted is among the secrets.
CREATE TABLE capgo_drafts (
  draft    TEXT NOT NULL PRIMARY KEY REFERENCES drafts (id),
  document BLOB NOT NULL,
  created  INTEGER NOT NULL,
  mac      BLOB NOT NULL
) STRICT;
