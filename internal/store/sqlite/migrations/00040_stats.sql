-- +goose Up

-- What came of a release on a device, by its own account: a claim, which gives nobody
-- a right, and so bears no MAC. A device counts once for each release.
CREATE TABLE device_outcomes (
  app      TEXT NOT NULL,
  device   TEXT NOT NULL,
  release  BLOB NOT NULL CHECK (length(release) = 32),
  hour     INTEGER NOT NULL,
  outcome  TEXT NOT NULL,
  kind     TEXT NOT NULL,
  reason   TEXT NOT NULL,
  network  TEXT NOT NULL,
  evidence INTEGER NOT NULL,
  PRIMARY KEY (app, device, release),
  FOREIGN KEY (app, device) REFERENCES devices (app, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX device_outcomes_hours ON device_outcomes (app, hour);

CREATE INDEX device_outcomes_networks ON device_outcomes (app, release, hour, network) WHERE network <> '' AND evidence <> 0;

-- How many devices took a release in an hour, and with which outcome. It stays when
-- they are gone.
CREATE TABLE release_hours (
  app       TEXT NOT NULL,
  release   BLOB NOT NULL CHECK (length(release) = 32),
  hour      INTEGER NOT NULL,
  outcome   TEXT NOT NULL,
  kind      TEXT NOT NULL,
  reason    TEXT NOT NULL,
  evidence  INTEGER NOT NULL,
  unvouched INTEGER NOT NULL,
  PRIMARY KEY (app, release, hour, outcome, kind, reason),
  FOREIGN KEY (app) REFERENCES apps (id)
) STRICT;

CREATE INDEX release_hours_old ON release_hours (app, hour);
