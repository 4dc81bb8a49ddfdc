-- +goose Up

-- Which new versions a channel keeps from Capgo devices: those with a new "major"
-- number over that of the store's build, or a new "minor", or "patch"; empty for none.
-- Whether it may give them what is older than the store's build.
ALTER TABLE channel_rules ADD COLUMN refuse_new TEXT NOT NULL DEFAULT '';
ALTER TABLE channel_rules ADD COLUMN under_native INTEGER NOT NULL DEFAULT 0;

-- Devices that speak Capgo's protocol, by their own word alone: claims, which give
-- nobody a right, and so bear no MAC. chosen is the channel that one asked for.
CREATE TABLE capgo_devices (
  app        TEXT    NOT NULL,
  device     TEXT    NOT NULL,
  platform   TEXT    NOT NULL,
  version    TEXT    NOT NULL,
  build      TEXT    NOT NULL,
  plugin     TEXT    NOT NULL,
  channel    TEXT    NOT NULL,
  chosen     TEXT    NOT NULL,
  production INTEGER NOT NULL,
  emulator   INTEGER NOT NULL,
  began      INTEGER NOT NULL,
  seen       INTEGER NOT NULL,
  PRIMARY KEY (app, device),
  FOREIGN KEY (app) REFERENCES apps (id)
) STRICT, WITHOUT ROWID;

CREATE INDEX capgo_devices_chosen ON capgo_devices (app) WHERE chosen <> '';

-- What came of a release on one of them, as in device_outcomes.
CREATE TABLE capgo_outcomes (
  app      TEXT NOT NULL,
  device   TEXT NOT NULL,
  release  BLOB NOT NULL CHECK (length(release) = 32),
  hour     INTEGER NOT NULL,
  outcome  TEXT NOT NULL,
  kind     TEXT NOT NULL,
  reason   TEXT NOT NULL,
  network  TEXT NOT NULL,
  evidence INTEGER NOT NULL,
  via      TEXT NOT NULL,
  PRIMARY KEY (app, device, release),
  FOREIGN KEY (app) REFERENCES apps (id)
) STRICT, WITHOUT ROWID;

CREATE INDEX capgo_outcomes_hours ON capgo_outcomes (app, hour);

CREATE INDEX capgo_outcomes_networks ON capgo_outcomes (app, release, hour, network) WHERE network <> '' AND evidence <> 0;

CREATE INDEX capgo_outcomes_failed ON capgo_outcomes (app, release) WHERE outcome IN ('refused', 'rolled-back');

-- The newest events that each of them told of, in its own words.
CREATE TABLE capgo_events (
  app      TEXT    NOT NULL,
  device   TEXT    NOT NULL,
  at       INTEGER NOT NULL,
  action   TEXT    NOT NULL,
  version  TEXT    NOT NULL,
  old      TEXT    NOT NULL,
  detail   TEXT    NOT NULL,
  received INTEGER NOT NULL,
  PRIMARY KEY (app, device, at, action, version),
  FOREIGN KEY (app) REFERENCES apps (id)
) STRICT, WITHOUT ROWID;
