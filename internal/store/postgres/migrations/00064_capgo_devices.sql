-- +goose Up

-- Which new versions a channel keeps from Capgo devices: those with a new "major"
-- number over that of the store's build, or a new "minor", or "patch"; empty for none.
-- Whether it may give them what is older than the store's build.
ALTER TABLE channel_rules ADD COLUMN refuse_new TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE channel_rules ADD COLUMN under_native BIGINT NOT NULL DEFAULT 0;

-- Devices that speak Capgo's protocol, by their own word alone: claims, which give
-- nobody a right, and so bear no MAC. chosen is the channel that one asked for.
CREATE TABLE capgo_devices (
  app        TEXT COLLATE "C" NOT NULL,
  device     TEXT COLLATE "C" NOT NULL,
  platform   TEXT COLLATE "C" NOT NULL,
  version    TEXT COLLATE "C" NOT NULL,
  build      TEXT COLLATE "C" NOT NULL,
  plugin     TEXT COLLATE "C" NOT NULL,
  channel    TEXT COLLATE "C" NOT NULL,
  chosen     TEXT COLLATE "C" NOT NULL,
  production BIGINT NOT NULL,
  emulator   BIGINT NOT NULL,
  began      BIGINT NOT NULL,
  seen       BIGINT NOT NULL,
  PRIMARY KEY (app, device),
  FOREIGN KEY (app) REFERENCES apps (id)
);

CREATE INDEX capgo_devices_chosen ON capgo_devices (app) WHERE chosen <> '';

-- What came of a release on one of them, as in device_outcomes.
CREATE TABLE capgo_outcomes (
  app      TEXT COLLATE "C" NOT NULL,
  device   TEXT COLLATE "C" NOT NULL,
  release  BYTEA NOT NULL CHECK (length(release) = 32),
  hour     BIGINT NOT NULL,
  outcome  TEXT COLLATE "C" NOT NULL,
  kind     TEXT COLLATE "C" NOT NULL,
  reason   TEXT COLLATE "C" NOT NULL,
  network  TEXT COLLATE "C" NOT NULL,
  evidence BIGINT NOT NULL,
  via      TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (app, device, release),
  FOREIGN KEY (app) REFERENCES apps (id)
);

CREATE INDEX capgo_outcomes_hours ON capgo_outcomes (app, hour);

CREATE INDEX capgo_outcomes_networks ON capgo_outcomes (app, release, hour, network) WHERE network <> '' AND evidence <> 0;

CREATE INDEX capgo_outcomes_failed ON capgo_outcomes (app, release) WHERE outcome IN ('refused', 'rolled-back');

-- The newest events that each of them told of, in its own words.
CREATE TABLE capgo_events (
  app      TEXT COLLATE "C" NOT NULL,
  device   TEXT COLLATE "C" NOT NULL,
  at       BIGINT NOT NULL,
  action   TEXT COLLATE "C" NOT NULL,
  version  TEXT COLLATE "C" NOT NULL,
  old      TEXT COLLATE "C" NOT NULL,
  detail   TEXT COLLATE "C" NOT NULL,
  received BIGINT NOT NULL,
  PRIMARY KEY (app, device, at, action, version),
  FOREIGN KEY (app) REFERENCES apps (id)
);
