-- +goose Up

-- A policy may be about one channel of an app: '' is for all of them, and leaves the
-- MAC of a row as it was.
CREATE TABLE policies_of_channels (
  app     TEXT    NOT NULL,
  action  TEXT    NOT NULL,
  version INTEGER NOT NULL CHECK (version < 9223372036854775807),
  needed  INTEGER NOT NULL,
  roles   TEXT    NOT NULL,
  creator TEXT    NOT NULL,
  created INTEGER NOT NULL,
  mac     BLOB    NOT NULL,
  channel TEXT    NOT NULL,
  PRIMARY KEY (app, channel, action)
) STRICT;
INSERT INTO policies_of_channels (app, action, version, needed, roles, creator, created, mac, channel)
SELECT app, action, version, needed, roles, creator, created, mac, '' FROM policies;
DROP TABLE policies;
ALTER TABLE policies_of_channels RENAME TO policies;
