-- +goose Up

-- What devices that run Capgo's plugin are told of a release: JSON, of which nothing
-- is secret. A release without a row is not for them.
CREATE TABLE capgo_bundles (
  app      TEXT COLLATE "C" NOT NULL,
  release  BYTEA NOT NULL,
  document BYTEA NOT NULL,
  created  BIGINT NOT NULL,
  mac      BYTEA NOT NULL,
  PRIMARY KEY (app, release),
  FOREIGN KEY (app, release) REFERENCES releases (app, digest)
);

-- What a draft that waits for people is to become for them. The key with which it
-- is encrypted is among the secrets.
CREATE TABLE capgo_drafts (
  draft    TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES drafts (id),
  document BYTEA NOT NULL,
  created  BIGINT NOT NULL,
  mac      BYTEA NOT NULL
);
