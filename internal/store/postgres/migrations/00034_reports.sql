-- +goose Up

-- How each device said it was when it reported last, whole in state and again in
-- columns that are asked for: claims, which give nobody a right, and so bear no MAC.
CREATE TABLE device_reports (
  app       TEXT COLLATE "C" NOT NULL,
  device    TEXT COLLATE "C" NOT NULL,
  seen      BIGINT NOT NULL,
  reported  BIGINT NOT NULL,
  through   BIGINT NOT NULL CHECK (through < 9223372036854775807),
  lost      BIGINT NOT NULL CHECK (lost < 9223372036854775807),
  root      BIGINT NOT NULL,
  targets   BIGINT NOT NULL,
  channel   TEXT COLLATE "C" NOT NULL,
  version   TEXT COLLATE "C" NOT NULL,
  counter   BIGINT NOT NULL CHECK (counter < 9223372036854775807),
  state     BYTEA   NOT NULL,
  PRIMARY KEY (app, device),
  FOREIGN KEY (app, device) REFERENCES devices (app, id)
);

-- What they say they did, each step once.
CREATE TABLE device_steps (
  app      TEXT COLLATE "C" NOT NULL,
  device   TEXT COLLATE "C" NOT NULL,
  sequence BIGINT NOT NULL CHECK (sequence < 9223372036854775807),
  received BIGINT NOT NULL,
  at       BIGINT NOT NULL,
  step     TEXT COLLATE "C" NOT NULL,
  release  BYTEA   NOT NULL CHECK (length(release) = 32),
  version  TEXT COLLATE "C" NOT NULL,
  counter  BIGINT NOT NULL CHECK (counter < 9223372036854775807),
  channel  TEXT COLLATE "C" NOT NULL,
  kind     TEXT COLLATE "C" NOT NULL,
  reason   TEXT COLLATE "C" NOT NULL,
  took     BIGINT NOT NULL,
  PRIMARY KEY (app, device, sequence),
  FOREIGN KEY (app, device) REFERENCES devices (app, id)
);

-- In which time, in seconds, a device must have been seen to be asked whether a
-- key may be retired before its date; 0 for a key that only its date retires. It is
-- under the row's MAC.
ALTER TABLE vault_keys ADD COLUMN fleet_window BIGINT NOT NULL DEFAULT 0;
