-- +goose Up

-- What came of a release on a device, by its own account: a claim, which gives nobody
-- a right, and so bears no MAC. A device counts once for each release.
CREATE TABLE device_outcomes (
  app      TEXT COLLATE "C" NOT NULL,
  device   TEXT COLLATE "C" NOT NULL,
  release  BYTEA NOT NULL CHECK (length(release) = 32),
  hour     BIGINT NOT NULL,
  outcome  TEXT COLLATE "C" NOT NULL,
  kind     TEXT COLLATE "C" NOT NULL,
  reason   TEXT COLLATE "C" NOT NULL,
  network  TEXT COLLATE "C" NOT NULL,
  evidence BIGINT NOT NULL,
  PRIMARY KEY (app, device, release),
  FOREIGN KEY (app, device) REFERENCES devices (app, id) ON DELETE CASCADE
);

CREATE INDEX device_outcomes_hours ON device_outcomes (app, hour);

CREATE INDEX device_outcomes_networks ON device_outcomes (app, release, hour, network) WHERE network <> '' AND evidence <> 0;

-- How many devices took a release in an hour, and with which outcome. It stays when
-- they are gone.
CREATE TABLE release_hours (
  app       TEXT COLLATE "C" NOT NULL,
  release   BYTEA NOT NULL CHECK (length(release) = 32),
  hour      BIGINT NOT NULL,
  outcome   TEXT COLLATE "C" NOT NULL,
  kind      TEXT COLLATE "C" NOT NULL,
  reason    TEXT COLLATE "C" NOT NULL,
  evidence  BIGINT NOT NULL,
  unvouched BIGINT NOT NULL,
  PRIMARY KEY (app, release, hour, outcome, kind, reason),
  FOREIGN KEY (app) REFERENCES apps (id)
);

CREATE INDEX release_hours_old ON release_hours (app, hour);
